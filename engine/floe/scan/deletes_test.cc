// Scans of tables with deletes of every kind.
#include <arrow/util/thread_pool.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "floe/file/deletion_vector.h"
#include "floe/file/position_delete.h"
#include "floe/file/row_hash.h"
#include "floe/scan/changelog.h"
#include "floe/scan/test_table.h"
#include "floe/spec/metadata_columns.h"
#include "floe/spec/projection.h"

namespace floe {
namespace {

using random_data::below;
using random_data::Rng;
using random_data::Row;
using scan_test::field;
using scan_test::TestTable;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const auto kNansEqual = arrow::EqualOptions::Defaults().nans_equal(true);

// A table and what its rows should be: every delete is done to both.
class Model {
 public:
  struct File {
    DataFile file;
    int64_t sequence_number;
    size_t manifest;      // which of the table's
    int64_t rows_before;  // of the manifest, in files before this one
    std::vector<Row> rows;
    std::vector<uint8_t> deleted;
    Positions positions;  // deleted by position
    bool has_vector = false;
  };

  Model(Schema schema, const PartitionSpec& spec, int32_t format_version) : table(std::move(schema), spec) {
    table.metadata.format_version = format_version;
    if (!spec.is_unpartitioned()) table.metadata.partition_specs.push_back(kGlobal);
  }

  void append(Rng& rng) {
    std::vector<DataFile> added;
    int64_t rows_before = 0;
    for (size_t n = 1 + below(rng, 3); n > 0; --n) {
      std::vector<Row> rows;
      const Row model = random_data::random_row(rng, schema());
      for (size_t r = 1 + below(rng, 12); r > 0; --r) {
        Row row = random_data::random_row(rng, schema());
        for (const PartitionField& part : default_spec(table.metadata).fields) {
          for (size_t c = 0; c < row.size(); ++c) {
            if (row[c].first == part.source_id()) row[c] = model[c];
          }
        }
        rows.push_back(std::move(row));
      }
      added.push_back(table.write(rows, {{"write.parquet.row-group-limit", "5"}}));
      const auto count = static_cast<int64_t>(rows.size());
      files.push_back({added.back(),
                       table.metadata.last_sequence_number + 1,
                       table.manifests.size(),
                       rows_before,
                       rows,
                       std::vector<uint8_t>(rows.size()),
                       {},
                       false});
      rows_before += count;
    }
    table.append(added);
  }

  // One position delete file for several data files of a partition.
  void delete_positions(Rng& rng) {
    const File& of = random_data::pick(rng, files);
    PositionDeletes deletes;
    for (File& file : files) {
      if (file.file.partition != of.file.partition || file.has_vector || random_data::chance(rng, 3)) continue;
      for (size_t n = below(rng, 4); n > 0; --n) {
        const auto row = static_cast<int64_t>(below(rng, file.rows.size()));
        deletes[file.file.file_path].add(row);
        file.positions.add(row);
        file.deleted[row] = 1;
      }
    }
    if (deletes.empty()) return;
    table.append({write_position_deletes(*table.io, table.path(fmt::format("pos-{}.parquet", ++table.files)), deletes,
                                         of.file.spec_id, of.file.partition, {})},
                 ManifestContent::kDeletes);
  }

  // Deletion vectors of some files that have none, in one Puffin file.
  void delete_by_vectors(Rng& rng) {
    DeletionVectorWriter writer(*table.io, table.path(fmt::format("dv-{}.puffin", ++table.files)));
    bool any = false;
    for (File& file : files) {
      if (file.has_vector || random_data::chance(rng, 2)) continue;
      for (size_t n = 1 + below(rng, 4); n > 0; --n) {
        file.positions.add(static_cast<int64_t>(below(rng, file.rows.size())));
      }
      file.positions.for_each([&](std::span<const int64_t> rows) {
        for (const int64_t row : rows) file.deleted[row] = 1;
      });
      file.has_vector = any = true;
      writer.add(file.file.file_path, file.file.spec_id, file.file.partition, file.positions);
    }
    if (any) table.append(writer.finish(), ManifestContent::kDeletes);
  }

