#include "floe/spec/wkt.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "floe/error.h"

namespace floe {
namespace {

// The numbers are those of WKB.
enum Class : uint32_t {
  kPoint = 1,
  kLineString,
  kPolygon,
  kMultiPoint,
  kMultiLineString,
  kMultiPolygon,
  kCollection,
};
constexpr std::string_view kClasses[] = {"",           "POINT",           "LINESTRING",   "POLYGON",
                                         "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION"};
constexpr std::string_view kDimensions[] = {"", "Z", "M", "ZM"};  // at the thousands of the WKB code
constexpr int kMaxDepth = 32;

Class member_of(Class multi) { return static_cast<Class>(multi - kMultiPoint + kPoint); }
size_t coordinates(uint32_t dimensions) { return dimensions == 0 ? 2 : dimensions == 3 ? 4 : 3; }

struct WkbReader {
  std::string_view rest;
  std::string out{};
  bool big_endian = false;

  void geometry(int depth) {
    const auto [kind, dimensions] = header(depth);
    out += kClasses[kind];
    if (dimensions != 0) (out += ' ') += kDimensions[dimensions];
    out += ' ';
    body(kind, dimensions, depth);
  }

 private:
  [[noreturn]] static void fail(std::string_view problem) {
    throw InvalidArgument(fmt::format("the bytes are no WKB geometry: {}", problem));
  }

  std::string_view take(size_t size) {
    if (rest.size() < size) fail("they end early");
    const std::string_view bytes = rest.substr(0, size);
    rest.remove_prefix(size);
    return bytes;
  }

  template <typename T>
  T number() {
    char bytes[sizeof(T)];
    take(sizeof(T)).copy(bytes, sizeof(T));
    if (big_endian) std::reverse(bytes, bytes + sizeof(T));
    T value;
    std::memcpy(&value, bytes, sizeof(T));
    return value;
  }

  std::pair<Class, uint32_t> header(int depth) {
    if (depth > kMaxDepth) fail("it nests too deeply");
    const char order = take(1)[0];
    if (order != 0 && order != 1) fail("the byte order is neither 0 nor 1");
    big_endian = order == 0;
    const auto code = number<uint32_t>();
    if (code / 1000 > 3 || code % 1000 < kPoint || code % 1000 > kCollection) fail(fmt::format("class {}", code));
    return {static_cast<Class>(code % 1000), code / 1000};
  }

  void body(Class kind, uint32_t dimensions, int depth) {
    switch (kind) {
      case kPoint:
        return point(dimensions);
      case kLineString:
        return list([&] { position(dimensions); });
      case kPolygon:
        return list([&] { list([&] { position(dimensions); }); });
      case kCollection:
        return list([&] { geometry(depth + 1); });
      default:
        return list([&] {
          if (header(depth + 1) != std::pair(member_of(kind), dimensions)) fail("a member is of another class");
          body(member_of(kind), dimensions, depth + 1);
        });
    }
  }

  template <typename F>
  void list(F&& item) {
    const auto count = number<uint32_t>();
    if (count == 0) {
      out += "EMPTY";
      return;
    }
    for (uint32_t i = 0; i < count; ++i) {
      out += i == 0 ? "(" : ", ";
      item();
    }
    out += ')';
  }

  void point(uint32_t dimensions) {
    double values[4];
    for (size_t i = 0; i < coordinates(dimensions); ++i) values[i] = number<double>();
    if (std::isnan(values[0]) && std::isnan(values[1])) {
      out += "EMPTY";
      return;
    }
    out += '(';
    write(values, dimensions);
    out += ')';
  }

  void position(uint32_t dimensions) {
    double values[4];
    for (size_t i = 0; i < coordinates(dimensions); ++i) values[i] = number<double>();
    write(values, dimensions);
  }

  void write(const double* values, uint32_t dimensions) {
    for (size_t i = 0; i < coordinates(dimensions); ++i) {
      fmt::format_to(std::back_inserter(out), "{}{}", i == 0 ? "" : " ", values[i]);
    }
  }
};

struct WktReader {
  std::string_view text;
  std::string_view rest{text};
  std::string out{};

