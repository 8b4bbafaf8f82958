#include "floe/manifest/manifest.h"

#include <arrow/buffer.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "floe/avro/container.h"
#include "floe/avro/rows.h"
#include "floe/error.h"
#include "floe/manifest/fields.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

Schema test_schema() {
  return {.schema_id = 3,
          .fields = {{.id = 1, .name = "id", .required = true, .type = primitive(TypeKind::kLong)},
                     {.id = 2, .name = "name", .type = primitive(TypeKind::kString)},
                     {.id = 3, .name = "at", .type = primitive(TypeKind::kTimestampTz)},
                     {.id = 4, .name = "score", .type = primitive(TypeKind::kDouble)},
                     {.id = 5, .name = "price", .type = decimal_type(9, 2)},
                     {.id = 6, .name = "key", .type = primitive(TypeKind::kUuid)}}};
}

PartitionField partition_field(int32_t source, int32_t id, std::string name, std::string_view transform) {
  return {.source_ids = {source}, .field_id = id, .name = std::move(name), .transform = parse_transform(transform)};
}

PartitionSpec test_spec() {
  return {.spec_id = 7,
          .fields = {partition_field(3, 1000, "at_day", "day"), partition_field(2, 1001, "name", "identity")}};
}

std::string int32_bytes(int32_t value) { return {reinterpret_cast<const char*>(&value), sizeof(value)}; }
std::string int64_bytes(int64_t value) { return {reinterpret_cast<const char*>(&value), sizeof(value)}; }

DataFile test_file(const std::string& path, int32_t day, Value name, int64_t rows = 100) {
  DataFile file;
  file.file_path = path;
  file.spec_id = 7;
  file.partition = {day, std::move(name)};
  file.record_count = rows;
  file.file_size_in_bytes = 4096;
  file.column_sizes = {{1, 400}, {2, 800}};
  file.value_counts = {{1, rows}, {2, rows}, {4, rows}};
  file.null_value_counts = {{1, 0}, {2, 3}};
  file.nan_value_counts = {{4, 1}};
  file.lower_bounds = {{1, int64_bytes(rows)}, {2, "a"}};
  file.upper_bounds = {{1, int64_bytes(rows * 2)}, {2, "zebra"}};
  file.split_offsets = {4, 2048};
  file.sort_order_id = 0;
  return file;
}

std::shared_ptr<ManifestReader> reader_of(const std::string& bytes, const ManifestFile& file) {
  return std::make_shared<ManifestReader>(arrow::Buffer::FromString(bytes), file);
}

struct Written {
  std::string bytes;
  ManifestFile file;
  std::shared_ptr<ManifestReader> reader() const { return reader_of(bytes, file); }
};

Written write(const std::vector<ManifestEntry>& entries, int32_t version = 2, const PartitionSpec& spec = test_spec(),
              ManifestContent content = ManifestContent::kData, const std::string& codec = "deflate") {
  ManifestWriter writer(version, test_schema(), spec, content, 55, codec);
  for (const ManifestEntry& entry : entries) writer.add(entry);
  auto [bytes, file] = writer.finish("s3://b/m.avro", 9);
  return {std::move(bytes), std::move(file)};
}

// A manifest as another writer could have made it: any Avro schema, header values and rows.
std::string foreign(const std::vector<Field>& fields, const std::vector<std::vector<Value>>& rows,
                    const avro::Metadata& metadata) {
  avro::Writer writer(avro::to_avro_schema(fields, "manifest_entry"), metadata, avro::Codec::kNull);
  for (const auto& row : rows) {
    avro::encode_row(fields, row, writer.record());
    writer.end_record();
  }
  return writer.finish();
}

TEST(Manifest, WhatIsWrittenIsRead) {
  for (const int32_t version : {1, 2, 3}) {
    for (const std::string codec : {"null", "deflate", "zstd", "snappy"}) {
      const DataFile first = test_file("s3://b/1.parquet", 15000, std::string("x"));
      DataFile second = test_file("s3://b/2.parquet", -3, Value(), 7);
      second.key_metadata = "secret";
      second.split_offsets.clear();
      const Written written =
          write({{.file = first}, {.file = second}}, version, test_spec(), ManifestContent::kData, codec);
      const auto reader = written.reader();
      EXPECT_THAT(reader->data_files(), ElementsAre(first, second)) << version << codec;

      const ManifestPtr manifest = reader->entries();
      ASSERT_EQ(manifest->size, 2);
      EXPECT_EQ(manifest->spec_id, 7);
      EXPECT_EQ(manifest->spec, test_spec());
      EXPECT_TRUE(same_fields(*manifest->schema, test_schema()));
      EXPECT_EQ(manifest->content, ManifestContent::kData);
      EXPECT_THAT(manifest->status, ElementsAre(EntryStatus::kAdded, EntryStatus::kAdded));
      EXPECT_THAT(manifest->snapshot_id, ElementsAre(55, 55));
      EXPECT_EQ(manifest->file_path[1], "s3://b/2.parquet");
      EXPECT_EQ(manifest->partition[0][0], int32_bytes(15000));
      EXPECT_EQ(manifest->partition[1][0], "x");
      EXPECT_FALSE(manifest->partition[1].has(1));
    }
  }
}

