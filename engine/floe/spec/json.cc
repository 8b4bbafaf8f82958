#include "floe/spec/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "floe/error.h"

namespace floe::json {

Node Node::at(std::string_view key) const {
  simdjson::dom::element value;
  if (object().at_key(key).get(value) != simdjson::SUCCESS) fail(fmt::format("lacks the field \"{}\"", key));
  return child(value, key);
}

std::optional<Node> Node::find(std::string_view key) const {
  simdjson::dom::element value;
  if (object().at_key(key).get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
  return child(value, key);
}

std::string_view Node::string() const {
  std::string_view value;
  if (element_.get(value) != simdjson::SUCCESS) fail("is not a string");
  return value;
}

int64_t Node::int64() const {
  int64_t value = 0;
  if (element_.get(value) != simdjson::SUCCESS) fail("is not a 64-bit integer");
  return value;
}

int32_t Node::int32() const {
  const int64_t value = int64();
  if (value < std::numeric_limits<int32_t>::min() || value > std::numeric_limits<int32_t>::max()) {
    fail("is not a 32-bit integer");
  }
  return static_cast<int32_t>(value);
}

double Node::number() const {
  double value = 0;
  if (element_.get(value) != simdjson::SUCCESS) fail("is not a number");
  return value;
}

bool Node::boolean() const {
  bool value = false;
  if (element_.get(value) != simdjson::SUCCESS) fail("is not true or false");
  return value;
}

std::string Node::raw() const { return simdjson::minify(element_); }

void Node::fail(std::string_view problem) const {
  const std::string where = path();
  throw CorruptFile(fmt::format("{}: {} {}", document_, where.empty() ? "the document" : where, problem));
}

simdjson::dom::array Node::array() const {
  simdjson::dom::array value;
  if (element_.get(value) != simdjson::SUCCESS) fail("is not an array");
  return value;
}

simdjson::dom::object Node::object() const {
  simdjson::dom::object value;
  if (element_.get(value) != simdjson::SUCCESS) fail("is not an object");
  return value;
}

std::string Node::path() const {
  std::string path = depth_ > kSteps ? "..." : "";
  for (int i = std::max(0, depth_ - kSteps); i < depth_; ++i) {
    const Step& step = steps_[i % kSteps];
    if (step.index >= 0) {
      path += fmt::format("[{}]", step.index);
    } else {
      path += fmt::format("{}{}", path.empty() ? "" : ".", step.key);
    }
  }
  return path;
}

Node Node::child(simdjson::dom::element element, std::string_view key, int64_t index) const {
  Node node = *this;
  node.element_ = element;
  node.steps_[depth_ % kSteps] = {key, index};
  node.depth_ = depth_ + 1;
  return node;
}

Document::Document(std::string_view text, std::string document)
    : name_(std::move(document)), parser_(std::make_unique<simdjson::dom::parser>()) {
  const auto error = parser_->parse(text.data(), text.size(), /*realloc_if_needed=*/true).get(root_);
  if (error != simdjson::SUCCESS) {
    throw CorruptFile(fmt::format("{}: not valid JSON: {}", name_, simdjson::error_message(error)));
  }
}

namespace {

void refuse_non_finite(const boost::json::value& value) {
  if (const double* number = value.if_double(); number != nullptr && !std::isfinite(*number)) {
    throw floe::InvalidArgument("JSON cannot hold NaN or infinity");
  }
  if (const auto* array = value.if_array()) {
    for (const auto& item : *array) refuse_non_finite(item);
  } else if (const auto* object = value.if_object()) {
    for (const auto& member : *object) refuse_non_finite(member.value());
  }
}

}  // namespace

std::string serialize(const boost::json::value& value) {
  refuse_non_finite(value);
  return boost::json::serialize(value);
}

}  // namespace floe::json
