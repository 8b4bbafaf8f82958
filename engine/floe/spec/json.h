// JSON for the rest of spec/: reading through simdjson with messages that name the field, writing through Boost.JSON.
// Internal to the engine.
#pragma once

#include <simdjson.h>

#include <array>
#include <boost/json.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace floe::json {

// A place in a parsed document. It knows where it is ("snapshots[3].summary"), which every exception names: the
// innermost few steps, kept inside the node and only spelled out when an exception needs them. Nodes refer to the
// document and must not outlive it.
class Node {
 public:
  Node(simdjson::dom::element element, std::string_view document) : element_(element), document_(document) {}

  // Members. `at` throws CorruptFile if there is none; `find` gives nullopt for none and for null.
  Node at(std::string_view key) const;
  std::optional<Node> find(std::string_view key) const;

  // Elements: calls `visit(Node)` for each. Throws CorruptFile if this is no array.
  template <typename F>
  void for_each(F&& visit) const {
    int64_t i = 0;
    for (simdjson::dom::element item : array()) visit(child(item, {}, i++));
  }
  // Members in order: calls `visit(std::string_view key, Node)`. Throws CorruptFile if this is no object.
  template <typename F>
  void for_each_member(F&& visit) const {
    for (auto member : object()) visit(member.key, child(member.value, member.key));
  }

  bool is_null() const { return element_.is_null(); }
  bool is_object() const { return element_.is_object(); }
  bool is_array() const { return element_.is_array(); }
  bool is_string() const { return element_.is_string(); }

  // The value as a type; CorruptFile if it is of another or out of range. Integers given as 1.0 are refused.
  std::string_view string() const;
  int64_t int64() const;
  int32_t int32() const;
  double number() const;  // a float or an integer
  bool boolean() const;

  simdjson::dom::element element() const { return element_; }
  std::string raw() const;  // this value as JSON text again

  [[noreturn]] void fail(std::string_view problem) const;  // throws CorruptFile "<document>: <path> <problem>"

 private:
  simdjson::dom::array array() const;
  simdjson::dom::object object() const;
  std::string path() const;

  Node child(simdjson::dom::element element, std::string_view key, int64_t index = -1) const;

  struct Step {
    std::string_view key;
    int64_t index = -1;  // of an array's element, which has no key
  };
  static constexpr int kSteps = 6;

  simdjson::dom::element element_;
  std::string_view document_;
  int depth_ = 0;
  std::array<Step, kSteps> steps_{};  // the last kSteps steps, at [depth % kSteps]
};

// A parsed document; root() is valid while it lives. Throws CorruptFile naming `document` if the text is not JSON.
class Document {
 public:
  Document(std::string_view text, std::string document);
  Node root() const { return Node(root_, name_); }

 private:
  std::string name_;
  std::unique_ptr<simdjson::dom::parser> parser_;
  simdjson::dom::element root_;
};

// Text of a Boost.JSON value. Doubles keep every digit; numbers that are not finite throw InvalidArgument.
std::string serialize(const boost::json::value& value);

}  // namespace floe::json