TEST(Manifest, TheWriterSumsUpWhatTheListNeeds) {
  const ManifestFile file = write({{.file = test_file("1", 5, std::string("b"), 10)},
                                   {.status = EntryStatus::kExisting,
                                    .snapshot_id = 4,
                                    .sequence_number = 2,
                                    .file_sequence_number = 3,
                                    .file = test_file("2", -4, Value(), 20)},
                                   {.status = EntryStatus::kDeleted,
                                    .sequence_number = 1,
                                    .file_sequence_number = 1,
                                    .file = test_file("3", 0, std::string("c"), 40)}})
                                .file;
  EXPECT_EQ(file.manifest_path, "s3://b/m.avro");
  EXPECT_EQ(file.partition_spec_id, 7);
  EXPECT_EQ(file.added_snapshot_id, 55);
  EXPECT_EQ(file.sequence_number, 9);
  EXPECT_EQ(file.min_sequence_number, 2);  // the deleted file's 1 does not count
  EXPECT_EQ(file.added_files_count, 1);
  EXPECT_EQ(file.existing_files_count, 1);
  EXPECT_EQ(file.deleted_files_count, 1);
  EXPECT_EQ(file.added_rows_count, 10);
  EXPECT_EQ(file.existing_rows_count, 20);
  EXPECT_EQ(file.deleted_rows_count, 40);
  EXPECT_THAT(
      *file.partitions,
      ElementsAre(FieldSummary{.contains_null = false,
                               .contains_nan = false,
                               .lower_bound = int32_bytes(-4),
                               .upper_bound = int32_bytes(5)},
                  FieldSummary{.contains_null = true, .contains_nan = false, .lower_bound = "b", .upper_bound = "c"}));
}

TEST(Manifest, EntriesAreCountedWhereAListOfVersion1DoesNot) {
  const Written written =
      write({{.file = test_file("1", 5, Value(), 10)},
             {.status = EntryStatus::kExisting, .snapshot_id = 4, .file = test_file("2", 5, Value(), 20)},
             {.status = EntryStatus::kDeleted, .file = test_file("3", 5, Value(), 40)},
             {.file = test_file("4", 5, Value(), -1)}},
            1);
  ManifestFile counted = written.file;
  counted.added_files_count = counted.existing_files_count = counted.deleted_files_count = kNotKnown;
  counted.added_rows_count = counted.existing_rows_count = counted.deleted_rows_count = kNotKnown;
  count_entries(*written.reader()->entries(), counted);
  EXPECT_EQ(counted, written.file);
}

TEST(Manifest, NanIsNoBoundAndNegativeZeroComesFirst) {
  const PartitionSpec spec{.spec_id = 1, .fields = {partition_field(4, 1000, "score", "identity")}};
  std::vector<ManifestEntry> entries;
  for (const double value : {0.0, std::nan(""), -0.0}) {
    DataFile file = test_file("f", 0, Value());
    file.partition = {value};
    entries.push_back({.file = file});
  }
  const Written written = write(entries, 2, spec);
  const FieldSummary& summary = written.file.partitions->at(0);
  EXPECT_EQ(summary.contains_nan, true);
  EXPECT_FALSE(summary.contains_null);
  EXPECT_TRUE(std::signbit(from_bytes(*summary.lower_bound, primitive(TypeKind::kDouble)).as<double>()));
  EXPECT_FALSE(std::signbit(from_bytes(*summary.upper_bound, primitive(TypeKind::kDouble)).as<double>()));

  const auto stats = written.reader()->partition_stats();
  ASSERT_EQ(stats->columns.size(), 1);
  EXPECT_THAT(stats->columns[0].nan_counts, ElementsAre(0, 1, 0));
  EXPECT_FALSE(stats->columns[0].lower_bounds.has(1));
  EXPECT_TRUE(stats->columns[0].lower_bounds.has(2));
}

