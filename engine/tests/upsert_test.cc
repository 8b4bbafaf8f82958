// Upserts from the front door to the files, and what happens when others commit meanwhile.
#include "floe/transaction/upsert.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <parquet/file_reader.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "floe/expression/random_data.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"
#include "warehouse.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Row = std::vector<Value>;

std::shared_ptr<arrow::RecordBatch> batch_of(const Schema& schema, const std::vector<Row>& rows) {
  const auto arrow_schema = to_arrow_schema(schema);
  arrow::ArrayVector columns;
  for (size_t i = 0; i < schema.fields.size(); ++i) {
    std::vector<Value> values;
    for (const Row& row : rows) values.push_back(row[i]);
    columns.push_back(to_array(values, schema.fields[i].type, arrow_schema->field(static_cast<int>(i))->type()));
  }
  return arrow::RecordBatch::Make(arrow_schema, static_cast<int64_t>(rows.size()), std::move(columns));
}

// One text per row, sorted.
std::vector<std::string> lines(const Table& table, const ScanOptions& options = {}) {
  const auto batch = read_all(table, options);
  std::vector<std::string> lines;
  for (int64_t row = 0; row < batch->num_rows(); ++row) {
    std::string line;
    for (const auto& column : batch->columns()) {
      line += (line.empty() ? "" : "|") + (*column->GetScalar(row))->ToString();
    }
    lines.push_back(std::move(line));
  }
  std::ranges::sort(lines);
  return lines;
}

std::string str(const char* text) { return text; }

UpsertCounts upsert(Table& table, const std::vector<Row>& rows, const UpsertOptions& options = {},
                    WriteOptions write = {}) {
  const auto reader = stream_of({batch_of(*current_schema(table.metadata()), rows)});
  return table.upsert(*reader, options, std::move(write));
}

void append(Table& table, const std::vector<Row>& rows) {
  table.append(*stream_of({batch_of(*current_schema(table.metadata()), rows)}));
}

void change(Table& table, std::vector<TableUpdate> updates) {
  Transaction transaction(*table.catalog(), table.loaded());
  transaction.add(TableCommit{.updates = std::move(updates)});
  table = Table(table.catalog(), transaction.commit());
}

std::vector<int64_t> counted(const UpsertCounts& counts) {
  return {counts.updated, counts.inserted, counts.deleted, counts.unchanged};
}

const Snapshot& head(const Table& table) { return *current_snapshot(table.metadata()); }

// (id, text, number), with the id as identifier.
Schema keyed_schema() {
  return {.fields = {{.id = 1, .name = "id", .required = true, .type = primitive(TypeKind::kLong)},
                     {.id = 2, .name = "text", .type = primitive(TypeKind::kString)},
                     {.id = 3, .name = "number", .type = primitive(TypeKind::kDouble)}},
          .identifier_field_ids = {1}};
}

Row row(int64_t id, const char* text, double number = 0) { return {id, str(text), number}; }

class UpsertTest : public testing::Test {
 protected:
  Table new_table(const std::string& name, Properties properties = {}) {
    return warehouse_.create(name, keyed_schema(), {}, std::move(properties));
  }

  // Nothing is there that the table does not refer to.
  void expect_no_orphans(const Table& table) {
    const std::set<std::string> referenced = referenced_files(table);
    for (const std::string& file : warehouse_.files(table)) EXPECT_TRUE(referenced.contains(file)) << file;
  }

  Warehouse warehouse_;
};

// Every format version in both modes.
class UpsertModes : public UpsertTest, public testing::WithParamInterface<std::pair<int, const char*>> {
 protected:
  Table new_table(const std::string& name) {
    return UpsertTest::new_table(
        name, {{"format-version", std::to_string(GetParam().first)}, {"write.merge.mode", GetParam().second}});
  }
};

INSTANTIATE_TEST_SUITE_P(All, UpsertModes,
                         testing::Values(std::pair{1, "copy-on-write"}, std::pair{1, "merge-on-read"},
                                         std::pair{2, "copy-on-write"}, std::pair{2, "merge-on-read"},
                                         std::pair{3, "copy-on-write"}, std::pair{3, "merge-on-read"}),
                         [](const auto& test) {
                           return fmt::format("V{}{}", test.param.first,
                                              test.param.second[0] == 'c' ? "Copy" : "Merge");
                         });

class UpsertModesOfVersion3 : public UpsertModes {};

INSTANTIATE_TEST_SUITE_P(All, UpsertModesOfVersion3,
                         testing::Values(std::pair{3, "copy-on-write"}, std::pair{3, "merge-on-read"}),
                         [](const auto& test) { return test.param.second[0] == 'c' ? "Copy" : "Merge"; });

