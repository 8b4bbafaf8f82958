// Types and fields of an Iceberg schema, format versions 1 to 3, as plain values.
// Specification: "Schemas and Data Types"; JSON: "Appendix C".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "floe/spec/value.h"

namespace floe {

enum class TypeKind : uint8_t {
  kUnknown,  // always null, never in a data file (v3)
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kDecimal,
  kDate,
  kTime,
  kTimestamp,
  kTimestampTz,
  kTimestampNs,    // v3
  kTimestampTzNs,  // v3
  kString,
  kUuid,
  kFixed,
  kBinary,
  kVariant,    // v3
  kGeometry,   // v3
  kGeography,  // v3
  kStruct,
  kList,
  kMap,
};

struct Field;

// One type. Parameters that its kind does not have stay at their defaults, so that types compare member by member.
struct Type {
  TypeKind kind = TypeKind::kUnknown;
  int32_t precision = 0;  // decimal
  int32_t scale = 0;      // decimal
  int32_t length = 0;     // fixed
  std::string crs;        // geometry, geography; empty: the default, OGC:CRS84
  std::string algorithm;  // geography: edge interpolation; empty: the default, spherical
  // struct: its fields; list: one field, "element"; map: two, "key" (required) and "value". Null for primitive types.
  std::shared_ptr<const std::vector<Field>> children;

  bool is_nested() const { return kind >= TypeKind::kStruct; }
  bool is_primitive() const { return !is_nested(); }
};

// A field of a struct, the element of a list, or the key or value of a map.
struct Field {
  int32_t id = 0;
  std::string name;
  bool required = false;
  Type type;
  std::optional<std::string> doc;
  Value initial_default;  // v3: what rows written before this field have; null: no default
  Value write_default;    // v3: what a writer fills in that was not given the field
};

// The children of a nested type; of any other, nothing.
const std::vector<Field>& children_of(const Type& type);

bool operator==(const Type& a, const Type& b);
bool operator==(const Field& a, const Field& b);

Type primitive(TypeKind kind);
Type decimal_type(int32_t precision, int32_t scale);
Type fixed_type(int32_t length);
Type geometry_type(std::string crs = "");
Type geography_type(std::string crs = "", std::string algorithm = "");
Type struct_type(std::vector<Field> fields);
Type list_type(int32_t element_id, Type element, bool element_required);
Type map_type(int32_t key_id, Type key, int32_t value_id, Type value, bool value_required);

// The name in the specification's JSON: "long", "decimal(9, 2)", "fixed[16]", "geography(srid:4326, karney)". Nested
// types print as "struct<1: a: required long, ...>", for messages only.
std::string to_string(const Type& type);

// Reads a primitive type's name, with or without spaces ("decimal(9,2)"). Throws InvalidArgument on anything else.
Type parse_primitive(std::string_view text);

// The lowest format version whose tables may have this type (nested types: the highest of their children's).
int32_t minimum_format_version(const Type& type);

// Whether values of `from` may be read as `to` after a schema change ("Schema Evolution": int to long, float to double,
// a wider decimal, and in v3 date to timestamp and timestamp_ns, and unknown to anything).
bool can_promote(const Type& from, const Type& to, int32_t format_version);

}  // namespace floe