  // Keys of rows that may be there, of one partition or of the whole table.
  void delete_by_keys(Rng& rng) {
    const auto leaves = random_data::leaves(schema());
    std::vector<int32_t> ids = {random_data::pick(rng, leaves)->id};
    if (random_data::chance(rng, 2)) ids.push_back(random_data::pick(rng, leaves)->id);
    if (ids.size() == 2 && ids[0] == ids[1]) ids.pop_back();
    const Schema columns = project(schema(), {ids.begin(), ids.end()});
    std::vector<Row> keys;
    for (size_t n = 1 + below(rng, 2); n > 0; --n)
      keys.push_back(random_data::pick(rng, random_data::pick(rng, files).rows));

    const File& of = random_data::pick(rng, files);
    const bool global = of.file.partition.empty() || random_data::chance(rng, 2);
    ParquetWriter writer(*table.io, table.path(fmt::format("eq-{}.parquet", ++table.files)), columns,
                         parquet_write_options({}, columns), false);
    writer.write(*scan_test::to_batch(keys, columns));
    DataFile deletes = writer.finish();
    deletes.content = FileContent::kEqualityDeletes;
    deletes.equality_ids = ids;
    if (!global) deletes.partition = of.file.partition;
    const std::vector<Value> partition = of.file.partition;
    const bool unpartitioned = default_spec(table.metadata).is_unpartitioned();
    table.append_entries({{.file = deletes}}, ManifestContent::kDeletes, global && !unpartitioned ? &kGlobal : nullptr);
    for (File& file : files) {
      if (!global && file.file.partition != partition) continue;
      for (size_t r = 0; r < file.rows.size(); ++r) {
        for (const Row& key : keys) {
          const bool equal = std::all_of(ids.begin(), ids.end(), [&](int32_t id) {
            return random_data::values_of(key)(id) == random_data::values_of(file.rows[r])(id);
          });
          if (equal) file.deleted[r] = 1;
        }
      }
    }
  }

  const Schema& schema() const { return *current_schema(table.metadata); }