TEST_P(UpsertModes, UpdatesInsertsAndLeavesAloneInOneSnapshot) {
  Table table = new_table("t");
  append(table, {row(1, "a"), row(2, "b"), row(3, "c")});
  append(table, {row(4, "d"), row(5, "e")});
  EXPECT_THAT(counted(upsert(table, {row(2, "B"), row(3, "c"), row(5, "E"), row(6, "F")})), ElementsAre(2, 1, 0, 1));
  EXPECT_THAT(lines(table), ElementsAre("1|a|0", "2|B|0", "3|c|0", "4|d|0", "5|E|0", "6|F|0"));
  EXPECT_EQ(table.metadata().snapshots.size(), 3);
  EXPECT_EQ(head(table).summary.get("operation"), "overwrite");
  const bool merges = GetParam().first > 1 && GetParam().second == str("merge-on-read");
  EXPECT_EQ(head(table).summary.get("deleted-data-files"), merges ? "" : "2");
  expect_no_orphans(table);

  // Once more of the same file: what was deleted stays deleted.
  EXPECT_THAT(counted(upsert(table, {row(1, "A"), row(2, "B"), row(7, "G")})), ElementsAre(1, 1, 0, 1));
  EXPECT_THAT(lines(table), ElementsAre("1|A|0", "2|B|0", "3|c|0", "4|d|0", "5|E|0", "6|F|0", "7|G|0"));
  if (merges && GetParam().first == 3) {
    EXPECT_EQ(head(table).summary.get("removed-dvs"), "1");
    EXPECT_EQ(head(table).summary.get("added-dvs"), "1");
  }
  // And with all of it: nothing is left to be deleted from.
  EXPECT_THAT(counted(upsert(
                  table, {row(1, "x"), row(2, "x"), row(3, "x"), row(4, "x"), row(5, "x"), row(6, "x"), row(7, "x")})),
              ElementsAre(7, 0, 0, 0));
  EXPECT_EQ(lines(table).size(), 7);
}

TEST_P(UpsertModes, NothingThatChangesIsNoSnapshot) {
  Table table = new_table("t");
  append(table, {row(1, "a", std::nan("")), {int64_t{2}, Value(), Value()}});
  EXPECT_THAT(counted(upsert(table, {row(1, "a", -std::nan("")), {int64_t{2}, Value(), Value()}})),
              ElementsAre(0, 0, 0, 2));
  EXPECT_THAT(counted(upsert(table, {})), ElementsAre(0, 0, 0, 0));
  EXPECT_EQ(table.metadata().snapshots.size(), 1);
  expect_no_orphans(table);
}

TEST_P(UpsertModes, IntoAnEmptyTable) {
  Table table = new_table("t");
  EXPECT_THAT(counted(upsert(table, {row(1, "a"), row(2, "b")})), ElementsAre(0, 2, 0, 0));
  EXPECT_THAT(lines(table), ElementsAre("1|a|0", "2|b|0"));
  EXPECT_EQ(head(table).summary.get("operation"), "append");
}