TEST(Manifest, StatisticsOfTheColumnsAskedFor) {
  const auto reader =
      write({{.file = test_file("1", 1, Value(), 10)}, {.file = test_file("2", 2, Value(), 20)}}).reader();
  const auto stats = reader->stats({2, 99});
  ASSERT_EQ(stats->size, 2);
  ASSERT_EQ(stats->columns.size(), 1);  // nothing is known of 99
  EXPECT_EQ(stats->columns[0].field_id, 2);
  EXPECT_THAT(stats->columns[0].value_counts, ElementsAre(10, 20));
  EXPECT_THAT(stats->columns[0].null_counts, ElementsAre(3, 3));
  EXPECT_THAT(stats->columns[0].nan_counts, ElementsAre(kNotKnown, kNotKnown));
  EXPECT_EQ(stats->columns[0].upper_bounds[1], "zebra");
  EXPECT_EQ(reader->entries()->size, 2);  // decoded in the same pass

  const auto more = reader->stats({4, 2});
  ASSERT_EQ(more->columns.size(), 2);
  EXPECT_THAT(more->columns[1].nan_counts, ElementsAre(1, 1));
  EXPECT_FALSE(more->columns[1].lower_bounds.has(0));
  EXPECT_EQ(more, reader->stats({2}));  // decodes nothing
  EXPECT_EQ(more, reader->stats({}));
}

// Java counts the fields of ORC structs only where there is a struct.
TEST(Manifest, CountsOfSomeOfTheRowsTellNothing) {
  DataFile file = test_file("orc", 1, Value(), 10);
  file.value_counts = {{1, 7}};
  file.null_value_counts = {{1, 0}};
  const auto stats = write({{.file = file}}).reader()->stats({1});
  EXPECT_THAT(stats->columns[0].value_counts, ElementsAre(kNotKnown));
  EXPECT_THAT(stats->columns[0].null_counts, ElementsAre(kNotKnown));
  EXPECT_TRUE(stats->columns[0].lower_bounds.has(0));
}

TEST(Manifest, FilesWithoutStatisticsKeepTheColumnsAligned) {
  DataFile bare = test_file("bare", 1, Value());
  bare.value_counts = bare.null_value_counts = bare.nan_value_counts = {};
  bare.lower_bounds = bare.upper_bounds = {};
  const DataFile full = test_file("full", 1, Value(), 10);
  const auto stats = write({{.file = bare}, {.file = full}, {.file = bare}}).reader()->stats({1});
  ASSERT_EQ(stats->columns.size(), 1);
  EXPECT_THAT(stats->columns[0].value_counts, ElementsAre(kNotKnown, 10, kNotKnown));
  EXPECT_FALSE(stats->columns[0].lower_bounds.has(0));
  EXPECT_EQ(stats->columns[0].lower_bounds[1], int64_bytes(10));
  EXPECT_FALSE(stats->columns[0].lower_bounds.has(2));
}

TEST(Manifest, MemoryGrowsWithWhatIsDecodedAndIsTold) {
  const Written written = write({{.file = test_file("1", 1, Value())}});
  size_t told = 0;
  ManifestReader reader(arrow::Buffer::FromString(written.bytes), written.file, [&](size_t bytes) { told += bytes; });
  const size_t before = reader.memory_use();
  EXPECT_GE(before, written.bytes.size());
  reader.entries();
  reader.stats({1});
  reader.partition_stats();
  EXPECT_GT(reader.memory_use(), before);
  EXPECT_EQ(reader.memory_use(), before + told);
  reader.entries();
  reader.stats({1});
  EXPECT_EQ(reader.memory_use(), before + told);
}

TEST(Manifest, ManyBlocks) {
  ManifestWriter writer(2, test_schema(), test_spec(), ManifestContent::kData, 55);
  for (int i = 0; i < 3000; ++i) writer.add({.file = test_file("s3://b/" + std::to_string(i), i, Value(), i)});
  EXPECT_GT(writer.bytes_written(), 0);
  const auto [bytes, file] = writer.finish("m", 1);
  const ManifestPtr manifest = reader_of(bytes, file)->entries();
  ASSERT_EQ(manifest->size, 3000);
  EXPECT_EQ(manifest->file_path[2999], "s3://b/2999");
  EXPECT_EQ(manifest->record_count[2999], 2999);
}

TEST(Manifest, DeleteFiles) {
  DataFile positions = test_file("p", 1, Value());
  positions.content = FileContent::kPositionDeletes;
  positions.sort_order_id.reset();
  positions.referenced_data_file = "s3://b/1.parquet";
  DataFile equality = test_file("e", 1, Value());
  equality.content = FileContent::kEqualityDeletes;
  equality.equality_ids = {1, 2};
  const Written written = write({{.file = positions}, {.file = equality}}, 2, test_spec(), ManifestContent::kDeletes);
  EXPECT_EQ(written.file.content, ManifestContent::kDeletes);
  EXPECT_THAT(written.reader()->data_files(), ElementsAre(positions, equality));
}

TEST(Manifest, DeletionVectorsOfVersion3) {
  DataFile vector = test_file("v.puffin", 1, Value());
  vector.content = FileContent::kPositionDeletes;
  vector.file_format = FileFormat::kPuffin;
  vector.referenced_data_file = "s3://b/1.parquet";
  vector.content_offset = 4;
  vector.content_size_in_bytes = 40;
  EXPECT_THAT(write({{.file = vector}}, 3, test_spec(), ManifestContent::kDeletes).reader()->data_files(),
              ElementsAre(vector));
  EXPECT_THROW(write({{.file = vector}}, 2, test_spec(), ManifestContent::kDeletes), InvalidArgument);
}

