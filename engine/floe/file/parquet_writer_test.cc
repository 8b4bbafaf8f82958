#include "floe/file/parquet_writer.h"

#include <arrow/api.h>
#include <arrow/extension/uuid.h>
#include <arrow/json/from_string.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <parquet/bloom_filter.h>
#include <parquet/bloom_filter_reader.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/page_index.h>
#include <parquet/schema.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <limits>
#include <numeric>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/parquet_dictionary.h"
#include "floe/file/parquet_reader.h"
#include "floe/parallel.h"

namespace floe {
namespace {

using arrow::json::ArrayFromJSONString;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ArrayPtr = std::shared_ptr<arrow::Array>;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

Field field(int32_t id, std::string name, Type type, bool required = false) {
  return Field{.id = id, .name = std::move(name), .required = required, .type = std::move(type)};
}

ArrayPtr array(const Type& type, const std::string& json) {
  const auto arrow_type = to_arrow_type(type);
  if (arrow_type->id() != arrow::Type::EXTENSION) return ArrayFromJSONString(arrow_type, json).ValueOrDie();
  const auto& storage = static_cast<const arrow::ExtensionType&>(*arrow_type).storage_type();
  return arrow::ExtensionType::WrapArray(arrow_type, ArrayFromJSONString(storage, json).ValueOrDie());
}

BatchPtr batch(const Schema& schema, arrow::ArrayVector columns) {
  const int64_t rows = columns.at(0)->length();
  return arrow::RecordBatch::Make(to_arrow_schema(schema), rows, std::move(columns));
}
BatchPtr batch(const Schema& schema, const std::vector<std::string>& json) {
  arrow::ArrayVector columns;
  for (size_t i = 0; i < json.size(); ++i) columns.push_back(array(schema.fields[i].type, json[i]));
  return batch(schema, std::move(columns));
}

template <typename T>
std::optional<T> at(const ByFieldId<T>& map, int32_t id) {
  for (const auto& [key, value] : map)
    if (key == id) return value;
  return std::nullopt;
}

std::string bytes_of(const Value& value, const Type& type) { return to_bytes(value, type); }

class ParquetWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "floe-parquet-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string new_location() { return "file://" + dir_ + "/" + std::to_string(++files_) + ".parquet"; }

  DataFile write(const Schema& schema, const std::vector<BatchPtr>& batches, const Properties& properties = {}) {
    ParquetWriter writer(*io_, new_location(), schema, parquet_write_options(properties, schema), true);
    for (const auto& rows : batches) writer.write(*rows);
    DataFile file = writer.finish();
    EXPECT_EQ(file.file_size_in_bytes, io_->read(file.file_path)->size());
    return file;
  }
  // One column of one batch.
  DataFile write(const Type& type, const std::string& json, const Properties& properties = {}) {
    const Schema schema{.fields = {field(1, "x", type)}};
    return write(schema, {batch(schema, {json})}, properties);
  }

  std::unique_ptr<parquet::ParquetFileReader> open(const DataFile& file) {
    return parquet::ParquetFileReader::Open(io_->open(file.file_path));
  }
  std::shared_ptr<arrow::Table> read(const DataFile& file, const Schema& schema) {
    const ParquetReadOptions options{.schema = std::make_shared<const Schema>(schema), .projection = schema};
    auto reader = read_parquet(*io_, file, options, {}, "");
    return check(check(reader->ToTable(), "read")->CombineChunks(), "read");
  }
  void expect_same(const DataFile& file, const Schema& schema, const std::vector<BatchPtr>& batches) {
    const auto expected = check(check(arrow::Table::FromRecordBatches(batches), "test")->CombineChunks(), "test");
    const auto found = read(file, schema);
    EXPECT_TRUE(found->Equals(*expected, arrow::EqualOptions::Defaults().nans_equal(true)))
        << found->ToString() << "\ninstead of\n"
        << expected->ToString();
  }

