#include "floe/avro/rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "floe/error.h"

namespace floe::avro {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

using Row = std::vector<Value>;

Field required(int32_t id, std::string name, Type type) {
  return {.id = id, .name = std::move(name), .required = true, .type = std::move(type)};
}
Field optional(int32_t id, std::string name, Type type) {
  return {.id = id, .name = std::move(name), .required = false, .type = std::move(type)};
}
Field optional(int32_t id, std::string name, TypeKind kind) { return optional(id, std::move(name), primitive(kind)); }
Field required(int32_t id, std::string name, TypeKind kind) { return required(id, std::move(name), primitive(kind)); }

std::string file_of(const std::vector<Field>& fields, const std::vector<Row>& rows) {
  Writer writer(to_avro_schema(fields, "table"), {}, Codec::kDeflate);
  for (const Row& row : rows) {
    encode_row(fields, row, writer.record());
    writer.end_record();
  }
  return writer.finish();
}

// A file with one block of these bytes.
std::string file_of(std::string_view schema, int64_t records, std::string_view data) {
  Writer writer(schema, {}, Codec::kNull);
  std::string file = writer.finish();
  const std::string sync = file.substr(file.size() - 16);
  append_long(file, records);
  append_bytes(file, data);
  return file + sync;
}

std::vector<Row> rows_of(std::string_view file, const std::vector<Field>& wanted) {
  std::vector<Row> rows;
  read_rows(file, "f.avro", wanted, [&](Row row) { rows.push_back(std::move(row)); });
  return rows;
}

// Every type, with a value.
std::vector<std::pair<Field, Value>> all_types() {
  const Type inner = struct_type({required(201, "a", TypeKind::kInt), optional(202, "b", TypeKind::kString)});
  const Value struct_value = Row{int32_t{-5}, Value()};
  std::vector<std::pair<Field, Value>> types;
  const auto add = [&](Field field, Value value) { types.emplace_back(std::move(field), std::move(value)); };
  add(optional(1, "boolean", TypeKind::kBoolean), true);
  add(optional(2, "int", TypeKind::kInt), std::numeric_limits<int32_t>::min());
  add(optional(3, "long", TypeKind::kLong), std::numeric_limits<int64_t>::max());
  add(optional(4, "float", TypeKind::kFloat), -0.0f);
  add(optional(5, "double", TypeKind::kDouble), std::numeric_limits<double>::quiet_NaN());
  add(optional(6, "decimal", decimal_type(9, 2)), Int128{-12345});
  add(optional(7, "wide", decimal_type(38, 10)), (Int128{1} << 120) + 7);
  add(optional(8, "date", TypeKind::kDate), int32_t{-1});
  add(optional(9, "time", TypeKind::kTime), int64_t{86'399'999'999});
  add(optional(10, "ts", TypeKind::kTimestamp), int64_t{-1});
  add(optional(11, "tstz", TypeKind::kTimestampTz), int64_t{1});
  add(optional(12, "ns", TypeKind::kTimestampNs), int64_t{-1});
  add(optional(13, "nstz", TypeKind::kTimestampTzNs), int64_t{1});
  add(optional(14, "string", TypeKind::kString), std::string("h\xc3\xa9llo"));
  add(optional(15, "uuid", TypeKind::kUuid), std::string(16, 'u'));
  add(optional(16, "fixed", fixed_type(3)), std::string("\0ab", 3));
  add(optional(17, "binary", TypeKind::kBinary), std::string("\xff\0", 2));
  add(optional(18, "variant", TypeKind::kVariant), Row{std::string("meta"), std::string("value")});
  add(optional(19, "geometry", geometry_type()), std::string("wkb"));
  add(optional(20, "geography", geography_type()), std::string("wkb"));
  add(optional(21, "struct", inner), struct_value);
  add(optional(22, "list", list_type(203, inner, false)), Row{struct_value, Value(), struct_value});
  add(optional(23, "int_map", map_type(204, primitive(TypeKind::kInt), 205, primitive(TypeKind::kBinary), true)),
      Row{int32_t{1}, std::string("x"), int32_t{2}, std::string("")});
  add(optional(24, "string_map", map_type(206, primitive(TypeKind::kString), 207, inner, false)),
      Row{std::string("k"), struct_value, std::string("null"), Value()});
  add(optional(25, "long_map", map_type(208, primitive(TypeKind::kInt), 209, primitive(TypeKind::kLong), true)),
      Row{int32_t{1}, int64_t{10}});
  add(optional(26, "empty", list_type(210, primitive(TypeKind::kLong), true)), Row{});
  add(optional(27, "nested", list_type(211, list_type(212, primitive(TypeKind::kLong), true), true)),
      Row{Row{int64_t{1}, int64_t{2}}, Row{}});
  add(optional(28, "unknown", TypeKind::kUnknown), Value());
  return types;
}

TEST(Rows, EveryTypeIsWrittenAndRead) {
  std::vector<Field> fields;
  Row values, nulls;
  for (const auto& [field, value] : all_types()) {
    fields.push_back(field);
    values.push_back(value);
    nulls.emplace_back();
  }
  EXPECT_EQ(rows_of(file_of(fields, {values, nulls, values}), fields), (std::vector<Row>{values, nulls, values}));

  std::vector<Field> all_required = fields;
  for (Field& field : all_required) field.required = field.type.kind != TypeKind::kUnknown;
  EXPECT_EQ(rows_of(file_of(all_required, {values}), fields), (std::vector<Row>{values}));
}

TEST(Rows, EveryTypeIsSkipped) {
  std::vector<Field> fields;
  Row values, nulls;
  for (const auto& [field, value] : all_types()) {
    fields.push_back(field);
    values.push_back(value);
    nulls.emplace_back();
  }
  for (size_t i = 0; i < fields.size(); ++i) {
    EXPECT_EQ(rows_of(file_of(fields, {values, nulls}), {fields[i]}), (std::vector<Row>{{values[i]}, {Value()}})) << i;
  }
  EXPECT_EQ(rows_of(file_of(fields, {values, nulls}), {}), (std::vector<Row>{{}, {}}));
}

TEST(Rows, FieldsAreFoundByIdInAnyOrderAndUnderAnyName) {
  const std::vector<Field> fields = {
      required(1, "a", TypeKind::kInt), required(2, "b", TypeKind::kInt),
      required(3, "c", struct_type({required(4, "d", TypeKind::kInt), required(5, "e", TypeKind::kInt)}))};
  const std::vector<Field> wanted = {
      required(3, "renamed", struct_type({optional(9, "new", TypeKind::kString), required(5, "d", TypeKind::kInt)})),
      optional(8, "missing", TypeKind::kInt), required(1, "b", TypeKind::kInt)};
  EXPECT_EQ(rows_of(file_of(fields, {{int32_t{1}, int32_t{2}, Row{int32_t{4}, int32_t{5}}}}), wanted),
            (std::vector<Row>{{Row{Value(), int32_t{5}}, Value(), int32_t{1}}}));
}

TEST(Rows, MissingFieldsHaveTheirDefault) {
  const std::string file = file_of({required(1, "a", TypeKind::kInt)}, {{int32_t{1}}});
  std::vector<Field> wanted = {required(2, "x", TypeKind::kInt)};
  EXPECT_THAT(([&] { rows_of(file, wanted); }),
              ThrowsMessage<CorruptFile>(testing::AllOf(HasSubstr("f.avro"), HasSubstr("required field 2 (x)"))));
  Row defaults;
  wanted.clear();
  for (auto& [field, value] : all_types()) {
    if (field.type.is_nested() || field.type.kind == TypeKind::kVariant) continue;
    wanted.push_back(field);
    wanted.back().id += 100;
    wanted.back().initial_default = value;
    defaults.push_back(value);
  }
  EXPECT_EQ(rows_of(file, wanted), (std::vector<Row>{defaults}));

  Field child = optional(51, "child", TypeKind::kInt);
  child.initial_default = int32_t{7};
  Field parent = optional(50, "parent", struct_type({child}));
  parent.initial_default = Row{};
  Field list = optional(52, "list", list_type(53, primitive(TypeKind::kInt), true));
  list.initial_default = Row{};
  EXPECT_EQ(rows_of(file, {parent, list}), (std::vector<Row>{{Row{int32_t{7}}, Row{}}}));
}

TEST(Rows, TypesArePromoted) {
  const std::vector<Field> fields = {required(1, "i", TypeKind::kInt),     required(2, "f", TypeKind::kFloat),
                                     required(3, "d", decimal_type(4, 2)), required(4, "day", TypeKind::kDate),
                                     required(5, "day", TypeKind::kDate),  optional(6, "u", TypeKind::kUnknown),
                                     required(7, "l", TypeKind::kLong),    required(8, "s", TypeKind::kString)};
  const std::string file = file_of(
      fields, {{int32_t{-7}, 0.5f, Int128{-1234}, int32_t{-1}, int32_t{1}, Value(), int64_t{9}, std::string("s")}});
  const std::vector<Field> wanted = {
      required(1, "i", TypeKind::kLong),          required(2, "f", TypeKind::kDouble),
      required(3, "d", decimal_type(20, 2)),      required(4, "day", TypeKind::kTimestamp),
      required(5, "day", TypeKind::kTimestampNs), optional(6, "u", TypeKind::kLong),
      required(7, "l", TypeKind::kInt),           required(8, "s", TypeKind::kBinary)};
  EXPECT_EQ(rows_of(file, wanted),
            (std::vector<Row>{{int64_t{-7}, 0.5, Int128{-1234}, int64_t{-86'400'000'000}, int64_t{86'400'000'000'000},
                               Value(), int32_t{9}, std::string("s")}}));
  EXPECT_THROW(rows_of(file, {required(3, "d", decimal_type(20, 3))}), CorruptFile);
  EXPECT_THROW(rows_of(file, {required(1, "i", TypeKind::kString)}), CorruptFile);
  EXPECT_THROW(rows_of(file, {required(8, "s", list_type(9, primitive(TypeKind::kInt), true))}), CorruptFile);
}

TEST(Rows, ALongThatIsReadAsAnIntMustFit) {
  const std::string file = file_of({required(1, "l", TypeKind::kLong)}, {{int64_t{1} << 40}});
  EXPECT_THROW(rows_of(file, {required(1, "l", TypeKind::kInt)}), CorruptFile);
}

TEST(Rows, ANullInARequiredFieldIsRefused) {
  const std::string file = file_of({optional(1, "a", TypeKind::kInt)}, {{Value()}});
  EXPECT_THAT(([&] { rows_of(file, {required(1, "a", TypeKind::kInt)}); }),
              ThrowsMessage<CorruptFile>(HasSubstr("required field is null")));
  EXPECT_THROW(file_of({required(1, "a", TypeKind::kInt)}, {{Value()}}), InvalidArgument);
}

TEST(Rows, NullMayBeTheSecondBranch) {
  Field field = optional(1, "a", TypeKind::kInt);
  field.initial_default = int32_t{5};
  EXPECT_EQ(rows_of(file_of({field}, {{int32_t{1}}, {Value()}}), {optional(1, "a", TypeKind::kInt)}),
            (std::vector<Row>{{int32_t{1}}, {Value()}}));
}

TEST(Rows, FilesWithoutIdsAreReadByName) {
  const std::string schema = R"({"type": "record", "name": "t", "fields": [
      {"name": "a_x20b", "type": "int"}, {"name": "c", "type": "int"}]})";
  EXPECT_EQ(
      rows_of(file_of(schema, 1, "\x02\x04"), {required(7, "c", TypeKind::kInt), required(8, "a b", TypeKind::kInt)}),
      (std::vector<Row>{{int32_t{2}, int32_t{1}}}));
}

TEST(Rows, TypesThatIcebergDoesNotWrite) {
  const std::string schema = R"({"type": "record", "name": "t", "fields": [
      {"name": "u", "type": ["int", "string", "null"], "field-id": 1},
      {"name": "e", "type": {"type": "enum", "name": "e", "symbols": ["x", "y"]}, "field-id": 2},
      {"name": "m", "type": {"type": "map", "values": "long", "key-id": 4, "value-id": 5}, "field-id": 3},
      {"name": "t", "type": {"type": "long", "logicalType": "timestamp-millis", "adjust-to-utc": true}, "field-id": 6},
      {"name": "id", "type": {"type": "string", "logicalType": "uuid"}, "field-id": 7},
      {"name": "one", "type": ["int"], "field-id": 8},
      {"name": "mm", "type": {"type": "map", "values": ["null", "double"], "key-id": 10, "value-id": 11}, "field-id": 9}]})";
  std::string data;
  append_long(data, 1);  // the union's string
  append_bytes(data, "skipped");
  append_long(data, 1);   // "y"
  append_long(data, -1);  // a run of one entry, in three bytes
  append_long(data, 3);
  append_bytes(data, "k");
  append_long(data, 9);
  append_long(data, 0);
  append_long(data, -3);
  append_bytes(data, "00112233-4455-6677-8899-aAbBcCdDeEfF");
  append_long(data, 0);
  append_long(data, 4);
  append_long(data, 1);
  append_bytes(data, "k");
  append_long(data, 0);
  append_long(data, 0);
  const std::vector<Field> wanted = {
      required(2, "e", TypeKind::kString),
      required(3, "m", map_type(4, primitive(TypeKind::kString), 5, primitive(TypeKind::kLong), true)),
      required(6, "t", TypeKind::kTimestampTz),
      required(7, "id", TypeKind::kUuid),
      required(8, "one", TypeKind::kInt),
      required(9, "mm", map_type(10, primitive(TypeKind::kString), 11, primitive(TypeKind::kDouble), false))};
  const std::string file = file_of(schema, 1, data);
  EXPECT_EQ(rows_of(file, wanted),
            (std::vector<Row>{{std::string("y"), Row{std::string("k"), int64_t{9}}, int64_t{-3000},
                               std::string("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16),
                               int32_t{4}, Row{std::string("k"), Value()}}}));
  EXPECT_EQ(rows_of(file, {}), (std::vector<Row>{{}}));
  EXPECT_THROW(rows_of(file, {optional(1, "u", TypeKind::kInt)}), NotSupported);
}

