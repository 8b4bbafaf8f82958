#include "floe/scan/delete_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "floe/scan/test_table.h"
#include "floe/spec/metadata_columns.h"

namespace floe {
namespace {

using random_data::Rng;
using scan_test::field;
using scan_test::TestTable;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const Schema kSchema{
    .fields = {field(1, "id", primitive(TypeKind::kLong)), field(2, "name", primitive(TypeKind::kString)),
               field(3, "ratio", primitive(TypeKind::kDouble)), field(4, "narrow", primitive(TypeKind::kInt))}};
const PartitionSpec kUnpartitioned{.spec_id = 0, .fields = {}};
const PartitionSpec kById{.spec_id = 1, .fields = {{{1}, 1000, "id", {TransformKind::kIdentity}}}};
const PartitionSpec kByNarrow{.spec_id = 2, .fields = {{{4}, 1001, "narrow", {TransformKind::kIdentity}}}};

DataFile file(const std::string& name, std::vector<Value> partition = {}) {
  DataFile file;
  file.file_path = name;
  file.record_count = 10;
  file.file_size_in_bytes = 100;
  file.partition = std::move(partition);
  return file;
}

DataFile position_deletes(const std::string& name, std::vector<Value> partition = {}) {
  DataFile deletes = file(name, std::move(partition));
  deletes.content = FileContent::kPositionDeletes;
  return deletes;
}

DataFile position_deletes_of(const std::string& name, const std::string& data_file, std::vector<Value> partition = {}) {
  DataFile deletes = position_deletes(name, std::move(partition));
  deletes.referenced_data_file = data_file;
  return deletes;
}

DataFile with_paths(DataFile deletes, const std::string& lower, const std::string& upper) {
  deletes.lower_bounds = {{kDeleteFilePathId, lower}};
  deletes.upper_bounds = {{kDeleteFilePathId, upper}};
  return deletes;
}

DataFile vector_of(const std::string& name, int64_t offset, const std::string& data_file,
                   std::vector<Value> partition = {}) {
  DataFile vector = position_deletes_of(name, data_file, std::move(partition));
  vector.file_format = FileFormat::kPuffin;
  vector.content_offset = offset;
  vector.content_size_in_bytes = 50;
  return vector;
}

DataFile equality_deletes(const std::string& name, std::vector<Value> partition = {}, std::vector<int32_t> ids = {1}) {
  DataFile deletes = file(name, std::move(partition));
  deletes.content = FileContent::kEqualityDeletes;
  deletes.equality_ids = std::move(ids);
  return deletes;
}

// A file's values of one column.
struct Column {
  int32_t id;
  int64_t values, nulls;  // -1: not known
  std::optional<Value> lower, upper;
  Type type = primitive(TypeKind::kLong);
};

DataFile with(DataFile file, const Column& column) {
  if (column.values >= 0) file.value_counts.emplace_back(column.id, column.values);
  if (column.nulls >= 0) file.null_value_counts.emplace_back(column.id, column.nulls);
  if (column.lower) file.lower_bounds.emplace_back(column.id, to_bytes(*column.lower, column.type));
  if (column.upper) file.upper_bounds.emplace_back(column.id, to_bytes(*column.upper, column.type));
  return file;
}

struct Table : TestTable {
  explicit Table(int32_t format_version = 3) : TestTable(kSchema, kUnpartitioned) {
    metadata.format_version = format_version;
    metadata.partition_specs = {kUnpartitioned, kById, kByNarrow};
  }

  // One manifest, committed on its own: every call is the next sequence number.
  void add(const PartitionSpec& spec, std::vector<DataFile> added) {
    const bool deletes = added.front().content != FileContent::kData;
    std::vector<ManifestEntry> entries;
    for (DataFile& each : added) entries.push_back({.file = std::move(each)});
    append_entries(std::move(entries), deletes ? ManifestContent::kDeletes : ManifestContent::kData, &spec);
  }

