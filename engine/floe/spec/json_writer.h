// Writes JSON text straight into a string, for the parts of metadata that come by the thousand. Internal to the engine.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace floe::json {

// Commas come by themselves: one is due unless the text so far is empty or ends in one of `{ [ :`, which text inside a
// string never does, since a string ends in its quote. Strings are taken as UTF-8; the caller validates the whole.
class Writer {
 public:
  void begin_object() { open('{'); }
  void end_object() { out_ += '}'; }
  void begin_array() { open('['); }
  void end_array() { out_ += ']'; }

  void key(std::string_view name) {
    value(name);
    out_ += ':';
  }

  void value(std::string_view text);
  void value(const char* text) { value(std::string_view(text)); }
  void value(bool b) { raw(b ? "true" : "false"); }
  template <std::integral T>
  void value(T number) {
    char digits[24];
    raw({digits, std::to_chars(digits, digits + sizeof(digits), number).ptr});
  }
  void null() { raw("null"); }

  // Text that is JSON already.
  void raw(std::string_view json) {
    comma();
    out_ += json;
  }

  template <typename T>
  void member(std::string_view name, const T& content) {
    key(name);
    value(content);
  }

  void reserve(size_t bytes) { out_.reserve(bytes); }
  std::string take() { return std::move(out_); }

 private:
  void open(char bracket) {
    comma();
    out_ += bracket;
  }
  void comma() {
    if (!out_.empty() && out_.back() != '{' && out_.back() != '[' && out_.back() != ':') out_ += ',';
  }

  std::string out_;
};

// Whether a JSON string may not hold one of these 8 bytes as it is: a control character, a quote or a backslash.
inline bool needs_escape(uint64_t bytes) {
  constexpr uint64_t kEach = 0x0101010101010101;
  const auto below = [](uint64_t x, uint64_t n) { return (x - kEach * n) & ~x & (kEach * 0x80); };
  return (below(bytes, 0x20) | below(bytes ^ (kEach * '"'), 1) | below(bytes ^ (kEach * '\\'), 1)) != 0;
}

inline void Writer::value(std::string_view text) {
  comma();
  out_ += '"';
  size_t plain = 0;  // where the run of bytes that need no escape begins
  size_t i = 0;
  while (i < text.size()) {
    uint64_t next = 0;
    if (i + sizeof(next) <= text.size()) {
      std::memcpy(&next, text.data() + i, sizeof(next));
      if (!needs_escape(next)) [[likely]] {
        i += sizeof(next);
        continue;
      }
    }
    const auto c = static_cast<unsigned char>(text[i++]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out_.append(text, plain, i - 1 - plain);
    plain = i;
    if (c >= 0x20) {
      out_ += {'\\', static_cast<char>(c)};
    } else {
      constexpr char kHex[] = "0123456789abcdef";
      out_ += {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
    }
  }
  out_.append(text, plain);
  out_ += '"';
}

}  // namespace floe::json
