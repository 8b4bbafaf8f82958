// What Avro and ORC files must do as Parquet files do: the same rows, whatever the table has become since.
#include <arrow/api.h>
#include <arrow/extension_type.h>
#include <arrow/json/from_string.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <random>

#include "floe/arrow_status.h"
#include "floe/avro/container.h"
#include "floe/avro/encoding.h"
#include "floe/expression/expression.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/data_file_reader.h"
#include "floe/file/data_file_writer.h"
#include "floe/file/equality_delete.h"
#include "floe/file/position_delete.h"
#include "floe/spec/metadata_columns.h"

namespace floe {
namespace {

namespace fs = std::filesystem;
using arrow::json::ArrayFromJSONString;
using testing::HasSubstr;
using testing::Pair;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;
using TablePtr = std::shared_ptr<arrow::Table>;

Field field(int32_t id, std::string name, Type type, bool required = false) {
  return Field{.id = id, .name = std::move(name), .required = required, .type = std::move(type)};
}

std::shared_ptr<arrow::Array> array(const Type& type, const std::string& json) {
  const auto arrow_type = to_arrow_type(type);
  if (arrow_type->id() != arrow::Type::EXTENSION) return check(ArrayFromJSONString(arrow_type, json), json);
  const auto& storage = static_cast<const arrow::ExtensionType&>(*arrow_type).storage_type();
  return arrow::ExtensionType::WrapArray(arrow_type, check(ArrayFromJSONString(storage, json), json));
}

BatchPtr batch(const Schema& schema, const std::vector<std::string>& json) {
  arrow::ArrayVector columns;
  for (size_t i = 0; i < json.size(); ++i) columns.push_back(array(schema.fields[i].type, json[i]));
  const int64_t rows = columns.at(0)->length();
  return arrow::RecordBatch::Make(to_arrow_schema(schema), rows, std::move(columns));
}

// Every type that both formats have, nested ones too.
Schema wide_schema() {
  return {.fields = {field(1, "b", primitive(TypeKind::kBoolean)),
                     field(2, "i", primitive(TypeKind::kInt), true),
                     field(3, "l", primitive(TypeKind::kLong)),
                     field(4, "f", primitive(TypeKind::kFloat)),
                     field(5, "d", primitive(TypeKind::kDouble)),
                     field(6, "small", decimal_type(9, 2)),
                     field(7, "large", decimal_type(38, 5)),
                     field(8, "date", primitive(TypeKind::kDate)),
                     field(9, "time", primitive(TypeKind::kTime)),
                     field(10, "ts", primitive(TypeKind::kTimestamp)),
                     field(11, "tz", primitive(TypeKind::kTimestampTz)),
                     field(12, "ns", primitive(TypeKind::kTimestampNs)),
                     field(13, "tzns", primitive(TypeKind::kTimestampTzNs)),
                     field(14, "s p\xC3\xA9", primitive(TypeKind::kString)),
                     field(15, "u", primitive(TypeKind::kUuid)),
                     field(16, "fx", fixed_type(3)),
                     field(17, "bin", primitive(TypeKind::kBinary)),
                     field(18, "st",
                           struct_type({field(19, "x", primitive(TypeKind::kInt)),
                                        field(20, "t", primitive(TypeKind::kTime))})),
                     field(21, "li", list_type(22, fixed_type(2), false)),
                     field(23, "ma",
                           map_type(24, primitive(TypeKind::kString), 25,
                                    struct_type({field(26, "v", primitive(TypeKind::kLong))}), false)),
                     field(27, "im", map_type(28, primitive(TypeKind::kInt), 29, primitive(TypeKind::kLong), true)),
                     field(30, "nothing", primitive(TypeKind::kUnknown))}};
}

BatchPtr wide_rows() {
  return batch(wide_schema(), {"[true, null, false]",
                               "[1, -2, 2147483647]",
                               "[-9223372036854775808, null, 5]",
                               "[1.5, -0.0, null]",
                               "[-2.5, 0.0, null]",
                               R"(["-1.28", null, "9999999.99"])",
                               R"(["-123456789012345678901234567890123.45678", "0.00001", null])",
                               "[-1, 0, null]",
                               "[0, 86399999999, null]",
                               "[-1, 0, null]",
                               "[1700000000000001, -9000000000000001, null]",
                               "[-1, 1700000000000000001, null]",
                               "[1, null, -1000000001]",
                               R"(["", "z", "\u00e9\ud83d\ude00"])",
                               R"(["aaaaaaaaaaaaaaaa", null, "bbbbbbbbbbbbbbbb"])",
                               R"(["abc", null, "xyz"])",
                               R"(["", null, "q"])",
                               R"([{"x": 1, "t": 5}, null, {"x": null, "t": null}])",
                               R"([["aa", null], null, []])",
                               R"([[["k", {"v": 1}], ["l", null]], null, []])",
                               "[[[1, 2], [3, 4]], null, []]",
                               "[null, null, null]"});
}

class Formats : public testing::TestWithParam<FileFormat> {
 protected:
  Formats() : folder_(fs::temp_directory_path() / ("floe-formats-" + new_uuid())), io_(make_io({})) {
    fs::create_directories(folder_);
  }
  ~Formats() override { fs::remove_all(folder_); }