  // The names of what applies to a data file.
  std::set<std::string> applied(const std::string& data_file, const ScanOptions& options = {}) {
    const ScanPlan found = plan(metadata, options, *io);
    for (const ScanPlan::Part& part : found.parts) {
      for (const uint32_t entry : part.entries) {
        if (part.manifest->file_path[entry] != data_file) continue;
        return found.deletes ? names(*found.deletes, part, entry) : std::set<std::string>{};
      }
    }
    ADD_FAILURE() << data_file << " is not planned";
    return {};
  }

  static std::set<std::string> names(const DeleteIndex& index, const ScanPlan::Part& part, uint32_t entry) {
    std::set<std::string> names;
    DeleteFinder finder(index, *part.reader, part.manifest);
    for (const DeleteEntry& each : finder.find(entry).files()) {
      names.insert(std::string(index.manifest(each).file_path[each.entry]));
    }
    return names;
  }
};

template <typename E, typename F>
std::string message_of(const F& call) {
  try {
    call();
  } catch (const E& e) {
    return e.what();
  }
  return "nothing was thrown";
}

TEST(DeleteIndex, NoDeleteFilesNoIndex) {
  Table table;
  table.add(kUnpartitioned, {file("data")});
  EXPECT_EQ(plan(table.metadata, {}, *table.io).deletes, nullptr);
  table.append_entries({{.status = EntryStatus::kDeleted,
                         .sequence_number = 1,
                         .file_sequence_number = 1,
                         .file = position_deletes("gone")}},
                       ManifestContent::kDeletes, &kUnpartitioned);
  EXPECT_EQ(plan(table.metadata, {}, *table.io).deletes, nullptr);
}

TEST(DeleteIndex, Trap14EqualityDeletesAreOfStrictlyOlderFilesOfTheirPartition) {
  Table table;
  table.add(kById, {file("one", {Value(int64_t{1})}), file("two", {Value(int64_t{2})}), file("null", {Value()})});
  table.add(kById, {equality_deletes("of one", {Value(int64_t{1})}), equality_deletes("of null", {Value()})});
  table.add(kById, {file("one later", {Value(int64_t{1})})});
  EXPECT_THAT(table.applied("one"), UnorderedElementsAre("of one"));
  EXPECT_THAT(table.applied("two"), IsEmpty());
  EXPECT_THAT(table.applied("null"), UnorderedElementsAre("of null"));
  EXPECT_THAT(table.applied("one later"), IsEmpty());

  // Of the same commit: not.
  Table same;
  same.add(kUnpartitioned, {file("data")});
  --same.metadata.last_sequence_number;
  same.add(kUnpartitioned, {equality_deletes("deletes")});
  EXPECT_THAT(same.applied("data"), IsEmpty());
}

TEST(DeleteIndex, Trap14EqualityDeletesOfUnpartitionedSpecsAreGlobal) {
  Table table;
  table.add(kById, {file("by id", {Value(int64_t{1})})});
  table.add(kByNarrow, {file("by narrow", {Value(int32_t{1})})});
  table.add(kUnpartitioned, {file("unpartitioned")});
  table.add(kUnpartitioned, {equality_deletes("global"), position_deletes("not global")});
  EXPECT_THAT(table.applied("by id"), UnorderedElementsAre("global"));
  EXPECT_THAT(table.applied("by narrow"), UnorderedElementsAre("global"));
  EXPECT_THAT(table.applied("unpartitioned"), UnorderedElementsAre("global", "not global"));
  // Pruning by partition keeps them.
  EXPECT_THAT(table.applied("by id", {.filter = parse_filter("id = 1")}), UnorderedElementsAre("global"));
}

TEST(DeleteIndex, Trap14ASpecThatIsPartitionedInTheTableIsNotGlobalWhateverTheManifestSays) {
  Table table;
  table.add(kById, {file("one", {Value(int64_t{1})}), file("null", {Value()})});
  table.add({.spec_id = kById.spec_id, .fields = {}}, {equality_deletes("of nulls")});
  EXPECT_THAT(table.applied("one"), IsEmpty());
  EXPECT_THAT(table.applied("null"), UnorderedElementsAre("of nulls"));
}

TEST(DeleteIndex, Trap14SpecsOfOnlyVoidFieldsAreUnpartitioned) {
  Table table;
  const PartitionSpec gone{.spec_id = 3, .fields = {{{1}, 1000, "id", {TransformKind::kVoid}}}};
  table.metadata.partition_specs.push_back(gone);
  table.add(kById, {file("one", {Value(int64_t{1})})});
  table.add(gone, {equality_deletes("global", {Value()})});
  EXPECT_THAT(table.applied("one"), UnorderedElementsAre("global"));
}

TEST(DeleteIndex, Trap16PositionDeletesApplyWithinTheirCommitAndPartition) {
  Table table(2);
  table.add(kById, {position_deletes("before", {Value(int64_t{1})})});
  table.append_entries({{.file = file("one", {Value(int64_t{1})})}, {.file = file("two", {Value(int64_t{2})})}},
                       ManifestContent::kData, &kById);
  --table.metadata.last_sequence_number;
  table.add(kById, {position_deletes("same commit", {Value(int64_t{1})})});
  table.add(kById, {position_deletes("later", {Value(int64_t{1})})});
  table.add(kUnpartitioned, {position_deletes("of another spec")});
  EXPECT_THAT(table.applied("one"), UnorderedElementsAre("same commit", "later"));
  EXPECT_THAT(table.applied("two"), IsEmpty());
}

TEST(DeleteIndex, Trap16PositionDeletesOfOneFileByReferenceOrByBounds) {
  Table table(2);
  table.add(kUnpartitioned, {file("a"), file("b"), file("c")});
  table.add(kUnpartitioned,
            {position_deletes_of("by reference", "a"), with_paths(position_deletes("by bounds"), "b", "b"),
             with_paths(position_deletes("by range"), "b", "bz"), with_paths(position_deletes("inverted"), "c", "a"),
             position_deletes("no bounds")});
  EXPECT_THAT(table.applied("a"), UnorderedElementsAre("by reference", "inverted", "no bounds"));
  EXPECT_THAT(table.applied("b"), UnorderedElementsAre("by bounds", "by range", "inverted", "no bounds"));
  EXPECT_THAT(table.applied("c"), UnorderedElementsAre("inverted", "no bounds"));
}

TEST(DeleteIndex, Trap16DeletesThatNameAFileOfAnotherPartitionAreCorrupt) {
  for (const DataFile& deletes : {position_deletes_of("deletes", "one"), vector_of("deletes", 4, "one")}) {
    Table table;
    table.add(kById, {file("one", {Value(int64_t{1})})});
    table.add(kUnpartitioned, {deletes});
    EXPECT_THAT(message_of<CorruptFile>([&] { table.applied("one"); }), AllOf(HasSubstr("deletes"), HasSubstr("one")));
  }
}

TEST(DeleteIndex, Trap17VectorsStandForOlderPositionDeletesAndOnlyForThose) {
  Table table;
  table.add(kUnpartitioned, {file("a"), file("b")});
  table.add(kUnpartitioned, {position_deletes("old"), position_deletes_of("old of a", "a"), equality_deletes("keys")});
  table.add(kUnpartitioned, {vector_of("vectors", 4, "a"), vector_of("vectors of others", 54, "c")});
  EXPECT_THAT(table.applied("a"), UnorderedElementsAre("vectors", "keys"));
  EXPECT_THAT(table.applied("b"), UnorderedElementsAre("old", "keys"));
}

TEST(DeleteIndex, Trap17ManyVectorsShareAFile) {
  Table table;
  table.add(kUnpartitioned, {file("a"), file("b")});
  table.add(kUnpartitioned, {vector_of("vectors", 4, "a"), vector_of("vectors", 54, "b")});
  const ScanPlan found = plan(table.metadata, {}, *table.io);
  DeleteFinder finder(*found.deletes, *found.parts[0].reader, found.parts[0].manifest);
  for (const uint32_t entry : {0, 1}) {
    const AppliedDeletes deletes = finder.find(entry);
    ASSERT_TRUE(deletes.vector);
    EXPECT_EQ(found.deletes->manifest(*deletes.vector).content_offset[deletes.vector->entry], entry == 0 ? 4 : 54);
  }
}

TEST(DeleteIndex, Trap17SeveralVectorsOfOneFileAreCorrupt) {
  Table table;
  table.add(kUnpartitioned, {file("a")});
  table.add(kUnpartitioned, {vector_of("first", 4, "a")});
  table.add(kUnpartitioned, {vector_of("second", 4, "a")});
  EXPECT_THAT(message_of<CorruptFile>([&] { plan(table.metadata, {}, *table.io); }),
              AllOf(HasSubstr("first"), HasSubstr("second"), HasSubstr("data file a")));
}

TEST(DeleteIndex, Trap17VectorsOlderThanTheirFileAreCorrupt) {
  Table table;
  table.add(kUnpartitioned, {vector_of("vector", 4, "a")});
  table.add(kUnpartitioned, {file("a")});
  EXPECT_THAT(message_of<CorruptFile>([&] { table.applied("a"); }), HasSubstr("vector"));
}

TEST(DeleteIndex, IncompleteDeleteFilesAreNamed) {
  DataFile vector = vector_of("deletes", 4, "a");
  vector.referenced_data_file.reset();
  DataFile nowhere = vector_of("deletes", 4, "a");
  nowhere.content_offset.reset();
  for (const DataFile& broken : {vector, nowhere}) {
    Table table;
    table.add(kUnpartitioned, {file("a")});
    table.add(kUnpartitioned, {broken});
    EXPECT_THAT(message_of<CorruptFile>([&] { plan(table.metadata, {}, *table.io); }), HasSubstr("deletes"));
  }
}

TEST(DeleteIndex, Trap07PartitionsOfPromotedColumnsAreTheSame) {
  Table table;
  table.add(kByNarrow, {file("data", {Value(int32_t{-5})})});
  Schema wider = kSchema;
  wider.schema_id = 1;
  wider.fields[3].type = primitive(TypeKind::kLong);
  table.metadata.schemas.push_back(std::make_shared<const Schema>(wider));
  table.metadata.current_schema_id = 1;
  table.add(kByNarrow,
            {equality_deletes("deletes", {Value(int64_t{-5})}), equality_deletes("none", {Value(int64_t{5})})});
  EXPECT_THAT(table.applied("data"), UnorderedElementsAre("deletes"));
}

TEST(DeleteIndex, Trap05PartitionsOfNanAreOneAndZerosAreTwo) {
  const PartitionSpec by_ratio{.spec_id = 3, .fields = {{{3}, 1002, "ratio", {TransformKind::kIdentity}}}};
  Table table;
  table.metadata.partition_specs.push_back(by_ratio);
  table.add(by_ratio, {file("nan", {Value(std::nan("1"))}), file("zero", {Value(0.0)}), file("minus", {Value(-0.0)})});
  table.add(by_ratio, {equality_deletes("of nan", {Value(-std::nan("2"))}), equality_deletes("of zero", {Value(0.0)})});
  EXPECT_THAT(table.applied("nan"), UnorderedElementsAre("of nan"));
  EXPECT_THAT(table.applied("zero"), UnorderedElementsAre("of zero"));
  EXPECT_THAT(table.applied("minus"), IsEmpty());
}

// Whether equality deletes with the one column's values are applied to a data file with the other's.
bool compared(const Column& data, const Column& deletes) {
  Table table;
  table.add(kUnpartitioned, {with(file("data"), data)});
  table.add(kUnpartitioned, {with(equality_deletes("deletes", {}, {deletes.id}), deletes)});
  return !table.applied("data").empty();
}

TEST(DeleteIndex, EqualityDeletesOutsideOfTheFilesBoundsAreLeftOut) {
  const auto id = [](int64_t nulls, int64_t lower, int64_t upper) {
    return Column{1, 10, nulls, Value(lower), Value(upper)};
  };
  EXPECT_TRUE(compared(id(0, 5, 9), id(0, 9, 20)));
  EXPECT_FALSE(compared(id(0, 5, 9), id(0, 10, 20)));
  EXPECT_FALSE(compared(id(0, 5, 9), id(0, -3, 4)));
  EXPECT_FALSE(compared(id(1, 5, 9), id(0, 10, 20)));
  EXPECT_FALSE(compared(id(0, 5, 9), id(1, 10, 20)));
}

TEST(DeleteIndex, Trap15NullsMatchNulls) {
  const Column some{1, 10, 1, Value(int64_t{5}), Value(int64_t{9})};
  const Column far{1, 10, 1, Value(int64_t{50}), Value(int64_t{90})};
  const Column only{1, 10, 10, {}, {}};
  const Column none{1, 10, 0, Value(int64_t{5}), Value(int64_t{9})};
  EXPECT_TRUE(compared(some, far));
  EXPECT_TRUE(compared(some, only));
  EXPECT_TRUE(compared(only, only));
  EXPECT_FALSE(compared(none, only));
  EXPECT_FALSE(compared(only, none));
}

TEST(DeleteIndex, Trap05BoundsThatTellNothingKeepDeletes) {
  const auto id = [](int64_t values, int64_t nulls, std::optional<Value> lower, std::optional<Value> upper) {
    return Column{1, values, nulls, std::move(lower), std::move(upper)};
  };
  const Column low = id(10, 0, Value(int64_t{1}), Value(int64_t{2}));
  EXPECT_TRUE(compared(low, id(10, 0, {}, Value(int64_t{9}))));
  EXPECT_TRUE(compared(low, id(10, 0, Value(int64_t{5}), {})));
  EXPECT_TRUE(compared(low, id(10, 0, Value(int64_t{9}), Value(int64_t{5}))));  // inverted
  EXPECT_TRUE(
      compared(id(10, -1, Value(int64_t{1}), Value(int64_t{2})), id(10, -1, Value(int64_t{5}), Value(int64_t{9}))));
  EXPECT_FALSE(compared(low, id(10, -1, Value(int64_t{5}), Value(int64_t{9}))));
  // NaN is not in the bounds of floats.
  const Column ratio{3, 10, 0, Value(1.0), Value(2.0), primitive(TypeKind::kDouble)};
  const Column other{3, 10, 0, Value(5.0), Value(6.0), primitive(TypeKind::kDouble)};
  EXPECT_TRUE(compared(ratio, other));
}

TEST(DeleteIndex, Trap07BoundsFromBeforeAPromotion) {
  const Column narrow{1, 10, 0, Value(int32_t{-5}), Value(int32_t{-1}), primitive(TypeKind::kInt)};
  EXPECT_TRUE(compared(narrow, {1, 10, 0, Value(int64_t{-2}), Value(int64_t{7})}));
  EXPECT_FALSE(compared(narrow, {1, 10, 0, Value(int64_t{0}), Value(int64_t{7})}));
}

TEST(DeleteIndex, Trap15BoundsOfDroppedColumnsDecideToo) {
  Table table;
  table.add(kUnpartitioned, {with(file("data"), {1, 10, 0, Value(int64_t{1}), Value(int64_t{2})})});
  table.add(kUnpartitioned, {with(equality_deletes("near"), {1, 10, 0, Value(int64_t{2}), Value(int64_t{2})}),
                             with(equality_deletes("far"), {1, 10, 0, Value(int64_t{3}), Value(int64_t{4})})});
  Schema dropped = kSchema;
  dropped.schema_id = 1;
  dropped.fields.erase(dropped.fields.begin());
  table.metadata.schemas.push_back(std::make_shared<const Schema>(dropped));
  table.metadata.current_schema_id = 1;
  EXPECT_THAT(table.applied("data"), UnorderedElementsAre("near"));
}

// Everything at once against the specification's sentences, file by file.
TEST(DeleteIndex, RandomDeletesApplyByTheRules) {
  struct Known {
    DataFile file;
    int32_t spec_id;
    int64_t sequence_number;
  };
  Rng rng(20);
  for (int round = 0; round < 15; ++round) {
    Table table;
    std::vector<Known> data, deletes;
    std::set<std::string> with_vector;
    const auto random_partition = [&](const PartitionSpec& spec) -> std::vector<Value> {
      if (spec.fields.empty()) return {};
      const auto value = static_cast<int64_t>(random_data::below(rng, 3));
      if (value == 0) return {Value()};
      return {spec.spec_id == kById.spec_id ? Value(value) : Value(static_cast<int32_t>(value))};
    };
    for (int commit = 1; commit <= 12; ++commit) {
      const PartitionSpec& spec = table.metadata.partition_specs[random_data::below(rng, 3)];
      std::vector<DataFile> files;
      const bool of_data = commit < 3 || random_data::chance(rng, 2);
      for (size_t n = 1 + random_data::below(rng, 4); n > 0; --n) {
        const std::string name = fmt::format("{}-{}", commit, n);
        const std::vector<Value> partition = random_partition(spec);
        if (of_data) {
          files.push_back(file(name, partition));
          data.push_back({files.back(), spec.spec_id, commit});
          continue;
        }
        const Known& of = random_data::pick(rng, data);
        const bool may_name = of.spec_id == spec.spec_id && of.file.partition == partition;
        const size_t kind = random_data::below(rng, 5);
        if (kind == 0 && may_name && with_vector.insert(of.file.file_path).second) {
          files.push_back(vector_of(name, 4, of.file.file_path, partition));
        } else if (kind == 1 && may_name) {
          files.push_back(position_deletes_of(name, of.file.file_path, partition));
        } else if (kind == 2 && may_name) {
          files.push_back(with_paths(position_deletes(name, partition), of.file.file_path, of.file.file_path));
        } else if (kind == 3) {
          files.push_back(position_deletes(name, partition));
        } else {
          files.push_back(equality_deletes(
              name, partition, random_data::chance(rng, 2) ? std::vector<int32_t>{1} : std::vector<int32_t>{2, 1}));
        }
        deletes.push_back({files.back(), spec.spec_id, commit});
      }
      table.add(spec, std::move(files));
    }

    const auto applies = [&](const Known& file, const Known& to) {
      const bool same_partition = file.spec_id == to.spec_id && file.file.partition == to.file.partition;
      if (file.file.content == FileContent::kEqualityDeletes) {
        return to.sequence_number < file.sequence_number && (same_partition || file.spec_id == kUnpartitioned.spec_id);
      }
      std::optional<std::string> path = file.file.referenced_data_file;
      if (!file.file.lower_bounds.empty()) path = file.file.lower_bounds[0].second;
      if (path && *path != to.file.file_path) return false;
      if (file.file.file_format != FileFormat::kPuffin && with_vector.count(to.file.file_path) != 0) return false;
      return to.sequence_number <= file.sequence_number && same_partition;
    };
    const ScanPlan found = plan(table.metadata, {}, *table.io);
    size_t files = 0;
    for (const ScanPlan::Part& part : found.parts) {
      for (const uint32_t entry : part.entries) {
        const Known& known = data[files++];
        ASSERT_EQ(part.manifest->file_path[entry], known.file.file_path);
        std::set<std::string> expected;
        for (const Known& file : deletes) {
          if (applies(file, known)) expected.insert(file.file.file_path);
        }
        const auto names = found.deletes ? Table::names(*found.deletes, part, entry) : std::set<std::string>{};
        EXPECT_EQ(names, expected) << known.file.file_path;
      }
    }
    EXPECT_EQ(files, data.size());
  }
}

}  // namespace
}  // namespace floe