TEST(Rows, StringsAreUtf8) {
  const std::string file = file_of({required(1, "s", TypeKind::kString)}, {{std::string("\xff")}});
  EXPECT_THROW(rows_of(file, {required(1, "s", TypeKind::kString)}), CorruptFile);
}

TEST(HostileRows, CountsAndLengthsThatLie) {
  const char* const list = R"({"type": "record", "name": "t", "fields": [
      {"name": "a", "type": {"type": "array", "items": "long", "element-id": 2}, "field-id": 1}]})";
  const std::vector<Field> wanted = {required(1, "a", list_type(2, primitive(TypeKind::kLong), true))};
  const auto with = [&](int64_t count, int64_t bytes, std::string_view rest) {
    std::string data;
    append_long(data, count);
    if (count < 0) append_long(data, bytes);
    return file_of(list, 1, data.append(rest));
  };
  for (const std::vector<Field>& fields : {wanted, std::vector<Field>{}}) {
    EXPECT_THROW(rows_of(with(std::numeric_limits<int64_t>::max(), 0, "\x02"), fields), CorruptFile);
    EXPECT_THROW(rows_of(with(std::numeric_limits<int64_t>::min(), 1, "\x02"), fields), CorruptFile);
    EXPECT_THROW(rows_of(with(-1, 1000, "\x02"), fields), CorruptFile);
    EXPECT_THROW(rows_of(with(-1, -1, "\x02"), fields), CorruptFile);
  }
  EXPECT_THROW(rows_of(file_of(list, 2, std::string_view("\x00", 1)), wanted), CorruptFile);      // records missing
  EXPECT_THROW(rows_of(file_of(list, 1, std::string_view("\x00\x00", 2)), wanted), CorruptFile);  // bytes left over
  EXPECT_THROW(rows_of(file_of(list, -1, ""), wanted), CorruptFile);
}