  std::string new_location() { return folder_ / fmt::format("{}.{}", ++files_, file_extension(GetParam())); }

  DataFile write(const Schema& schema, const std::vector<BatchPtr>& batches, const Properties& properties = {}) {
    const auto writer = data_file_writers(GetParam(), properties, schema).make(*io_, new_location(), true);
    for (const auto& each : batches) writer->write(*each);
    DataFile file = writer->finish();
    EXPECT_EQ(file.file_format, GetParam());
    EXPECT_EQ(static_cast<int64_t>(fs::file_size(file.file_path)), file.file_size_in_bytes);
    return file;
  }

  TablePtr read(const DataFile& file, const Schema& schema, const FileContext& context = {},
                const std::string& mapping = "", const BoundExpression& filter = {},
                std::vector<Field> projection = {}) {
    ParquetReadOptions options;
    options.schema = std::make_shared<const Schema>(schema);
    options.projection = schema;
    if (!projection.empty()) options.projection.fields = std::move(projection);
    options.filter = filter;
    options.batch_rows = 2;
    const auto reader = read_data_file(*io_, file, options, context, mapping);
    auto table = check(reader->ToTable(), "reading");
    check(table->ValidateFull(), "reading");
    return table;
  }

  void expect_same(const TablePtr& table, const Schema& schema, const std::vector<std::string>& json) {
    const BatchPtr expected = batch(schema, json);
    const auto rows = check(table->CombineChunksToBatch(), "test");
    EXPECT_TRUE(rows->Equals(*expected)) << rows->ToString() << "\ninstead of\n" << expected->ToString();
  }