  static inline const PartitionSpec kGlobal{.spec_id = 1, .fields = {}};
  TestTable table;
  std::vector<File> files;  // in the order of the scan
};

void check_against_model(Model& model, Rng& rng) {
  const Schema& schema = model.schema();
  const auto leaves = random_data::leaves(schema);
  const TableMetadata& metadata = model.table.metadata;
  for (int i = 0; i < 6; ++i) {
    const Expression filter = i == 0 ? Expression{} : random_data::random_filter(rng, schema, leaves);
    const BoundExpression bound = bind(filter, schema);
    std::vector<Row> expected;
    std::map<std::string, Positions> positions;
    for (const Model::File& file : model.files) {
      for (size_t r = 0; r < file.rows.size(); ++r) {
        if (file.deleted[r] || !matches(bound, random_data::values_of(file.rows[r]))) continue;
        expected.push_back(file.rows[r]);
        positions[file.file.file_path].add(static_cast<int64_t>(r));
      }
    }
    const auto expected_table = check(arrow::Table::FromRecordBatches({scan_test::to_batch(expected, schema)}), "test");
    const ScanOptions options{.filter = filter,
                              .batch_rows = 1 + static_cast<int64_t>(below(rng, 6)),
                              .delete_bytes = static_cast<int64_t>(i % 2 * 1000)};
    const auto found = model.table.scan(options);
    ASSERT_TRUE(found->Equals(*expected_table, kNansEqual)) << to_string(filter) << "\n"
                                                            << found->ToString() << "\ninstead of\n"
                                                            << expected_table->ToString();
    scan_test::check_tasks(model.table, options, 1 + static_cast<int64_t>(below(rng, 20'000)));
    const ScanPlan planned = plan(metadata, options, *model.table.io);
    ASSERT_EQ(count(metadata, planned, options, model.table.io), static_cast<int64_t>(expected.size()))
        << to_string(filter);

    find_rows(metadata, planned, options, model.table.io, [&](const FoundRows& rows) {
      const ScanPlan::Part& part = planned.parts[rows.part];
      const std::string path(part.manifest->file_path[part.entries[rows.index]]);
      const auto file = std::find_if(model.files.begin(), model.files.end(),
                                     [&](const Model::File& each) { return each.file.file_path == path; });
      const auto live = std::count(file->deleted.begin(), file->deleted.end(), 0);
      EXPECT_EQ(rows.all ? live : rows.positions.count(), positions[path].count()) << path;
      EXPECT_TRUE(rows.all || rows.positions == positions[path]) << path;
      positions.erase(path);
    });
    for (const auto& [path, left] : positions) EXPECT_TRUE(left.empty()) << path;
  }
}

// Rows by their hash, and how many there are of each; taken out again with a sign.
std::map<RowHash, int64_t> counted(const arrow::Table& rows) {
  std::map<RowHash, int64_t> counts;
  const auto types = rows.GetColumnByName("_change_type");
  for (const auto& batch : check(arrow::TableBatchReader(rows).ToRecordBatches(), "test")) {
    arrow::ArrayVector columns = batch->columns();
    if (types) columns.resize(columns.size() - 3);
    const std::vector<RowHash> hashes = row_hashes(columns, batch->num_rows());
    for (size_t i = 0; i < hashes.size(); ++i) {
      const bool removed =
          types &&
          static_cast<const arrow::StringArray&>(*batch->GetColumnByName("_change_type")).GetView(i) == "DELETE";
      counts[hashes[i]] += removed ? -1 : 1;
    }
  }
  std::erase_if(counts, [](const auto& count) { return count.second == 0; });
  return counts;
}

// What a snapshot changed leads from the rows before it to those that it has.
void check_changelog(Model& model, Rng& rng) {
  const TestTable& table = model.table;
  const auto metadata = std::make_shared<const TableMetadata>(table.metadata);
  const auto leaves = random_data::leaves(model.schema());
  for (const auto& snapshot : metadata->snapshots) {
    ScanOptions options{.filter = random_data::random_filter(rng, model.schema(), leaves),
                        .snapshot_id = snapshot->snapshot_id};
    const ChangelogOptions changes{.since = {.snapshot_id = snapshot->snapshot_id, .inclusive = true}};
    std::map<RowHash, int64_t> rows =
        counted(*check(changelog(metadata, changes, options, table.io)->ToTable(), "test"));
    const auto now = counted(*model.table.scan(options));
    if (snapshot->parent_snapshot_id) {
      options.snapshot_id = snapshot->parent_snapshot_id;
      for (const auto& [hash, n] : counted(*model.table.scan(options))) rows[hash] += n;
    }
    std::erase_if(rows, [](const auto& count) { return count.second == 0; });
    ASSERT_EQ(rows, now) << to_string(options.filter);
  }
}

TEST(Deletes, RandomDeletesOfAllKindsAndRandomFilters) {
  Rng rng(2024);
  const Schema schema = random_data::all_types();
  const std::vector<PartitionSpec> specs = {{}, {.fields = {{{1}, 1000, "boolean", {TransformKind::kIdentity}}}}};
  for (int round = 0; round < 16; ++round) {
    Model model(schema, specs[round % 2], 2);
    model.append(rng);
    for (int commit = 0; commit < 7; ++commit) {
      if (round % 4 >= 2 && commit == 4) model.table.metadata.format_version = 3;
      const size_t kind = below(rng, 4);
      if (kind == 0) {
        model.append(rng);
      } else if (kind == 1) {
        model.delete_by_keys(rng);
      } else if (model.table.metadata.format_version == 2) {
        model.delete_positions(rng);
      } else {
        model.delete_by_vectors(rng);
      }
    }
    check_against_model(model, rng);
    check_changelog(model, rng);
    if (HasFatalFailure()) return;
  }
}

// --- one thing at a time ---------------------------------------------------------------------------------------------

struct Numbers : TestTable {
  explicit Numbers(int32_t format_version) : TestTable(Schema{.fields = {field(1, "id", primitive(TypeKind::kLong))}}) {
    metadata.format_version = format_version;
  }

  DataFile numbers(int64_t begin, int64_t end) {
    std::vector<Row> rows;
    for (int64_t i = begin; i < end; ++i) rows.push_back({{1, Value(i)}});
    return write(rows, {{"write.parquet.row-group-limit", "30"}});
  }

  void delete_positions(const PositionDeletes& deletes) {
    append({write_position_deletes(*io, path(fmt::format("pos-{}.parquet", ++files)), deletes, 0, {}, {})},
           ManifestContent::kDeletes);
  }

  void delete_by_vector(const DataFile& file, const Positions& positions) {
    DeletionVectorWriter writer(*io, path(fmt::format("dv-{}.puffin", ++files)));
    writer.add(file.file_path, 0, {}, positions);
    append(writer.finish(), ManifestContent::kDeletes);
  }

  void delete_ids(const std::vector<int64_t>& ids) {
    std::vector<Row> rows;
    for (const int64_t id : ids) rows.push_back({{1, Value(id)}});
    DataFile deletes = write(rows);
    deletes.content = FileContent::kEqualityDeletes;
    deletes.equality_ids = {1};
    append({deletes}, ManifestContent::kDeletes);
  }

  std::vector<std::optional<int64_t>> column(const std::string& name, ScanOptions options = {}) {
    options.select = {name};
    const auto found = scan(options);
    std::vector<std::optional<int64_t>> values;
    for (const auto& chunk : found->column(0)->chunks()) {
      const auto& numbers = static_cast<const arrow::Int64Array&>(*chunk);
      for (int64_t i = 0; i < numbers.length(); ++i) {
        values.push_back(numbers.IsValid(i) ? std::optional(numbers.Value(i)) : std::nullopt);
      }
    }
    return values;
  }

  int64_t count_rows(const ScanOptions& options = {}) {
    return count(metadata, plan(metadata, options, *io), options, io);
  }
};

TEST(Deletes, PositionDeleteFilesOfManyDataFilesAreReadOnce) {
  Numbers table(2);
  std::vector<DataFile> data;
  PositionDeletes deletes;
  for (int64_t i = 0; i < 20; ++i) {
    data.push_back(table.numbers(10 * i, 10 * i + 10));
    deletes[data.back().file_path].add(i % 10);
  }
  table.append(data);
  table.delete_positions(deletes);
  ASSERT_FALSE(plan(table.metadata, {}, *table.io).deletes->manifest({0, 0}).referenced_data_file.has(0));
  const int64_t before = table.io->counters().files_opened;
  EXPECT_EQ(table.scan()->num_rows(), 180);
  EXPECT_EQ(table.io->counters().files_opened - before, 21);
}

TEST(Deletes, EqualityDeletesAreReadOnce) {
  Numbers table(2);
  std::vector<DataFile> data;
  for (int64_t i = 0; i < 20; ++i) data.push_back(table.numbers(0, 10));
  table.append(data);
  table.delete_ids({3});
  table.delete_ids({4, 5});
  table.delete_ids({500});  // outside of every file
  auto counters = std::make_shared<ScanCounters>();
  const ScanPlan planned = plan(table.metadata, {}, *table.io);
  const int64_t before = table.io->counters().files_opened;
  const auto rows = check(read(table.metadata, planned, {}, table.io, counters)->ToTable(), "test")->num_rows();
  EXPECT_EQ(rows, 20 * 7);
  EXPECT_EQ(table.io->counters().files_opened - before, 20 + 2);
}

TEST(Deletes, AThreadOfThePoolNeverWaitsForAnother) {
  Numbers table(2);
  std::vector<DataFile> data;
  PositionDeletes deletes;
  for (int64_t i = 0; i < 30; ++i) {
    data.push_back(table.numbers(0, 10));
    deletes[data.back().file_path].add(1);
  }
  table.append(data);
  table.delete_positions(deletes);
  table.delete_ids({2});
  table.delete_ids({3});
  arrow::internal::ThreadPool* pool = arrow::internal::GetCpuThreadPool();
  const int capacity = pool->GetCapacity();
  for (const int threads : {1, 2, 8}) {
    ASSERT_TRUE(pool->SetCapacity(threads).ok());
    for (const int64_t kept : {int64_t{0}, int64_t{1} << 20}) {
      for (const bool ordered : {true, false}) {
        EXPECT_EQ(table.scan({.read_ahead_bytes = 100, .delete_bytes = kept, .ordered = ordered})->num_rows(), 30 * 7);
      }
    }
  }
  ASSERT_TRUE(pool->SetCapacity(capacity).ok());
}

TEST(Deletes, MissingDeleteFilesNameTableSnapshotAndFile) {
  for (const int kind : {0, 1, 2}) {
    Numbers table(kind == 2 ? 3 : 2);
    const DataFile data = table.numbers(0, 10);
    table.append({data});
    if (kind == 0) table.delete_positions({{data.file_path, {1}}});
    if (kind == 1) table.delete_ids({1});
    if (kind == 2) table.delete_by_vector(data, {1});
    const ScanPlan planned = plan(table.metadata, {}, *table.io);
    const std::string path(planned.deletes->manifest({0, 0}).file_path[0]);
    std::filesystem::remove(path);
    try {
      table.scan({.table_name = "db.numbers"});
      FAIL();
    } catch (const NotFound& e) {
      EXPECT_THAT(e.what(),
                  AllOf(HasSubstr("db.numbers"), HasSubstr(path), HasSubstr(std::to_string(*planned.snapshot_id))));
    }
  }
}

TEST(Deletes, CountTrustsOnlyVectors) {
  Numbers table(3);
  const DataFile a = table.numbers(0, 100), b = table.numbers(100, 200);
  table.append({a, b});
  table.delete_by_vector(a, {0, 5, 50});
  clear_manifest_cache();
  const int64_t before = table.io->counters().files_opened;
  EXPECT_EQ(table.count_rows(), 197);
  EXPECT_EQ(table.io->counters().files_opened - before, 3);  // the list and two manifests: no data file
  EXPECT_EQ(table.count_rows({.filter = parse_filter("id < 100")}), 97);
  EXPECT_EQ(table.count_rows({.filter = parse_filter("id < 50")}), 48);
  EXPECT_EQ(table.count_rows({.limit = 10}), 10);
  table.delete_ids({0, 1});
  EXPECT_EQ(table.count_rows(), 196);
}

TEST(Deletes, LimitsCountRowsThatAreLeft) {
  Numbers table(2);
  const DataFile a = table.numbers(0, 10), b = table.numbers(10, 20);
  table.append({a, b});
  table.delete_positions({{a.file_path, {0, 1, 2, 3, 4, 5, 6, 7, 8}}});
  EXPECT_THAT(table.column("id", {.limit = 3}), ElementsAre(9, 10, 11));
}

TEST(Deletes, Trap13RowIdsAreInheritedAndPositionsCountDeletedRows) {
  Numbers table(3);
  const DataFile a = table.numbers(0, 3), b = table.numbers(10, 13);
  table.append({a, b});
  table.append({table.numbers(20, 22)});
  table.delete_by_vector(b, {1});
  EXPECT_THAT(table.column("_row_id"), ElementsAre(0, 1, 2, 3, 5, 6, 7));
  EXPECT_THAT(table.column("_pos"), ElementsAre(0, 1, 2, 0, 2, 0, 1));
  EXPECT_THAT(table.column("_last_updated_sequence_number"), ElementsAre(1, 1, 1, 1, 1, 2, 2));
}

TEST(Deletes, Trap13SnapshotsFromBeforeAnUpgradeHaveNoRowIds) {
  Numbers table(2);
  table.append({table.numbers(0, 2)});
  const int64_t old = *table.metadata.current_snapshot_id;
  table.metadata.format_version = 3;
  EXPECT_THAT(table.column("_row_id"), ElementsAre(std::nullopt, std::nullopt));
  EXPECT_THAT(table.column("_last_updated_sequence_number"), ElementsAre(std::nullopt, std::nullopt));
  table.append({table.numbers(2, 3)});
  const auto ids = table.column("_row_id");
  EXPECT_EQ(std::set(ids.begin(), ids.end()), (std::set<std::optional<int64_t>>{0, 1, 2}));
  const auto updated = table.column("_last_updated_sequence_number");
  EXPECT_EQ(std::multiset(updated.begin(), updated.end()), (std::multiset<std::optional<int64_t>>{1, 1, 2}));
  for (const char* column : {"_row_id", "_last_updated_sequence_number"}) {
    EXPECT_THAT(table.column(column, {.snapshot_id = old}), ElementsAre(std::nullopt, std::nullopt)) << column;
  }
}

TEST(Deletes, MetadataColumnsComeBesideTheOthers) {
  TestTable table(Schema{.fields = {field(1, "id", primitive(TypeKind::kLong))}},
                  {.spec_id = 0, .fields = {{{1}, 1000, "id", {TransformKind::kIdentity}}}});
  const DataFile file = table.write({{{1, Value(int64_t{7})}}, {{1, Value(int64_t{7})}}});
  table.append({file});
  table.append({write_position_deletes(*table.io, table.path("pos.parquet"), {{file.file_path, {0}}}, 0,
                                       {Value(int64_t{7})}, {})},
               ManifestContent::kDeletes);
  const auto found = table.scan({.select = {"*", "_file", "_pos", "_spec_id", "_partition"}});
  ASSERT_EQ(found->num_rows(), 1);
  EXPECT_EQ(check(found->column(1)->GetScalar(0), "test")->ToString(), file.file_path);
  EXPECT_EQ(check(found->column(2)->GetScalar(0), "test")->ToString(), "1");
  EXPECT_EQ(check(found->column(3)->GetScalar(0), "test")->ToString(), "0");
  EXPECT_THAT(check(found->column(4)->GetScalar(0), "test")->ToString(), HasSubstr("id:int64 = 7"));
  // Whoever asks which rows are deleted gets them too.
  const auto marked = table.scan({.select = {"_deleted"}});
  ASSERT_EQ(marked->num_rows(), 2);
  EXPECT_EQ(check(marked->column(0)->GetScalar(0), "test")->ToString(), "true");
  EXPECT_EQ(check(marked->column(0)->GetScalar(1), "test")->ToString(), "false");
}

TEST(Deletes, RowsToLeaveOutComeOnTopOfDeletedOnes) {
  Numbers table(3);
  const DataFile a = table.numbers(0, 5), b = table.numbers(5, 10);
  table.append({a, b});
  table.delete_by_vector(a, {1});
  ScanPlan planned = plan(table.metadata, {}, *table.io);
  planned.parts[0].without = {std::make_shared<const Positions>(Positions{0, 4}), nullptr};
  EXPECT_EQ(count(table.metadata, planned, {}, table.io), 7);
  EXPECT_EQ(check(read(table.metadata, planned, {}, table.io)->ToTable(), "test")->num_rows(), 7);
}

TEST(FindRows, FilesThatMatchWhollyAreNotRead) {
  Numbers table(3);
  const DataFile a = table.numbers(0, 100), b = table.numbers(100, 200), c = table.numbers(200, 300);
  table.append({a, b, c});
  table.delete_by_vector(a, {7});
  const ScanOptions options{.filter = parse_filter("id >= 0 and id < 105")};
  const ScanPlan planned = plan(table.metadata, options, *table.io);
  const int64_t before = table.io->counters().files_opened;
  std::vector<std::string> found;
  find_rows(table.metadata, planned, options, table.io, [&](const FoundRows& rows) {
    found.push_back(fmt::format("{} {} {} {}", rows.part, rows.index, rows.all, rows.positions.count()));
  });
  EXPECT_THAT(found, ElementsAre("0 0 true 0", "0 1 false 5"));
  EXPECT_EQ(table.io->counters().files_opened - before, 1);
}

TEST(FindRows, DeletedRowsByPositionFromVectorsAndFiles) {
  Numbers table(2);
  const DataFile a = table.numbers(0, 10), b = table.numbers(10, 20), c = table.numbers(20, 30);
  table.append({a, b, c});
  table.delete_positions({{a.file_path, {1}}, {b.file_path, {2}}});
  table.delete_positions({{b.file_path, {3}}});
  table.delete_ids({5});
  table.metadata.format_version = 3;
  table.delete_by_vector(a, {1, 4});
  std::vector<std::pair<size_t, Positions>> found;
  find_deleted(table.metadata, plan(table.metadata, {}, *table.io), {}, table.io,
               [&](const FoundRows& rows) { found.emplace_back(rows.index, rows.positions); });
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0], (std::pair<size_t, Positions>(0, {1, 4})));
  EXPECT_EQ(found[1], (std::pair<size_t, Positions>(1, {2, 3})));
}

TEST(Deletes, StopTokenEndsReadingThem) {
  Numbers table(2);
  const DataFile data = table.numbers(0, 100);
  table.append({data});
  table.delete_positions({{data.file_path, {1}}});
  arrow::StopSource stop;
  const ScanOptions options{.stop = stop.token()};
  auto reader = read(table.metadata, plan(table.metadata, options, *table.io), options, table.io);
  stop.RequestStop();
  std::shared_ptr<arrow::RecordBatch> batch;
  EXPECT_THROW(check(reader->ReadNext(&batch), "test"), Cancelled);
}

}  // namespace
}  // namespace floe
