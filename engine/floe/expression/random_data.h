// Random schemas' rows and filters for the property tests of this folder: few different values, so that they meet, and
// the extremes of every type. Deterministic: a seed makes the same data everywhere.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "floe/expression/expression.h"

namespace floe::random_data {

using Rng = std::mt19937_64;
using Row = std::vector<std::pair<int32_t, Value>>;  // by field id

inline size_t below(Rng& rng, size_t n) { return static_cast<size_t>(rng() % n); }
inline bool chance(Rng& rng, size_t one_in) { return below(rng, one_in) == 0; }

template <typename T>
const T& pick(Rng& rng, const std::vector<T>& from) {
  return from[below(rng, from.size())];
}

// One column of every type that filters compare, and two in a struct.
inline Schema all_types() {
  const auto field = [](int32_t id, std::string name, Type type) {
    return Field{.id = id, .name = std::move(name), .required = false, .type = std::move(type)};
  };
  return Schema{
      .schema_id = 0,
      .fields = {field(1, "boolean", primitive(TypeKind::kBoolean)), field(2, "int", primitive(TypeKind::kInt)),
                 field(3, "long", primitive(TypeKind::kLong)), field(4, "float", primitive(TypeKind::kFloat)),
                 field(5, "double", primitive(TypeKind::kDouble)), field(6, "decimal9", decimal_type(9, 2)),
                 field(7, "decimal38", decimal_type(38, 10)), field(8, "date", primitive(TypeKind::kDate)),
                 field(9, "time", primitive(TypeKind::kTime)), field(10, "timestamp", primitive(TypeKind::kTimestamp)),
                 field(11, "timestamptz", primitive(TypeKind::kTimestampTz)),
                 field(12, "timestamp_ns", primitive(TypeKind::kTimestampNs)),
                 field(13, "timestamptz_ns", primitive(TypeKind::kTimestampTzNs)),
                 field(14, "string", primitive(TypeKind::kString)), field(15, "uuid", primitive(TypeKind::kUuid)),
                 field(16, "fixed", fixed_type(3)), field(17, "binary", primitive(TypeKind::kBinary)),
                 field(18, "nested",
                       struct_type({field(19, "int", primitive(TypeKind::kInt)),
                                    field(20, "string", primitive(TypeKind::kString))}))},
      .identifier_field_ids = {}};
}

inline std::vector<const Field*> leaves(const Schema& schema) {
  std::vector<const Field*> result;
  for_each_field(schema.fields, [&](const Field& field) {
    if (field.type.is_primitive()) result.push_back(find_field(schema, field.id));
  });
  return result;
}

inline int64_t random_integer(Rng& rng, int64_t min, int64_t max) {
  if (chance(rng, 12)) return min + static_cast<int64_t>(below(rng, 12));
  if (chance(rng, 12)) return max - static_cast<int64_t>(below(rng, 12));
  return static_cast<int64_t>(below(rng, 15)) - 7;
}

template <typename T>
T random_floating(Rng& rng) {
  using Limits = std::numeric_limits<T>;
  static const std::vector<T> kValues = {Limits::quiet_NaN(),
                                         -T{0},
                                         T{0},
                                         T{1},
                                         T{-1},
                                         T{1.5},
                                         T{-2.25},
                                         T{7},
                                         Limits::infinity(),
                                         -Limits::infinity(),
                                         Limits::max(),
                                         Limits::lowest(),
                                         Limits::denorm_min(),
                                         T{0.1}};
  return pick(rng, kValues);
}

inline std::string random_bytes(Rng& rng, size_t length) {
  static const std::vector<char> kBytes = {'\x00', '\x01', 'a', '\x7f', '\x80', '\xff'};
  std::string bytes;
  while (bytes.size() < length) bytes += pick(rng, kBytes);
  return bytes;
}

inline std::string random_text(Rng& rng) {
  static const std::vector<std::string> kPieces = {"a",      "b",      "A",          "'",         "%",
                                                   "\u00e9", "\u4e2d", "\U0001F600", "\U0010FFFF"};
  std::string text;
  for (size_t n = below(rng, 5); n > 0; --n) text += kPieces[below(rng, chance(rng, 3) ? kPieces.size() : 2)];
  return text;
}

inline Value random_value(Rng& rng, const Type& type) {
  constexpr int64_t kDay = 86'400'000'000;
  switch (type.kind) {
    case TypeKind::kBoolean:
      return chance(rng, 2);
    case TypeKind::kInt:
      return static_cast<int32_t>(random_integer(rng, INT32_MIN, INT32_MAX));
    case TypeKind::kLong:
      return random_integer(rng, INT64_MIN, INT64_MAX);
    case TypeKind::kFloat:
      return random_floating<float>(rng);
    case TypeKind::kDouble:
      return random_floating<double>(rng);
    case TypeKind::kDecimal: {
      Int128 max = 1;
      for (int i = 0; i < type.precision; ++i) max *= 10;
      if (chance(rng, 10)) return Value(chance(rng, 2) ? max - 1 : 1 - max);
      return Value(static_cast<Int128>(random_integer(rng, -300, 300)));
    }
    case TypeKind::kDate:
      return static_cast<int32_t>(random_integer(rng, -800, 20'000));
    case TypeKind::kTime:
      return random_integer(rng, 0, kDay - 1) & INT64_MAX & ((int64_t{1} << 36) - 1);
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
      return random_integer(rng, -3, 3) * (chance(rng, 2) ? kDay / 24 : kDay * 20) + random_integer(rng, -2, 2);
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return random_integer(rng, -3, 3) * (chance(rng, 2) ? kDay / 24 : kDay * 20) * 1000 + random_integer(rng, -2, 2);
    case TypeKind::kString:
      return random_text(rng);
    case TypeKind::kUuid:
      return random_bytes(rng, 1) + std::string(14, 'u') + random_bytes(rng, 1);
    case TypeKind::kFixed:
      return random_bytes(rng, static_cast<size_t>(type.length));
    default:
      return random_bytes(rng, below(rng, 4));
  }
}

inline Row random_row(Rng& rng, const Schema& schema, size_t one_null_in = 6) {
  Row row;
  for (const Field* field : leaves(schema)) {
    row.emplace_back(field->id, chance(rng, one_null_in) ? Value() : random_value(rng, field->type));
  }
  return row;
}

inline auto values_of(const Row& row) {
  return [&row](int32_t field_id) {
    for (const auto& [id, value] : row) {
      if (id == field_id) return value;
    }
    return Value();
  };
}

inline UnboundLiteral random_literal(Rng& rng, const Type& type) {
  Value value = random_value(rng, type);
  while (value == Value(std::nan("")) || value == Value(std::nanf(""))) value = random_value(rng, type);
  return to_literal(value, type);
}

inline Expression random_predicate(Rng& rng, const Schema& schema, const Field& column) {
  Predicate predicate{.op = static_cast<Op>(below(rng, 14)), .column = full_name(schema, column.id)};
  const bool prefix = predicate.op == Op::kStartsWith || predicate.op == Op::kNotStartsWith;
  if (prefix && column.type.kind != TypeKind::kString) predicate.op = chance(rng, 2) ? Op::kEqual : Op::kNotEqual;
  const bool set = predicate.op == Op::kIn || predicate.op == Op::kNotIn;
  size_t literals = predicate.op <= Op::kNotNan ? 0 : 1;
  if (set) literals = below(rng, 5);
  while (predicate.literals.size() < literals) predicate.literals.push_back(random_literal(rng, column.type));
  return {.kind = ExprKind::kPredicate, .operands = {}, .predicate = std::move(predicate)};
}

// `columns` that the filter may name; negations are kept as they are.
inline Expression random_filter(Rng& rng, const Schema& schema, const std::vector<const Field*>& columns,
                                int depth = 2) {
  const size_t shape = depth == 0 ? 3 : below(rng, 6);
  if (shape >= 3) return random_predicate(rng, schema, *pick(rng, columns));
  Expression left = random_filter(rng, schema, columns, depth - 1);
  if (shape == 0) return negate(std::move(left));
  Expression right = random_filter(rng, schema, columns, depth - 1);
  return shape == 1 ? both(std::move(left), std::move(right)) : either(std::move(left), std::move(right));
}

inline std::string row_text(const Row& row, const Schema& schema) {
  std::string text;
  for (const auto& [id, value] : row) {
    const Type& type = find_field(schema, id)->type;
    text += fmt::format("{}={} ", full_name(schema, id), value.is_null() ? "null" : to_human_string(value, type));
  }
  return text;
}

}  // namespace floe::random_data