  fs::path folder_;
  IoPtr io_;
  int files_ = 0;
};

TEST_P(Formats, EveryTypeComesBackAsItWas) {
  const BatchPtr rows = wide_rows();
  const DataFile file = write(wide_schema(), {rows, rows->Slice(1, 2)});
  EXPECT_EQ(file.record_count, 5);
  const TablePtr table = read(file, wide_schema());
  EXPECT_TRUE(table->schema()->Equals(*to_arrow_schema(wide_schema()), true));
  const auto expected = check(arrow::Table::FromRecordBatches({rows, rows->Slice(1, 2)}), "test");
  for (int i = 0; i < table->num_columns(); ++i) {
    EXPECT_TRUE(table->column(i)->Equals(*expected->column(i))) << table->schema()->field(i)->name() << "\n"
                                                                << table->column(i)->ToString() << "\ninstead of\n"
                                                                << expected->column(i)->ToString();
  }
}

TEST_P(Formats, AFileWithoutRowsIsOne) {
  const DataFile file = write(wide_schema(), {});
  EXPECT_EQ(file.record_count, 0);
  EXPECT_EQ(read(file, wide_schema())->num_rows(), 0);
}

TEST_P(Formats, MetricsAreCountedFromTheRows) {
  const Schema schema{.fields = {field(1, "d", primitive(TypeKind::kDouble)),
                                 field(2, "s", primitive(TypeKind::kString)),
                                 field(3, "st", struct_type({field(4, "x", primitive(TypeKind::kInt))})),
                                 field(5, "li", list_type(6, primitive(TypeKind::kInt), false)),
                                 field(7, "de", decimal_type(9, 2)), field(8, "no", primitive(TypeKind::kInt))}};
  arrow::DoubleBuilder doubles;
  check(doubles.AppendValues({std::nan(""), 0.0, -0.0}), "test");
  check(doubles.AppendNull(), "test");
  const BatchPtr json = batch(schema, {"[0, 0, 0, 0]", R"(["aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbb", null, "b"])",
                                       R"([{"x": 5}, null, {"x": null}, {"x": -5}])", "[[1], null, [], [2]]",
                                       R"(["-1.28", null, null, "1.00"])", "[null, null, null, null]"});
  const BatchPtr rows = check(json->SetColumn(0, to_arrow_schema(schema)->field(0), *doubles.Finish()), "test");
  const DataFile file = write(schema, {rows}, {{"write.metadata.metrics.column.no", "none"}});
  using testing::ElementsAre;
  EXPECT_EQ(file.record_count, 4);
  EXPECT_THAT(file.value_counts, ElementsAre(Pair(1, 4), Pair(2, 4), Pair(4, 4), Pair(7, 4)));
  EXPECT_THAT(file.null_value_counts, ElementsAre(Pair(1, 1), Pair(2, 1), Pair(4, 2), Pair(7, 2)));
  EXPECT_THAT(file.nan_value_counts, ElementsAre(Pair(1, 1)));
  const auto bytes = [](const Value& value, TypeKind kind) { return to_bytes(value, primitive(kind)); };
  EXPECT_THAT(file.lower_bounds, ElementsAre(Pair(1, bytes(-0.0, TypeKind::kDouble)), Pair(2, "aaaaaaaaaaaaaaaa"),
                                             Pair(4, bytes(-5, TypeKind::kInt)),
                                             Pair(7, to_bytes(Value(Int128{-128}), decimal_type(9, 2)))));
  EXPECT_THAT(file.upper_bounds, ElementsAre(Pair(1, bytes(0.0, TypeKind::kDouble)), Pair(2, "bbbbbbbbbbbbbbbc"),
                                             Pair(4, bytes(5, TypeKind::kInt)),
                                             Pair(7, to_bytes(Value(Int128{100}), decimal_type(9, 2)))));
}

// Renamed, reordered, dropped, added with and without a default, promoted; at the top and inside a struct.
TEST_P(Formats, ColumnsAreFoundByIdAfterTheSchemaChanged) {
  const Schema old{
      .fields = {
          field(1, "a", primitive(TypeKind::kInt)), field(2, "dropped", primitive(TypeKind::kString)),
          field(3, "f", primitive(TypeKind::kFloat)), field(4, "de", decimal_type(9, 2)),
          field(5, "st",
                struct_type({field(6, "x", primitive(TypeKind::kInt)), field(7, "y", primitive(TypeKind::kString))}))}};
  const DataFile file = write(old, {batch(old, {"[1, null]", R"(["p", "q"])", "[1.5, 2.5]", R"(["1.00", "2.00"])",
                                                R"([{"x": 7, "y": "yy"}, null])"})});
  Field added = field(9, "added", primitive(TypeKind::kString), true);
  added.initial_default = std::string("dflt");
  const Schema now{
      .fields = {
          field(5, "renamed",
                struct_type({field(7, "why", primitive(TypeKind::kString)), field(8, "new", primitive(TypeKind::kLong)),
                             field(6, "ex", primitive(TypeKind::kLong))})),
          field(4, "de", decimal_type(20, 2)), field(3, "f", primitive(TypeKind::kDouble)),
          field(1, "dropped", primitive(TypeKind::kLong)), added, field(10, "null", primitive(TypeKind::kDate))}};
  expect_same(read(file, now), now,
              {R"([{"why": "yy", "new": null, "ex": 7}, null])", R"(["1.00", "2.00"])", "[1.5, 2.5]", "[1, null]",
               R"(["dflt", "dflt"])", "[null, null]"});
  const Schema required{.fields = {field(11, "needed", primitive(TypeKind::kInt), true)}};
  try {
    read(file, required);
    FAIL();
  } catch (const CorruptFile& e) {
    EXPECT_THAT(e.what(), HasSubstr(file.file_path));
    EXPECT_THAT(e.what(), HasSubstr("needed"));
  }
}

TEST_P(Formats, FilterDeletesAndMetadataColumns) {
  const Schema schema{.fields = {field(1, "id", primitive(TypeKind::kLong), true),
                                 field(2, "st",
                                       struct_type({field(3, "x", primitive(TypeKind::kInt)),
                                                    field(4, "y", primitive(TypeKind::kInt))}))}};
  DataFile file = write(schema, {batch(schema, {"[0, 1, 2, 3, 4, 5, 6]",
                                                R"([{"x": 9, "y": 0}, {"x": 9, "y": 1}, {"x": 9, "y": 2}, null,
                                                    {"x": 1, "y": 4}, {"x": 9, "y": 5}, {"x": 9, "y": 6}])"})});
  file.spec_id = 3;
  file.first_row_id = 100;
  FileContext context;
  context.data_sequence_number = 7;
  context.deletes.positions = std::make_shared<const Positions>(Positions{1, 6});
  auto by_key = std::make_shared<EqualityDeletes>(schema, std::vector<int32_t>{4});
  const Schema key_schema = by_key->columns();
  by_key->add(batch(key_schema, {R"([{"y": 2}, {"y": 4}])"})->columns(), 8);
  context.deletes.equality.push_back(by_key);

  const auto id = field(1, "id", primitive(TypeKind::kLong), true);
  expect_same(read(file, schema, context, "", {}, {id}), {.fields = {id}}, {"[0, 3, 5]"});
  // The filter's column is not among those that come out.
  const BoundExpression filter = bind(parse_filter("st.x = 9"), schema);
  expect_same(read(file, schema, context, "", filter, {id}), {.fields = {id}}, {"[0, 5]"});
  expect_same(read(file, schema, context, "", bind(parse_filter("id < 0"), schema), {id}), {.fields = {id}}, {"[]"});

  const std::vector<Field> all = {
      pos_field(), deleted_field(), spec_id_field(), row_id_field(), last_updated_sequence_number_field(), file_field(),
      id};
  const std::string path = "\"" + file.file_path + "\"";
  expect_same(read(file, schema, context, "", bind(parse_filter("id >= 4"), schema), all), {.fields = all},
              {"[4, 5, 6]", "[true, false, true]", "[3, 3, 3]", "[104, 105, 106]", "[7, 7, 7]",
               fmt::format("[{0}, {0}, {0}]", path), "[4, 5, 6]"});
}

TEST_P(Formats, RowsKeepTheLineageThatAFileStores) {
  const Schema stored{
      .fields = {field(1, "id", primitive(TypeKind::kLong)), row_id_field(), last_updated_sequence_number_field()}};
  DataFile file = write(stored, {batch(stored, {"[1, 2]", "[55, null]", "[3, null]"})});
  file.first_row_id = 10;
  FileContext context;
  context.data_sequence_number = 4;
  expect_same(read(file, {.fields = {stored.fields[0]}}, context, "", {}, stored.fields), stored,
              {"[1, 2]", "[55, 11]", "[3, 4]"});
}

TEST_P(Formats, PartitionsHaveTheValuesThatAFileLacks) {
  const Schema schema{.fields = {field(1, "id", primitive(TypeKind::kLong))}};
  const DataFile file = write(schema, {batch(schema, {"[1, 2]"})});
  Schema both = schema;
  both.fields.push_back(field(2, "part", primitive(TypeKind::kString), true));
  FileContext context;
  context.partition_values = {{2, Value(std::string("p"))}, {1, Value(int64_t{99})}};
  expect_same(read(file, both, context), both, {"[1, 2]", R"(["p", "p"])"});
}

TEST_P(Formats, DeleteFilesToo) {
  const Schema positions{.fields = position_delete_fields()};
  DataFile by_position = write(positions, {batch(positions, {R"(["a", "a", "b"])", "[1, 5, 2]"})});
  by_position.content = FileContent::kPositionDeletes;
  EXPECT_EQ(read_position_deletes(*io_, by_position), (PositionDeletes{{"a", {1, 5}}, {"b", {2}}}));
  EXPECT_EQ(read_position_deletes(*io_, by_position, {"b"}), (PositionDeletes{{"b", {2}}}));

  const Schema schema{
      .fields = {field(1, "id", primitive(TypeKind::kLong)), field(2, "s", primitive(TypeKind::kString))}};
  const Schema keys{.fields = {field(1, "id", primitive(TypeKind::kInt))}};  // promoted since
  DataFile by_key = write(keys, {batch(keys, {"[7, null]"})});
  by_key.content = FileContent::kEqualityDeletes;
  by_key.equality_ids = {1};
  EqualityDeletes deletes(schema, {1});
  deletes.add(*io_, by_key, 5);
  EXPECT_EQ(deletes.size(), 2);
}

TEST_P(Formats, DamageIsNoticedAndNamed) {
  const BatchPtr rows = wide_rows();
  const DataFile file = write(wide_schema(), {rows});
  const std::string bytes(std::string_view(*io_->read(file.file_path)));
  for (size_t length = 0; length < bytes.size(); length += 97) {
    DataFile cut = file;
    cut.file_path = new_location();
    cut.file_size_in_bytes = 0;
    io_->write(cut.file_path, bytes.substr(0, length));
    try {
      const TablePtr table = read(cut, wide_schema());
      ADD_FAILURE() << "read " << table->num_rows() << " rows of a file cut at " << length;
    } catch (const CorruptFile& e) {
      EXPECT_THAT(e.what(), HasSubstr(cut.file_path));
    }
  }
  for (size_t at = 0; at < bytes.size(); at += 61) {
    DataFile flipped = file;
    flipped.file_path = new_location();
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 0x55);
    io_->write(flipped.file_path, changed);
    try {
      read(flipped, wide_schema());
    } catch (const Error&) {  // or it did not matter
    }
  }
}

TEST_P(Formats, WithoutFinishingNothingIsLeft) {
  {
    const auto writer = data_file_writers(GetParam(), {}, wide_schema()).make(*io_, new_location(), true);
    writer->write(*wide_rows());
  }
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_P(Formats, NoRoomIsAnErrorAndLeavesNothing) {
  const Schema schema{.fields = {field(1, "id", primitive(TypeKind::kLong))}};
  arrow::Int64Builder builder;
  std::mt19937_64 random(1);
  for (int64_t i = 0; i < 200'000; ++i) check(builder.Append(static_cast<int64_t>(random())), "test");
  const auto rows = arrow::RecordBatch::Make(to_arrow_schema(schema), 200'000, {*builder.Finish()});
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small = {.rlim_cur = 50'000, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_THROW(write(schema, {rows}), IoError);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_P(Formats, EveryCodecOfItsProperties) {
  const bool avro = GetParam() == FileFormat::kAvro;
  const std::string key = avro ? "write.avro.compression-codec" : "write.orc.compression-codec";
  for (const std::string& codec : avro ? std::vector<std::string>{"gzip", "zstd", "snappy", "uncompressed"}
                                       : std::vector<std::string>{"zlib", "zstd", "snappy", "lz4", "none"}) {
    const DataFile file = write(wide_schema(), {wide_rows()}, {{key, codec}});
    EXPECT_EQ(read(file, wide_schema())->num_rows(), 3) << codec;
  }
  try {
    data_file_writers(GetParam(), {{key, "rar"}}, wide_schema());
    FAIL();
  } catch (const NotSupported& e) {
    EXPECT_THAT(e.what(), HasSubstr(key));
  }
}

TEST_P(Formats, PropertiesThatAreNotHonouredAreRefusedByName) {
  const bool avro = GetParam() == FileFormat::kAvro;
  for (const std::string& key :
       avro ? std::vector<std::string>{"write.avro.compression-level"}
            : std::vector<std::string>{"write.orc.block-size-bytes", "write.orc.bloom.filter.columns"}) {
    try {
      data_file_writers(GetParam(), {{key, "1"}}, wide_schema());
      FAIL() << key;
    } catch (const NotSupported& e) {
      EXPECT_THAT(e.what(), HasSubstr(key));
    }
  }
  if (avro) return;
  const std::string batch_size = "write.orc.vectorized.batch-size";
  EXPECT_EQ(read(write(wide_schema(), {wide_rows()}, {{batch_size, "1"}}), wide_schema())->num_rows(), 3);
  EXPECT_THROW(data_file_writers(GetParam(), {{batch_size, "0"}}, wide_schema()), InvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(DataFiles, Formats, testing::Values(FileFormat::kAvro, FileFormat::kOrc),
                         [](const auto& format) { return to_string(format.param); });

class OrcOrAvro : public Formats {};

TEST_P(OrcOrAvro, OrcRefusesByNameWhatItCannotHold) {
  const Schema variant{.fields = {field(1, "v", primitive(TypeKind::kVariant))}};
  EXPECT_THROW(data_file_writers(FileFormat::kOrc, {}, variant), NotSupported);
  const Schema schema{.fields = {field(1, "li", list_type(2, primitive(TypeKind::kTimestamp), false))}};
  try {
    write(schema, {batch(schema, {"[[32503680000000000]]"})});  // the year 3000
    FAIL();
  } catch (const InvalidArgument& e) {
    EXPECT_THAT(e.what(), HasSubstr("li"));
    EXPECT_THAT(e.what(), HasSubstr("2262"));
  }
  EXPECT_TRUE(fs::is_empty(folder_));
}

INSTANTIATE_TEST_SUITE_P(DataFiles, OrcOrAvro, testing::Values(FileFormat::kOrc));

class AvroFiles : public Formats {
 protected:
  // A file as somebody else writes it, of records {a: int, s: {x: string}, l: [string]}.
  DataFile foreign_file(const std::string& schema) {
    avro::Writer writer(schema, {}, avro::Codec::kDeflate);
    for (int i = 0; i < 3; ++i) {
      avro::append_long(writer.record(), i);
      avro::append_bytes(writer.record(), fmt::format("x{}", i));
      avro::append_long(writer.record(), 1);
      avro::append_bytes(writer.record(), "item");
      avro::append_long(writer.record(), 0);
      writer.end_record();
    }
    DataFile file;
    file.file_path = new_location();
    file.file_format = FileFormat::kAvro;
    const std::string bytes = writer.finish();
    io_->write(file.file_path, bytes);
    file.file_size_in_bytes = static_cast<int64_t>(bytes.size());
    return file;
  }
};

TEST_P(AvroFiles, VariantsComeBack) {
  const Schema schema{.fields = {field(1, "v", primitive(TypeKind::kVariant))}};
  const BatchPtr rows = batch(schema, {R"([{"metadata": "m", "value": "1"}, null])"});
  const TablePtr table = read(write(schema, {rows}), schema);
  EXPECT_TRUE(table->column(0)->chunk(0)->Equals(*rows->column(0))) << table->ToString();
}

TEST_P(AvroFiles, TimestampsOfAllYearsComeBack) {
  const Schema schema{.fields = {field(1, "t", primitive(TypeKind::kTimestamp))}};
  expect_same(read(write(schema, {batch(schema, {"[253402300799999999, -62135596800000000]"})}), schema), schema,
              {"[253402300799999999, -62135596800000000]"});
}

TEST_P(AvroFiles, Trap21NamesAreMappedWhereThereAreNoIds) {
  const DataFile file = foreign_file(R"({"type": "record", "name": "r", "fields": [
      {"name": "a", "type": "int"},
      {"name": "s", "type": {"type": "record", "name": "s", "fields": [{"name": "x", "type": "string"}]}},
      {"name": "l", "type": {"type": "array", "items": "string"}}]})");
  const Schema schema{.fields = {field(1, "number", primitive(TypeKind::kLong)),
                                 field(2, "st",
                                       struct_type({field(3, "text", primitive(TypeKind::kString)),
                                                    field(9, "x", primitive(TypeKind::kString))})),
                                 field(4, "l", list_type(5, primitive(TypeKind::kString), false))}};
  const std::string mapping = R"([{"field-id": 1, "names": ["a"]},
      {"field-id": 2, "names": ["s"], "fields": [{"field-id": 3, "names": ["x"]}]},
      {"field-id": 4, "names": ["l"], "fields": [{"field-id": 5, "names": ["element"]}]}])";
  expect_same(read(file, schema, {}, mapping), schema,
              {"[0, 1, 2]", R"([{"text": "x0", "x": null}, {"text": "x1", "x": null}, {"text": "x2", "x": null}])",
               R"([["item"], ["item"], ["item"]])"});
  try {
    read(file, schema);
    FAIL();
  } catch (const CorruptFile& e) {
    EXPECT_THAT(e.what(), HasSubstr("schema.name-mapping.default"));
  }
  // A column of the same name that no mapping names is another one.
  const Schema same_name{.fields = {field(7, "a", primitive(TypeKind::kLong))}};
  expect_same(read(file, same_name, {}, R"([{"field-id": 1, "names": ["a"]}])"), same_name, {"[null, null, null]"});
  // The partition's value comes before the mapping.
  FileContext context;
  context.partition_values = {{1, Value(int64_t{42})}};
  const Schema number{.fields = {schema.fields[0]}};
  expect_same(read(file, number, context, mapping), number, {"[42, 42, 42]"});
}

INSTANTIATE_TEST_SUITE_P(DataFiles, AvroFiles, testing::Values(FileFormat::kAvro));

}  // namespace
}  // namespace floe