  std::string dir_;
  int files_ = 0;
  IoPtr io_ = make_io({});
};

Schema every_type() {
  return {.fields = {
              field(1, "boolean", primitive(TypeKind::kBoolean)),
              field(2, "int", primitive(TypeKind::kInt), true),
              field(3, "long", primitive(TypeKind::kLong)),
              field(4, "float", primitive(TypeKind::kFloat)),
              field(5, "double", primitive(TypeKind::kDouble)),
              field(6, "decimal9", decimal_type(9, 2)),
              field(7, "decimal18", decimal_type(18, 2)),
              field(8, "decimal38", decimal_type(38, 2)),
              field(9, "date", primitive(TypeKind::kDate)),
              field(10, "time", primitive(TypeKind::kTime)),
              field(11, "timestamp", primitive(TypeKind::kTimestamp)),
              field(12, "timestamptz", primitive(TypeKind::kTimestampTz)),
              field(13, "timestamp_ns", primitive(TypeKind::kTimestampNs)),
              field(14, "timestamptz_ns", primitive(TypeKind::kTimestampTzNs)),
              field(15, "string", primitive(TypeKind::kString)),
              field(16, "uuid", primitive(TypeKind::kUuid)),
              field(17, "fixed", fixed_type(3)),
              field(18, "binary", primitive(TypeKind::kBinary)),
              field(19, "struct",
                    struct_type({field(20, "a", primitive(TypeKind::kInt), true),
                                 field(21, "b", primitive(TypeKind::kString))})),
              field(22, "list", list_type(23, primitive(TypeKind::kDouble), false)),
              field(24, "map",
                    map_type(25, primitive(TypeKind::kString), 26,
                             list_type(27, struct_type({field(28, "c", decimal_type(20, 0))}), true), false)),
              field(29, "geometry", geometry_type("srid:4326")),
          }};
}

std::vector<std::string> every_value() {
  return {"[true, null, false]",
          "[1, -2, 2147483647]",
          "[null, -9223372036854775808, 9223372036854775807]",
          "[0.5, null, -1.5]",
          "[null, -0.25, 1e300]",
          R"(["-1.28", null, "9999999.99"])",
          R"([null, "-9999999999999999.99", "0.01"])",
          R"(["-123456789012345678901234567890123456.78", "1.00", null])",
          "[-1, null, 19000]",
          "[0, null, 86399999999]",
          "[-1, null, 4102444800000000]",
          "[-1, null, 4102444800000000]",
          "[-1, null, 1700000000000000001]",
          "[-1, null, 1700000000000000001]",
          R"(["", null, "日本"])",
          R"(["0123456789abcdef", null, "fedcba9876543210"])",
          R"(["abc", null, "\u0000\u0001\u0002"])",
          R"(["", null, "bytes"])",
          R"([{"a": 1, "b": null}, null, {"a": 2, "b": "x"}])",
          "[[], null, [0.5, null]]",
          R"([[["k", [{"c": "1"}]], ["l", null]], null, []])",
          R"(["", null, "wkb"])"};
}

TEST_F(ParquetWriterTest, EveryTypeComesBack) {
  const Schema schema = every_type();
  const BatchPtr rows = batch(schema, every_value());
  ASSERT_TRUE(rows->ValidateFull().ok()) << rows->ValidateFull().ToString();
  for (const char* codec : {"zstd", "snappy", "gzip", "brotli", "lz4", "uncompressed"}) {
    for (const char* version : {"v1", "v2"}) {
      const DataFile file =
          write(schema, {rows, rows->Slice(1), rows->Slice(0, 0)},
                {{"write.parquet.compression-codec", codec}, {"write.parquet.page-version", version}});
      EXPECT_EQ(file.record_count, 5);
      expect_same(file, schema, {rows, rows->Slice(1)});
    }
  }
}

TEST_F(ParquetWriterTest, VariantsComeBackAndAreAnnotated) {
  const Schema schema{.fields = {field(1, "v", primitive(TypeKind::kVariant))}};
  const BatchPtr rows = batch(schema, {R"([{"metadata": "\u0001", "value": "\u0000"}, null])"});
  const DataFile file = write(schema, {rows});
  EXPECT_TRUE(open(file)->metadata()->schema()->group_node()->field(0)->logical_type()->is_variant());
  expect_same(file, schema, {rows});
  EXPECT_THAT(file.lower_bounds, IsEmpty());
  EXPECT_EQ(at(file.value_counts, 1), 2);
  EXPECT_EQ(at(file.null_value_counts, 1), 1);
}

TEST_F(ParquetWriterTest, TheFileHasFieldIdsAndTheSpecificationsTypes) {
  const DataFile file = write(every_type(), {batch(every_type(), every_value())});
  const auto reader = open(file);
  const auto* descriptor = reader->metadata()->schema();
  const auto column = [&](const std::string& path) {
    for (int i = 0; i < descriptor->num_columns(); ++i)
      if (descriptor->Column(i)->path()->ToDotString() == path) return descriptor->Column(i);
    ADD_FAILURE() << path;
    return descriptor->Column(0);
  };
  EXPECT_EQ(column("boolean")->schema_node()->field_id(), 1);
  EXPECT_TRUE(column("int")->schema_node()->is_required());
  EXPECT_EQ(column("decimal9")->physical_type(), parquet::Type::INT32);
  EXPECT_EQ(column("decimal18")->physical_type(), parquet::Type::INT64);
  EXPECT_EQ(column("decimal38")->physical_type(), parquet::Type::FIXED_LEN_BYTE_ARRAY);
  EXPECT_EQ(column("decimal38")->type_length(), 16);
  EXPECT_EQ(column("map.key_value.value.list.element.c")->type_length(), 9);
  EXPECT_EQ(column("uuid")->type_length(), 16);
  EXPECT_TRUE(column("uuid")->logical_type()->is_UUID());
  EXPECT_EQ(column("timestamp")->logical_type()->ToString(),
            parquet::LogicalType::Timestamp(false, parquet::LogicalType::TimeUnit::MICROS)->ToString());
  EXPECT_EQ(column("timestamptz_ns")->logical_type()->ToString(),
            parquet::LogicalType::Timestamp(true, parquet::LogicalType::TimeUnit::NANOS)->ToString());
  EXPECT_TRUE(column("geometry")->logical_type()->is_geometry());
  EXPECT_EQ(column("struct.a")->schema_node()->field_id(), 20);
  EXPECT_EQ(column("struct.a")->schema_node()->parent()->field_id(), 19);
  EXPECT_EQ(column("list.list.element")->schema_node()->field_id(), 23);
  EXPECT_EQ(column("map.key_value.key")->schema_node()->field_id(), 25);
  EXPECT_TRUE(column("map.key_value.key")->schema_node()->is_required());
  EXPECT_TRUE(reader->metadata()->key_value_metadata()->Contains("iceberg.schema"));
}

TEST_F(ParquetWriterTest, Trap22UnknownColumnsAreNotInFiles) {
  const Schema schema{.fields = {field(1, "nothing", primitive(TypeKind::kUnknown)),
                                 field(2, "s",
                                       struct_type({field(3, "nothing", primitive(TypeKind::kUnknown)),
                                                    field(4, "a", primitive(TypeKind::kInt))})),
                                 field(5, "l",
                                       list_type(6,
                                                 struct_type({field(7, "b", primitive(TypeKind::kString)),
                                                              field(8, "nothing", primitive(TypeKind::kUnknown))}),
                                                 false)),
                                 field(9, "m",
                                       map_type(10, primitive(TypeKind::kString), 11,
                                                struct_type({field(12, "nothing", primitive(TypeKind::kUnknown)),
                                                             field(13, "c", primitive(TypeKind::kLong))}),
                                                false))}};
  const BatchPtr rows = batch(
      schema, {"[null, null, null]", R"([{"nothing": null, "a": 1}, null, {"nothing": null, "a": 3}])",
               R"([[{"b": "x", "nothing": null}], null, []])", R"([null, [["k", {"nothing": null, "c": 1}]], []])"});
  const DataFile file = write(schema, {rows, rows->Slice(1)});
  EXPECT_EQ(open(file)->metadata()->num_columns(), 4);
  expect_same(file, schema, {rows, rows->Slice(1)});

  const auto refused = [&](Type type) {
    const Schema only{.fields = {field(1, "x", std::move(type))}};
    EXPECT_THROW(ParquetWriter(*io_, new_location(), only, parquet_write_options({}, only), false), NotSupported);
  };
  refused(primitive(TypeKind::kUnknown));
  refused(list_type(2, primitive(TypeKind::kUnknown), false));
  refused(struct_type({field(2, "a", primitive(TypeKind::kUnknown))}));
}

TEST_F(ParquetWriterTest, Trap03StringBoundsAreCutByCodePoints) {
  const DataFile file =
      write(primitive(TypeKind::kString), R"(["日本語日本語日本語日本語日本語日本語", "aaaaaaaaaaaaaaaaaaaaaa"])");
  EXPECT_EQ(at(file.lower_bounds, 1), "aaaaaaaaaaaaaaaa");
  EXPECT_EQ(at(file.upper_bounds, 1), "日本語日本語日本語日本語日本語旦");
}

TEST_F(ParquetWriterTest, Trap05NansAreCountedAndInNoBound) {
  for (const auto kind : {TypeKind::kDouble, TypeKind::kFloat}) {
    const Type type = primitive(kind);
    const auto value = [&](double number) {
      return bytes_of(kind == TypeKind::kDouble ? Value(number) : Value(static_cast<float>(number)), type);
    };
    const DataFile mixed = write(type, "[NaN, 1, null, -2, NaN]");
    EXPECT_EQ(at(mixed.nan_value_counts, 1), 2);
    EXPECT_EQ(at(mixed.lower_bounds, 1), value(-2));
    EXPECT_EQ(at(mixed.upper_bounds, 1), value(1));

    const DataFile only = write(type, "[NaN, null, NaN]");
    EXPECT_EQ(at(only.nan_value_counts, 1), 2);
    EXPECT_EQ(at(only.value_counts, 1), 3);
    EXPECT_THAT(only.lower_bounds, IsEmpty());
    EXPECT_THAT(only.upper_bounds, IsEmpty());

    // A row group of nothing but NaN does not take the others' bounds away.
    const DataFile groups = write(type, "[NaN, NaN, 1, 3]", {{"write.parquet.row-group-limit", "2"}});
    EXPECT_EQ(groups.split_offsets.size(), 2u);
    EXPECT_EQ(at(groups.lower_bounds, 1), value(1));
    EXPECT_EQ(at(groups.upper_bounds, 1), value(3));

    EXPECT_EQ(at(write(type, "[1]").nan_value_counts, 1), 0);
  }
}

TEST_F(ParquetWriterTest, Trap05NegativeZeroIsBelowZero) {
  const Type type = primitive(TypeKind::kDouble);
  for (const char* json : {"[0.0, -0.0]", "[-0.0, 0.0]"}) {
    const DataFile file = write(type, json);
    EXPECT_EQ(at(file.lower_bounds, 1), bytes_of(Value(-0.0), type));
    EXPECT_EQ(at(file.upper_bounds, 1), bytes_of(Value(0.0), type));
  }
}

TEST_F(ParquetWriterTest, NansUnderNullsAreNotCounted) {
  const Schema schema{.fields = {field(1, "s", struct_type({field(2, "d", primitive(TypeKind::kDouble))}))}};
  const ArrayPtr child = array(primitive(TypeKind::kDouble), "[NaN, NaN, 1, null]");
  const auto valid = array(primitive(TypeKind::kBoolean), "[true, false, true, true]")->data()->buffers[1];
  const auto rows =
      std::make_shared<arrow::StructArray>(to_arrow_type(schema.fields[0].type), 4, arrow::ArrayVector{child}, valid);
  const DataFile file = write(schema, {batch(schema, arrow::ArrayVector{rows})});
  EXPECT_EQ(at(file.nan_value_counts, 2), 1);
  EXPECT_EQ(at(file.value_counts, 2), 4);
  EXPECT_EQ(at(file.null_value_counts, 2), 2);
}

TEST_F(ParquetWriterTest, Trap08DecimalBoundsAreBigEndianWhateverTheFileHas) {
  for (const int32_t precision : {9, 18, 38}) {
    const Type type = decimal_type(precision, 2);
    const DataFile file = write(type, R"(["-1.28", "2.56", null, "0.00"])");
    EXPECT_EQ(at(file.lower_bounds, 1), "\x80") << precision;
    EXPECT_EQ(at(file.upper_bounds, 1), std::string("\x01\x00", 2)) << precision;
  }
}

TEST_F(ParquetWriterTest, Trap23UuidBoundsAreOfUnsignedOrder) {
  const Type type = primitive(TypeKind::kUuid);
  arrow::FixedSizeBinaryBuilder builder(arrow::fixed_size_binary(16));
  const std::string high(16, '\xF0'), low(16, '\x10');
  ASSERT_TRUE(builder.Append(high).ok() && builder.Append(low).ok());
  const Schema schema{.fields = {field(1, "x", type), field(2, "y", fixed_type(16))}};
  const ArrayPtr bytes = *builder.Finish();
  const DataFile file =
      write(schema, {batch(schema, {arrow::ExtensionType::WrapArray(arrow::extension::uuid(), bytes), bytes})});
  for (const int32_t id : {1, 2}) {
    EXPECT_EQ(at(file.lower_bounds, id), low);
    EXPECT_EQ(at(file.upper_bounds, id), high);
  }
}

TEST_F(ParquetWriterTest, MetricsOfSeveralRowGroupsAreMerged) {
  const Schema schema{.fields = {field(1, "n", primitive(TypeKind::kLong)), field(2, "s", primitive(TypeKind::kString)),
                                 field(3, "empty", primitive(TypeKind::kInt))}};
  const BatchPtr rows = batch(schema, {"[5, null, -3, 7, null, null]", R"(["m", "z", "a", null, null, null])",
                                       "[null, null, null, null, null, null]"});
  const DataFile file = write(schema, {rows}, {{"write.parquet.row-group-limit", "2"}});
  EXPECT_THAT(file.split_offsets, SizeIs(3));
  EXPECT_EQ(file.split_offsets[0], 4);
  EXPECT_TRUE(std::is_sorted(file.split_offsets.begin(), file.split_offsets.end()));
  EXPECT_THAT(file.value_counts, ElementsAre(Pair(1, 6), Pair(2, 6), Pair(3, 6)));
  EXPECT_THAT(file.null_value_counts, ElementsAre(Pair(1, 3), Pair(2, 3), Pair(3, 6)));
  EXPECT_EQ(at(file.lower_bounds, 1), bytes_of(Value(int64_t{-3}), primitive(TypeKind::kLong)));
  EXPECT_EQ(at(file.upper_bounds, 1), bytes_of(Value(int64_t{7}), primitive(TypeKind::kLong)));
  EXPECT_EQ(at(file.lower_bounds, 2), "a");
  EXPECT_EQ(at(file.upper_bounds, 2), "z");
  EXPECT_EQ(at(file.lower_bounds, 3), std::nullopt);
  EXPECT_THAT(file.column_sizes, SizeIs(3));
  EXPECT_THAT(file.nan_value_counts, IsEmpty());
}

TEST_F(ParquetWriterTest, ListsAndMapsHaveSizesAndNothingElse) {
  const DataFile file = write(every_type(), {batch(every_type(), every_value())});
  for (const int32_t id : {23, 25, 28}) {
    EXPECT_TRUE(at(file.column_sizes, id));
    EXPECT_FALSE(at(file.value_counts, id));
    EXPECT_FALSE(at(file.nan_value_counts, id));
    EXPECT_FALSE(at(file.lower_bounds, id));
  }
  EXPECT_EQ(at(file.lower_bounds, 20), bytes_of(Value(int32_t{1}), primitive(TypeKind::kInt)));
  EXPECT_EQ(at(file.null_value_counts, 20), 1);  // where the struct is null
  EXPECT_FALSE(at(file.lower_bounds, 29));       // bytes of a geometry mean nothing by their order
  EXPECT_EQ(at(file.value_counts, 29), 3);
}

TEST_F(ParquetWriterTest, MetricsModesAreFollowed) {
  const Schema schema{
      .fields = {field(1, "none", primitive(TypeKind::kLong)), field(2, "counts", primitive(TypeKind::kLong)),
                 field(3, "cut", primitive(TypeKind::kString)), field(4, "full", primitive(TypeKind::kString))}};
  const DataFile file =
      write(schema, {batch(schema, {"[1]", "[1]", R"(["abcdef"])", R"(["abcdefghijklmnopqrstuvwxyz"])"})},
            {{"write.metadata.metrics.column.none", "none"},
             {"write.metadata.metrics.column.counts", "counts"},
             {"write.metadata.metrics.column.cut", "truncate(2)"},
             {"write.metadata.metrics.column.full", "full"}});
  EXPECT_FALSE(at(file.column_sizes, 1));
  EXPECT_FALSE(at(file.value_counts, 1));
  EXPECT_EQ(at(file.value_counts, 2), 1);
  EXPECT_FALSE(at(file.lower_bounds, 2));
  EXPECT_EQ(at(file.lower_bounds, 3), "ab");
  EXPECT_EQ(at(file.upper_bounds, 3), "ac");
  EXPECT_EQ(at(file.upper_bounds, 4), "abcdefghijklmnopqrstuvwxyz");
}

TEST_F(ParquetWriterTest, WithoutStatisticsNothingIsMadeUp) {
  const DataFile file =
      write(primitive(TypeKind::kLong), "[1, null]", {{"write.parquet.stats-enabled.column.x", "false"}});
  EXPECT_EQ(at(file.value_counts, 1), 2);
  EXPECT_FALSE(at(file.null_value_counts, 1));  // unknown is not 0
  EXPECT_FALSE(at(file.lower_bounds, 1));
  // A value too long for the footer's statistics: the other bound stays out too, the counts are known.
  const DataFile wide = write(primitive(TypeKind::kString), R"(["a", ")" + std::string(10'000, 'z') + R"("])");
  EXPECT_EQ(at(wide.null_value_counts, 1), 0);
}

TEST_F(ParquetWriterTest, AFileWithoutRowsIsValid) {
  const Schema schema = every_type();
  const DataFile file = write(schema, {});
  EXPECT_EQ(file.record_count, 0);
  EXPECT_THAT(file.split_offsets, IsEmpty());
  EXPECT_THAT(file.lower_bounds, IsEmpty());
  EXPECT_EQ(read(file, schema)->num_rows(), 0);
}

BatchPtr numbers(const Schema& schema, int64_t rows) {
  arrow::Int64Builder ids;
  arrow::StringBuilder texts;
  for (int64_t i = 0; i < rows; ++i) {
    EXPECT_TRUE(ids.Append(i * 7919).ok());
    EXPECT_TRUE(texts.Append("text " + std::to_string(i * 104729 % 1'000'003)).ok());
  }
  return batch(schema, {*ids.Finish(), *texts.Finish()});
}
Schema numbers_schema() {
  return {.fields = {field(1, "id", primitive(TypeKind::kLong), true), field(2, "text", primitive(TypeKind::kString))}};
}

TEST_F(ParquetWriterTest, RowGroupsCloseByBytesAndByRows) {
  const Schema schema = numbers_schema();
  const BatchPtr rows = numbers(schema, 300'000);
  std::vector<BatchPtr> batches;
  for (int64_t i = 0; i < 300'000; i += 10'000) batches.push_back(rows->Slice(i, 10'000));
  const DataFile by_bytes = write(schema, batches, {{"write.parquet.row-group-size-bytes", "300000"}});
  EXPECT_GT(by_bytes.split_offsets.size(), 3u);
  expect_same(by_bytes, schema, {rows});
  const auto footer = open(by_bytes)->metadata();
  for (int i = 0; i + 1 < footer->num_row_groups(); ++i) {
    EXPECT_LT(footer->RowGroup(i)->total_compressed_size(), 900'000);
    EXPECT_GT(footer->RowGroup(i)->num_rows(), 0);
    EXPECT_EQ(by_bytes.split_offsets[static_cast<size_t>(i)], footer->RowGroup(i)->file_offset());
  }
  const DataFile by_rows = write(schema, {rows}, {{"write.parquet.row-group-limit", "100000"}});
  EXPECT_THAT(by_rows.split_offsets, SizeIs(3));
  expect_same(by_rows, schema, {rows});
}

TEST_F(ParquetWriterTest, BytesWrittenFollowTheFile) {
  const Schema schema = numbers_schema();
  const BatchPtr rows = numbers(schema, 400'000);
  ParquetWriter writer(*io_, new_location(), schema, parquet_write_options({}, schema), true);
  int64_t before = writer.bytes_written();
  for (int64_t i = 0; i < 400'000; i += 50'000) {
    writer.write(*rows->Slice(i, 50'000));
    EXPECT_GT(writer.bytes_written(), before);
    before = writer.bytes_written();
  }
  const DataFile file = writer.finish();
  EXPECT_NEAR(static_cast<double>(before) / static_cast<double>(file.file_size_in_bytes), 1.0, 0.3);
}

// Also one of so few rows that nothing has been encoded yet.
TEST_F(ParquetWriterTest, EndedRowGroupsHoldNoMemory) {
  const Schema schema = numbers_schema();
  const BatchPtr rows = numbers(schema, 101'000);
  ParquetWriter writer(*io_, new_location(), schema, parquet_write_options({}, schema), true);
  for (const auto& [begin, count] : {std::pair(0, 1'000), std::pair(1'000, 100'000)}) {
    writer.write(*rows->Slice(begin, count));
    const int64_t before = writer.bytes_in_memory();
    EXPECT_GT(before, 4 * count);
    writer.end_row_group();
    while (writer.bytes_in_memory() > before / 4) usleep(1'000);  // until what was passed on is written
  }
  const DataFile file = writer.finish();
  EXPECT_THAT(file.split_offsets, SizeIs(2));
  expect_same(file, schema, {rows});
}

TEST_F(ParquetWriterTest, PagesHaveAnIndex) {
  const Schema schema = numbers_schema();
  const DataFile file = write(schema, {numbers(schema, 100'000)}, {{"write.parquet.page-row-limit", "10000"}});
  const auto reader = open(file);
  const auto pages = reader->GetPageIndexReader()->RowGroup(0)->GetOffsetIndex(0);
  EXPECT_THAT(pages->page_locations(), SizeIs(10));
}

TEST_F(ParquetWriterTest, BloomFilters) {
  const Schema schema = numbers_schema();
  const DataFile file = write(schema, {numbers(schema, 100'000)},
                              {{"write.parquet.bloom-filter-enabled.column.id", "true"},
                               {"write.parquet.bloom-filter-enabled.column.text", "true"},
                               {"write.parquet.bloom-filter-enabled.column.dropped", "true"},
                               {"write.parquet.bloom-filter-fpp.column.text", "0.1"},
                               {"write.parquet.bloom-filter-max-bytes", "32768"}});
  const auto reader = open(file);
  const auto group = reader->GetBloomFilterReader().RowGroup(0);
  for (const int column : {0, 1}) EXPECT_LE(group->GetColumnBloomFilter(column)->GetBitsetSize(), 32'768u);
  const auto filter = group->GetColumnBloomFilter(0);
  EXPECT_TRUE(filter->FindHash(filter->Hash(int64_t{7919})));
  EXPECT_EQ(open(write(schema, {numbers(schema, 10)}))->GetBloomFilterReader().RowGroup(0)->GetColumnBloomFilter(0),
            nullptr);
}

TEST_F(ParquetWriterTest, PropertiesThatCannotBeAreRefusedByName) {
  const Schema schema{.fields = {field(1, "x", primitive(TypeKind::kBoolean))}};
  const auto message = [&](const std::string& key, const std::string& value, Properties others = {}) -> std::string {
    others[key] = value;
    try {
      parquet_write_options(others, schema);
    } catch (const Error& e) {
      return e.what();
    }
    return "nothing was refused";
  };
  for (const auto& [key, value] : Properties{{"write.parquet.compression-codec", "lzo"},
                                             {"write.parquet.compression-level", "100"},
                                             {"write.parquet.row-group-size-bytes", "0"},
                                             {"write.parquet.row-group-limit", "many"},
                                             {"write.parquet.page-size-bytes", "-1"},
                                             {"write.parquet.page-row-limit", "0"},
                                             {"write.parquet.dict-size-bytes", "99999999999"},
                                             {"write.parquet.page-version", "v3"},
                                             {"write.parquet.bloom-filter-enabled.column.x", "true"},
                                             {"write.parquet.shred-variants", "true"},
                                             {"write.metadata.metrics.default", "most"},
                                             {"encryption.key-id", "k"}}) {
    EXPECT_THAT(message(key, value), HasSubstr(key));
  }
  EXPECT_THAT(message("write.parquet.compression-level", "3", {{"write.parquet.compression-codec", "snappy"}}),
              HasSubstr("no levels"));
  EXPECT_EQ(message("write.parquet.compression-level", "19"), "nothing was refused");
}

TEST_F(ParquetWriterTest, AWriterThatIsGivenUpLeavesNothing) {
  const Schema schema = numbers_schema();
  for (const int64_t rows : {0, 10, 100'000}) {
    ParquetWriter writer(*io_, new_location(), schema, parquet_write_options({}, schema), true);
    if (rows > 0) writer.write(*numbers(schema, rows));
  }
  EXPECT_THAT(io_->list(dir_), IsEmpty());
}

TEST_F(ParquetWriterTest, NoSpaceLeftIsAnIoErrorAndLeavesNothing) {
  const Schema schema = numbers_schema();
  const BatchPtr rows = numbers(schema, 400'000);
  const pid_t pid = fork();
  if (pid == 0) {
    // No threads of Arrow's pool in a forked child.
    const rlimit limit = {1 << 20, 1 << 20};
    setrlimit(RLIMIT_FSIZE, &limit);
    try {
      ParquetWriter writer(*io_, new_location(), schema,
                           parquet_write_options({{"write.parquet.row-group-limit", "100000"}}, schema), false);
      writer.write(*rows);
      writer.finish();
      _exit(1);
    } catch (const IoError& e) {
      _exit(std::string(e.what()).find("File too large") != std::string::npos ? 0 : 2);
    } catch (...) {
      _exit(3);
    }
  }
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_THAT(io_->list(dir_), IsEmpty());
}

// Arrow's own loop over columns waits for tasks of the pool, which must not happen on one of its threads.
TEST_F(ParquetWriterTest, WritersOnThePoolsThreadsDoNotWaitForEachOther) {
  const Schema schema = numbers_schema();
  const BatchPtr rows = numbers(schema, 50'000);
  const size_t writers = static_cast<size_t>(arrow::GetCpuThreadPoolCapacity()) * 4;
  std::vector<std::string> locations;
  for (size_t i = 0; i < writers; ++i) locations.push_back(new_location());
  parallel_for(writers, [&](size_t i) {
    ParquetWriter writer(*io_, locations[i], schema, parquet_write_options({}, schema), true);
    for (int64_t at = 0; at < 50'000; at += 5'000) writer.write(*rows->Slice(at, 5'000));
    EXPECT_EQ(writer.finish().record_count, 50'000);
  });
  EXPECT_THAT(io_->list(dir_), SizeIs(writers));
}

TEST_F(ParquetWriterTest, AnExistingFileIsNotReplaced) {
  const Schema schema = numbers_schema();
  const std::string location = new_location();
  io_->write(location, "mine");
  ParquetWriter writer(*io_, location, schema, parquet_write_options({}, schema), true);
  writer.write(*numbers(schema, 10));
  EXPECT_THROW(writer.finish(), AlreadyExists);
  EXPECT_EQ(io_->read(location)->ToString(), "mine");
}

// --- Dictionaries ---------------------------------------------------------------------------------------------------

template <typename F>
bool gets_dictionary(int64_t rows, F&& value, bool whole_file = false) {
  arrow::Int64Builder builder;
  for (int64_t i = 0; i < rows; ++i) EXPECT_TRUE(builder.Append(value(i)).ok());
  const auto sample = arrow::RecordBatch::Make(arrow::schema({arrow::field("x", arrow::int64())}), rows,
                                               arrow::ArrayVector{*builder.Finish()});
  return choose_dictionaries({sample}, 1, whole_file, {}).at(0);
}
int64_t scatter(int64_t i) { return static_cast<int64_t>((static_cast<uint64_t>(i) * 0x9E3779B97F4A7C15U) >> 20); }

TEST(Dictionaries, GoToColumnsOfFewValues) {
  EXPECT_TRUE(gets_dictionary(100'000, [](int64_t i) { return scatter(i) % 50; }));
  EXPECT_TRUE(gets_dictionary(100'000, [](int64_t i) { return scatter(i) % 10'000; }));
  EXPECT_FALSE(gets_dictionary(100'000, [](int64_t i) { return i; }));
  EXPECT_FALSE(gets_dictionary(100'000, scatter));
  // More than fit into a dictionary, though a sample of them repeats now and then.
  EXPECT_FALSE(gets_dictionary(100'000, [](int64_t i) { return scatter(i) % 1'000'000; }));
}

TEST(Dictionaries, SmallFilesAreJudgedByWhatTheyHave) {
  EXPECT_FALSE(gets_dictionary(10, [](int64_t i) { return i; }, true));
  EXPECT_TRUE(gets_dictionary(1'000, [](int64_t i) { return i % 3; }, true));
  EXPECT_FALSE(gets_dictionary(0, scatter, true));
  EXPECT_FALSE(gets_dictionary(1, scatter, true));
}

TEST(Dictionaries, NestedColumnsCountInParquetsOrder) {
  const Schema schema{.fields = {field(1, "s",
                                       struct_type({field(2, "few", primitive(TypeKind::kString)),
                                                    field(3, "flag", primitive(TypeKind::kBoolean))})),
                                 field(4, "l", list_type(5, primitive(TypeKind::kLong), false)),
                                 field(6, "last", primitive(TypeKind::kInt))}};
  const auto sample = batch(
      schema, {R"([{"few": "aaaa", "flag": true}, {"few": "aaaa", "flag": true}, null, {"few": "aaaa", "flag": null},
                         {"few": "aaaa", "flag": null}])",
               "[[1, 2], [3, 4], null, [], [5]]", "[7, 7, 7, 7, 7]"});
  EXPECT_THAT(choose_dictionaries({sample, sample->Slice(1)}, 4, true, {}), ElementsAre(true, false, false, true));
}

}  // namespace
}  // namespace floe