TEST_P(UpsertModes, OnlyWhatIsAskedFor) {
  Table table = new_table("t");
  append(table, {row(1, "a"), row(2, "b"), row(3, "c")});
  const std::vector<Row> source{row(1, "A"), row(2, "b"), row(9, "I")};
  EXPECT_THAT(counted(upsert(table, source, {.update_matched = false})), ElementsAre(0, 1, 0, 2));
  EXPECT_THAT(lines(table), ElementsAre("1|a|0", "2|b|0", "3|c|0", "9|I|0"));
  EXPECT_THAT(counted(upsert(table, {row(1, "A"), row(8, "H")}, {.insert_unmatched = false})), ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(lines(table), ElementsAre("1|A|0", "2|b|0", "3|c|0", "9|I|0"));
  EXPECT_THAT(counted(upsert(table, {row(2, ""), row(8, "H")}, {.delete_matched = true, .insert_unmatched = false})),
              ElementsAre(0, 0, 1, 0));
  EXPECT_THAT(counted(upsert(table, {row(3, ""), row(8, "H")}, {.delete_matched = true})), ElementsAre(0, 1, 1, 0));
  EXPECT_THAT(lines(table), ElementsAre("1|A|0", "8|H|0", "9|I|0"));
  EXPECT_THROW(upsert(table, source, {.update_matched = false, .insert_unmatched = false}), InvalidArgument);
}

TEST_P(UpsertModes, ARowMatchesEveryRowOfItsKey) {
  Table table = new_table("t");
  append(table, {row(1, "a"), row(1, "b"), row(2, "c")});
  append(table, {row(1, "A")});
  EXPECT_THAT(counted(upsert(table, {row(1, "A")})), ElementsAre(2, 0, 0, 1));
  EXPECT_THAT(lines(table), ElementsAre("1|A|0", "1|A|0", "1|A|0", "2|c|0"));
}

TEST_P(UpsertModes, InPartsWhereTheRowsAreMoreThanTheBudget) {
  Table table = new_table("t");
  std::vector<Row> first, second, source;
  for (int64_t id = 0; id < 3000; ++id) first.push_back(row(id, "old"));
  for (int64_t id = 3000; id < 6000; ++id) second.push_back(row(id, "old"));
  for (int64_t id = 1500; id < 7500; ++id) source.push_back(row(id, id % 3 ? "new" : "old"));
  append(table, first);
  append(table, second);
  const auto reader = stream_of({batch_of(keyed_schema(), source)});
  EXPECT_THAT(counted(table.upsert(*reader, {.source_bytes = 20'000})), ElementsAre(3000, 1500, 0, 1500));
  const auto found = lines(table);
  EXPECT_EQ(found.size(), 7500);
  EXPECT_EQ(std::ranges::count_if(found, [](const auto& line) { return line.find("new") != std::string::npos; }), 4000);
  EXPECT_EQ(std::ranges::adjacent_find(found), found.end());
  EXPECT_EQ(table.metadata().snapshots.size(), 3);
  EXPECT_EQ(head(table).summary.get("added-data-files"),
            GetParam().first == 1 || GetParam().second == str("copy-on-write") ? "2" : "1");
  expect_no_orphans(table);
  // The same again changes nothing.
  const auto again = stream_of({batch_of(keyed_schema(), source)});
  EXPECT_THAT(counted(table.upsert(*again, {.source_bytes = 20'000})), ElementsAre(0, 0, 0, 6000));
  EXPECT_EQ(table.metadata().snapshots.size(), 3);
}

TEST_F(UpsertTest, InPartsFindsDuplicatesAndLeavesNothing) {
  Table table = new_table("t");
  append(table, {row(1, "a")});
  std::vector<Row> source;
  for (int64_t id = 0; id < 5000; ++id) source.push_back(row(id, "x"));
  source.push_back(row(77, "y"));
  try {
    upsert(table, source, {.source_bytes = 10'000});
    FAIL();
  } catch (const InvalidArgument& e) {
    EXPECT_THAT(e.what(), HasSubstr("(id=77)"));
  }
  EXPECT_THAT(lines(warehouse_.load("t")), ElementsAre("1|a|0"));
  expect_no_orphans(table);
}

TEST_F(UpsertTest, InPartsNullKeysAreInsertedWhateverTheirNumber) {
  Schema schema = keyed_schema();
  schema.identifier_field_ids = {};
  schema.fields[0].required = false;
  Table table = warehouse_.create("t", schema);
  append(table, {{Value(), str("null"), 0.0}, row(1, "a")});
  std::vector<Row> source(4000, Row{Value(), str("null"), 0.0});
  source.push_back(row(1, "A"));
  EXPECT_THAT(counted(upsert(table, source, {.keys = {"id"}, .source_bytes = 10'000})), ElementsAre(1, 4000, 0, 0));
  EXPECT_EQ(lines(table).size(), 4002);
}

TEST_F(UpsertTest, DuplicatesAreRefusedWithTheirKeys) {
  Table table = new_table("t");
  try {
    upsert(table, {row(1, "a"), row(2, "b"), row(1, "c"), row(1, "d")}, {.keys = {"id", "number"}});
    FAIL();
  } catch (const InvalidArgument& e) {
    EXPECT_THAT(e.what(), HasSubstr("(id=1, number=0"));
    EXPECT_THAT(e.what(), HasSubstr("db.t"));
  }
  EXPECT_EQ(table.metadata().snapshots.size(), 0);
}

TEST_F(UpsertTest, KeysMustBeColumnsThatRowsCanBeJoinedOn) {
  Table table = new_table("t");
  EXPECT_THROW(upsert(table, {row(1, "a")}, {.keys = {"nowhere"}}), InvalidArgument);
  EXPECT_THROW(upsert(table, {row(1, "a")}, {.keys = {"ID"}}), InvalidArgument);
  EXPECT_THAT(counted(upsert(table, {row(1, "a")}, {.keys = {"ID"}, .case_sensitive = false})),
              ElementsAre(0, 1, 0, 0));
  Schema schema{.fields = {{.id = 1, .name = "list", .type = list_type(2, primitive(TypeKind::kLong), false)}}};
  Table lists = warehouse_.create("lists", schema);
  EXPECT_THROW(upsert(lists, {}, {}), InvalidArgument);  // no identifier fields
  EXPECT_THROW(upsert(lists, {}, {.keys = {"list"}}), InvalidArgument);
  EXPECT_THROW(upsert(lists, {}, {.keys = {"list.element"}}), InvalidArgument);
}

TEST_F(UpsertTest, NullKeysMatchNothing) {
  Schema schema = keyed_schema();
  schema.identifier_field_ids = {};
  schema.fields[0].required = false;
  Table table = warehouse_.create("t", schema);
  append(table, {{Value(), str("n"), 0.0}, row(1, "a")});
  const std::vector<Row> source{{Value(), str("n"), 0.0}, {Value(), str("n"), 0.0}, row(1, "A")};
  EXPECT_THAT(counted(upsert(table, source, {.keys = {"id"}})), ElementsAre(1, 2, 0, 0));
  EXPECT_THAT(lines(table), ElementsAre("1|A|0", "null|n|0", "null|n|0", "null|n|0"));
}

TEST_F(UpsertTest, ZerosAreOneKeyAndNansToo) {
  Schema schema = keyed_schema();
  schema.identifier_field_ids = {};
  Table table = warehouse_.create("t", schema);
  append(table, {row(1, "a", 0.0)});
  append(table, {row(2, "b", std::nan("1"))});
  EXPECT_THAT(counted(upsert(table, {row(3, "c", -0.0)}, {.keys = {"number"}})), ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(lines(table, {.select = {"id", "text"}}), ElementsAre("2|b", "3|c"));
  // Files whose bounds are of the other sign than the only key.
  EXPECT_THAT(counted(upsert(table, {row(3, "c", 0.0)}, {.keys = {"number"}})), ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(counted(upsert(table, {row(3, "c", -0.0)}, {.keys = {"number"}})), ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(counted(upsert(table, {row(4, "d", 0.0), row(5, "e", -std::nan("2"))}, {.keys = {"number"}})),
              ElementsAre(2, 0, 0, 0));
  EXPECT_THAT(lines(table, {.select = {"id", "text"}}), ElementsAre("4|d", "5|e"));
}

TEST_F(UpsertTest, KeysOfEveryTypeAlsoSeveral) {
  random_data::Rng random(11);
  const Schema all = random_data::all_types();
  Schema schema;
  for (const Field& field : all.fields) {
    if (field.type.is_nested() || field.type.kind == TypeKind::kUnknown || field.type.kind >= TypeKind::kVariant)
      continue;
    Field own = field;
    own.required = false;
    own.initial_default = own.write_default = Value();
    schema.fields.push_back(std::move(own));
  }
  ASSERT_GT(schema.fields.size(), 10);
  schema.fields.push_back({.id = 1000, .name = "n", .required = true, .type = primitive(TypeKind::kLong)});
  const auto random_rows = [&](int64_t first, int64_t end) {
    std::vector<Row> rows;
    for (int64_t n = first; n < end; ++n) {
      Row row;
      for (const Field& field : schema.fields) {
        Value value = field.id == 1000 ? Value(n) : random_data::random_value(random, field.type);
        row.push_back(std::move(value));
      }
      rows.push_back(std::move(row));
    }
    return rows;
  };
  for (size_t c = 0; c + 1 < schema.fields.size(); ++c) {
    SCOPED_TRACE(schema.fields[c].name + ": " + to_string(schema.fields[c].type));
    Table table = warehouse_.create("t" + std::to_string(c), schema, {}, {{"format-version", "3"}});
    std::vector<Row> rows = random_rows(0, 30);
    append(table, rows);
    append(table, random_rows(30, 60));
    rows.resize(20);
    const size_t changed = (c + 1) % (schema.fields.size() - 1);  // another column than the key's
    for (Row& row : rows) row[changed] = random_data::random_value(random, schema.fields[changed].type);
    std::ranges::move(random_rows(60, 65), std::back_inserter(rows));
    const auto counts = upsert(table, rows, {.keys = {full_name(schema, schema.fields[c].id), "n"}});
    const bool matchless = std::ranges::any_of(rows, [&](const Row& row) { return row[c].is_null(); });
    if (!matchless) {
      EXPECT_EQ(counts.updated + counts.unchanged, 20);
      EXPECT_EQ(counts.inserted, 5);
      EXPECT_EQ(lines(table).size(), 65);
    }
    EXPECT_EQ(counts.updated + counts.unchanged + counts.inserted, 25);
  }
}

TEST_F(UpsertTest, ByANestedColumn) {
  const Schema schema{
      .fields = {{.id = 1,
                  .name = "who",
                  .type = struct_type({{.id = 2, .name = "kind", .type = primitive(TypeKind::kString)},
                                       {.id = 3, .name = "number", .type = primitive(TypeKind::kInt)}})},
                 {.id = 4, .name = "text", .type = primitive(TypeKind::kString)}}};
  Table table = warehouse_.create("t", schema);
  const auto nested = [](int32_t number, const char* text) {
    return Row{std::vector<Value>{str("k"), number}, str(text)};
  };
  append(table, {nested(1, "a"), nested(2, "b"), {Value(), str("none")}});
  EXPECT_THAT(
      counted(upsert(table, {nested(2, "B"), nested(3, "C"), {Value(), str("none")}}, {.keys = {"who.number"}})),
      ElementsAre(1, 2, 0, 0));
  EXPECT_THAT(lines(table, {.select = {"text"}}), ElementsAre("B", "C", "a", "none", "none"));
}

TEST_P(UpsertModes, AfterTheSchemaChanged) {
  Schema schema{.fields = {{.id = 1, .name = "key", .type = primitive(TypeKind::kInt)},
                           {.id = 2, .name = "text", .type = primitive(TypeKind::kString)}}};
  Table table = warehouse_.create(
      "evolved", schema, {.fields = {{.source_ids = {1}, .field_id = 1000, .name = "key", .transform = Transform()}}},
      {{"format-version", std::to_string(GetParam().first)}, {"write.merge.mode", GetParam().second}});
  append(table, {{int32_t{1}, str("a")}, {int32_t{2}, str("b")}, {int32_t{3}, str("c")}});
  schema.fields[0].name = "id";
  schema.fields[0].type = primitive(TypeKind::kLong);
  schema.fields.push_back({.id = 3, .name = "more", .type = primitive(TypeKind::kLong)});
  if (GetParam().first == 3) schema.fields.back().initial_default = schema.fields.back().write_default = int64_t{7};
  change(table, {AddSchema{.schema = schema, .last_column_id = {}}, SetCurrentSchema{-1}});
  append(table, {{int64_t{4}, str("d"), int64_t{0}}});
  const Value absent = GetParam().first == 3 ? Value(int64_t{7}) : Value();
  EXPECT_THAT(counted(upsert(table,
                             {{int64_t{1}, str("a"), absent},  // as it is
                              {int64_t{2}, str("B"), int64_t{5}},
                              {int64_t{4}, str("D"), int64_t{6}},
                              {int64_t{1} << 40, str("e"), int64_t{6}}},
                             {.keys = {"id"}})),
              ElementsAre(2, 1, 0, 1));
  const std::string shown = GetParam().first == 3 ? "7" : "null";
  EXPECT_THAT(lines(table), ElementsAre("1099511627776|e|6", "1|a|" + shown, "2|B|5", "3|c|" + shown, "4|D|6"));
}

TEST_P(UpsertModesOfVersion3, FilesWithoutTheKeyColumnHaveItsDefault) {
  Schema schema = numbered_schema();
  Table table =
      warehouse_.create("defaulted", schema, {}, {{"format-version", "3"}, {"write.merge.mode", GetParam().second}});
  append_numbered(table, 0, 2);
  schema.fields.push_back({.id = 3, .name = "key", .type = primitive(TypeKind::kLong)});
  schema.fields.back().initial_default = int64_t{7};
  change(table, {AddSchema{.schema = schema, .last_column_id = {}}, SetCurrentSchema{-1}});
  EXPECT_THAT(counted(upsert(table, {{int64_t{5}, str("x"), int64_t{7}}}, {.keys = {"key"}})), ElementsAre(2, 0, 0, 0));
  EXPECT_THAT(lines(table), ElementsAre("5|x|7", "5|x|7"));
}

TEST_F(UpsertTest, GoesToABranch) {
  Table table = new_table("t");
  append(table, {row(1, "a")});
  EXPECT_THAT(counted(upsert(table, {row(1, "A"), row(2, "b")}, {.branch = "audit"})), ElementsAre(1, 1, 0, 0));
  EXPECT_THAT(counted(upsert(table, {row(2, "B")}, {.branch = "audit"})), ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(lines(table), ElementsAre("1|a|0"));
  EXPECT_THAT(lines(table, {.ref = "audit"}), ElementsAre("1|A|0", "2|B|0"));
}

TEST_P(UpsertModesOfVersion3, Trap13UpdatedRowsKeepTheirIds) {
  Table table = new_table("t");
  append(table, {row(1, "a"), row(2, "b"), row(3, "c")});
  upsert(table, {row(2, "B"), row(9, "I"), row(3, "c")});
  const auto lineage = lines(table, {.select = {"id", "_row_id", "_last_updated_sequence_number"}});
  ASSERT_EQ(lineage.size(), 4);
  EXPECT_EQ(lineage[0], "1|0|1");
  EXPECT_EQ(lineage[1], "2|1|2");
  EXPECT_EQ(lineage[2], "3|2|1");
  EXPECT_THAT(lineage[3], testing::MatchesRegex("9\\|[3-9]\\|2"));
  upsert(table, {row(2, "b")});
  EXPECT_EQ(lines(table, {.select = {"id", "_row_id", "_last_updated_sequence_number"}})[1], "2|1|3");
}

TEST_F(UpsertTest, FilesThatCannotHaveAKeyAreNotOpened) {
  Table table = new_table("t");
  for (int64_t tens = 0; tens < 5; ++tens) append(table, {row(tens * 10, "a"), row(tens * 10 + 9, "b")});
  // Within the range of the keys, but between them.
  const ScanPlan plan = table.plan({.filter = parse_filter("id >= 10 and id < 40")});
  for (const ScanPlan::Part& part : plan.parts) {
    for (const uint32_t entry : part.entries) {
      std::filesystem::remove(local_path(std::string(part.manifest->file_path[entry])));
    }
  }
  EXPECT_THAT(counted(upsert(table, {row(9, "B"), row(40, "A")}, {.mode = DeleteMode::kMergeOnRead})),
              ElementsAre(2, 0, 0, 0));
  EXPECT_THROW(upsert(table, {row(9, "B"), row(25, "A")}), NotFound);
}

TEST_F(UpsertTest, RowGroupsWithoutAKeyByBoundsOrBloomFiltersAreNotRead) {
  Table table = new_table("t", {{"write.parquet.row-group-limit", "1000"},
                                {"write.parquet.bloom-filter-enabled.column.id", "true"},
                                {"write.merge.mode", "merge-on-read"}});
  std::vector<Row> rows;
  for (int64_t id = 0; id < 1000; ++id) rows.push_back(row(2 * id, "even"));
  append(table, rows);
  rows.clear();
  for (int64_t id = 0; id < 1000; ++id) rows.push_back(row(3 * id, "three"));
  for (int64_t id = 5000; id < 6000; ++id) rows.push_back(row(id, "more"));
  append(table, rows);
  // Whoever reads the keys of the first file, or of the second row group of the other, finds them damaged.
  for (const std::string& path : referenced_files(table)) {
    if (!path.ends_with(".parquet")) continue;
    const auto footer = parquet::ParquetFileReader::OpenFile(local_path(path))->metadata();
    const auto last = footer->RowGroup(footer->num_row_groups() - 1);
    std::fstream file(local_path(path), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(last->ColumnChunk(0)->data_page_offset());
    file << "damaged damaged damaged damaged";
  }
  EXPECT_THAT(counted(upsert(table, {row(9, "nine"), row(15, "fifteen"), row(2001, "there")})),
              ElementsAre(3, 0, 0, 0));
  EXPECT_THROW(upsert(table, {row(9, "9"), row(5500, "5500")}), CorruptFile);
  EXPECT_THROW(upsert(table, {row(8, "8")}), CorruptFile);
}

TEST_F(UpsertTest, DeleteFilesOfManyDataFilesAreReadOnce) {
  constexpr int64_t kFiles = 20;
  Table table = new_table("t", {{"write.delete.mode", "merge-on-read"}});
  std::vector<Row> keys;
  for (int64_t i = 0; i < kFiles; ++i) {
    append(table, {row(10 * i, "a"), row(10 * i + 5, "b"), row(10 * i + 9, "c")});
    keys.push_back(row(10 * i + 5, "B"));
    keys.push_back(row(10 * i + 9, "C"));
  }
  table.delete_rows({.filter = parse_filter("text = 'b'")});
  ASSERT_EQ(head(table).summary.get("added-delete-files"), "1");
  const auto reader = stream_of({batch_of(keyed_schema(), keys)});
  Transaction transaction(*table.catalog(), table.loaded());
  Upsert upsert(table.loaded(), *reader, {.mode = DeleteMode::kMergeOnRead}, {});
  const int64_t before = transaction.io()->counters().files_opened;
  EXPECT_THAT(counted(upsert.add_to(transaction)), ElementsAre(kFiles, kFiles, 0, 0));
  // Each data file for its keys and for the columns to compare, its manifest, the delete file, and other metadata.
  EXPECT_LE(transaction.io()->counters().files_opened - before, 3 * kFiles + 1 + 4);
}

// Two writers that begin at the same state.

TEST_F(UpsertTest, WritersOfOtherKeysInTheSameRangeDoNotConflict) {
  for (const int64_t source_bytes : {int64_t{1} << 30, int64_t{20'000}}) {
    const std::string name = fmt::format("t{}", source_bytes);
    Table one = new_table(name, {{"write.merge.mode", "merge-on-read"}});
    std::vector<Row> even, odd;
    for (const char* text : {"old", "new"}) {
      even.clear(), odd.clear();
      for (int64_t id = 0; id < 3000; ++id) (id % 2 ? odd : even).push_back(row(id, text));
      if (text != str("old")) break;
      append(one, {even.begin(), even.begin() + 1000});
      append(one, {odd.begin(), odd.begin() + 1000});
    }
    Table two = warehouse_.load(name);
    const auto stale = [&](const std::vector<Row>& rows) {
      auto transaction = std::make_unique<Transaction>(*two.catalog(), two.loaded());
      const auto reader = stream_of({batch_of(keyed_schema(), rows)});
      Upsert(two.loaded(), *reader, {.source_bytes = source_bytes}, {}).add_to(*transaction);
      return transaction;
    };
    const auto evens = stale(even);
    even.push_back(row(2001, "mine"));
    const auto one_more = stale(even);
    upsert(one, odd);
    append(one, {row(-5, "outside"), row(5000, "outside")});
    append(one, {{int64_t{1'000'001}, str("outside"), 0.0}});
    evens->commit();
    EXPECT_THROW(one_more->commit(), ConflictFound);
    const auto found = lines(warehouse_.load(name));
    EXPECT_EQ(found.size(), 3003);
    EXPECT_EQ(std::ranges::count_if(found, [](const auto& line) { return line.find("new") != std::string::npos; }),
              3000);
    expect_no_orphans(warehouse_.load(name));
  }
}

TEST_P(UpsertModes, StaleHandlesThatUpsertTheSameNewKeyMakeOneRow) {
  Table one = new_table("t");
  append(one, {row(1, "a")});
  Table two = warehouse_.load("t"), three = warehouse_.load("t");
  EXPECT_THAT(counted(upsert(one, {row(5, "one"), row(1, "one")})), ElementsAre(1, 1, 0, 0));
  EXPECT_THAT(counted(upsert(two, {row(5, "two"), row(1, "two")})), ElementsAre(2, 0, 0, 0));
  EXPECT_THAT(counted(upsert(three, {row(5, "two"), row(1, "two")})), ElementsAre(0, 0, 0, 2));
  EXPECT_THAT(lines(warehouse_.load("t")), ElementsAre("1|two|0", "5|two|0"));
  expect_no_orphans(warehouse_.load("t"));
}

TEST_F(UpsertTest, SnapshotIsolationRefusesTwoInsertsOfAKeyToo) {
  Table one = new_table("t", {{"write.merge.isolation-level", "snapshot"}}), two = warehouse_.load("t");
  upsert(one, {row(5, "one")});
  const auto reader = stream_of({batch_of(keyed_schema(), {row(5, "two")})});
  Transaction transaction(*two.catalog(), two.loaded());
  Upsert(two.loaded(), *reader, {}, {}).add_to(transaction);
  EXPECT_THROW(transaction.commit(), ConflictFound);
  EXPECT_THAT(counted(upsert(two, {row(5, "two")})), ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(lines(two), ElementsAre("5|two|0"));
}

TEST_F(UpsertTest, RowsDeletedMeanwhileConflictUnderSerializableIsolationOnly) {
  for (const char* level : {"serializable", "snapshot"}) {
    for (const DeleteMode mode : {DeleteMode::kCopyOnWrite, DeleteMode::kMergeOnRead}) {
      const std::string name = fmt::format("{}{}", level, static_cast<int>(mode));
      Table one = new_table(name, {{"write.merge.isolation-level", level}});
      append(one, {row(1, "a"), row(2, "b"), row(100, "z")});
      append(one, {row(3, "c")});
      Table two = warehouse_.load(name);
      // Row 1 is found unchanged in a file of which rows are deleted meanwhile, row 3 is updated.
      const auto reader = stream_of({batch_of(keyed_schema(), {row(1, "a"), row(3, "C")})});
      Transaction transaction(*two.catalog(), two.loaded());
      Upsert(two.loaded(), *reader, {.mode = DeleteMode::kMergeOnRead}, {}).add_to(transaction);
      one.delete_rows({.filter = parse_filter("id < 3"), .mode = mode});
      if (level == str("serializable")) {
        EXPECT_THROW(transaction.commit(), ConflictFound);
      } else if (mode == DeleteMode::kMergeOnRead) {
        transaction.commit();
        EXPECT_THAT(lines(warehouse_.load(name)), ElementsAre("100|z|0", "3|C|0"));
      }
    }
  }
  Table wrong = new_table("wrong", {{"write.merge.isolation-level", "none"}});
  EXPECT_THROW(upsert(wrong, {row(1, "a")}), InvalidArgument);
}

TEST_F(UpsertTest, IsDoneAgainWhenOthersCommitInBetween) {
  Table table = new_table("t");
  append(table, {row(1, "a")});
  // Whenever the rows have been read, another writer has added one of the keys: the handle's state is stale.
  Table other = warehouse_.load("t");
  const auto reader = made_stream(to_arrow_schema(keyed_schema()), 1, [&](int) {
    upsert(other, {row(2, "other"), row(3, "other")});
    return batch_of(keyed_schema(), {row(2, "mine"), row(4, "mine")});
  });
  EXPECT_THAT(counted(table.upsert(*reader)), ElementsAre(1, 1, 0, 0));
  EXPECT_THAT(lines(table), ElementsAre("1|a|0", "2|mine|0", "3|other|0", "4|mine|0"));
  expect_no_orphans(table);
}

TEST_F(UpsertTest, ChangesOfTheSchemaMeanwhileAreRefused) {
  Table one = new_table("t"), two = warehouse_.load("t");
  const auto reader = made_stream(to_arrow_schema(keyed_schema()), 1, [&](int) {
    Schema schema = keyed_schema();
    schema.fields.push_back({.id = 4, .name = "more", .type = primitive(TypeKind::kLong)});
    change(one, {AddSchema{.schema = schema, .last_column_id = {}}, SetCurrentSchema{-1}});
    append(one, {{int64_t{1}, str("a"), 0.0, int64_t{3}}});
    return batch_of(keyed_schema(), {row(1, "mine")});
  });
  EXPECT_THROW(two.upsert(*reader), CommitFailed);
  EXPECT_THAT(lines(warehouse_.load("t")), ElementsAre("1|a|0|3"));
}

TEST_F(UpsertTest, StoppedLeavesNothing) {
  Table table = new_table("t");
  append(table, {row(1, "a")});
  const auto files = warehouse_.files(table);
  for (const int64_t source_bytes : {int64_t{1} << 30, int64_t{1000}}) {
    arrow::StopSource stop;
    const auto reader = made_stream(to_arrow_schema(keyed_schema()), 2, [&](int i) {
      if (i == 1) stop.RequestStop();
      return batch_of(keyed_schema(), {row(2 * i, "A"), row(2 * i + 1, "B")});
    });
    EXPECT_THROW(table.upsert(*reader, {.source_bytes = source_bytes}, {.stop = stop.token()}), Cancelled);
    EXPECT_EQ(warehouse_.files(table), files);
  }
}

TEST_F(UpsertTest, InATransactionSeesTheStepsBefore) {
  Table table = new_table("t");
  append(table, {row(1, "a"), row(2, "b")});
  Transaction transaction(*table.catalog(), table.loaded());
  delete_rows(transaction, {.filter = parse_filter("id = 2")});
  const auto first = stream_of({batch_of(keyed_schema(), {row(2, "B"), row(3, "C")})});
  EXPECT_THAT(counted(Upsert(transaction.staged(), *first, {}, {}).add_to(transaction)), ElementsAre(0, 2, 0, 0));
  const auto second = stream_of({batch_of(keyed_schema(), {row(1, "A"), row(3, "c")})});
  EXPECT_THAT(counted(Upsert(transaction.staged(), *second, {}, {}).add_to(transaction)), ElementsAre(2, 0, 0, 0));
  table = Table(table.catalog(), transaction.commit());
  EXPECT_THAT(lines(table), ElementsAre("1|A|0", "2|B|0", "3|c|0"));
}

}  // namespace
}  // namespace floe