  void geometry(int depth) {
    if (depth > kMaxDepth) fail("it nests too deeply");
    const std::string name = word();
    const auto* const found = std::ranges::find(kClasses, name);
    if (name.empty() || found == std::end(kClasses)) fail("the name of a geometry is expected");
    uint32_t dimensions = 0;
    for (uint32_t i = 1; i < std::size(kDimensions); ++i) {
      if (take_word(kDimensions[i])) dimensions = i;
    }
    const auto kind = static_cast<Class>(found - std::begin(kClasses));
    header(kind, dimensions);
    body(kind, dimensions, depth);
  }

  void end() {
    skip_space();
    if (!rest.empty()) fail("the end is expected");
  }

 private:
  [[noreturn]] void fail(std::string_view problem) const {
    throw InvalidArgument(
        fmt::format("the text is no WKT geometry: {} at position {}", problem, text.size() - rest.size()));
  }

  void skip_space() { rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n"), rest.size())); }

  // The letters that come next, in upper case; they stay there.
  std::string peek_word() {
    skip_space();
    std::string out_word;
    for (const char c : rest) {
      if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) break;
      out_word += static_cast<char>(c & ~0x20);
    }
    return out_word;
  }
  std::string word() {
    const std::string next = peek_word();
    rest.remove_prefix(next.size());
    return next;
  }
  bool take_word(std::string_view expected) {
    if (peek_word() != expected) return false;
    rest.remove_prefix(expected.size());
    return true;
  }
  bool take(char c) {
    skip_space();
    if (!rest.starts_with(c)) return false;
    rest.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail(fmt::format("'{}' is expected", c));
  }

  template <typename T>
  void append(T value) {
    static_assert(std::endian::native == std::endian::little);
    out.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  void header(Class kind, uint32_t dimensions) {
    out += '\1';
    append<uint32_t>(kind + 1000 * dimensions);
  }

  void body(Class kind, uint32_t dimensions, int depth) {
    switch (kind) {
      case kPoint:
        return point(dimensions);
      case kLineString:
        return list([&] { position(dimensions); });
      case kPolygon:
        return list([&] { list([&] { position(dimensions); }); });
      case kCollection:
        return list([&] { geometry(depth + 1); });
      default:
        return list([&] {
          header(member_of(kind), dimensions);
          const bool bare = kind == kMultiPoint && !rest.starts_with('(') && peek_word().empty();
          bare ? position(dimensions) : body(member_of(kind), dimensions, depth + 1);
        });
    }
  }

  template <typename F>
  void list(F&& item) {
    const size_t count_at = out.size();
    uint32_t count = 0;
    append(count);
    if (take_word("EMPTY")) return;
    expect('(');
    do {
      skip_space();
      item();
      ++count;
    } while (take(','));
    expect(')');
    std::memcpy(out.data() + count_at, &count, sizeof(count));
  }

  void point(uint32_t dimensions) {
    if (take_word("EMPTY")) {
      for (size_t i = 0; i < coordinates(dimensions); ++i) append(std::numeric_limits<double>::quiet_NaN());
      return;
    }
    expect('(');
    position(dimensions);
    expect(')');
  }

  void position(uint32_t dimensions) {
    for (size_t i = 0; i < coordinates(dimensions); ++i) {
      skip_space();
      double value = 0;
      const auto [end_of_number, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
      if (error != std::errc()) fail("a number is expected");
      rest.remove_prefix(static_cast<size_t>(end_of_number - rest.data()));
      append(value);
    }
  }
};

}  // namespace

std::string wkt_from_wkb(std::string_view wkb) {
  WkbReader reader{.rest = wkb};
  reader.geometry(1);
  if (!reader.rest.empty()) throw InvalidArgument("the bytes are no WKB geometry: more follow after its end");
  return std::move(reader.out);
}

std::string wkb_from_wkt(std::string_view wkt) {
  WktReader reader{.text = wkt};
  reader.geometry(1);
  reader.end();
  return std::move(reader.out);
}

}  // namespace floe
