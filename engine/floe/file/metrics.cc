#include "floe/file/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>

#include "floe/error.h"
#include "floe/expression/literal.h"
#include "floe/spec/table_metadata.h"
#include "floe/spec/utf8.h"

namespace floe {
namespace {

constexpr std::string_view kDefaultKey = "write.metadata.metrics.default";
constexpr std::string_view kColumnPrefix = "write.metadata.metrics.column.";
constexpr std::string_view kInferredKey = "write.metadata.metrics.max-inferred-column-defaults";
constexpr char32_t kLastCodePoint = 0x10FFFF;

// nullopt if there is a byte that is no UTF-8.
std::optional<std::vector<char32_t>> code_points(std::string_view text) {
  std::vector<char32_t> out;
  while (!text.empty()) {
    out.push_back(take_code_point(text));
    if (out.back() >= kInvalidByte) return std::nullopt;
  }
  return out;
}

// The least string of at most as many code points that is greater than all that begin with these.
std::optional<std::string> increment(std::vector<char32_t> points) {
  while (!points.empty() && points.back() == kLastCodePoint) points.pop_back();
  if (points.empty()) return std::nullopt;
  points.back() = points.back() == 0xD7FF ? 0xE000 : points.back() + 1;  // over the surrogates
  std::string out;
  for (const char32_t point : points) append_code_point(out, point);
  return out;
}

std::optional<std::string> increment(std::string bytes) {
  while (!bytes.empty() && bytes.back() == '\xFF') bytes.pop_back();
  if (bytes.empty()) return std::nullopt;
  bytes.back() = static_cast<char>(bytes.back() + 1);
  return bytes;
}

std::optional<std::string> bound(const Value& value, const Type& type, const MetricsMode& mode, bool upper) {
  using Kind = MetricsMode::Kind;
  if (mode.kind == Kind::kNone || mode.kind == Kind::kCounts || value.is_null() || is_nan(value)) return std::nullopt;
  const bool truncates = mode.kind == Kind::kTruncate;
  const auto length = static_cast<size_t>(mode.length);
  if (type.kind == TypeKind::kString) {
    const auto& text = value.as<std::string>();
    const std::string_view kept = truncates ? first_code_points(text, length) : std::string_view(text);
    auto points = code_points(kept);
    if (!points) return std::nullopt;
    return upper && kept.size() < text.size() ? increment(std::move(*points)) : std::string(kept);
  }
  if (type.kind == TypeKind::kBinary && truncates && value.as<std::string>().size() > length) {
    std::string kept = value.as<std::string>().substr(0, length);
    return upper ? increment(std::move(kept)) : kept;
  }
  return to_bytes(value, type);
}

// Primitive fields, those of a level before those below it; inside lists and maps too.
std::vector<const Field*> primitives_by_level(const Schema& schema) {
  std::vector<const Field*> out;
  std::vector<const std::vector<Field>*> level = {&schema.fields};
  while (!level.empty()) {
    std::vector<const std::vector<Field>*> below;
    for (const auto* fields : level) {
      for (const Field& field : *fields) {
        if (field.type.is_primitive()) {
          out.push_back(&field);
        } else {
          below.push_back(field.type.children.get());
        }
      }
    }
    level = std::move(below);
  }
  return out;
}

void collect_outside_lists(const std::vector<Field>& fields, std::vector<const Field*>& out) {
  for (const Field& field : fields) {
    if (field.type.is_primitive()) {
      out.push_back(&field);
    } else if (field.type.kind == TypeKind::kStruct) {
      collect_outside_lists(*field.type.children, out);
    }
  }
}

}  // namespace

MetricsMode parse_metrics_mode(std::string_view text, std::string_view key) {
  using Kind = MetricsMode::Kind;
  std::string mode(text);
  std::transform(mode.begin(), mode.end(), mode.begin(), [](unsigned char c) { return std::tolower(c); });
  if (mode == "none") return {Kind::kNone, 0};
  if (mode == "counts") return {Kind::kCounts, 0};
  if (mode == "full") return {Kind::kFull, 0};
  if (mode.starts_with("truncate(") && mode.ends_with(")")) {
    int32_t length = 0;
    const char* end = mode.data() + mode.size() - 1;
    const auto [stop, error] = std::from_chars(mode.data() + 9, end, length);
    if (error == std::errc() && stop == end && length > 0) return {Kind::kTruncate, length};
  }
  throw InvalidArgument(
      fmt::format("{}={}: a metrics mode is none, counts, truncate(n) with n > 0, or full", key, text));
}

ByFieldId<MetricsMode> metrics_modes(const Properties& table_properties, const Schema& schema) {
  const std::vector<const Field*> fields = primitives_by_level(schema);
  const auto configured = table_properties.find(kDefaultKey);
  const int64_t inferred = int_property(table_properties, kInferredKey, 100);
  if (inferred < 0) throw InvalidArgument(fmt::format("{}={}: it cannot be negative", kInferredKey, inferred));
  ByFieldId<MetricsMode> modes;
  for (size_t i = 0; i < fields.size(); ++i) {
    MetricsMode mode;
    const std::string key = std::string(kColumnPrefix) + full_name(schema, fields[i]->id);
    if (const auto own = table_properties.find(key); own != table_properties.end()) {
      mode = parse_metrics_mode(own->second, key);
    } else if (configured != table_properties.end()) {
      mode = parse_metrics_mode(configured->second, kDefaultKey);
    } else if (static_cast<int64_t>(i) >= inferred) {
      mode = {MetricsMode::Kind::kNone, 0};
    }
    modes.emplace_back(fields[i]->id, mode);
  }
  std::sort(modes.begin(), modes.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return modes;
}

std::vector<const Field*> fields_outside_lists(const Schema& schema) {
  std::vector<const Field*> out;
  collect_outside_lists(schema.fields, out);
  return out;
}

std::optional<std::string> lower_bound(const Value& least, const Type& type, const MetricsMode& mode) {
  return bound(least, type, mode, false);
}

std::optional<std::string> upper_bound(const Value& greatest, const Type& type, const MetricsMode& mode) {
  return bound(greatest, type, mode, true);
}

}  // namespace floe
