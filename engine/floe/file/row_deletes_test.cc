#include "floe/file/row_deletes.h"

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "floe/expression/random_data.h"
#include "floe/file/test_files.h"
#include "floe/spec/metadata_columns.h"

namespace floe {
namespace {

using ::testing::HasSubstr;
using TablePtr = std::shared_ptr<arrow::Table>;

const auto kNansEqual = arrow::EqualOptions::Defaults().nans_equal(true);

Schema numbered() {
  return {
      .fields = {test_field(1, "id", primitive(TypeKind::kLong)), test_field(2, "name", primitive(TypeKind::kString))}};
}

std::vector<std::vector<Value>> numbered_rows(int64_t n) {
  std::vector<std::vector<Value>> rows;
  for (int64_t i = 0; i < n; ++i) rows.push_back({Value(i), Value("n" + std::to_string(i))});
  return rows;
}

std::shared_ptr<const Positions> positions(std::initializer_list<int64_t> list) {
  return std::make_shared<const Positions>(list);
}

ParquetReadOptions options_for(const Schema& schema, const std::string& filter = "true",
                               std::optional<Schema> projection = {}) {
  ParquetReadOptions options;
  options.schema = std::make_shared<const Schema>(schema);
  options.projection = projection.value_or(schema);
  if (filter != "true") options.filter = bind(parse_filter(filter), schema);
  return options;
}

template <typename Array, typename T>
std::vector<T> column(const TablePtr& table, const std::string& name) {
  std::vector<T> values;
  for (const auto& chunk : table->GetColumnByName(name)->chunks()) {
    for (int64_t i = 0; i < chunk->length(); ++i) {
      EXPECT_TRUE(chunk->IsValid(i)) << name << " " << i;
      values.push_back(T(static_cast<const Array&>(*chunk).GetView(i)));
    }
  }
  return values;
}
std::vector<int64_t> longs(const TablePtr& table, const std::string& name) {
  return column<arrow::Int64Array, int64_t>(table, name);
}

class RowDeletesTest : public FileTest {};

// rust#1806: positions are those of the file, also where row groups before are pruned or belong to another split.
TEST_F(RowDeletesTest, PositionsCountTheRowGroupsThatAreNotRead) {
  const DataFile file = write(numbered(), numbered_rows(100), {{"write.parquet.row-group-limit", "10"}});
  const FileContext context{.deletes = {.positions = positions({3, 55, 57, 99})}};
  EXPECT_EQ(longs(read(file, options_for(numbered(), "id >= 54 and id < 60"), context), "id"),
            (std::vector<int64_t>{54, 56, 58, 59}));
  EXPECT_EQ(counters_->row_groups_pruned, 9);
  ParquetReadOptions split = options_for(numbered());
  split.split_start = file.split_offsets.at(9);
  EXPECT_EQ(longs(read(file, split, context), "id"), (std::vector<int64_t>{90, 91, 92, 93, 94, 95, 96, 97, 98}));
  EXPECT_EQ(read(file, options_for(numbered()), context)->num_rows(), 96);
  EXPECT_EQ(read(file, options_for(numbered(), "true", Schema{}), context)->num_rows(), 96);
}

TEST_F(RowDeletesTest, RowGroupsThatAreDeletedWhollyAreNotDecoded) {
  const DataFile file = write(numbered(), numbered_rows(100), {{"write.parquet.row-group-limit", "50"}});
  auto all = std::make_shared<Positions>();
  all->add_range(0, 100);
  EXPECT_EQ(read(file, options_for(numbered()), {.deletes = {.positions = all}})->num_rows(), 0);
  EXPECT_EQ(counters_->bytes_read, 0);
  EXPECT_EQ(counters_->row_groups_read, 0);
}

TEST_F(RowDeletesTest, RowGroupsWithoutDeletesAreReadAsEver) {
  const DataFile file = write(numbered(), numbered_rows(100), {{"write.parquet.row-group-limit", "50"}});
  const ParquetFile parquet(*io_, file, std::make_shared<const ParquetReadOptions>(options_for(numbered())),
                            {.deletes = {.positions = positions({70, 100, 1000})}}, "", nullptr);
  EXPECT_FALSE(parquet.filters(0));
  EXPECT_TRUE(parquet.filters(1));
}

TEST_F(RowDeletesTest, FewRowsLeftDecodeFewPages) {
  const DataFile file = write(numbered(), numbered_rows(20'000), {{"write.parquet.page-row-limit", "100"}});
  auto most = std::make_shared<Positions>();
  most->add_range(0, 19'990);
  EXPECT_EQ(longs(read(file, options_for(numbered()), {.deletes = {.positions = most}}), "id").front(), 19'990);
}

TEST_F(RowDeletesTest, DeletedRowsComeOutMarkedWhereAskedFor) {
  Schema projection = numbered();
  projection.fields.push_back(deleted_field());
  projection.fields.push_back(pos_field());
  const DataFile file = write(numbered(), numbered_rows(6), {{"write.parquet.row-group-limit", "3"}});
  auto keys = std::make_shared<EqualityDeletes>(numbered(), std::vector<int32_t>{2});
  keys->add({batch_of(numbered(), {{Value(int64_t{0}), Value(std::string("n5"))}})->column(1)}, 9);
  const FileContext context{.data_sequence_number = 8, .deletes = {.positions = positions({1}), .equality = {keys}}};
  const TablePtr all = read(file, options_for(numbered(), "true", projection), context);
  EXPECT_EQ((column<arrow::BooleanArray, bool>(all, "_deleted")),
            (std::vector<bool>{false, true, false, false, false, true}));
  EXPECT_EQ(longs(all, "_pos"), (std::vector<int64_t>{0, 1, 2, 3, 4, 5}));
  const TablePtr some = read(file, options_for(numbered(), "id in (1, 2, 5)", projection), context);
  EXPECT_EQ((column<arrow::BooleanArray, bool>(some, "_deleted")), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(longs(some, "_pos"), (std::vector<int64_t>{1, 2, 5}));
  const TablePtr none = read(file, options_for(numbered(), "true", projection), {});
  EXPECT_EQ((column<arrow::BooleanArray, bool>(none, "_deleted")), std::vector<bool>(6, false));
}

TEST_F(RowDeletesTest, ConstantsOfTheFile) {
  const Type partition = struct_type(
      {test_field(1000, "day", primitive(TypeKind::kDate)), test_field(1001, "bucket", primitive(TypeKind::kInt))});
  const Schema projection{.fields = {spec_id_field(), file_field(), partition_field(partition)}};
  DataFile file = write(numbered(), numbered_rows(3));
  file.spec_id = 7;
  const FileContext context{.partition = std::vector<Value>{Value(int32_t{15'706}), Value()}};
  const TablePtr table = read(file, options_for(numbered(), "id > 0", projection), context);
  EXPECT_EQ((column<arrow::Int32Array, int32_t>(table, "_spec_id")), (std::vector<int32_t>{7, 7}));
  EXPECT_EQ((column<arrow::StringArray, std::string>(table, "_file")), std::vector<std::string>(2, file.file_path));
  const auto& values = static_cast<const arrow::StructArray&>(*table->GetColumnByName("_partition")->chunk(0));
  EXPECT_EQ(static_cast<const arrow::Date32Array&>(*values.field(0)).Value(1), 15'706);
  EXPECT_TRUE(values.field(1)->IsNull(1));
}

// v3: assigned where the file has none, the file's own otherwise.
TEST_F(RowDeletesTest, LineageIsInherited) {
  const Schema lineage{.fields = {row_id_field(), last_updated_sequence_number_field()}};
  Schema stored = numbered();
  stored.fields.insert(stored.fields.end(), lineage.fields.begin(), lineage.fields.end());
  auto rows = numbered_rows(4);
  for (std::vector<Value>& row : rows) row.resize(4);
  rows[1][2] = Value(int64_t{77});
  rows[3][2] = Value(int64_t{78});
  rows[3][3] = Value(int64_t{5});
  DataFile moved = write(stored, rows), fresh = write(numbered(), numbered_rows(4));
  const FileContext context{.data_sequence_number = 9, .deletes = {.positions = positions({0})}};
  moved.first_row_id = fresh.first_row_id = 1000;
  const ParquetReadOptions options = options_for(numbered(), "true", lineage);
  EXPECT_EQ(longs(read(fresh, options, context), "_row_id"), (std::vector<int64_t>{1001, 1002, 1003}));
  EXPECT_EQ(longs(read(fresh, options, context), "_last_updated_sequence_number"), (std::vector<int64_t>{9, 9, 9}));
  EXPECT_EQ(longs(read(moved, options, context), "_row_id"), (std::vector<int64_t>{77, 1002, 78}));
  EXPECT_EQ(longs(read(moved, options, context), "_last_updated_sequence_number"), (std::vector<int64_t>{9, 9, 5}));
}

// Of snapshots from before the upgrade to v3.
TEST_F(RowDeletesTest, Trap13LineageIsNullWithoutAFirstRowId) {
  const Schema lineage{.fields = {row_id_field(), last_updated_sequence_number_field()}};
  const DataFile file = write(numbered(), numbered_rows(4));
  const TablePtr table = read(file, options_for(numbered(), "true", lineage), {.data_sequence_number = 9});
  EXPECT_EQ(table->column(0)->null_count(), 4);
  EXPECT_EQ(table->column(1)->null_count(), 4);
}

TEST_F(RowDeletesTest, Trap21ColumnsWithNamesOfMetadataColumnsAreTheTables) {
  const Schema schema{.fields = {test_field(1, "_pos", primitive(TypeKind::kString)),
                                 test_field(2, "file_path", primitive(TypeKind::kString)),
                                 test_field(3, "_deleted", primitive(TypeKind::kString))}};
  const DataFile file = write(schema, {{Value(std::string("a")), Value(std::string("b")), Value(std::string("c"))}});
  const TablePtr table = read(file, options_for(schema));
  EXPECT_EQ((column<arrow::StringArray, std::string>(table, "_pos")), std::vector<std::string>{"a"});
  EXPECT_EQ((column<arrow::StringArray, std::string>(table, "_deleted")), std::vector<std::string>{"c"});
}

TEST_F(RowDeletesTest, MetadataColumnsOfAnotherTypeAreRefused) {
  Field pos = pos_field();
  pos.type = primitive(TypeKind::kInt);
  const DataFile file = write(numbered(), numbered_rows(1));
  try {
    read(file, options_for(numbered(), "true", Schema{.fields = {pos}}));
    FAIL();
  } catch (const InvalidArgument& e) {
    EXPECT_THAT(e.what(), HasSubstr("_pos is of type long, and not int"));
  }
  const Type partition = struct_type({test_field(1000, "p", primitive(TypeKind::kInt))});
  EXPECT_THROW(read(file, options_for(numbered(), "true", Schema{.fields = {partition_field(partition)}}),
                    {.partition = std::vector<Value>{Value(std::string("x"))}}),
               InvalidArgument);
}

// --- filters, deletes and metadata columns together ------------------------------------------------------------------

using random_data::Rng;
using random_data::Row;

struct Model {
  Schema schema = random_data::all_types();
  std::vector<Row> rows;
  std::vector<Value> row_ids, updated;  // the file's own
  std::set<int64_t> deleted_positions;
  struct Keys {
    std::vector<int32_t> ids;
    std::vector<std::pair<Row, int64_t>> rows;  // with sequence numbers
  };
  std::vector<Keys> keys;
  int64_t data_sequence_number = 5;
  int64_t first_row_id = 10'000;

  bool deleted(size_t i) const {
    if (deleted_positions.contains(static_cast<int64_t>(i))) return true;
    for (const Keys& set : keys) {
      for (const auto& [key, sequence_number] : set.rows) {
        const bool equal = std::all_of(set.ids.begin(), set.ids.end(), [&, &k = key](int32_t id) {
          return random_data::values_of(k)(id) == random_data::values_of(rows[i])(id);
        });
        if (equal && sequence_number > data_sequence_number) return true;
      }
    }
    return false;
  }

  std::vector<Value> values(const Row& row, const Schema& of) const {
    std::vector<Value> out;
    const auto value_of = random_data::values_of(row);
    for (const Field& column : of.fields) {
      if (column.type.kind == TypeKind::kStruct) {
        std::vector<Value> members;
        for (const Field& member : *column.type.children) members.push_back(value_of(member.id));
        out.emplace_back(std::move(members));
      } else {
        out.push_back(value_of(column.id));
      }
    }
    return out;
  }

  std::vector<Value> output(size_t i, const Schema& projection, const std::string& path) const {
    std::vector<Value> out = values(rows[i], projection);
    for (size_t c = 0; c < projection.fields.size(); ++c) {
      const auto position = static_cast<int64_t>(i);
      switch (projection.fields[c].id) {
        case kPosId:
          out[c] = Value(position);
          break;
        case kFileId:
          out[c] = Value(path);
          break;
        case kDeletedId:
          out[c] = Value(deleted(i));
          break;
        case kRowIdId:
          out[c] = !row_ids.empty() && !row_ids[i].is_null() ? row_ids[i] : Value(first_row_id + position);
          break;
        case kLastUpdatedSequenceNumberId:
          out[c] = !updated.empty() && !updated[i].is_null() ? updated[i] : Value(data_sequence_number);
          break;
        default:
          break;
      }
    }
    return out;
  }
};

Model random_model(Rng& rng) {
  Model model;
  for (int i = 0; i < 60; ++i) model.rows.push_back(random_data::random_row(rng, model.schema));
  if (random_data::chance(rng, 2)) {
    for (size_t i = 0; i < model.rows.size(); ++i) {
      const bool own = random_data::chance(rng, 2);
      model.row_ids.push_back(own ? Value(static_cast<int64_t>(random_data::below(rng, 100))) : Value());
      model.updated.push_back(random_data::chance(rng, 2) ? Value(int64_t{3}) : Value());
    }
  }
  const size_t one_in = 1 + random_data::below(rng, 30);
  for (int64_t i = 0; i < 60 && !random_data::chance(rng, 5); ++i) {
    if (random_data::chance(rng, one_in)) model.deleted_positions.insert(i);
  }
  const auto leaves = random_data::leaves(model.schema);
  for (size_t sets = random_data::below(rng, 3); sets > 0; --sets) {
    Model::Keys& keys = model.keys.emplace_back();
    for (size_t n = 1 + random_data::below(rng, 2); n > 0; --n) keys.ids.push_back(random_data::pick(rng, leaves)->id);
    for (size_t n = random_data::below(rng, 8); n > 0; --n) {
      const Row key =
          random_data::chance(rng, 2) ? random_data::random_row(rng, model.schema) : random_data::pick(rng, model.rows);
      keys.rows.emplace_back(key, 4 + static_cast<int64_t>(random_data::below(rng, 3)));
    }
  }
  return model;
}

TEST_F(RowDeletesTest, RandomFiltersDeletesAndMetadataColumnsAgreeWithAModel) {
  Rng rng(20'131'231);
  const std::vector<Field> metadata = {pos_field(), file_field(), deleted_field(), row_id_field(),
                                       last_updated_sequence_number_field()};
  for (int round = 0; round < 40; ++round) {
    const Model model = random_model(rng);
    Schema stored = model.schema;
    std::vector<std::vector<Value>> rows;
    for (const Row& row : model.rows) rows.push_back(model.values(row, stored));
    if (!model.row_ids.empty()) {
      stored.fields.push_back(row_id_field());
      stored.fields.push_back(last_updated_sequence_number_field());
      for (size_t i = 0; i < rows.size(); ++i) {
        rows[i].push_back(model.row_ids[i]);
        rows[i].push_back(model.updated[i]);
      }
    }
    DataFile file = write(stored, rows,
                          {{"write.parquet.row-group-limit", std::to_string(5 + random_data::below(rng, 60))},
                           {"write.parquet.page-row-limit", "4"}});
    file.first_row_id = model.first_row_id;

    FileContext context{.data_sequence_number = model.data_sequence_number};
    auto deleted = std::make_shared<Positions>();
    for (const int64_t position : model.deleted_positions) deleted->add(position);
    context.deletes.positions = deleted;
    for (const Model::Keys& keys : model.keys) {
      auto set = std::make_shared<EqualityDeletes>(model.schema, keys.ids);
      for (const auto& [key, sequence_number] : keys.rows) {
        const auto batch = batch_of(model.schema, {model.values(key, model.schema)});
        arrow::ArrayVector columns;
        for (const Field& field : set->columns().fields) {
          const auto all = batch->GetColumnByName(field.name);
          columns.push_back(
              field.type.kind != TypeKind::kStruct
                  ? all
                  : batch_of(set->columns(), {model.values(key, set->columns())})->GetColumnByName(field.name));
        }
        set->add(columns, sequence_number);
      }
      context.deletes.equality.push_back(set);
    }

    for (int i = 0; i < 12; ++i) {
      ParquetReadOptions options;
      options.schema = std::make_shared<const Schema>(model.schema);
      options.batch_rows = 1 + static_cast<int64_t>(random_data::below(rng, 40));
      if (i % 3 > 0) {
        options.filter =
            bind(random_data::random_filter(rng, model.schema, random_data::leaves(model.schema)), model.schema);
      }
      for (const std::vector<Field>& fields : {model.schema.fields, metadata}) {
        for (const Field& field : fields) {
          if (random_data::chance(rng, 2)) options.projection.fields.push_back(field);
        }
      }
      const bool marks = find_field(options.projection, kDeletedId) != nullptr;
      std::vector<std::vector<Value>> expected;
      for (size_t row = 0; row < model.rows.size(); ++row) {
        if (!matches(options.filter, random_data::values_of(model.rows[row]))) continue;
        if (model.deleted(row) && !marks) continue;
        expected.push_back(model.output(row, options.projection, file.file_path));
      }
      const TablePtr found = read(file, options, context);
      const auto table = check(arrow::Table::FromRecordBatches({batch_of(options.projection, expected)}), "test");
      ASSERT_EQ(found->num_rows(), table->num_rows()) << "round " << round;
      if (table->num_columns() == 0) continue;
      ASSERT_TRUE(found->Equals(*table, kNansEqual)) << "round " << round << "\n"
                                                     << found->ToString() << "\ninstead of\n"
                                                     << table->ToString();
    }
  }
}

}  // namespace
}  // namespace floe