TEST(HostileRows, ItemsThatTakeNoBytesAreBounded) {
  const char* const nulls = R"({"type": "record", "name": "t", "fields": [
      {"name": "a", "type": {"type": "array", "items": "null", "element-id": 2}, "field-id": 1}]})";
  std::string data;
  append_long(data, std::numeric_limits<int64_t>::max());
  append_long(data, 0);
  const std::vector<Field> wanted = {required(1, "a", list_type(2, primitive(TypeKind::kLong), false))};
  EXPECT_THROW(rows_of(file_of(nulls, 1, data), wanted), CorruptFile);
  EXPECT_EQ(rows_of(file_of(nulls, 1, data), {}).size(), 1);  // skipped at once
  EXPECT_THROW(
      rows_of(file_of(R"({"type": "record", "name": "t", "fields": []})", std::numeric_limits<int64_t>::max(), ""), {}),
      CorruptFile);
}

TEST(HostileRows, SchemasThatGrowWhenCompiledAreBounded) {
  std::string schema = R"({"type": "record", "name": "r0", "fields": [{"name": "a", "type": "string"}]})";
  for (int i = 1; i < 60; ++i) {
    schema = R"({"type": "record", "name": "r)" + std::to_string(i) + R"(", "fields": [{"name": "a", "type": )" +
             schema + R"(}, {"name": "b", "type": "r)" + std::to_string(i - 1) + R"("}]})";
  }
  EXPECT_THROW(rows_of(file_of(schema, 0, ""), {}), CorruptFile);
}

}  // namespace
}  // namespace floe::avro
