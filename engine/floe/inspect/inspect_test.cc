#include "floe/inspect/inspect.h"

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "floe/arrow_status.h"
#include "floe/avro/container.h"
#include "floe/file/deletion_vector.h"
#include "floe/file/position_delete.h"
#include "floe/manifest/whole_entries.h"
#include "floe/scan/test_table.h"
#include "floe/spec/metadata_columns.h"

namespace floe {
namespace {

using scan_test::field;
using scan_test::TestTable;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Texts = std::vector<std::string>;

Value text(const char* value) { return std::string(value); }

const Schema kSchema{.fields = {field(1, "id", primitive(TypeKind::kLong)),
                                field(2, "name", primitive(TypeKind::kString)),
                                field(3, "price", primitive(TypeKind::kDouble))}};
const PartitionSpec kByName{.spec_id = 0,
                            .fields = {{.source_ids = {2}, .field_id = 1000, .name = "name", .transform = {}}}};

LoadedTable loaded(const TableMetadata& metadata) {
  return {.identifier = {{"ns"}, "t"},
          .metadata_location = "file:///t/metadata/00009-x.metadata.json",
          .metadata = std::make_shared<const TableMetadata>(metadata)};
}

std::shared_ptr<arrow::Table> show(const TestTable& table, std::string_view name, const InspectOptions& options = {}) {
  const auto reader = inspect(loaded(table.metadata), name, options, table.io);
  auto rows = check(reader->ToTable(), name);
  check(rows->ValidateFull(), name);
  return check(rows->CombineChunks(), name);
}

// The values of a column, or of a child of a struct column ("partition.name").
Texts column(const arrow::Table& table, const std::string& name) {
  std::shared_ptr<arrow::Array> array;
  if (table.num_rows() == 0) return {};
  std::string_view rest = name;
  for (bool first = true; !rest.empty(); first = false) {
    const size_t dot = rest.find('.');
    const std::string part(rest.substr(0, dot));
    rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
    array = first ? table.GetColumnByName(part)->chunk(0)
                  : static_cast<const arrow::StructArray&>(*array).GetFieldByName(part);
  }
  Texts texts;
  for (int64_t i = 0; i < array->length(); ++i) texts.push_back(check(array->GetScalar(i), name)->ToString());
  return texts;
}

Texts names(const arrow::Table& table) { return table.schema()->field_names(); }

DataFile file(const std::string& path, const std::string& partition = "") {
  DataFile file;
  file.file_path = path;
  if (!partition.empty()) file.partition = {partition};
  file.record_count = 10;
  file.file_size_in_bytes = 1000;
  return file;
}

std::string little_endian(int64_t value) { return to_bytes(value, primitive(TypeKind::kLong)); }

// --- of metadata alone -----------------------------------------------------------------------------------------------

TEST(Inspect, SnapshotsHaveTheirOperationBesideTheSummary) {
  TestTable table(kSchema);
  Snapshot first{.snapshot_id = 1, .timestamp_ms = 1000, .manifest_list = "file:///one"};
  first.summary = {{"operation", "append"}, {"added-records", "3"}};
  Snapshot second{.snapshot_id = 2, .parent_snapshot_id = 1, .timestamp_ms = 2000};
  table.metadata.snapshots = {std::make_shared<Snapshot>(first), std::make_shared<Snapshot>(second)};
  const auto rows = show(table, "snapshots");
  EXPECT_THAT(names(*rows),
              ElementsAre("committed_at", "snapshot_id", "parent_id", "operation", "manifest_list", "summary"));
  EXPECT_THAT(column(*rows, "committed_at"), ElementsAre("1970-01-01 00:00:01.000000Z", "1970-01-01 00:00:02.000000Z"));
  EXPECT_THAT(column(*rows, "parent_id"), ElementsAre("null", "1"));
  EXPECT_THAT(column(*rows, "operation"), ElementsAre("append", "null"));
  EXPECT_THAT(column(*rows, "manifest_list"), ElementsAre("file:///one", "null"));
  EXPECT_THAT(column(*rows, "summary").front(), HasSubstr("added-records"));
  EXPECT_THAT(column(*rows, "summary").front(), ::testing::Not(HasSubstr("operation")));
  EXPECT_EQ(column(*rows, "summary").back(), "null");
}

TEST(Inspect, HistoryTellsWhatWasRolledBackAndKeepsWhatExpired) {
  TestTable table(kSchema);
  for (const int64_t id : {1, 2, 3}) {
    Snapshot snapshot{.snapshot_id = id, .timestamp_ms = 1000 * id};
    if (id > 1) snapshot.parent_snapshot_id = 1;
    if (id != 2) table.metadata.snapshots.push_back(std::make_shared<Snapshot>(snapshot));
  }
  table.metadata.snapshot_log = {{1000, 1}, {2000, 2}, {2500, 1}, {3000, 3}};
  table.metadata.current_snapshot_id = 3;
  const auto rows = show(table, "history");
  EXPECT_THAT(column(*rows, "snapshot_id"), ElementsAre("1", "2", "1", "3"));
  EXPECT_THAT(column(*rows, "parent_id"), ElementsAre("null", "null", "null", "1"));
  EXPECT_THAT(column(*rows, "is_current_ancestor"), ElementsAre("true", "false", "true", "true"));
}

TEST(Inspect, HistoryOfParentsThatGoRoundEnds) {
  TestTable table(kSchema);
  for (const int64_t id : {1, 2}) {
    table.metadata.snapshots.push_back(
        std::make_shared<Snapshot>(Snapshot{.snapshot_id = id, .parent_snapshot_id = 3 - id}));
    table.metadata.snapshot_log.push_back({id, id});
  }
  table.metadata.current_snapshot_id = 2;
  EXPECT_THAT(column(*show(table, "history"), "is_current_ancestor"), Each("true"));
}

TEST(Inspect, RefsWithTheirRetention) {
  TestTable table(kSchema);
  table.metadata.refs = {{"main", {.snapshot_id = 2, .min_snapshots_to_keep = 5, .max_snapshot_age_ms = 7}},
                         {"v1", {.snapshot_id = 1, .is_branch = false, .max_ref_age_ms = 9}}};
  const auto rows = show(table, "refs");
  EXPECT_THAT(column(*rows, "name"), ElementsAre("main", "v1"));
  EXPECT_THAT(column(*rows, "type"), ElementsAre("BRANCH", "TAG"));
  EXPECT_THAT(column(*rows, "max_reference_age_in_ms"), ElementsAre("null", "9"));
  EXPECT_THAT(column(*rows, "min_snapshots_to_keep"), ElementsAre("5", "null"));
  EXPECT_THAT(column(*rows, "max_snapshot_age_in_ms"), ElementsAre("7", "null"));
}

TEST(Inspect, MetadataLogEndsWithThePresentFile) {
  TestTable table(kSchema);
  Snapshot snapshot{.snapshot_id = 7, .sequence_number = 3, .timestamp_ms = 2000, .schema_id = 0};
  table.metadata.snapshots = {std::make_shared<Snapshot>(snapshot)};
  table.metadata.snapshot_log = {{1500, 6}, {2000, 7}};  // 6 was expired
  table.metadata.metadata_log = {{1000, "one"}, {1500, "two"}};
  table.metadata.last_updated_ms = 2000;
  const auto rows = show(table, "metadata_log_entries");
  EXPECT_THAT(column(*rows, "file"), ElementsAre("one", "two", "file:///t/metadata/00009-x.metadata.json"));
  EXPECT_THAT(column(*rows, "latest_snapshot_id"), ElementsAre("null", "6", "7"));
  EXPECT_THAT(column(*rows, "latest_schema_id"), ElementsAre("null", "null", "0"));
  EXPECT_THAT(column(*rows, "latest_sequence_number"), ElementsAre("null", "null", "3"));
}

TEST(Inspect, StatisticsFilesWithTheirBlobs) {
  TestTable table(kSchema);
  table.metadata.statistics = {{.snapshot_id = 1,
                                .statistics_path = "s.puffin",
                                .file_size_in_bytes = 20,
                                .file_footer_size_in_bytes = 10,
                                .blob_metadata = {{.type = "apache-datasketches-theta-v1",
                                                   .snapshot_id = 1,
                                                   .sequence_number = 2,
                                                   .fields = {1, 2},
                                                   .properties = {{"ndv", "3"}}}}}};
  table.metadata.partition_statistics = {{.snapshot_id = 1, .statistics_path = "p.parquet", .file_size_in_bytes = 30}};
  const auto rows = show(table, "statistics_files");
  EXPECT_THAT(column(*rows, "statistics_path"), ElementsAre("s.puffin"));
  EXPECT_THAT(column(*rows, "blob_metadata").front(), HasSubstr("apache-datasketches-theta-v1"));
  EXPECT_THAT(column(*show(table, "partition_statistics_files"), "file_size_in_bytes"), ElementsAre("30"));
}

TEST(Inspect, ATimeOutOfRangeIsAnError) {
  TestTable table(kSchema);
  table.metadata.snapshots = {std::make_shared<Snapshot>(Snapshot{.timestamp_ms = INT64_MAX})};
  EXPECT_THROW(show(table, "snapshots"), CorruptFile);
}

// --- manifests -------------------------------------------------------------------------------------------------------

TEST(Inspect, ManifestsCountDataAndDeleteFilesApart) {
  TestTable table(kSchema, kByName);
  table.append({file("a", "x"), file("b", "z")});
  DataFile deletes = file("d", "x");
  deletes.content = FileContent::kPositionDeletes;
  table.append({deletes}, ManifestContent::kDeletes);
  const auto rows = show(table, "manifests");
  EXPECT_THAT(column(*rows, "content"), ElementsAre("0", "1"));
  EXPECT_THAT(column(*rows, "added_data_files_count"), ElementsAre("2", "0"));
  EXPECT_THAT(column(*rows, "added_delete_files_count"), ElementsAre("0", "1"));
  EXPECT_THAT(column(*rows, "partition_summaries").front(),
              AllOf(HasSubstr("lower_bound:string = x"), HasSubstr("upper_bound:string = z")));
  const auto all = show(table, "all_manifests");
  EXPECT_THAT(column(*all, "reference_snapshot_id"), ElementsAre("1000", "1001", "1001"));
  EXPECT_THAT(column(*all, "key_metadata"), Each("null"));
}

TEST(Inspect, SummariesOfNoBoundsAndOfBrokenOnesAreNull) {
  TestTable table(kSchema,
                  PartitionSpec{.fields = {{.source_ids = {1}, .field_id = 1000, .name = "id", .transform = {}}}});
  DataFile one = file("a");
  one.partition = {int64_t{5}};
  table.append({one});
  table.manifests[0].partitions = {FieldSummary{.contains_null = true, .lower_bound = "abc"}};
  table.append({});
  const auto rows = show(table, "manifests");
  EXPECT_THAT(column(*rows, "partition_summaries").front(),
              AllOf(HasSubstr("contains_nan:bool = null"), HasSubstr("lower_bound:string = null"),
                    HasSubstr("upper_bound:string = null")));
}

TEST(Inspect, ManifestsThatASnapshotListsItselfAreCounted) {  // version 1
  TestTable table(kSchema);
  table.metadata.format_version = 1;
  table.append({file("a"), file("b")});
  auto snapshot = std::make_shared<Snapshot>(*table.metadata.snapshots.back());
  snapshot->manifest_list.clear();
  snapshot->manifests = {table.manifests[0].manifest_path};
  table.metadata.snapshots.back() = snapshot;
  for (const char* name : {"manifests", "all_manifests"}) {
    const auto rows = show(table, name);
    EXPECT_THAT(column(*rows, "added_data_files_count"), ElementsAre("2")) << name;
    EXPECT_THAT(column(*rows, "path"), ElementsAre(table.manifests[0].manifest_path)) << name;
  }
  EXPECT_THAT(column(*show(table, "files"), "file_path"), ElementsAre("a", "b"));
}

// --- entries and files -----------------------------------------------------------------------------------------------

TEST(Inspect, FilesHaveJavasColumns) {
  TestTable table(kSchema, kByName);
  table.append(
      {table.write({{{1, int64_t{5}}, {2, text("x")}, {3, 1.5}}, {{1, int64_t{7}}, {2, text("x")}, {3, Value()}}})});
  const auto rows = show(table, "files");
  EXPECT_THAT(
      names(*rows),
      ElementsAre("content", "file_path", "file_format", "spec_id", "partition", "record_count", "file_size_in_bytes",
                  "column_sizes", "value_counts", "null_value_counts", "nan_value_counts", "lower_bounds",
                  "upper_bounds", "key_metadata", "split_offsets", "equality_ids", "sort_order_id", "first_row_id",
                  "referenced_data_file", "content_offset", "content_size_in_bytes", "readable_metrics"));
  EXPECT_THAT(column(*rows, "file_format"), ElementsAre("PARQUET"));
  EXPECT_THAT(column(*rows, "partition.name"), ElementsAre("x"));
  EXPECT_THAT(column(*rows, "record_count"), ElementsAre("2"));
  EXPECT_THAT(column(*rows, "value_counts"),
              ElementsAre("map<int32, int64>[{key:int32 = 1, value:int64 = 2}, {key:int32 = 2, value:int64 = 2}, "
                          "{key:int32 = 3, value:int64 = 2}]"));
  EXPECT_THAT(column(*rows, "readable_metrics.id.lower_bound"), ElementsAre("5"));
  EXPECT_THAT(column(*rows, "readable_metrics.id.upper_bound"), ElementsAre("7"));
  EXPECT_THAT(column(*rows, "readable_metrics.name.lower_bound"), ElementsAre("x"));
  EXPECT_THAT(column(*rows, "readable_metrics.price.null_value_count"), ElementsAre("1"));
  EXPECT_THAT(column(*rows, "readable_metrics.price.nan_value_count"), ElementsAre("0"));
  EXPECT_THAT(column(*rows, "readable_metrics.price.upper_bound"), ElementsAre("1.5"));
}

TEST(Inspect, EveryTypeHasReadableBounds) {
  random_data::Rng rng(7);
  TestTable table(random_data::all_types());
  std::vector<random_data::Row> written;
  for (int i = 0; i < 40; ++i) written.push_back(random_data::random_row(rng, random_data::all_types()));
  const DataFile whole = table.write(written, {{"write.metadata.metrics.default", "full"}});
  table.append({whole});
  const auto rows = show(table, "files", {.columns = {"readable_metrics"}});
  const auto& metrics = static_cast<const arrow::StructArray&>(*rows->column(0)->chunk(0));
  size_t compared = 0;
  for (const auto& [id, bytes] : whole.lower_bounds) {
    const Field& of = *find_field(*current_schema(table.metadata), id);
    const auto metric = metrics.GetFieldByName(full_name(*current_schema(table.metadata), id));
    const auto bound = static_cast<const arrow::StructArray&>(*metric).GetFieldByName("lower_bound");
    EXPECT_EQ(value_at(*bound, 0, of.type), from_bytes(bytes, of.type)) << of.name;
    EXPECT_TRUE(bound->type()->Equals(*to_arrow_type(of.type))) << of.name;
    ++compared;
  }
  EXPECT_EQ(compared, 19u);
}

TEST(Inspect, FilesThatWereDeletedAreEntriesOnly) {
  TestTable table(kSchema);
  table.append_entries(
      {{.file = file("a")},
       {.status = EntryStatus::kDeleted, .sequence_number = 1, .file_sequence_number = 1, .file = file("b")},
       {.status = EntryStatus::kExisting,
        .snapshot_id = 1,
        .sequence_number = 1,
        .file_sequence_number = 1,
        .file = file("c")}});
  EXPECT_THAT(column(*show(table, "files"), "file_path"), ElementsAre("a", "c"));
  EXPECT_THAT(column(*show(table, "all_data_files", {.columns = {"file_path"}}), "file_path"), ElementsAre("a", "c"));
  const auto entries = show(table, "entries");
  EXPECT_THAT(names(*entries), ElementsAre("status", "snapshot_id", "sequence_number", "file_sequence_number",
                                           "data_file", "readable_metrics"));
  EXPECT_THAT(column(*entries, "status"), ElementsAre("1", "2", "0"));
  EXPECT_THAT(column(*entries, "snapshot_id"), ElementsAre("1000", "1000", "1"));
  EXPECT_THAT(column(*entries, "data_file.file_path"), ElementsAre("a", "b", "c"));
}

TEST(Inspect, OnlyColumnsThatAreNamedComeOut) {
  TestTable table(kSchema, kByName);
  table.append({file("a", "x")});
  const auto rows = show(table, "entries", {.columns = {"data_file.record_count", "data_file.file_path", "status"}});
  EXPECT_THAT(names(*rows), ElementsAre("status", "data_file"));
  EXPECT_EQ(rows->column(1)->type()->num_fields(), 2);
  EXPECT_THAT(column(*rows, "data_file.record_count"), ElementsAre("10"));
  const auto metrics = show(table, "files", {.columns = {"readable_metrics.price"}});
  EXPECT_EQ(metrics->column(0)->type()->num_fields(), 1);
  EXPECT_THROW(show(table, "files", {.columns = {"nothing"}}), InvalidArgument);
  EXPECT_THROW(show(table, "files", {.columns = {}}), InvalidArgument);
}

TEST(Inspect, Trap03BoundsThatAreNoTextAreNullInReadableMetrics) {
  TestTable table(kSchema);
  DataFile cut = file("a");
  cut.lower_bounds = {{1, "abc"}, {2, "caf\xc3"}};
  cut.upper_bounds = {{1, little_endian(5)}, {2, "caf\xc3\xa9"}};
  table.append({cut});
  const auto rows = show(table, "files");
  EXPECT_THAT(column(*rows, "readable_metrics.id.lower_bound"), ElementsAre("null"));
  EXPECT_THAT(column(*rows, "readable_metrics.id.upper_bound"), ElementsAre("5"));
  EXPECT_THAT(column(*rows, "readable_metrics.name.lower_bound"), ElementsAre("null"));
  EXPECT_THAT(column(*rows, "readable_metrics.name.upper_bound"), ElementsAre("caf\xc3\xa9"));
}

TEST(Inspect, Trap07BoundsFromBeforeAPromotion) {
  TestTable table(kSchema);
  DataFile old = file("a");
  old.lower_bounds = {{1, to_bytes(int32_t{-3}, primitive(TypeKind::kInt))},
                      {3, to_bytes(1.5F, primitive(TypeKind::kFloat))}};
  table.append({old});
  const auto rows = show(table, "files");
  EXPECT_THAT(column(*rows, "readable_metrics.id.lower_bound"), ElementsAre("-3"));
  EXPECT_THAT(column(*rows, "readable_metrics.price.lower_bound"), ElementsAre("1.5"));
}

TEST(Inspect, Trap10PartitionsOfEverySpecByFieldId) {
  TestTable table(kSchema, kByName);
  table.append({file("a", "x")});
  const PartitionSpec other{
      .spec_id = 1,
      .fields = {{.source_ids = {1}, .field_id = 1001, .name = "id_bucket", .transform = parse_transform("bucket[4]")},
                 {.source_ids = {2}, .field_id = 1000, .name = "title", .transform = {}}}};
  table.metadata.partition_specs.push_back(other);
  DataFile both = file("b");
  both.partition = {int32_t{3}, text("y")};
  table.append_entries({{.file = both}}, ManifestContent::kData, &other);
  const auto rows = show(table, "files");
  EXPECT_THAT(column(*rows, "partition.title"), ElementsAre("x", "y"));  // the newest name
  EXPECT_THAT(column(*rows, "partition.id_bucket"), ElementsAre("null", "3"));
  EXPECT_THAT(column(*rows, "spec_id"), ElementsAre("0", "1"));
}

TEST(Inspect, Trap13FirstRowIdsAreInherited) {
  TestTable table(kSchema);
  table.metadata.format_version = 3;
  table.metadata.next_row_id = 100;
  table.append({file("a"), file("b")});
  for (const Texts& columns : {Texts{"first_row_id"}, Texts{"first_row_id", "value_counts"}}) {
    EXPECT_THAT(column(*show(table, "files", {.columns = columns}), "first_row_id"), ElementsAre("100", "110"));
  }
}

TEST(Inspect, AllFilesReadsAManifestOnce) {
  TestTable table(kSchema);
  for (const char* name : {"a", "b", "c"}) table.append({file(name)});
  EXPECT_THAT(column(*show(table, "all_files"), "file_path"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(column(*show(table, "all_entries"), "data_file.file_path"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(column(*show(table, "all_delete_files"), "file_path"), IsEmpty());
  EXPECT_EQ(show(table, "all_manifests")->num_rows(), 6);
}

TEST(Inspect, LargeManifestsComeInPartsAndAgree) {
  TestTable table(kSchema, kByName);
  std::vector<DataFile> files;
  for (int i = 0; i < 20'000; ++i) {
    files.push_back(file(fmt::format("file-{}", i), fmt::format("p{}", i % 7)));
    files.back().value_counts = {{1, i}, {2, 1}};
    files.back().lower_bounds = {{1, little_endian(i)}};
    if (i % 3 == 0) files.back().split_offsets = {4, i};
  }
  table.append(files);
  table.append({file("last", "p0")});
  const auto rows = show(table, "files");
  ASSERT_EQ(rows->num_rows(), 20'001);
  EXPECT_EQ(column(*rows, "file_path")[12'345], "file-12345");
  EXPECT_EQ(column(*rows, "partition.name")[12'345], "p4");
  EXPECT_EQ(column(*rows, "readable_metrics.id.lower_bound")[12'345], "12345");
  EXPECT_EQ(column(*rows, "readable_metrics.id.value_count")[12'345], "12345");
  EXPECT_EQ(column(*rows, "split_offsets")[12'345], "list<element: int64 not null>[4, 12345]");
  EXPECT_EQ(column(*rows, "file_path").back(), "last");
  const auto reader = inspect(loaded(table.metadata), "files", {}, table.io);
  while (const auto batch = check(reader->Next(), "files")) EXPECT_LT(batch->num_rows(), 10'000);
  const auto narrow = show(table, "files", {.columns = {"file_path", "partition"}});  // from the cache, without maps
  EXPECT_TRUE(narrow->column(0)->Equals(rows->GetColumnByName("file_path")));
  EXPECT_TRUE(narrow->column(1)->Equals(rows->GetColumnByName("partition")));
}

TEST(Inspect, SmallManifestsOfSeveralSpecsAndSnapshotsComeTogether) {
  TestTable table(kSchema, kByName);
  table.metadata.format_version = 3;
  const PartitionSpec none{.spec_id = 1, .fields = {}};
  table.metadata.partition_specs.push_back(none);
  Texts paths, partitions, row_ids, sequence_numbers;
  for (int i = 0; i < 120; ++i) {
    const bool partitioned = i % 50 < 40;
    DataFile of = file(fmt::format("f{}", i), partitioned ? fmt::format("p{}", i % 3) : "");
    of.lower_bounds = of.upper_bounds = {{1, little_endian(i)}};
    if (i % 10 == 9) {
      table.append_entries({}, ManifestContent::kData, partitioned ? nullptr : &none);
    } else {
      table.append_entries({{.file = of}}, ManifestContent::kData, partitioned ? nullptr : &none);
      paths.push_back(of.file_path);
      partitions.push_back(partitioned ? fmt::format("p{}", i % 3) : "null");
      row_ids.push_back(std::to_string(10 * row_ids.size()));
      sequence_numbers.push_back(std::to_string(i + 1));
    }
  }
  const auto rows = show(table, "files");
  EXPECT_EQ(column(*rows, "file_path"), paths);
  EXPECT_EQ(column(*rows, "partition.name"), partitions);
  EXPECT_EQ(column(*rows, "first_row_id"), row_ids);
  EXPECT_EQ(column(*show(table, "entries"), "sequence_number"), sequence_numbers);
  const Texts bounds = column(*rows, "readable_metrics.id.lower_bound");
  for (size_t i = 0; i < paths.size(); ++i) EXPECT_EQ("f" + bounds[i], paths[i]);
  const auto some = show(table, "files", {.filter = parse_filter("id >= 60 and id < 62 and name = 'p0'")});
  EXPECT_THAT(column(*some, "file_path"), ElementsAre("f60"));
}

TEST(Inspect, FiltersLeaveFilesThatMayMatch) {
  TestTable table(kSchema, kByName);
  DataFile low = file("low", "x"), high = file("high", "x");
  low.lower_bounds = low.upper_bounds = {{1, little_endian(1)}};
  high.lower_bounds = high.upper_bounds = {{1, little_endian(9)}};
  table.append({low, high, file("other", "y")});
  table.append({file("third", "z")});
  const InspectOptions options{.filter = parse_filter("id > 5 and name = 'x'")};
  EXPECT_THAT(column(*show(table, "files", options), "file_path"), ElementsAre("high"));
  EXPECT_THAT(column(*show(table, "partitions", options), "file_count"), ElementsAre("1"));
  EXPECT_THROW(show(table, "snapshots", options), InvalidArgument);
  EXPECT_THROW(show(table, "files", {.filter = parse_filter("nothing > 5")}), InvalidArgument);
}

TEST(Inspect, UnpartitionedTablesHavePartitionsWithoutFields) {
  TestTable table(kSchema);
  table.append_entries(
      {{.file = file("a")},
       {.status = EntryStatus::kDeleted, .sequence_number = 1, .file_sequence_number = 1, .file = file("b")}});
  const auto rows = show(table, "files");
  EXPECT_EQ(rows->GetColumnByName("partition")->type()->num_fields(), 0);
  EXPECT_EQ(rows->num_rows(), 1);
  EXPECT_EQ(show(table, "entries", {.columns = {"data_file.partition"}})->num_rows(), 2);
}

// --- partitions ------------------------------------------------------------------------------------------------------

TEST(Inspect, PartitionsSumUpDataAndDeletes) {
  TestTable table(kSchema, kByName);
  table.append({file("a", "x"), file("b", "x"), file("c", "y")});
  DataFile positions = file("d", "x"), equality = file("e", "y");
  positions.content = FileContent::kPositionDeletes;
  equality.content = FileContent::kEqualityDeletes;
  equality.equality_ids = {1};
  table.append({positions, equality}, ManifestContent::kDeletes);
  const auto rows = show(table, "partitions");
  EXPECT_THAT(names(*rows),
              ElementsAre("partition", "spec_id", "record_count", "file_count", "total_data_file_size_in_bytes",
                          "position_delete_record_count", "position_delete_file_count", "equality_delete_record_count",
                          "equality_delete_file_count", "last_updated_at", "last_updated_snapshot_id"));
  EXPECT_THAT(column(*rows, "partition.name"), ElementsAre("x", "y"));
  EXPECT_THAT(column(*rows, "record_count"), ElementsAre("20", "10"));
  EXPECT_THAT(column(*rows, "file_count"), ElementsAre("2", "1"));
  EXPECT_THAT(column(*rows, "total_data_file_size_in_bytes"), ElementsAre("2000", "1000"));
  EXPECT_THAT(column(*rows, "position_delete_file_count"), ElementsAre("1", "0"));
  EXPECT_THAT(column(*rows, "equality_delete_record_count"), ElementsAre("0", "10"));
  EXPECT_THAT(column(*rows, "last_updated_snapshot_id"), Each("1001"));
  EXPECT_THAT(column(*show(table, "partitions", {.snapshot_id = 1000}), "last_updated_snapshot_id"), Each("1000"));
}

TEST(Inspect, PartitionsOfExpiredSnapshotsHaveNoTime) {
  TestTable table(kSchema, kByName);
  table.append_entries({{.status = EntryStatus::kExisting,
                         .snapshot_id = 1,
                         .sequence_number = 1,
                         .file_sequence_number = 1,
                         .file = file("a", "x")}});
  const auto rows = show(table, "partitions");
  EXPECT_THAT(column(*rows, "last_updated_at"), ElementsAre("null"));
  EXPECT_THAT(column(*rows, "last_updated_snapshot_id"), ElementsAre("null"));
}

TEST(Inspect, PartitionsOfAnotherSpecAreOneIfTheyHaveTheSameFields) {
  TestTable table(kSchema, kByName);
  table.append({file("a", "x")});
  const PartitionSpec renamed{.spec_id = 1,
                              .fields = {{.source_ids = {2}, .field_id = 1000, .name = "title", .transform = {}}}};
  table.metadata.partition_specs.push_back(renamed);
  table.append_entries({{.file = file("b", "x")}}, ManifestContent::kData, &renamed);
  const auto rows = show(table, "partitions");
  EXPECT_THAT(column(*rows, "partition.title"), ElementsAre("x"));
  EXPECT_THAT(column(*rows, "file_count"), ElementsAre("2"));
  EXPECT_THAT(column(*rows, "spec_id"), ElementsAre("1"));  // of what changed last
}

TEST(Inspect, PartitionsOfAnUnpartitionedTableAreOneRow) {
  TestTable table(kSchema);
  table.append({file("a"), file("b")});
  const auto rows = show(table, "partitions");
  EXPECT_EQ(names(*rows).front(), "record_count");
  EXPECT_THAT(column(*rows, "file_count"), ElementsAre("2"));
}

// --- position_deletes ------------------------------------------------------------------------------------------------

TEST(Inspect, PositionDeletesOfFilesAndVectors) {
  TestTable table(kSchema, kByName);
  table.metadata.format_version = 3;
  table.append({file("a", "x"), file("b", "x")});
  const DataFile positions =
      write_position_deletes(*table.io, table.path("pos.parquet"), {{"a", {1, 3}}}, 0, {text("x")}, {});
  DeletionVectorWriter writer(*table.io, table.path("dv.puffin"));
  writer.add("b", 0, {text("x")}, {0, 200'000});
  const std::vector<DataFile> vectors = writer.finish();
  table.append({positions, vectors[0]}, ManifestContent::kDeletes);
  const auto rows = show(table, "position_deletes");
  EXPECT_THAT(names(*rows), ElementsAre("file_path", "pos", "row", "partition", "spec_id", "delete_file_path",
                                        "content_offset", "content_size_in_bytes"));
  EXPECT_THAT(column(*rows, "file_path"), ElementsAre("a", "a", "b", "b"));
  EXPECT_THAT(column(*rows, "pos"), ElementsAre("1", "3", "0", "200000"));
  EXPECT_THAT(column(*rows, "row"), Each("null"));
  EXPECT_THAT(column(*rows, "partition.name"), Each("x"));
  const std::string offset = std::to_string(*vectors[0].content_offset);
  EXPECT_THAT(column(*rows, "content_offset"), ElementsAre("null", "null", offset, offset));
  EXPECT_THAT(column(*show(table, "position_deletes", {.columns = {"spec_id"}}), "spec_id"),
              ElementsAre("0", "0", "0", "0"));
  EXPECT_EQ(show(table, "position_deletes", {.snapshot_id = 1000})->num_rows(), 0);
}

TEST(Inspect, PositionDeletesMayKeepTheRow) {
  const Schema with_row{.fields = {position_delete_fields()[0], position_delete_fields()[1],
                                   field(kDeleteRowId, "row", struct_type(kSchema.fields))}};
  TestTable table(kSchema);
  ParquetWriter writer(*table.io, table.path("pos.parquet"), with_row, parquet_write_options({}, with_row), false);
  const auto schema = to_arrow_schema(with_row);
  arrow::ArrayVector arrays = {to_array({text("a")}, with_row.fields[0].type, schema->field(0)->type()),
                               to_array({Value(int64_t{4})}, with_row.fields[1].type, schema->field(1)->type()),
                               to_array({Value(std::vector<Value>{int64_t{7}, text("n"), 2.5})},
                                        with_row.fields[2].type, schema->field(2)->type())};
  writer.write(*arrow::RecordBatch::Make(schema, 1, arrays));
  DataFile deletes = writer.finish();
  deletes.content = FileContent::kPositionDeletes;
  table.append({deletes}, ManifestContent::kDeletes);
  const auto rows = show(table, "position_deletes");
  EXPECT_THAT(column(*rows, "pos"), ElementsAre("4"));
  EXPECT_THAT(column(*rows, "row.id"), ElementsAre("7"));
  EXPECT_THAT(column(*rows, "row.price"), ElementsAre("2.5"));
}

// --- which snapshot, and what goes wrong -----------------------------------------------------------------------------

TEST(Inspect, SnapshotsByIdTimeAndRef) {
  TestTable table(kSchema);
  table.append({file("a")});
  table.append({file("b")});
  table.metadata.refs["audit"] = {.snapshot_id = 1000};
  const int64_t first_ms = table.metadata.snapshots[0]->timestamp_ms;
  for (const InspectOptions& options :
       {InspectOptions{.snapshot_id = 1000}, InspectOptions{.as_of_ms = first_ms}, InspectOptions{.ref = "audit"}}) {
    EXPECT_THAT(column(*show(table, "files", options), "file_path"), ElementsAre("a"));
    EXPECT_EQ(show(table, "manifests", options)->num_rows(), 1);
    EXPECT_EQ(show(table, "entries", options)->num_rows(), 1);
    EXPECT_THROW(show(table, "all_files", options), InvalidArgument);
    EXPECT_THROW(show(table, "snapshots", options), InvalidArgument);
  }
  EXPECT_THROW(show(table, "files", {.snapshot_id = 5}), NotFound);
  EXPECT_THROW(show(table, "files", {.as_of_ms = 5}), NotFound);
  EXPECT_THROW(show(table, "files", {.ref = "nothing"}), NotFound);
  EXPECT_THROW(show(table, "files", {.snapshot_id = 1000, .ref = "audit"}), InvalidArgument);
  EXPECT_THROW(show(table, "nothing"), NotFound);
}

TEST(Inspect, TablesWithoutSnapshotsHaveNoRows) {
  TestTable table(kSchema, kByName);
  for (const std::string& name : metadata_table_names()) {
    if (name == "metadata_log_entries") continue;
    const auto rows = show(table, name);
    EXPECT_EQ(rows->num_rows(), 0) << name;
    EXPECT_EQ(rows->num_columns(), static_cast<int>(metadata_table_schema(table.metadata, name).fields.size())) << name;
  }
}

TEST(Inspect, AManifestThatIsGoneIsNamedWithItsTable) {
  TestTable table(kSchema);
  table.append({file("a")});
  table.io->remove(table.manifests[0].manifest_path);
  for (const char* name : {"files", "partitions", "all_entries"}) {
    try {
      show(table, name);
      FAIL() << name;
    } catch (const NotFound& e) {
      EXPECT_THAT(e.what(), AllOf(HasSubstr("ns.t"), HasSubstr(table.manifests[0].manifest_path)));
    }
  }
}

TEST(Inspect, DamagedManifestsAreNamedOrRead) {
  TestTable table(kSchema, kByName);
  DataFile of = file("a", "x");
  of.value_counts = {{1, 5}};
  of.lower_bounds = {{1, little_endian(5)}, {2, "x"}};
  table.append({of, of});
  const std::string path = table.manifests[0].manifest_path;
  const std::string bytes = table.io->read(path)->ToString();
  random_data::Rng rng(3);
  for (int i = 0; i < 300; ++i) {
    std::string damaged = bytes;
    damaged[random_data::below(rng, damaged.size())] ^= static_cast<char>(1 << random_data::below(rng, 8));
    if (random_data::chance(rng, 4)) damaged.resize(random_data::below(rng, damaged.size()));
    table.io->remove(path);
    table.io->write(path, damaged);
    for (const char* name : {"entries", "partitions"}) {
      clear_manifest_cache();
      try {
        show(table, name);
      } catch (const Error& e) {
        EXPECT_THAT(e.what(), AnyOf(HasSubstr(path), HasSubstr("the manifest's entry of"))) << i;
      }
    }
  }
  clear_manifest_cache();
}

}  // namespace
}  // namespace floe
