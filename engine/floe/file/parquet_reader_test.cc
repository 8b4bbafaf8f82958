#include "floe/file/parquet_reader.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <arrow/io/file.h>
#include <arrow/table.h>
#include <arrow/util/key_value_metadata.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>
#include <parquet/column_writer.h>
#include <parquet/file_writer.h>

#include <filesystem>
#include <fstream>

#include "floe/arrow_status.h"
#include "floe/expression/random_data.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"
#include "floe/file/parquet_writer.h"

namespace floe {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using TablePtr = std::shared_ptr<arrow::Table>;
using PartitionValues = std::vector<std::pair<int32_t, Value>>;

Field field(int32_t id, std::string name, Type type, bool required = false) {
  return Field{.id = id, .name = std::move(name), .required = required, .type = std::move(type)};
}

std::shared_ptr<arrow::Field> arrow_field(int id, const std::string& name, std::shared_ptr<arrow::DataType> type,
                                          bool nullable = true) {
  return arrow::field(name, std::move(type), nullable,
                      arrow::key_value_metadata({"PARQUET:field_id"}, {std::to_string(id)}));
}

template <typename Builder, typename T>
std::shared_ptr<arrow::Array> array_of(std::shared_ptr<arrow::DataType> type,
                                       const std::vector<std::optional<T>>& values) {
  Builder builder(std::move(type), arrow::default_memory_pool());
  for (const auto& value : values) check(value ? builder.Append(*value) : builder.AppendNull(), "test");
  return check(builder.Finish(), "test");
}
std::shared_ptr<arrow::Array> ints(const std::vector<std::optional<int32_t>>& values) {
  return array_of<arrow::Int32Builder>(arrow::int32(), values);
}
std::shared_ptr<arrow::Array> longs(const std::vector<std::optional<int64_t>>& values) {
  return array_of<arrow::Int64Builder>(arrow::int64(), values);
}
std::shared_ptr<arrow::Array> strings(const std::vector<std::optional<std::string>>& values) {
  return array_of<arrow::StringBuilder>(arrow::utf8(), values);
}

const auto kNansEqual = arrow::EqualOptions::Defaults().nans_equal(true);

class ParquetReaderTest : public ::testing::Test {
 protected:
  ParquetReaderTest() {
    std::string name = (std::filesystem::temp_directory_path() / "floe_parquet_reader_XXXXXX").string();
    dir_ = ::mkdtemp(name.data());
  }
  ~ParquetReaderTest() override { std::filesystem::remove_all(dir_); }

  DataFile describe(const std::string& path, int64_t rows) const {
    DataFile file;
    file.file_path = path;
    file.file_size_in_bytes = static_cast<int64_t>(std::filesystem::file_size(path));
    file.record_count = rows;
    return file;
  }

  std::string new_path() { return (dir_ / (std::to_string(++files_) + ".parquet")).string(); }

  // As some other engine might write it.
  DataFile write_arrow(
      const arrow::Table& table, int64_t row_group_rows = 1 << 20,
      std::shared_ptr<parquet::WriterProperties> properties = parquet::default_writer_properties(),
      std::shared_ptr<parquet::ArrowWriterProperties> arrow_properties = parquet::default_arrow_writer_properties()) {
    const std::string path = new_path();
    auto out = check(arrow::io::FileOutputStream::Open(path), "test");
    check(parquet::arrow::WriteTable(table, arrow::default_memory_pool(), out, row_group_rows, properties,
                                     arrow_properties),
          "test");
    check(out->Close(), "test");
    return describe(path, table.num_rows());
  }
  DataFile write_arrow(arrow::FieldVector fields, arrow::ArrayVector columns, int64_t row_group_rows = 1 << 20) {
    return write_arrow(*arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns)), row_group_rows);
  }

  TablePtr read(const DataFile& file, const Schema& schema, BoundExpression filter = {},
                const PartitionValues& partition = {}, const std::string& mapping = "",
                std::optional<Schema> projection = {}) {
    ParquetReadOptions options{.schema = std::make_shared<const Schema>(schema),
                               .projection = projection.value_or(schema),
                               .filter = std::move(filter),
                               .batch_rows = batch_rows_};
    counters_ = std::make_shared<ParquetScanCounters>();
    auto reader = read_parquet(*io_, file, options, {.partition_values = partition}, mapping, counters_);
    auto table = check(reader->ToTable(), "read");
    check(table->ValidateFull(), "read");
    return check(table->CombineChunks(), "read");
  }

  std::filesystem::path dir_;
  int files_ = 0;
  IoPtr io_ = make_io({});
  int64_t batch_rows_ = 1000;
  std::shared_ptr<ParquetScanCounters> counters_;
};

std::shared_ptr<arrow::Array> column(const TablePtr& table, const std::string& name) {
  const auto found = table->GetColumnByName(name);
  return found->num_chunks() == 0 ? check(arrow::MakeEmptyArray(found->type()), "test") : found->chunk(0);
}

#define EXPECT_COLUMN(table, name, expected)            \
  EXPECT_TRUE(column(table, name)->Equals(*(expected))) \
      << column(table, name)->ToString() << " instead of " << (expected)->ToString()

BoundExpression bound(const std::string& text, const Schema& schema) { return bind(parse_filter(text), schema); }

// --- schema evolution ------------------------------------------------------------------------------------------------

TEST_F(ParquetReaderTest, FindsColumnsByIdHoweverTheyAreCalledAndOrdered) {
  const DataFile file = write_arrow(
      {arrow_field(1, "a", arrow::int32()), arrow_field(2, "b", arrow::utf8()), arrow_field(3, "c", arrow::float64())},
      {ints({1, {}}), strings({"x", "y"}), array_of<arrow::DoubleBuilder, double>(arrow::float64(), {1.5, {}})});
  // The specification's own example: 3 renamed, 2 renamed, a new column with an old one's name.
  const Schema schema{.fields = {field(3, "measurement", primitive(TypeKind::kDouble)),
                                 field(2, "name", primitive(TypeKind::kString)),
                                 field(4, "a", primitive(TypeKind::kInt))}};
  const TablePtr table = read(file, schema);
  EXPECT_EQ(table->schema()->field_names(), (std::vector<std::string>{"measurement", "name", "a"}));
  EXPECT_COLUMN(table, "measurement", (array_of<arrow::DoubleBuilder, double>(arrow::float64(), {1.5, {}})));
  EXPECT_COLUMN(table, "name", strings({"x", "y"}));
  EXPECT_COLUMN(table, "a", ints({{}, {}}));
}

