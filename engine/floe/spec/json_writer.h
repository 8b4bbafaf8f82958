// Writes JSON text straight into a string, for the parts of metadata that come by the thousand. Internal to the engine.
#pragma once

#include <algorithm>
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
  void end_object() { put("}"); }
  void begin_array() { open('['); }
  void end_array() { put("]"); }

  void key(std::string_view name) {
    value(name);
    put(":");
  }

  void value(std::string_view text);
  void value(const char* text) { value(std::string_view(text)); }
  void value(bool b) { raw(b ? "true" : "false"); }
  template <std::integral T>
  void value(T number) {
    char* const start = comma(kMaxDigits);
    size_ += static_cast<size_t>(std::to_chars(start, start + kMaxDigits, number).ptr - start);
  }
  void null() { raw("null"); }

  // Text that is JSON already.
  void raw(std::string_view json) {
    std::memcpy(comma(json.size()), json.data(), json.size());
    size_ += json.size();
  }

  template <typename T>
  void member(std::string_view name, const T& content) {
    key(name);
    value(content);
  }

  void reserve(size_t bytes) { room_for(bytes); }
  std::string take() {
    out_.resize(size_);
    size_ = 0;
    return std::move(out_);
  }

 private:
  static constexpr size_t kMaxDigits = 24;

  // Where the next byte goes; there is room for `bytes` of them and a comma.
  char* room_for(size_t bytes) {
    if (size_ + bytes + 1 > out_.size()) [[unlikely]]
      out_.resize(std::max(2 * out_.size(), size_ + bytes + 1));
    return out_.data() + size_;
  }
  void put(std::string_view text) {
    std::memcpy(room_for(text.size()), text.data(), text.size());
    size_ += text.size();
  }
  // The same after the comma, where one is due.
  char* comma(size_t bytes) {
    char* next = room_for(bytes);
    if (size_ == 0 || next[-1] == '{' || next[-1] == '[' || next[-1] == ':') return next;
    *next = ',';
    ++size_;
    return next + 1;
  }
  void open(char bracket) { raw({&bracket, 1}); }

  std::string out_;  // longer than what is written
  size_t size_ = 0;
};

// Whether a JSON string may not hold one of these 8 bytes as it is: a control character, a quote or a backslash.
inline bool needs_escape(uint64_t bytes) {
  constexpr uint64_t kEach = 0x0101010101010101;
  const auto below = [](uint64_t x, uint64_t n) { return (x - kEach * n) & ~x & (kEach * 0x80); };
  return (below(bytes, 0x20) | below(bytes ^ (kEach * '"'), 1) | below(bytes ^ (kEach * '\\'), 1)) != 0;
}

inline void Writer::value(std::string_view text) {
  constexpr size_t kLongestEscape = 6;
  char* next = comma(kLongestEscape * text.size() + 2);
  const char* const start = next;
  *next++ = '"';
  size_t i = 0;
  while (i < text.size()) {
    if (i + sizeof(uint64_t) <= text.size()) {
      uint64_t bytes = 0;
      std::memcpy(&bytes, text.data() + i, sizeof(bytes));
      if (!needs_escape(bytes)) [[likely]] {
        std::memcpy(next, &bytes, sizeof(bytes));
        next += sizeof(bytes);
        i += sizeof(bytes);
        continue;
      }
    }
    const auto c = static_cast<unsigned char>(text[i++]);
    if (c == '"' || c == '\\') *next++ = '\\';
    if (c >= 0x20) {
      *next++ = static_cast<char>(c);
    } else {
      constexpr char kHex[] = "0123456789abcdef";
      const char escape[kLongestEscape] = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
      std::memcpy(next, escape, sizeof(escape));
      next += sizeof(escape);
    }
  }
  *next++ = '"';
  size_ += static_cast<size_t>(next - start);
}

}  // namespace floe::json