TEST(Manifest, TheWriterRefusesWhatItCannotExpress) {
  const DataFile file = test_file("f", 1, Value());
  EXPECT_THROW(write({{.file = file}}, 4), NotSupported);
  EXPECT_THROW(write({{.file = file}}, 2, test_spec(), ManifestContent::kDeletes), InvalidArgument);
  EXPECT_THROW(write({}, 1, test_spec(), ManifestContent::kDeletes), InvalidArgument);
  EXPECT_THROW(write({{.snapshot_id = 54, .file = file}}), InvalidArgument);
  EXPECT_THROW(write({{.file_sequence_number = 1, .file = file}}), InvalidArgument);
  DataFile wrong = file;
  wrong.partition.pop_back();
  EXPECT_THROW(write({{.file = wrong}}), InvalidArgument);
  wrong = file;
  wrong.equality_ids = {1};
  EXPECT_THROW(write({{.file = wrong}}), InvalidArgument);
}

TEST(Manifest, AnEntryThatIsRefusedLeavesNoTrace) {
  const PartitionSpec spec{.spec_id = 1, .fields = {partition_field(6, 1000, "key", "identity")}};
  DataFile good = test_file("good", 0, Value());
  good.spec_id = 1;
  good.partition = {std::string(16, 'u')};
  DataFile bad = good;
  bad.partition = {std::string("short")};
  ManifestWriter writer(2, test_schema(), spec, ManifestContent::kData, 55);
  writer.add({.file = good});
  EXPECT_THROW(writer.add({.file = bad}), InvalidArgument);
  writer.add({.file = good});
  const auto [bytes, file] = writer.finish("m", 1);
  EXPECT_EQ(file.added_files_count, 2);
  EXPECT_THAT(reader_of(bytes, file)->data_files(), ElementsAre(good, good));
}

