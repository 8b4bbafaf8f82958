// Avro schemas as values, with the attributes that Iceberg adds to them (field-id, element-id, key-id, value-id,
// adjust-to-utc, iceberg-field-name). Specification: Avro 1.11 "Schema Declaration", Iceberg "Appendix A: Avro".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "floe/spec/type.h"

namespace floe::avro {

enum class Kind : uint8_t {
  kNull,
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kBytes,
  kString,
  kFixed,
  kEnum,
  kArray,
  kMap,
  kRecord,
  kUnion,
};

struct AvroType;
using AvroTypePtr = std::shared_ptr<const AvroType>;

struct AvroField {
  std::string name;  // the original one, where "iceberg-field-name" keeps it
  std::optional<int32_t> id;
  AvroTypePtr type;
};

// What its kind does not have stays at its default.
struct AvroType {
  Kind kind = Kind::kNull;
  std::string name;                  // record, enum, fixed: the full name
  int64_t size = 0;                  // fixed
  std::vector<std::string> symbols;  // enum
  std::vector<AvroField> fields;     // record
  std::vector<AvroTypePtr> inner;    // array: its items; map: its values; union: its branches
  std::string logical_type;          // "" if there is none
  int32_t precision = 0;             // of the logical type decimal
  int32_t scale = 0;
  bool adjust_to_utc = false;
  std::optional<int32_t> element_id;  // array
  std::optional<int32_t> key_id;      // map
  std::optional<int32_t> value_id;
};

// Reads a schema's JSON. A named type may be used again by its name; one that is defined twice takes its later
// definition from there on (PyIceberg writes such schemas). Throws CorruptFile if this is no schema, or if it is nested
// deeper, has more types than any real one (the limits are in schema.cc), or contains itself.
AvroTypePtr parse_schema(std::string_view json);

// The Avro schema of a record of these Iceberg fields, as JSON: optional fields are unions with null first (last where
// the field has a default that is not null, as Avro asks for), maps are arrays of key-value records with the logical
// type map, records are named r<field id>, names are made valid and the original kept in "iceberg-field-name".
// Every named type is defined where it is used, under a name of its own, because PyIceberg does not resolve references.
std::string to_avro_schema(const std::vector<Field>& fields, std::string_view record_name);

// Whether an optional field's union in to_avro_schema has null as its first branch.
bool null_comes_first(const Field& field);

// "a b" -> "a_x20b", "1st" -> "_1st": only letters, digits and underscores of ASCII remain.
std::string make_avro_name(std::string_view name);

// The bytes of a decimal of this precision ("Stored as fixed using the minimum number of bytes").
int32_t decimal_bytes(int32_t precision);

// The Iceberg type of a value without fields (a union with null: of its other branch). Avro's logical types that
// Iceberg does not name are read as what they are stored in. Throws NotSupported for records, arrays, maps and other
// unions.
Type to_iceberg_primitive(const AvroType& type);

}  // namespace floe::avro