TEST_F(ParquetReaderTest, PromotesTypes) {
  const auto dates = array_of<arrow::Date32Builder, int32_t>(arrow::date32(), {-1, 15'706, {}});
  const auto decimals = array_of<arrow::Decimal128Builder, arrow::Decimal128>(
      arrow::decimal128(9, 2), {arrow::Decimal128(-12'345), arrow::Decimal128(1), {}});
  const DataFile file = write_arrow(
      {arrow_field(1, "i", arrow::int32()), arrow_field(2, "f", arrow::float32()), arrow_field(3, "d", arrow::date32()),
       arrow_field(4, "n", arrow::date32()), arrow_field(5, "dec", decimals->type())},
      {ints({-1, INT32_MAX, {}}), array_of<arrow::FloatBuilder, float>(arrow::float32(), {-0.5F, 2.5F, {}}), dates,
       dates, decimals});
  const Schema schema{.fields = {field(1, "i", primitive(TypeKind::kLong)), field(2, "f", primitive(TypeKind::kDouble)),
                                 field(3, "d", primitive(TypeKind::kTimestamp)),
                                 field(4, "n", primitive(TypeKind::kTimestampNs)),
                                 field(5, "dec", decimal_type(20, 2))}};
  const TablePtr table = read(file, schema);
  EXPECT_COLUMN(table, "i", longs({-1, INT32_MAX, {}}));
  EXPECT_COLUMN(table, "f", (array_of<arrow::DoubleBuilder, double>(arrow::float64(), {-0.5, 2.5, {}})));
  constexpr int64_t kDay = 86'400'000'000;
  EXPECT_COLUMN(table, "d",
                (array_of<arrow::TimestampBuilder, int64_t>(arrow::timestamp(arrow::TimeUnit::MICRO),
                                                            {-kDay, 15'706 * kDay, {}})));
  EXPECT_COLUMN(table, "n",
                (array_of<arrow::TimestampBuilder, int64_t>(arrow::timestamp(arrow::TimeUnit::NANO),
                                                            {-kDay * 1000, 15'706 * kDay * 1000, {}})));
  EXPECT_COLUMN(table, "dec",
                (array_of<arrow::Decimal128Builder, arrow::Decimal128>(
                    arrow::decimal128(20, 2), {arrow::Decimal128(-12'345), arrow::Decimal128(1), {}})));
  // Bounds written before the promotion prune, and prune nothing that matches.
  EXPECT_EQ(read(file, schema, bound("i < 0", schema))->num_rows(), 1);
  EXPECT_EQ(read(file, schema, bound("f > 2", schema))->num_rows(), 1);
  EXPECT_EQ(read(file, schema, bound("d < '1970-01-01T00:00:00'", schema))->num_rows(), 1);
  EXPECT_EQ(read(file, schema, bound("dec < -100", schema))->num_rows(), 1);
  EXPECT_EQ(read(file, schema, bound("i > 3000000000", schema))->num_rows(), 0);
  EXPECT_EQ(counters_->row_groups_pruned, 1);
}

TEST_F(ParquetReaderTest, RefusesTypesThatAreNoPromotion) {
  const DataFile file = write_arrow({arrow_field(7, "n", arrow::int64())}, {longs({1})});
  for (const Type& type : {primitive(TypeKind::kInt), primitive(TypeKind::kString), primitive(TypeKind::kDouble),
                           decimal_type(9, 2), list_type(8, primitive(TypeKind::kLong), false)}) {
    const Schema schema{.fields = {field(7, "n", type)}};
    try {
      read(file, schema);
      FAIL() << to_string(type);
    } catch (const CorruptFile& e) {
      EXPECT_THAT(e.what(), AllOf(HasSubstr(file.file_path), HasSubstr("column n"), HasSubstr("int64")));
    }
  }
}

TEST_F(ParquetReaderTest, Trap22MissingColumnsArePartitionValueThenMappedThenDefaultThenNull) {
  // Columns without ids, but for 1.
  const DataFile file = write_arrow({arrow_field(1, "id", arrow::int32()), arrow::field("legacy", arrow::utf8()),
                                     arrow::field("part", arrow::utf8())},
                                    {ints({1, 2}), strings({"a", "b"}), strings({"stale", "stale"})});
  Schema schema{.fields = {field(1, "id", primitive(TypeKind::kInt)), field(2, "p", primitive(TypeKind::kString)),
                           field(3, "m", primitive(TypeKind::kString)), field(4, "d", primitive(TypeKind::kInt)),
                           field(5, "n", primitive(TypeKind::kInt)), field(6, "u", primitive(TypeKind::kUnknown))}};
  schema.fields[3].initial_default = Value(int32_t{42});
  const std::string mapping = R"([{"field-id": 2, "names": ["part"]}, {"field-id": 3, "names": ["new", "legacy"]}])";
  const TablePtr table = read(file, schema, {}, {{1, Value(int32_t{9})}, {2, Value(std::string("p1"))}}, mapping);
  EXPECT_COLUMN(table, "id", ints({1, 2}));  // in the file: what it says
  EXPECT_COLUMN(table, "p", strings({"p1", "p1"}));
  EXPECT_COLUMN(table, "m", strings({"a", "b"}));
  EXPECT_COLUMN(table, "d", ints({42, 42}));
  EXPECT_COLUMN(table, "n", ints({{}, {}}));
  EXPECT_EQ(column(table, "u")->type_id(), arrow::Type::NA);

  // Filters see the same values, and prune by them.
  for (const auto& [filter, rows] : std::vector<std::pair<std::string, int64_t>>{{"p = 'p1'", 2},
                                                                                 {"p = 'stale'", 0},
                                                                                 {"m = 'b'", 1},
                                                                                 {"d = 42", 2},
                                                                                 {"d = 1", 0},
                                                                                 {"n is null", 2},
                                                                                 {"u is null", 2}}) {
    EXPECT_EQ(read(file, schema, bound(filter, schema), {{2, Value(std::string("p1"))}}, mapping)->num_rows(), rows)
        << filter;
  }
}

TEST_F(ParquetReaderTest, MissingRequiredColumnIsAnErrorUnlessItHasADefault) {
  const DataFile file = write_arrow({arrow_field(1, "id", arrow::int32())}, {ints({1, 2})});
  Schema schema{.fields = {field(2, "need", primitive(TypeKind::kLong), true)}};
  EXPECT_THROW(read(file, schema), CorruptFile);
  schema.fields[0].initial_default = Value(int64_t{5});
  EXPECT_COLUMN(read(file, schema), "need", longs({5, 5}));
}

TEST_F(ParquetReaderTest, NullsInARequiredColumnAreAnError) {
  const DataFile file = write_arrow({arrow_field(1, "id", arrow::int32())}, {ints({1, {}})});
  try {
    read(file, {.fields = {field(1, "id", primitive(TypeKind::kInt), true)}});
    FAIL();
  } catch (const CorruptFile& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr(file.file_path), HasSubstr("id"), HasSubstr("required")));
  }
}

Value row(std::vector<Value> values) { return Value(std::move(values)); }
Value text(std::string value) { return Value(std::move(value)); }

TEST_F(ParquetReaderTest, EvolvesNestedTypesAtEveryDepth) {
  const Schema written{.fields = {field(1, "s",
                                        struct_type({field(2, "x", primitive(TypeKind::kInt)),
                                                     field(3, "gone", primitive(TypeKind::kInt)),
                                                     field(4, "y", primitive(TypeKind::kString))})),
                                  field(5, "l",
                                        list_type(6,
                                                  struct_type({field(7, "a", primitive(TypeKind::kInt)),
                                                               field(8, "b", primitive(TypeKind::kString))}),
                                                  false)),
                                  field(9, "m",
                                        map_type(10, primitive(TypeKind::kString), 11,
                                                 struct_type({field(12, "v", primitive(TypeKind::kFloat)),
                                                              field(13, "w", primitive(TypeKind::kInt))}),
                                                 false))}};
  const auto arrow_schema = to_arrow_schema(written);
  arrow::ArrayVector columns;
  const std::vector<std::vector<Value>> rows = {
      {row({Value(int32_t{1}), Value(int32_t{0}), text("one")}),
       row({row({Value(int32_t{10}), text("p")}), Value(), row({Value(), text("q")})}),
       row({text("k"), row({Value(1.5F), Value(int32_t{3})})})},
      {Value(), Value(), Value()},
      {row({Value(), Value(), Value()}), row({}), row({})}};
  for (int i = 0; i < 3; ++i) {
    columns.push_back(
        to_array({rows[0][i], rows[1][i], rows[2][i]}, written.fields[i].type, arrow_schema->field(i)->type()));
  }
  const DataFile file = write_arrow(*arrow::Table::Make(arrow_schema, columns));

  Schema schema{.fields = {field(9, "map",
                                 map_type(10, primitive(TypeKind::kString), 11,
                                          struct_type({field(12, "v", primitive(TypeKind::kDouble)),
                                                       field(20, "fresh", primitive(TypeKind::kInt))}),
                                          false)),
                           field(5, "list",
                                 list_type(6,
                                           struct_type({field(8, "bee", primitive(TypeKind::kString)),
                                                        field(7, "a", primitive(TypeKind::kLong))}),
                                           false)),
                           field(1, "struct",
                                 struct_type({field(4, "why", primitive(TypeKind::kString)),
                                              field(21, "new", primitive(TypeKind::kString)),
                                              field(2, "x", primitive(TypeKind::kLong))}))}};
  const TablePtr table = read(file, schema);
  const auto expected = [&](int i, const std::vector<Value>& values) {
    return to_array(values, schema.fields[i].type, to_arrow_type(schema.fields[i].type));
  };
  EXPECT_COLUMN(table, "map", expected(0, {row({text("k"), row({Value(1.5), Value()})}), Value(), row({})}));
  EXPECT_COLUMN(
      table, "list",
      expected(1, {row({row({text("p"), Value(int64_t{10})}), Value(), row({text("q"), Value()})}), Value(), row({})}));
  EXPECT_COLUMN(
      table, "struct",
      expected(2, {row({text("one"), Value(), Value(int64_t{1})}), Value(), row({Value(), Value(), Value()})}));

  // Children that the file has none of: nulls of the parents are still the file's.
  const Schema only_new{
      .fields = {field(1, "s", struct_type({field(21, "new", primitive(TypeKind::kString))})),
                 field(5, "l", list_type(6, struct_type({field(22, "new", primitive(TypeKind::kInt))}), false)),
                 field(9, "m",
                       map_type(10, primitive(TypeKind::kString), 11,
                                struct_type({field(23, "new", primitive(TypeKind::kInt))}), false))}};
  const TablePtr news = read(file, only_new);
  const auto expected_new = [&](int i, const std::vector<Value>& values) {
    return to_array(values, only_new.fields[i].type, to_arrow_type(only_new.fields[i].type));
  };
  EXPECT_COLUMN(news, "s", expected_new(0, {row({Value()}), Value(), row({Value()})}));
  EXPECT_COLUMN(news, "l", expected_new(1, {row({row({Value()}), Value(), row({Value()})}), Value(), row({})}));
  EXPECT_COLUMN(news, "m", expected_new(2, {row({text("k"), row({Value()})}), Value(), row({})}));

  // Filters on nested columns.
  EXPECT_EQ(read(file, schema, bound("struct.x = 1", schema))->num_rows(), 1);
  EXPECT_EQ(read(file, schema, bound("struct.why is null", schema))->num_rows(), 2);
  EXPECT_EQ(read(file, schema, bound("struct.new is null", schema))->num_rows(), 3);
}

TEST_F(ParquetReaderTest, AddedRequiredChildIsFineWhereItsParentIsNull) {
  const Schema written{.fields = {field(1, "s", struct_type({field(2, "x", primitive(TypeKind::kInt), true)}))}};
  const auto type = to_arrow_type(written.fields[0].type);
  const auto valid = check(arrow::AllocateEmptyBitmap(2), "test");
  valid->mutable_data()[0] = 1;
  const auto expected = std::make_shared<arrow::StructArray>(type, 2, arrow::ArrayVector{ints({1, 2})}, valid, 1);
  const DataFile file = write_arrow(*arrow::Table::Make(to_arrow_schema(written), {expected}));
  EXPECT_COLUMN(read(file, written), "s", expected);
}

TEST_F(ParquetReaderTest, Trap21NameMappingReachesNestedColumnsOfFilesWithoutIds) {
  const auto element = arrow::struct_({arrow::field("lat", arrow::float32()), arrow::field("long", arrow::float32())});
  const auto list = arrow::list(arrow::field("array_element", element));
  const auto map = arrow::map(arrow::utf8(), arrow::field("val", arrow::struct_({arrow::field("n", arrow::int32())})));
  auto lat = array_of<arrow::FloatBuilder, float>(arrow::float32(), {1.0F, 2.0F});
  auto elements = check(arrow::StructArray::Make({lat, lat}, element->fields()), "test");
  auto lists = check(arrow::ListArray::FromArrays(list, *ints({0, 1, 2}), *elements), "test");
  auto values = check(arrow::StructArray::Make({ints({7, 8})}, {arrow::field("n", arrow::int32())}), "test");
  auto maps = check(arrow::MapArray::FromArrays(map, ints({0, 1, 2}), strings({"k", "l"}), values), "test");
  // Element names kept as they are: "array_element" rather than "element".
  const DataFile file = write_arrow(
      *arrow::Table::Make(arrow::schema({arrow::field("locs", list), arrow::field("props", map)}), {lists, maps}),
      1 << 20, parquet::default_writer_properties(),
      parquet::ArrowWriterProperties::Builder().disable_compliant_nested_types()->build());
  const Schema schema{
      .fields = {
          field(1, "locations", list_type(2, struct_type({field(3, "latitude", primitive(TypeKind::kFloat))}), false)),
          field(4, "properties",
                map_type(5, primitive(TypeKind::kString), 6,
                         struct_type({field(7, "number", primitive(TypeKind::kInt))}), false))}};
  const std::string mapping = R"([
    {"field-id": 1, "names": ["locations", "locs"], "fields": [
      {"field-id": 2, "names": ["element"], "fields": [{"field-id": 3, "names": ["latitude", "lat"]}]}]},
    {"field-id": 4, "names": ["props"], "fields": [
      {"field-id": 5, "names": ["key"]},
      {"field-id": 6, "names": ["value"], "fields": [{"field-id": 7, "names": ["n"]}]}]}])";
  const TablePtr table = read(file, schema, {}, {}, mapping);
  EXPECT_COLUMN(table, "locations",
                to_array({row({row({Value(1.0F)})}), row({row({Value(2.0F)})})}, schema.fields[0].type,
                         to_arrow_type(schema.fields[0].type)));
  EXPECT_COLUMN(table, "properties",
                to_array({row({text("k"), row({Value(int32_t{7})})}), row({text("l"), row({Value(int32_t{8})})})},
                         schema.fields[1].type, to_arrow_type(schema.fields[1].type)));
}

TEST_F(ParquetReaderTest, Trap21FilesWithoutIdsAndMappingAreNoColumnsOfNulls) {
  const DataFile file = write_arrow({arrow::field("id", arrow::int32())}, {ints({1})});
  try {
    read(file, {.fields = {field(1, "id", primitive(TypeKind::kInt))}});
    FAIL();
  } catch (const CorruptFile& e) {
    EXPECT_THAT(e.what(), HasSubstr("schema.name-mapping.default"));
  }
  EXPECT_THROW(read(file, {.fields = {field(1, "id", primitive(TypeKind::kInt))}}, {}, {}, "[{]"), CorruptFile);
}

// --- physical forms --------------------------------------------------------------------------------------------------

// One row group a value, so that every statistic is of one value.
void write_decimals(const std::string& path, parquet::Type::type physical, int length, int precision,
                    const std::vector<int64_t>& unscaled) {
  auto node = parquet::schema::PrimitiveNode::Make("d", parquet::Repetition::REQUIRED,
                                                   parquet::LogicalType::Decimal(precision, 2), physical, length, 1);
  auto root = std::static_pointer_cast<parquet::schema::GroupNode>(
      parquet::schema::GroupNode::Make("schema", parquet::Repetition::REQUIRED, {node}));
  auto out = check(arrow::io::FileOutputStream::Open(path), "test");
  auto writer = parquet::ParquetFileWriter::Open(out, root);
  for (const int64_t value : unscaled) {
    auto* column = writer->AppendRowGroup()->NextColumn();
    std::string bytes(static_cast<size_t>(std::max(length, 8)), value < 0 ? '\xff' : '\0');
    for (int i = 0; i < 8; ++i) bytes[bytes.size() - 1 - i] = static_cast<char>(value >> (8 * i));
    const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
    if (physical == parquet::Type::INT32) {
      const auto narrow = static_cast<int32_t>(value);
      static_cast<parquet::Int32Writer*>(column)->WriteBatch(1, nullptr, nullptr, &narrow);
    } else if (physical == parquet::Type::INT64) {
      static_cast<parquet::Int64Writer*>(column)->WriteBatch(1, nullptr, nullptr, &value);
    } else if (physical == parquet::Type::BYTE_ARRAY) {
      const parquet::ByteArray array(static_cast<uint32_t>(bytes.size()), data);
      static_cast<parquet::ByteArrayWriter*>(column)->WriteBatch(1, nullptr, nullptr, &array);
    } else {
      const parquet::FixedLenByteArray array(data + bytes.size() - length);
      static_cast<parquet::FixedLenByteArrayWriter*>(column)->WriteBatch(1, nullptr, nullptr, &array);
    }
  }
  writer->Close();
  check(out->Close(), "test");
}

TEST_F(ParquetReaderTest, Trap08DecimalsInEveryPhysicalFormWithTheirStatistics) {
  const std::vector<int64_t> values = {-12'850, -128, -1, 0, 1, 127, 128, 99'999};
  const Schema schema{.fields = {field(1, "d", decimal_type(9, 2), true)}};
  struct Form {
    parquet::Type::type physical;
    int length;
  };
  for (const Form form :
       {Form{parquet::Type::INT32, -1}, Form{parquet::Type::INT64, -1}, Form{parquet::Type::BYTE_ARRAY, -1},
        Form{parquet::Type::FIXED_LEN_BYTE_ARRAY, 4}, Form{parquet::Type::FIXED_LEN_BYTE_ARRAY, 16}}) {
    const std::string path = new_path();
    write_decimals(path, form.physical, form.length, 9, values);
    const DataFile file = describe(path, static_cast<int64_t>(values.size()));
    std::vector<std::optional<arrow::Decimal128>> all;
    for (const int64_t value : values) all.emplace_back(value);
    const auto type = arrow::decimal128(9, 2);
    EXPECT_COLUMN(read(file, schema), "d", (array_of<arrow::Decimal128Builder, arrow::Decimal128>(type, all)));

    const TablePtr negative = read(file, schema, bound("d <= -1.28", schema));
    EXPECT_EQ(negative->num_rows(), 2) << parquet::TypeToString(form.physical);
    EXPECT_EQ(read(file, schema, bound("d = 1.28", schema))->num_rows(), 1) << parquet::TypeToString(form.physical);
    EXPECT_EQ(counters_->row_groups_pruned, 7) << parquet::TypeToString(form.physical);
  }
}

TEST_F(ParquetReaderTest, Trap23Int96IsReadAsMicrosecondsAndItsStatisticsAreIgnored) {
  const int64_t year_3000 = 32'503'680'000'000'000;
  const auto type = arrow::timestamp(arrow::TimeUnit::MICRO);
  const auto times = array_of<arrow::TimestampBuilder, int64_t>(type, {year_3000, 0, -1'000'000, {}});
  const auto table = arrow::Table::Make(arrow::schema({arrow_field(1, "t", type)}), {times});
  const DataFile file =
      write_arrow(*table, 1, parquet::default_writer_properties(),
                  parquet::ArrowWriterProperties::Builder().enable_deprecated_int96_timestamps()->build());
  for (const TypeKind kind : {TypeKind::kTimestamp, TypeKind::kTimestampTz}) {
    const Schema schema{.fields = {field(1, "t", primitive(kind))}};
    const auto expected = array_of<arrow::TimestampBuilder, int64_t>(
        std::static_pointer_cast<arrow::TimestampType>(to_arrow_type(schema.fields[0].type)),
        {year_3000, 0, -1'000'000, {}});
    EXPECT_COLUMN(read(file, schema), "t", expected);
    const std::string filter =
        kind == TypeKind::kTimestamp ? "t > '2999-01-01T00:00:00'" : "t > '2999-01-01T00:00:00Z'";
    EXPECT_EQ(read(file, schema, bound(filter, schema))->num_rows(), 1);
    EXPECT_EQ(counters_->row_groups_pruned, 0);
  }
}

TEST_F(ParquetReaderTest, NanosecondsUnderMicrosecondsAreRoundedDown) {
  const auto nanos = arrow::timestamp(arrow::TimeUnit::NANO);
  const DataFile file =
      write_arrow(*arrow::Table::Make(arrow::schema({arrow_field(1, "t", nanos)}),
                                      {array_of<arrow::TimestampBuilder, int64_t>(nanos, {-1, 1999, {}, -1000})}),
                  1 << 20, parquet::WriterProperties::Builder().version(parquet::ParquetVersion::PARQUET_2_6)->build());
  const Schema schema{.fields = {field(1, "t", primitive(TypeKind::kTimestamp))}};
  EXPECT_COLUMN(
      read(file, schema), "t",
      (array_of<arrow::TimestampBuilder, int64_t>(arrow::timestamp(arrow::TimeUnit::MICRO), {-1, 1, {}, -1})));
}

TEST_F(ParquetReaderTest, ArrowTypesThatThePhysicalFileRemembersBecomeTheTables) {
  auto dictionary = check(arrow::compute::DictionaryEncode(strings({"a", "b", {}, "a"})), "test").make_array();
  auto large = array_of<arrow::LargeStringBuilder, std::string>(arrow::large_utf8(), {"x", {}, "y", "z"});
  auto view = array_of<arrow::StringViewBuilder, std::string>(arrow::utf8_view(), {"x", {}, "longer than inline", "z"});
  const auto small = array_of<arrow::Int16Builder, int16_t>(arrow::int16(), {1, -2, {}, 3});
  const auto unsigned_ints =
      array_of<arrow::UInt32Builder, uint32_t>(arrow::uint32(), {1U, 4'000'000'000U, std::nullopt, 3U});
  const auto table = arrow::Table::Make(
      arrow::schema({arrow_field(1, "dict", dictionary->type()), arrow_field(2, "large", large->type()),
                     arrow_field(3, "view", view->type()), arrow_field(4, "small", small->type()),
                     arrow_field(5, "u32", unsigned_ints->type())}),
      {dictionary, large, view, small, unsigned_ints});
  const DataFile file = write_arrow(*table, 1 << 20, parquet::default_writer_properties(),
                                    parquet::ArrowWriterProperties::Builder().store_schema()->build());
  const Schema schema{
      .fields = {field(1, "dict", primitive(TypeKind::kString)), field(2, "large", primitive(TypeKind::kString)),
                 field(3, "view", primitive(TypeKind::kString)), field(4, "small", primitive(TypeKind::kInt)),
                 field(5, "u32", primitive(TypeKind::kLong))}};
  const TablePtr read_back = read(file, schema);
  EXPECT_COLUMN(read_back, "dict", strings({"a", "b", {}, "a"}));
  EXPECT_COLUMN(read_back, "large", strings({"x", {}, "y", "z"}));
  EXPECT_COLUMN(read_back, "view", strings({"x", {}, "longer than inline", "z"}));
  EXPECT_COLUMN(read_back, "small", ints({1, -2, {}, 3}));
  EXPECT_COLUMN(read_back, "u32", longs({1, 4'000'000'000, {}, 3}));
  EXPECT_EQ(read(file, schema, bound("u32 > 3999999999", schema))->num_rows(), 1);
  EXPECT_EQ(read(file, schema, bound("dict = 'b'", schema))->num_rows(), 1);
}

// --- pruning and filtering -------------------------------------------------------------------------------------------

// Rows as columns of the table's Arrow schema.
std::shared_ptr<arrow::RecordBatch> to_batch(const std::vector<random_data::Row>& rows, const Schema& schema) {
  const auto arrow_schema = to_arrow_schema(schema);
  arrow::ArrayVector columns;
  for (int i = 0; i < arrow_schema->num_fields(); ++i) {
    std::vector<Value> values;
    for (const auto& from : rows) {
      const auto value_of = random_data::values_of(from);
      const Field& column = schema.fields[i];
      if (column.type.kind == TypeKind::kStruct) {
        std::vector<Value> members;
        for (const Field& member : *column.type.children) members.push_back(value_of(member.id));
        values.emplace_back(std::move(members));
      } else {
        values.push_back(value_of(column.id));
      }
    }
    columns.push_back(to_array(values, schema.fields[i].type, arrow_schema->field(i)->type()));
  }
  return arrow::RecordBatch::Make(arrow_schema, static_cast<int64_t>(rows.size()), columns);
}

TEST_F(ParquetReaderTest, RandomFiltersKeepExactlyTheRowsThatMatch) {
  random_data::Rng rng(20'130'101);
  const Schema schema = random_data::all_types();
  const auto columns = random_data::leaves(schema);
  for (int round = 0; round < 12; ++round) {
    std::vector<random_data::Row> rows;
    for (int i = 0; i < 60; ++i) rows.push_back(random_data::random_row(rng, schema));
    // Neighbours alike, so that row groups differ.
    std::stable_sort(rows.begin(), rows.end(), [&](const auto& a, const auto& b) {
      const Value x = random_data::values_of(a)(3), y = random_data::values_of(b)(3);
      return !x.is_null() && !y.is_null() && x.as<int64_t>() < y.as<int64_t>() && round % 2 == 0;
    });
    const auto batch = to_batch(rows, schema);
    auto all = check(arrow::Table::FromRecordBatches({batch}), "test");
    DataFile file;
    if (round % 3 == 0) {
      auto properties = parquet_write_options({{"write.parquet.row-group-limit", "7"}}, schema);
      ParquetWriter writer(*io_, new_path(), schema, properties, false);
      writer.write(*batch);
      file = writer.finish();
    } else {
      file = write_arrow(*all, 1 + static_cast<int64_t>(random_data::below(rng, 25)),
                         parquet::WriterProperties::Builder().data_pagesize(1)->write_batch_size(3)->build());
    }
    batch_rows_ = 1 + static_cast<int64_t>(random_data::below(rng, 20));
    EXPECT_TRUE(read(file, schema)->Equals(*all, kNansEqual)) << "round " << round;
    for (int i = 0; i < 25; ++i) {
      const Expression filter = random_data::random_filter(rng, schema, columns);
      const BoundExpression bound_filter = bind(filter, schema);
      std::vector<random_data::Row> expected;
      for (const auto& from : rows) {
        if (matches(bound_filter, random_data::values_of(from))) expected.push_back(from);
      }
      const auto expected_table = check(arrow::Table::FromRecordBatches({to_batch(expected, schema)}), "test");
      const TablePtr found = read(file, schema, bound_filter);
      ASSERT_TRUE(found->Equals(*expected_table, kNansEqual)) << to_string(filter) << "\n"
                                                              << found->ToString() << "\ninstead of\n"
                                                              << expected_table->ToString();
      const Schema one{.fields = {schema.fields[random_data::below(rng, schema.fields.size())]}};
      const TablePtr narrow = read(file, schema, bound_filter, {}, "", one);
      EXPECT_EQ(narrow->num_rows(), expected_table->num_rows()) << to_string(filter);
      EXPECT_EQ(read(file, schema, bound_filter, {}, "", Schema{})->num_rows(), expected_table->num_rows());
    }
  }
}

class SparseRowsTest : public ParquetReaderTest,
                       public ::testing::WithParamInterface<parquet::ParquetDataPageVersion> {};

TEST_P(SparseRowsTest, DecodesOnlyThePagesThatHoldThem) {
  constexpr int64_t kRows = 20'000;
  arrow::Int64Builder ids, other;
  arrow::StringBuilder names;
  arrow::ListBuilder lists(arrow::default_memory_pool(), std::make_shared<arrow::Int32Builder>());
  for (int64_t i = 0; i < kRows; ++i) {
    check(ids.Append(i), "test");
    check(i % 7 == 0 ? other.AppendNull() : other.Append(i * 31 % 1009), "test");
    check(i % 11 == 0 ? names.AppendNull() : names.Append("name" + std::to_string(i % 500)), "test");
    check(lists.Append(), "test");
    for (int64_t k = 0; k < i % 3; ++k) {
      check(static_cast<arrow::Int32Builder*>(lists.value_builder())->Append(static_cast<int32_t>(i)), "test");
    }
  }
  const auto table = arrow::Table::Make(
      arrow::schema({arrow_field(1, "id", arrow::int64()), arrow_field(2, "other", arrow::int64()),
                     arrow_field(3, "name", arrow::utf8()),
                     arrow_field(4, "list", arrow::list(arrow_field(5, "element", arrow::int32())))}),
      {check(ids.Finish(), "test"), check(other.Finish(), "test"), check(names.Finish(), "test"),
       check(lists.Finish(), "test")});
  const DataFile file = write_arrow(*table, kRows / 2,
                                    parquet::WriterProperties::Builder()
                                        .data_page_version(GetParam())
                                        ->data_pagesize(2000)
                                        ->write_batch_size(100)
                                        ->build());
  const Schema schema{.fields = {field(1, "id", primitive(TypeKind::kLong)),
                                 field(2, "other", primitive(TypeKind::kLong)),
                                 field(3, "name", primitive(TypeKind::kString)),
                                 field(4, "list", list_type(5, primitive(TypeKind::kInt), false))}};
  const Schema without_list{.fields = {schema.fields[0], schema.fields[1], schema.fields[2]}};
  for (const auto& [filter, begin, end] :
       std::vector<std::tuple<std::string, int64_t, int64_t>>{{"id = 0", 0, 1},
                                                              {"id >= 3333 and id < 3344", 3333, 3344},
                                                              {"id >= 9995 and id < 10005", 9995, 10'005},
                                                              {"id = 19999", 19'999, 20'000},
                                                              {"id >= 12000 and id < 13000", 12'000, 13'000},
                                                              {"id = 5 and id = 6", 0, 0}}) {
    for (const Schema& wanted : {schema, without_list}) {
      const TablePtr found = read(file, schema, bound(filter, schema), {}, "", wanted);
      const auto expected =
          table->Slice(begin, end - begin)
              ->SelectColumns(wanted.fields.size() == 4 ? std::vector<int>{0, 1, 2, 3} : std::vector<int>{0, 1, 2});
      EXPECT_TRUE(found->Equals(**expected)) << filter << found->ToString();
    }
  }
  // Scattered rows, of pages that are not neighbours.
  const TablePtr scattered = read(file, schema, bound("id in (17, 5000, 5001, 9000, 10001, 19998)", schema));
  EXPECT_COLUMN(scattered, "id", longs({17, 5000, 5001, 9000, 10'001, 19'998}));
  EXPECT_COLUMN(scattered, "other",
                longs({17 * 31 % 1009, 5000 * 31 % 1009, 5001 * 31 % 1009, 9000 * 31 % 1009, 10'001 * 31 % 1009,
                       19'998 * 31 % 1009}));
}

INSTANTIATE_TEST_SUITE_P(PageVersions, SparseRowsTest,
                         ::testing::Values(parquet::ParquetDataPageVersion::V1, parquet::ParquetDataPageVersion::V2));

TEST_F(ParquetReaderTest, PrunesRowGroupsAndSkipsTheFilterWhereAllRowsMatch) {
  const Schema schema{
      .fields = {field(1, "id", primitive(TypeKind::kInt)), field(2, "s", primitive(TypeKind::kString))}};
  const DataFile file = write_arrow({arrow_field(1, "id", arrow::int32()), arrow_field(2, "s", arrow::utf8())},
                                    {ints({1, 2, 3, 4, 5, 6}), strings({"a", "b", "c", "d", "e", "f"})}, 2);
  EXPECT_COLUMN(read(file, schema, bound("id >= 3", schema)), "s", strings({"c", "d", "e", "f"}));
  EXPECT_EQ(counters_->row_groups_pruned, 1);
  EXPECT_EQ(counters_->row_groups_read, 2);

  auto options = std::make_shared<ParquetReadOptions>(ParquetReadOptions{
      .schema = std::make_shared<const Schema>(schema), .projection = schema, .filter = bound("id >= 4", schema)});
  const ParquetFile parquet(*io_, file, options, {}, "", nullptr);
  ASSERT_EQ(parquet.row_groups(), 2);
  EXPECT_TRUE(parquet.filters(0));
  EXPECT_FALSE(parquet.filters(1));
}

TEST_F(ParquetReaderTest, EmptyProjectionCountsWithoutDecoding) {
  const DataFile file = write_arrow({arrow_field(1, "id", arrow::int32())}, {ints({1, 2, {}, 4})}, 3);
  const Schema schema{.fields = {field(1, "id", primitive(TypeKind::kInt))}};
  EXPECT_EQ(read(file, schema, {}, {}, "", Schema{})->num_rows(), 4);
  EXPECT_EQ(counters_->bytes_read, 0);
  EXPECT_EQ(read(file, schema, bound("id > 1", schema), {}, "", Schema{})->num_rows(), 2);
}

TEST_F(ParquetReaderTest, SplitsCoverEveryRowOnce) {
  const Schema schema{.fields = {field(1, "id", primitive(TypeKind::kInt))}};
  std::vector<std::optional<int32_t>> values;
  for (int32_t i = 0; i < 1000; ++i) values.emplace_back(i);
  const DataFile file = write_arrow({arrow_field(1, "id", arrow::int32())}, {ints(values)}, 30);
  for (const int64_t split : {int64_t{1}, int64_t{100}, int64_t{777}, int64_t{1} << 40}) {
    int64_t rows = 0, sum = 0;
    for (int64_t start = 0; start < file.file_size_in_bytes; start += split == 1 ? 4 : split) {
      ParquetReadOptions options{.schema = std::make_shared<const Schema>(schema),
                                 .projection = schema,
                                 .split_start = start,
                                 .split_length = split == 1 ? 4 : split};
      auto table = check(read_parquet(*io_, file, options, {}, "")->ToTable(), "read");
      rows += table->num_rows();
      for (const auto& chunk : table->column(0)->chunks()) {
        for (int64_t i = 0; i < chunk->length(); ++i) sum += static_cast<const arrow::Int32Array&>(*chunk).Value(i);
      }
      if (split == int64_t{1} << 40) break;
    }
    EXPECT_EQ(rows, 1000);
    EXPECT_EQ(sum, 999 * 500);
  }
}

TEST_F(ParquetReaderTest, WideRowsComeInSmallBatches) {
  std::vector<std::optional<std::string>> values(4096, std::string(2000, 'x'));
  for (size_t i = 0; i < values.size(); ++i) *values[i] += std::to_string(i);
  const DataFile file = write_arrow({arrow_field(1, "s", arrow::utf8())}, {strings(values)});
  const Schema schema{.fields = {field(1, "s", primitive(TypeKind::kString))}};
  ParquetReadOptions options{
      .schema = std::make_shared<const Schema>(schema), .projection = schema, .batch_bytes = 1 << 20};
  auto reader = read_parquet(*io_, file, options, {}, "");
  std::shared_ptr<arrow::RecordBatch> batch;
  check(reader->ReadNext(&batch), "read");
  EXPECT_LT(batch->num_rows(), 550);
  EXPECT_GT(batch->num_rows(), 400);

  // One value in a dictionary, many times.
  const DataFile repeated =
      write_arrow({arrow_field(1, "s", arrow::utf8())},
                  {strings(std::vector<std::optional<std::string>>(4096, std::string(2000, 'x')))});
  reader = read_parquet(*io_, repeated, options, {}, "");
  check(reader->ReadNext(&batch), "read");
  EXPECT_LT(batch->num_rows(), 550);
}

TEST_F(ParquetReaderTest, StopTokenEndsIt) {
  const DataFile file = write_arrow({arrow_field(1, "id", arrow::int32())}, {ints({1, 2, 3})}, 1);
  const Schema schema{.fields = {field(1, "id", primitive(TypeKind::kInt))}};
  arrow::StopSource stop;
  ParquetReadOptions options{
      .schema = std::make_shared<const Schema>(schema), .projection = schema, .stop = stop.token()};
  auto reader = read_parquet(*io_, file, options, {}, "");
  std::shared_ptr<arrow::RecordBatch> batch;
  check(reader->ReadNext(&batch), "read");
  stop.RequestStop();
  EXPECT_THROW(check(reader->ReadNext(&batch), "read"), Cancelled);
}

// --- bad files -------------------------------------------------------------------------------------------------------

TEST_F(ParquetReaderTest, MissingFileIsNotFound) {
  DataFile file;
  file.file_path = (dir_ / "gone.parquet").string();
  file.file_size_in_bytes = 100;
  EXPECT_THROW(read(file, {.fields = {field(1, "id", primitive(TypeKind::kInt))}}), NotFound);
}

TEST_F(ParquetReaderTest, FileShorterThanTheManifestSaysIsCorrupt) {
  DataFile file = write_arrow({arrow_field(1, "id", arrow::int32())}, {ints({1, 2, 3})});
  file.file_size_in_bytes += 10;
  try {
    read(file, {.fields = {field(1, "id", primitive(TypeKind::kInt))}});
    FAIL();
  } catch (const CorruptFile& e) {
    EXPECT_THAT(e.what(), HasSubstr(file.file_path));
  }
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class DamagedParquetTest : public ParquetReaderTest {
 protected:
  DamagedParquetTest() {
    random_data::Rng rng(7);
    std::vector<random_data::Row> rows;
    for (int i = 0; i < 50; ++i) rows.push_back(random_data::random_row(rng, schema_));
    good_ = write_arrow(*check(arrow::Table::FromRecordBatches({to_batch(rows, schema_)}), "test"), 20);
    bytes_ = bytes_of(good_.file_path);
  }

  // Rows, or an exception of ours that names the file.
  void read_damaged(const std::string& bytes, const std::string& what) {
    const std::string path = new_path();
    write_bytes(path, bytes);
    for (const char* filter : {"true", "long > 0 and string is not null"}) {
      try {
        read(describe(path, 50), schema_, bound(filter, schema_));
      } catch (const CorruptFile& e) {
        EXPECT_THAT(e.what(), HasSubstr(path)) << what;
      } catch (const NotSupported& e) {  // an unknown codec, encryption
        EXPECT_THAT(e.what(), HasSubstr(path)) << what;
      } catch (const Error& e) {
        ADD_FAILURE() << what << ": " << e.what();
      }
    }
    std::filesystem::remove(path);
  }

  const Schema schema_ = random_data::all_types();
  DataFile good_;
  std::string bytes_;
};

TEST_F(DamagedParquetTest, TruncatedFilesAreCorrupt) {
  for (size_t i = 0; i < 60; ++i) {
    const std::string path = new_path();
    write_bytes(path, bytes_.substr(0, bytes_.size() * i / 60));
    EXPECT_THROW(read(describe(path, 50), schema_), CorruptFile) << i;
    EXPECT_THROW(read(
                     [&] {
                       DataFile file = describe(path, 50);
                       file.file_size_in_bytes = good_.file_size_in_bytes;
                       return file;
                     }(),
                     schema_),
                 CorruptFile)
        << i;
  }
}

TEST_F(DamagedParquetTest, FlippedBitsNeverCrash) {
  random_data::Rng rng(42);
  for (int i = 0; i < 400; ++i) {
    std::string damaged = bytes_;
    const size_t at = i % 2 == 0 ? random_data::below(rng, damaged.size())
                                 : damaged.size() - 1 - random_data::below(rng, std::min<size_t>(damaged.size(), 6000));
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << random_data::below(rng, 8)));
    read_damaged(damaged, fmt::format("bit of byte {}", at));
  }
}

}  // namespace
}  // namespace floe
