// Avro's binary encoding of single values. Specification: Avro 1.11, "Binary Encoding".
// Reading never goes past the end: every length is checked against what is left, and CorruptFile is thrown (whose
// message does not name the file yet; container.h does that).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "floe/error.h"

namespace floe::avro {

static_assert(std::endian::native == std::endian::little, "values are copied in their little-endian order");

[[noreturn]] void corrupt(const char* problem);  // throws CorruptFile

class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  size_t left() const { return static_cast<size_t>(end_ - at_); }
  const char* position() const { return at_; }

  int64_t read_long() {
    if (at_ != end_ && static_cast<int8_t>(*at_) >= 0) [[likely]]
      return unzigzag(static_cast<uint8_t>(*at_++));
    return read_long_bytes();
  }
  int32_t read_int() {
    const int64_t value = read_long();
    if (value != static_cast<int32_t>(value)) [[unlikely]]
      corrupt("an int is out of range");
    return static_cast<int32_t>(value);
  }
  bool read_boolean() {
    const char byte = *read_fixed(1).data();
    if (byte != 0 && byte != 1) [[unlikely]]
      corrupt("a boolean is neither 0 nor 1");
    return byte == 1;
  }
  template <typename T>  // float and double
  T read_number() {
    T value;
    std::memcpy(&value, read_fixed(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string_view read_bytes() {
    const int64_t length = read_long();
    if (length < 0) [[unlikely]]
      corrupt("a length is negative");
    return read_fixed(static_cast<uint64_t>(length));
  }
  std::string_view read_fixed(uint64_t length) {
    if (length > left()) [[unlikely]]
      corrupt("the data ends within a value");
    const std::string_view bytes(at_, length);
    at_ += length;
    return bytes;
  }

  void skip_longs(uint64_t count);  // this many varints

 private:
  static int64_t unzigzag(uint64_t n) { return static_cast<int64_t>(n >> 1) ^ -static_cast<int64_t>(n & 1); }
  int64_t read_long_bytes();

  const char* at_;
  const char* end_;
};

inline int64_t Cursor::read_long_bytes() {
  uint64_t n = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (at_ == end_) [[unlikely]]
      corrupt("the data ends within a number");
    const uint8_t byte = static_cast<uint8_t>(*at_++);
    n |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      if (shift == 63 && byte > 1) [[unlikely]]
        corrupt("a number has more than 64 bits");
      return unzigzag(n);
    }
  }
  corrupt("a number has more than 64 bits");
}

// Every varint ends with the one byte whose highest bit is clear, so eight bytes at a time can be counted.
inline void Cursor::skip_longs(uint64_t count) {
  while (count >= 8 && left() >= 8) {
    uint64_t word;
    std::memcpy(&word, at_, 8);
    count -= static_cast<uint64_t>(std::popcount(~word & 0x8080808080808080ULL));
    at_ += 8;
  }
  // At most eight varints ended in the last word, and count was at least eight, so it never goes below zero.
  for (; count > 0; --count) {
    while (at_ != end_ && static_cast<int8_t>(*at_) < 0) ++at_;
    if (at_ == end_) [[unlikely]]
      corrupt("the data ends within a number");
    ++at_;
  }
}

inline void append_long(std::string& out, int64_t value) {
  uint64_t n = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  for (; n >= 0x80; n >>= 7) out.push_back(static_cast<char>(n | 0x80));
  out.push_back(static_cast<char>(n));
}

template <typename T>  // float and double
void append_number(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

inline void append_bytes(std::string& out, std::string_view bytes) {
  append_long(out, static_cast<int64_t>(bytes.size()));
  out.append(bytes);
}

}  // namespace floe::avro
