// A table made, filled, read and looked back at, through every folder.
#include "floe/table.h"

#include <arrow/extension_type.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "floe/arrow_status.h"
#include "floe/error.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"
#include "warehouse.h"

namespace floe {
namespace {

using testing::HasSubstr;

struct Column {
  std::string name;
  Type type;
  std::vector<Value> values;  // four of them
};

Value text(std::string value) { return Value(std::move(value)); }
Value list(std::vector<Value> values) { return Value(std::move(values)); }

std::vector<Column> columns_of(int format_version) {
  const Int128 ten_to_37 = static_cast<Int128>(1'000'000'000'000'000'000) * 1'000'000'000'000'000'000 * 10;
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const float nan_f = std::numeric_limits<float>::quiet_NaN();
  const Type point = struct_type({{.id = 101, .name = "x", .required = true, .type = primitive(TypeKind::kDouble)},
                                  {.id = 102, .name = "label", .type = primitive(TypeKind::kString)}});
  std::vector<Column> columns = {
      {"boolean", primitive(TypeKind::kBoolean), {Value(true), Value(), Value(false), Value(true)}},
      {"int", primitive(TypeKind::kInt), {Value(INT32_MIN), Value(), Value(0), Value(INT32_MAX)}},
      {"long", primitive(TypeKind::kLong), {Value(INT64_MIN), Value(), Value(int64_t{0}), Value(INT64_MAX)}},
      {"float", primitive(TypeKind::kFloat), {Value(-0.0F), Value(), Value(nan_f), Value(1.5F)}},
      {"double", primitive(TypeKind::kDouble), {Value(-0.0), Value(), Value(nan), Value(-inf)}},
      {"decimal9", decimal_type(9, 2), {Value(Int128{-12345}), Value(), Value(Int128{0}), Value(Int128{999999999})}},
      {"decimal18", decimal_type(18, 0), {Value(Int128{-128}), Value(), Value(Int128{127}), Value(Int128{-32768})}},
      {"decimal38", decimal_type(38, 10), {Value(-ten_to_37), Value(), Value(Int128{-1}), Value(ten_to_37)}},
      {"date", primitive(TypeKind::kDate), {Value(-719162), Value(), Value(-1), Value(2932896)}},
      {"time",
       primitive(TypeKind::kTime),
       {Value(int64_t{0}), Value(), Value(int64_t{86'399'999'999}), Value(int64_t{1})}},
      {"timestamp",
       primitive(TypeKind::kTimestamp),
       {Value(int64_t{-1}), Value(), Value(int64_t{253402300799999999}), Value(int64_t{0})}},
      {"timestamptz",
       primitive(TypeKind::kTimestampTz),
       {Value(int64_t{-62135596800000000}), Value(), Value(int64_t{1}), Value(int64_t{0})}},
      {"string",
       primitive(TypeKind::kString),
       {text(""), Value(), text("\xF0\x9F\x98\x80 \xC3\xA9"), text(std::string(5000, 'x'))}},
      {"uuid",
       primitive(TypeKind::kUuid),
       {text(std::string(16, '\0')), Value(), text(std::string(16, '\xFF')), text("0123456789abcdef")}},
      {"fixed", fixed_type(3), {text(std::string("\0\x01\x02", 3)), Value(), text("abc"), text("\xFF\xFF\xFF")}},
      {"binary", primitive(TypeKind::kBinary), {text(""), Value(), text(std::string("\0\xFF", 2)), text("b")}},
      {"struct",
       point,
       {list({Value(1.5), text("a")}), Value(), list({Value(-0.0), Value()}), list({Value(nan), text("")})}},
      {"list",
       list_type(103, primitive(TypeKind::kLong), false),
       {list({Value(int64_t{1}), Value(), Value(int64_t{3})}), Value(), list({}), list({Value()})}},
      {"map",
       map_type(104, primitive(TypeKind::kString), 105, primitive(TypeKind::kInt), false),
       {list({text("a"), Value(1), text("b"), Value()}), Value(), list({}), list({text(""), Value(-1)})}},
      {"deep",
       list_type(106,
                 struct_type({{.id = 107,
                               .name = "m",
                               .type = map_type(108, primitive(TypeKind::kInt), 109,
                                                list_type(110, primitive(TypeKind::kString), true), false)}}),
                 false),
       {list({list({list({Value(7), list({text("z")})})}), Value()}), Value(), list({}), list({list({Value()})})}},
  };
  if (format_version >= 3) {
    columns.push_back({"timestamp_ns",
                       primitive(TypeKind::kTimestampNs),
                       {Value(int64_t{-1}), Value(), Value(INT64_MAX), Value(int64_t{1})}});
    columns.push_back({"timestamptz_ns",
                       primitive(TypeKind::kTimestampTzNs),
                       {Value(int64_t{-1001}), Value(), Value(INT64_MIN), Value(int64_t{1})}});
    columns.push_back({"unknown", primitive(TypeKind::kUnknown), {Value(), Value(), Value(), Value()}});
    const std::string point_wkb("\x01\x01\0\0\0\0\0\0\0\0\0\xF0?\0\0\0\0\0\0\0@", 21);
    columns.push_back({"geometry", geometry_type(), {text(point_wkb), Value(), text(point_wkb), text(point_wkb)}});
    columns.push_back({"geography", geography_type(), {text(point_wkb), Value(), text(point_wkb), text(point_wkb)}});
    columns.push_back({"variant", primitive(TypeKind::kVariant), {Value(), Value(), Value(), Value()}});
  }
  return columns;
}

// The variants 5, null (the SQL one), true and an empty object.
std::shared_ptr<arrow::Array> variants(const std::shared_ptr<arrow::DataType>& type) {
  const auto storage = static_cast<const arrow::ExtensionType&>(*type).storage_type();
  arrow::BinaryBuilder metadata, values;
  for (const std::string& value :
       {std::string("\x0C\x05", 2), std::string(), std::string("\x04", 1), std::string("\x02\0\0", 3)}) {
    check(metadata.Append(std::string("\x01\0\0", 3)), "append");
    check(values.Append(value), "append");
  }
  const uint8_t valid = 0b1101;
  const arrow::ArrayVector children{*metadata.Finish(), *values.Finish()};
  const auto structs = std::make_shared<arrow::StructArray>(
      storage, 4, children,
      check(arrow::Buffer::FromString(std::string(1, static_cast<char>(valid)))->CopySlice(0, 1), "copy"));
  return arrow::ExtensionType::WrapArray(type, structs);
}

std::pair<Schema, std::shared_ptr<arrow::RecordBatch>> all_types(int format_version) {
  Schema schema;
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (const Column& column : columns_of(format_version)) {
    schema.fields.push_back(
        {.id = static_cast<int32_t>(schema.fields.size() + 1), .name = column.name, .type = column.type});
  }
  const auto arrow_schema = to_arrow_schema(schema);
  for (const Column& column : columns_of(format_version)) {
    const auto& type = arrow_schema->field(static_cast<int>(arrays.size()))->type();
    arrays.push_back(column.type.kind == TypeKind::kVariant ? variants(type)
                                                            : to_array(column.values, column.type, type));
  }
  return {schema, arrow::RecordBatch::Make(arrow_schema, 4, arrays)};
}

class TableOfVersion : public testing::TestWithParam<int> {
 protected:
  Properties version() const { return {{"format-version", std::to_string(GetParam())}}; }
  Warehouse warehouse_;
};
INSTANTIATE_TEST_SUITE_P(V, TableOfVersion, testing::Values(1, 2, 3));

TEST_P(TableOfVersion, EveryTypeComesBackAsItWas) {
  const auto [schema, rows] = all_types(GetParam());
  Table table = warehouse_.create("t", schema, {}, version());
  table.append(*stream_of({rows}));
  const auto back = read_all(warehouse_.load("t"));
  ASSERT_EQ(back->num_columns(), rows->num_columns());
  const auto exact = arrow::EqualOptions().nans_equal(true).signed_zeros_equal(false);
  for (int i = 0; i < rows->num_columns(); ++i) {
    EXPECT_TRUE(back->column(i)->Equals(*rows->column(i), exact)) << rows->column_name(i) << "\n"
                                                                  << back->column(i)->ToString() << "\n"
                                                                  << rows->column(i)->ToString();
  }
}

TEST_P(TableOfVersion, EveryTypeCanBePartitionedByEveryTransformThatTakesIt) {
  const auto [schema, rows] = all_types(GetParam());
  int tables = 0;
  for (const Field& field : schema.fields) {
    for (const char* name : {"identity", "bucket[3]", "truncate[2]", "year", "month", "day", "hour", "void"}) {
      const Transform transform = parse_transform(name);
      if (!can_transform(transform, field.type) || transform.kind == TransformKind::kVoid) continue;
      const bool lowest_is_cut = transform.kind == TransformKind::kTruncate;  // no multiple of 2 below the lowest int
      const PartitionSpec spec{.fields = {{.source_ids = {field.id},
                                           .field_id = 1000,
                                           .name = transform.kind == TransformKind::kIdentity ? field.name : "part",
                                           .transform = transform}}};
      const std::string table_name = fmt::format("t{}", tables++);
      Table table = warehouse_.create(table_name, schema, spec, version());
      const auto written = lowest_is_cut ? rows->Slice(1) : rows;
      table.append(*stream_of({written}));
      const auto back = read_all(warehouse_.load(table_name));
      ASSERT_EQ(back->num_rows(), written->num_rows()) << field.name << " " << name;
      const auto nulls = read_all(warehouse_.load(table_name), {.filter = parse_filter(field.name + " is null")});
      EXPECT_EQ(nulls->num_rows(), written->column(field.id - 1)->null_count()) << field.name << " " << name;
    }
  }
  EXPECT_GT(tables, 40);
}

TEST_P(TableOfVersion, SnapshotsAreLookedBackAt) {
  Table table = warehouse_.create("t", numbered_schema(), {}, version());
  EXPECT_EQ(read_all(table)->num_rows(), 0);
  append_numbered(table, 0, 10);
  const int64_t first = *table.metadata().current_snapshot_id;
  append_numbered(table, 10, 5);
  Table again = warehouse_.load("t");
  EXPECT_EQ(read_all(again)->num_rows(), 15);
  EXPECT_EQ(read_all(again, {.snapshot_id = first})->num_rows(), 10);
  EXPECT_EQ(read_all(again, {.filter = parse_filter("id >= 12"), .select = {"id"}})->num_rows(), 3);
  EXPECT_EQ(current_snapshot(again.metadata())->summary.get("total-records"), "15");
  EXPECT_EQ(referenced_files(again), warehouse_.files(again));
}

TEST_P(TableOfVersion, AStreamWithoutRowsMakesAnEmptySnapshot) {
  Table table = warehouse_.create("t", numbered_schema(), {}, version());
  table.append(*stream_of({numbered_rows(0, 0)}));
  ASSERT_EQ(table.metadata().snapshots.size(), 1);
  EXPECT_EQ(current_snapshot(table.metadata())->summary.get("added-records"), "");
  append_numbered(table, 0, 3);
  EXPECT_EQ(read_all(warehouse_.load("t"))->num_rows(), 3);
}

TEST_P(TableOfVersion, TwoHandlesOnOneTableBothAppend) {
  Table a = warehouse_.create("t", numbered_schema(), {}, version());
  Table b = warehouse_.load("t");
  append_numbered(a, 0, 10);
  append_numbered(b, 10, 10);
  append_numbered(a, 20, 10);
  a.refresh();
  EXPECT_EQ(sorted_int64s(*read_all(a), "id").size(), 30);
  EXPECT_EQ(a.metadata().snapshots.size(), 3);
  EXPECT_EQ(referenced_files(a).size() - a.metadata().metadata_log.size() - 1, 9);
}

TEST(Table, NewColumnsAreNullInOldRows) {
  Warehouse warehouse;
  Table table = warehouse.create("t", numbered_schema());
  append_numbered(table, 0, 2);
  Schema wider = *current_schema(table.metadata());
  wider.fields.push_back({.id = 3, .name = "more", .type = primitive(TypeKind::kInt)});
  table.catalog()->commit(table.identifier(), {.updates = {AddSchema{wider, {}}, SetCurrentSchema{-1}}});
  table.refresh();
  append_numbered(table, 2, 2);  // a stream without the new column
  EXPECT_EQ(read_all(table)->GetColumnByName("more")->null_count(), 4);
}

TEST(Table, MissingTablesAndRowsThatDoNotFitSayWhatIsWrong) {
  Warehouse warehouse;
  EXPECT_THROW(warehouse.load("nothing"), NoSuchTable);
  Table table = warehouse.create("t", numbered_schema());
  const auto schema = arrow::schema({arrow::field("id", arrow::utf8()), arrow::field("extra", arrow::int32())});
  const auto rows = arrow::RecordBatch::Make(
      schema, 0, {*arrow::MakeEmptyArray(arrow::utf8()), *arrow::MakeEmptyArray(arrow::int32())});
  try {
    table.append(*stream_of({rows}));
    FAIL();
  } catch (const InvalidArgument& e) {
    EXPECT_THAT(e.what(), HasSubstr("db.t"));
    EXPECT_THAT(e.what(), HasSubstr("extra"));
  }
  EXPECT_TRUE(table.metadata().snapshots.empty());
  EXPECT_EQ(warehouse.files(table).size(), 1);  // its metadata
}

}  // namespace
}  // namespace floe