TEST(Manifest, PartitionValuesOfEveryType) {
  Schema schema;
  PartitionSpec spec{.spec_id = 2, .fields = {}};
  std::vector<Value> values;
  const auto add = [&](const Type& type, Value value) {
    const auto id = static_cast<int32_t>(schema.fields.size() + 1);
    schema.fields.push_back({.id = id, .name = "c" + std::to_string(id), .type = type});
    spec.fields.push_back(partition_field(id, 999 + id, "c" + std::to_string(id), "identity"));
    values.push_back(std::move(value));
  };
  add(primitive(TypeKind::kBoolean), true);
  add(primitive(TypeKind::kBoolean), false);
  add(primitive(TypeKind::kInt), int32_t{-1});
  add(primitive(TypeKind::kLong), std::numeric_limits<int64_t>::min() + 1);
  add(primitive(TypeKind::kFloat), -0.0f);
  add(primitive(TypeKind::kDouble), 1e300);
  add(decimal_type(9, 2), Int128{-128});
  add(decimal_type(38, 0), Int128{-1} << 100);
  add(primitive(TypeKind::kDate), int32_t{-719162});
  add(primitive(TypeKind::kTime), int64_t{86'399'999'999});
  add(primitive(TypeKind::kTimestamp), int64_t{-1});
  add(primitive(TypeKind::kTimestampTz), int64_t{1});
  add(primitive(TypeKind::kTimestampNs), int64_t{-1});
  add(primitive(TypeKind::kTimestampTzNs), int64_t{1});
  add(primitive(TypeKind::kString), std::string(""));
  add(primitive(TypeKind::kUuid), std::string(16, '\xff'));
  add(primitive(TypeKind::kUuid), std::string(16, '\0'));
  add(fixed_type(3), std::string("abc"));
  add(primitive(TypeKind::kBinary), std::string("\0\xff", 2));

  DataFile file;
  file.file_path = "f";
  file.spec_id = 2;
  file.partition = values;
  DataFile nulls = file;
  nulls.partition.assign(values.size(), Value());
  ManifestWriter writer(3, schema, spec, ManifestContent::kData, 55);
  writer.add({.file = file});
  writer.add({.file = nulls});
  const auto [bytes, manifest_file] = writer.finish("m", 1);
  const auto reader = reader_of(bytes, manifest_file);
  EXPECT_THAT(reader->data_files(), ElementsAre(file, nulls));
  const ManifestPtr manifest = reader->entries();
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(manifest->partition[i][0], to_bytes(values[i], schema.fields[i].type)) << i;
    EXPECT_EQ((*manifest_file.partitions)[i].lower_bound, to_bytes(values[i], schema.fields[i].type)) << i;
  }
}

// Trap 9: day is written as a date, but an int is the same thing.
TEST(Trap09, DayPartitionsAreDatesAndPlainIntsAreReadToo) {
  const Written written = write({{.file = test_file("f", 17000, Value())}});
  const avro::Header header = avro::read_header(written.bytes, "f");
  EXPECT_THAT(std::string(header.schema), HasSubstr(R"({"type":"int","logicalType":"date"})"));

  const Type as_int = struct_type({{.id = 1000, .name = "at_day", .type = primitive(TypeKind::kInt)},
                                   {.id = 1001, .name = "name", .type = primitive(TypeKind::kString)}});
  const auto fields = manifest_fields::entry_fields(1, as_int);
  const Value none;
  const std::vector<Value> file = {std::string("p"),
                                   std::string("PARQUET"),
                                   std::vector<Value>{int32_t{17000}, none},
                                   int64_t{1},
                                   int64_t{2},
                                   int64_t{3},
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none};
  const std::string bytes =
      foreign(fields, {{int32_t{1}, int64_t{5}, file}},
              {{"schema", to_json(test_schema())}, {"partition-spec", fields_to_json(test_spec())}});
  const auto reader = reader_of(bytes, {.manifest_path = "m"});
  EXPECT_EQ(reader->entries()->partition_types.at(0).kind, TypeKind::kDate);
  EXPECT_EQ(reader->data_files().at(0).partition.at(0), Value(int32_t{17000}));
}

// Trap 10: partition values are matched by the ids of the manifest's own spec, and never by position.
TEST(Trap10, PartitionValuesAreMatchedById) {
  const Type reordered = struct_type({{.id = 1001, .name = "whatever", .type = primitive(TypeKind::kString)},
                                      {.id = 1005, .name = "foreign", .type = primitive(TypeKind::kLong)},
                                      {.id = 1000, .name = "at_day", .type = primitive(TypeKind::kDate)}});
  const auto fields = manifest_fields::entry_fields(2, reordered);
  const Value none;
  const std::vector<Value> file = {int32_t{0},
                                   std::string("p"),
                                   std::string("PARQUET"),
                                   std::vector<Value>{std::string("n"), int64_t{4}, int32_t{17000}},
                                   int64_t{1},
                                   int64_t{2},
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none};
  const std::string bytes = foreign(fields, {{int32_t{1}, none, none, none, file}},
                                    {{"schema", to_json(test_schema())},
                                     {"partition-spec", fields_to_json(test_spec())},
                                     {"partition-spec-id", "7"},
                                     {"format-version", "2"},
                                     {"content", "data"}});
  EXPECT_EQ(reader_of(bytes, {.manifest_path = "m"})->data_files().at(0).partition,
            (std::vector<Value>{Value(int32_t{17000}), Value(std::string("n"))}));
}

TEST(Trap10, ADroppedSourceColumnKeepsItsSlot) {
  Schema without_name = test_schema();
  without_name.fields.erase(without_name.fields.begin() + 1);
  PartitionSpec spec = test_spec();
  spec.fields[1].transform = parse_transform("void");
  std::swap(spec.fields[0], spec.fields[1]);
  ManifestWriter writer(2, without_name, spec, ManifestContent::kData, 55);
  DataFile file = test_file("f", 0, Value());
  file.partition = {Value(), int32_t{17000}};
  writer.add({.file = file});
  const auto [bytes, manifest_file] = writer.finish("m", 1);
  EXPECT_EQ(manifest_file.partitions->size(), 2);
  EXPECT_TRUE((*manifest_file.partitions)[0].contains_null);
  const auto reader = reader_of(bytes, manifest_file);
  EXPECT_EQ(reader->data_files().at(0).partition, (std::vector<Value>{Value(), Value(int32_t{17000})}));
  EXPECT_THAT(reader->entries()->partition_types,
              ElementsAre(primitive(TypeKind::kUnknown), primitive(TypeKind::kDate)));
}

// Writers take the values of an unknown transform as text; strangers' may be anything.
TEST(Trap10, ValuesThatAreNotOfTheirTransformAreRefused) {
  PartitionSpec spec = test_spec();
  for (const auto& [transform, type] : {std::pair{"zorder", "string"}, {"bucket[4]", "int"}}) {
    spec.fields[1].transform = parse_transform(transform);
    ManifestWriter writer(2, test_schema(), spec, ManifestContent::kData, 55);
    EXPECT_THAT([&] { writer.add({.file = test_file("f", 0, Value(int64_t{1}))}); },
                ThrowsMessage<InvalidArgument>(
                    testing::AllOf(HasSubstr("the file f"), HasSubstr(fmt::format("\"name\" is no {},", type)))));
    writer.add({.file = test_file("g", 0, Value())});
    const auto [bytes, file] = writer.finish("m", 1);
    EXPECT_EQ(reader_of(bytes, file)->data_files().size(), 1);
  }
}

TEST(Trap10, ValuesOfAnUnknownTransformHaveTheTypeOfTheFile) {
  const Type partition = struct_type({{.id = 1000, .name = "z", .type = primitive(TypeKind::kLong)}});
  const auto fields = manifest_fields::entry_fields(1, partition);
  const Value none;
  const std::vector<Value> file = {std::string("p"),
                                   std::string("orc"),
                                   std::vector<Value>{int64_t{123}},
                                   int64_t{1},
                                   int64_t{2},
                                   int64_t{3},
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none};
  const std::string bytes =
      foreign(fields, {{int32_t{1}, int64_t{5}, file}},
              {{"schema", to_json(test_schema())},
               {"partition-spec", R"([{"source-id":1,"field-id":1000,"name":"z","transform":"zorder[4]"}])"}});
  EXPECT_EQ(reader_of(bytes, {.manifest_path = "m"})->data_files().at(0).partition,
            (std::vector<Value>{Value(int64_t{123})}));
}

TEST(Trap10, ThePartitionRecordIsThereEvenIfTheSpecIsEmpty) {
  DataFile file = test_file("f", 0, Value());
  file.partition.clear();
  file.spec_id = 0;
  const Written written = write({{.file = file}}, 2, PartitionSpec{});
  const avro::Header header = avro::read_header(written.bytes, "f");
  EXPECT_THAT(std::string(header.schema),
              HasSubstr(R"("name":"partition","type":{"type":"record","name":"r102","fields":[]})"));
  EXPECT_THAT(written.reader()->data_files(), ElementsAre(file));
}

TEST(Trap10, NamesThatAvroDoesNotAllowAreReplacedAndReadBackById) {
  PartitionSpec spec{
      .spec_id = 7,
      .fields = {partition_field(2, 1000, "a.b", "truncate[2]"), partition_field(2, 1001, "a_x2Eb", "identity"),
                 partition_field(6, 1002, "1\xc3\xa9", "identity"), partition_field(6, 1003, "u", "identity")}};
  DataFile file = test_file("f", 0, Value());
  file.partition = {std::string("xy"), std::string("xyz"), std::string(16, 'u'), std::string(16, 'v')};
  const Written written = write({{.file = file}}, 2, spec);
  EXPECT_THAT(written.reader()->data_files(), ElementsAre(file));
  EXPECT_THAT(std::string(avro::read_header(written.bytes, "f").schema), HasSubstr(R"("iceberg-field-name":"a.b")"));
}

// Trap 11: the key-value metadata, and the form of "partition-spec".
TEST(Trap11, TheHeaderSaysWhatTheSpecificationAsksFor) {
  for (const int32_t version : {1, 2, 3}) {
    const Written written = write({}, version);
    const avro::Header header = avro::read_header(written.bytes, "f");
    EXPECT_EQ(header.values.at("schema"), to_json(test_schema()));
    EXPECT_EQ(header.values.at("schema-id"), "3");
    EXPECT_EQ(header.values.at("partition-spec"), fields_to_json(test_spec()));
    EXPECT_EQ(header.values.at("partition-spec").front(), '[');
    EXPECT_EQ(header.values.at("partition-spec-id"), "7");
    EXPECT_EQ(header.values.at("format-version"), std::to_string(version));
    EXPECT_EQ(header.values.contains("content"), version > 1);
    if (version > 1) {
      EXPECT_EQ(header.values.at("content"), "data");
      const Written deletes = write({}, version, test_spec(), ManifestContent::kDeletes);
      EXPECT_EQ(avro::read_header(deletes.bytes, "f").values.at("content"), "deletes");
    }
  }
}

TEST(Trap11, TheObjectFormOfThePartitionSpecIsReadToo) {
  const Type partition = partition_type(test_spec(), test_schema());
  const std::string bytes = foreign(manifest_fields::entry_fields(2, partition), {},
                                    {{"schema", to_json(test_schema())},
                                     {"partition-spec", to_json(test_spec())},
                                     {"partition-spec-id", "7"},
                                     {"format-version", "2"}});
  EXPECT_EQ(reader_of(bytes, {.manifest_path = "m"})->entries()->spec, test_spec());
}

TEST(Trap11, AManifestThatDoesNotSayItsContentHasThatOfTheList) {
  const Type partition = partition_type(test_spec(), test_schema());
  const std::string bytes = foreign(
      manifest_fields::entry_fields(3, partition), {},
      {{"schema", to_json(test_schema())}, {"partition-spec", fields_to_json(test_spec())}, {"format-version", "3"}});
  const ManifestFile file{.manifest_path = "m", .content = ManifestContent::kDeletes};
  EXPECT_EQ(reader_of(bytes, file)->entries()->content, ManifestContent::kDeletes);
}

// Trap 12: sequence numbers are inherited by added files only; 0 is a number like any other.
TEST(Trap20, EmptyListsAreNull) {
  DataFile file = test_file("s3://b/1.parquet", 1, Value());
  file.split_offsets.clear();
  const std::vector<Field> wanted = {
      {.id = 2,
       .name = "data_file",
       .required = true,
       .type = struct_type(
           {{.id = 132, .name = "split_offsets", .type = list_type(133, primitive(TypeKind::kLong), true)},
            {.id = 135, .name = "equality_ids", .type = list_type(136, primitive(TypeKind::kInt), true)}})}};
  int rows = 0;
  avro::read_rows(write({{.file = file}}).bytes, "f", wanted, [&](const std::vector<Value>& row) {
    ++rows;
    EXPECT_EQ(row, (std::vector<Value>{Value(std::vector<Value>{Value(), Value()})}));
  });
  EXPECT_EQ(rows, 1);
}

TEST(Trap12, OnlyAddedFilesInheritSequenceNumbers) {
  const DataFile file = test_file("f", 0, Value());
  Written written =
      write({{.file = file},
             {.sequence_number = 4, .file = file},
             {.status = EntryStatus::kExisting,
              .snapshot_id = 3,
              .sequence_number = 0,
              .file_sequence_number = 2,
              .file = file},
             {.status = EntryStatus::kDeleted, .sequence_number = 1, .file_sequence_number = 1, .file = file}});
  EXPECT_EQ(written.file.min_sequence_number, 0);
  written.file.sequence_number = 12;
  const ManifestPtr manifest = written.reader()->entries();
  EXPECT_THAT(manifest->sequence_number, ElementsAre(12, 4, 0, 1));
  EXPECT_THAT(manifest->file_sequence_number, ElementsAre(12, 12, 2, 1));
  EXPECT_THAT(manifest->snapshot_id, ElementsAre(55, 55, 3, 55));
}

TEST(Trap12, TheWriterRefusesExistingAndDeletedFilesWithoutSequenceNumbers) {
  const DataFile file = test_file("f", 0, Value());
  EXPECT_THROW(write({{.status = EntryStatus::kExisting, .snapshot_id = 1, .file = file}}), InvalidArgument);
  EXPECT_THROW(write({{.status = EntryStatus::kDeleted, .sequence_number = 1, .file = file}}), InvalidArgument);
  EXPECT_THROW(
      write({{.status = EntryStatus::kExisting, .sequence_number = 1, .file_sequence_number = 1, .file = file}}),
      InvalidArgument);
  // Version 1 has no sequence numbers.
  EXPECT_EQ(write({{.status = EntryStatus::kExisting, .snapshot_id = 1, .file = file}}, 1).file.existing_files_count,
            1);
}

TEST(Trap12, SequenceNumbersOfVersion1AreZero) {
  const DataFile file = test_file("f", 0, Value());
  Written written = write({{.file = file}, {.status = EntryStatus::kExisting, .snapshot_id = 2, .file = file}}, 1);
  EXPECT_EQ(written.file.sequence_number, 0);
  EXPECT_EQ(written.file.min_sequence_number, 0);
  written.file.sequence_number = 8;  // even if a list of a later version says otherwise
  const ManifestPtr manifest = written.reader()->entries();
  EXPECT_THAT(manifest->sequence_number, ElementsAre(0, 0));
  EXPECT_THAT(manifest->file_sequence_number, ElementsAre(0, 0));
}

TEST(Trap12, AnExistingFileWithoutANumberInheritsNone) {
  const Type partition = partition_type(test_spec(), test_schema());
  const Value none;
  const std::vector<Value> file = {int32_t{0},
                                   std::string("p"),
                                   std::string("PARQUET"),
                                   std::vector<Value>{none, none},
                                   int64_t{1},
                                   int64_t{2},
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none,
                                   none};
  const std::string bytes = foreign(
      manifest_fields::entry_fields(2, partition), {{int32_t{0}, none, none, none, file}},
      {{"schema", to_json(test_schema())}, {"partition-spec", fields_to_json(test_spec())}, {"format-version", "2"}});
  EXPECT_THAT(reader_of(bytes, {.manifest_path = "m", .sequence_number = 6})->entries()->sequence_number,
              ElementsAre(kAbsent));
  EXPECT_THAT(reader_of(bytes, {.manifest_path = "m", .sequence_number = 0})->entries()->sequence_number,
              ElementsAre(0));
  EXPECT_THAT(reader_of(bytes, {.manifest_path = "m", .added_snapshot_id = 77})->entries()->snapshot_id,
              ElementsAre(77));
}

// Trap 13: a file without first_row_id gets the manifest's plus the rows of earlier files that also had none.
TEST(Trap13, FirstRowIdsFollowOneAnother) {
  DataFile has_one = test_file("f", 0, Value(), 1000);
  has_one.first_row_id = 5;
  Written written = write({{.file = test_file("f", 0, Value(), 10)},
                           {.status = EntryStatus::kExisting,
                            .snapshot_id = 3,
                            .sequence_number = 1,
                            .file_sequence_number = 1,
                            .file = has_one},
                           {.status = EntryStatus::kDeleted,
                            .sequence_number = 1,
                            .file_sequence_number = 1,
                            .file = test_file("f", 0, Value(), 100)},
                           {.status = EntryStatus::kExisting,
                            .snapshot_id = 3,
                            .sequence_number = 1,
                            .file_sequence_number = 1,
                            .file = test_file("f", 0, Value(), 20)},
                           {.file = test_file("f", 0, Value(), 40)}},
                          3);
  written.file.first_row_id = 1000;
  EXPECT_THAT(written.reader()->entries()->first_row_id, ElementsAre(1000, 5, kAbsent, 1010, 1030));
  EXPECT_EQ(written.reader()->data_files().at(4).first_row_id, 1030);
  written.file.first_row_id.reset();  // a snapshot from before the upgrade to version 3
  EXPECT_THAT(written.reader()->entries()->first_row_id, ElementsAre(kAbsent, 5, kAbsent, kAbsent, kAbsent));
}

TEST(Trap13, DeleteFilesHaveNoFirstRowId) {
  DataFile file = test_file("f", 0, Value());
  file.content = FileContent::kPositionDeletes;
  file.first_row_id = 3;
  Written written = write({{.file = file}}, 3, test_spec(), ManifestContent::kDeletes);
  written.file.first_row_id = 1000;
  EXPECT_THAT(written.reader()->entries()->first_row_id, ElementsAre(kAbsent));
}

TEST(Trap13, ManifestsOfEarlierVersionsGetRowIdsToo) {
  Written written = write({{.file = test_file("f", 0, Value(), 10)}, {.file = test_file("f", 0, Value(), 10)}}, 1);
  written.file.first_row_id = 7;
  EXPECT_THAT(written.reader()->entries()->first_row_id, ElementsAre(7, 17));
}

TEST(FileFormatName, IsWrittenInUpperCaseAndReadInAnyCase) {
  EXPECT_EQ(to_string(FileFormat::kParquet), "PARQUET");
  EXPECT_EQ(to_string(FileFormat::kPuffin), "PUFFIN");
  EXPECT_EQ(parse_file_format("parquet"), FileFormat::kParquet);
  EXPECT_EQ(parse_file_format("Orc"), FileFormat::kOrc);
  EXPECT_EQ(parse_file_format("AVRO"), FileFormat::kAvro);
  EXPECT_THROW(parse_file_format("parque"), InvalidArgument);
  EXPECT_THROW(parse_file_format(""), InvalidArgument);
}

TEST(RecordCount, MinusOneIsNotKnownAndNotEmpty) {
  Written written = write({{.file = test_file("f", 0, Value(), -1)}, {.file = test_file("f", 0, Value(), 5)}}, 3);
  EXPECT_EQ(written.file.added_rows_count, 5);
  written.file.first_row_id = 100;
  const ManifestPtr manifest = written.reader()->entries();
  EXPECT_THAT(manifest->record_count, ElementsAre(-1, 5));
  EXPECT_THAT(manifest->first_row_id, ElementsAre(100, kAbsent));
}

TEST(CorruptManifest, EveryTruncationIsNoticedOrEndsAtABlock) {
  const Written written = write({{.file = test_file("f", 0, Value())}, {.file = test_file("g", 0, Value())}});
  for (size_t length = 0; length < written.bytes.size(); ++length) {
    try {
      const auto reader = reader_of(written.bytes.substr(0, length), written.file);
      EXPECT_EQ(reader->entries()->size, 0) << length;  // cut just behind the header
    } catch (const CorruptFile& e) {
      EXPECT_THAT(e.what(), HasSubstr("s3://b/m.avro"));
    }
  }
}

TEST(CorruptManifest, FlippedBitsNeverCrash) {
  const Written written = write({{.file = test_file("f", 0, Value())}}, 3, test_spec(), ManifestContent::kData, "null");
  for (size_t i = 0; i < written.bytes.size(); ++i) {
    std::string bytes = written.bytes;
    bytes[i] = static_cast<char>(bytes[i] ^ (1 << i % 8));
    try {
      const auto reader = reader_of(bytes, written.file);
      reader->stats({1, 2, 4});
      reader->partition_stats();
      reader->data_files();
    } catch (const Error&) {
    }
  }
}

TEST(CorruptManifest, EncryptedManifestsAreNamedAsSuch) {
  EXPECT_THAT(([] { reader_of("AGS1xxxxxxxxxxxxxxxx", {.manifest_path = "m"}); }),
              ThrowsMessage<NotSupported>(HasSubstr("encrypted")));
}

}  // namespace
}  // namespace floe
