#include "floe/transaction/evolve.h"

#include <gmock/gmock.h>

#include "floe/error.h"
#include "floe/transaction/append.h"
#include "floe/transaction/test_files.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class EvolveTest : public TransactionFolder {
 protected:
  // What a commit's exception says.
  template <typename Exception>
  std::string refusal(const std::function<void()>& work) {
    try {
      work();
    } catch (const Exception& e) {
      return e.what();
    }
    return "it was not refused";
  }

  static LoadedTable change_schema(Catalog& catalog, const LoadedTable& base,
                                   const std::function<void(SchemaUpdate&)>& work, SchemaUpdateOptions options = {}) {
    Transaction transaction(catalog, base);
    SchemaUpdate update(*transaction.staged().metadata, options);
    work(update);
    update_schema(transaction, update);
    return transaction.commit();
  }

  static LoadedTable change_spec(Catalog& catalog, const LoadedTable& base,
                                 const std::function<void(SpecUpdate&)>& work) {
    Transaction transaction(catalog, base);
    SpecUpdate update(transaction.staged().metadata);
    work(update);
    update_spec(transaction, update);
    return transaction.commit();
  }

  static void add_column(SchemaUpdate& update, const std::string& name, TypeKind kind = TypeKind::kInt) {
    update.add_column("", {.name = name, .type = primitive(kind)});
  }
};

TEST_F(EvolveTest, ManyChangesAreOneCommitAndOneSchema) {
  ScriptedCatalog catalog(io_, new_table(), {});
  const LoadedTable table = change_schema(catalog, catalog.now(), [](SchemaUpdate& update) {
    add_column(update, "x");
    add_column(update, "y");
    update.rename_column("id", "key");
    update.move_first("y");
  });
  ASSERT_EQ(catalog.commits_.size(), 1);
  EXPECT_EQ(table.metadata->current_schema_id, 1);
  EXPECT_EQ(table.metadata->last_column_id, 4);
  EXPECT_EQ(table.metadata->schemas.size(), 2);
  EXPECT_EQ(current_schema(*table.metadata)->fields[1].name, "key");
}

TEST_F(EvolveTest, ASchemaThatTheTableHadIsTakenUpAgain) {
  ScriptedCatalog catalog(io_, new_table(), {});
  LoadedTable table = change_schema(catalog, catalog.now(), [](SchemaUpdate& u) { u.rename_column("id", "key"); });
  table = change_schema(catalog, table, [](SchemaUpdate& u) { u.rename_column("key", "id"); });
  EXPECT_EQ(table.metadata->current_schema_id, 0);
  EXPECT_EQ(table.metadata->schemas.size(), 2);
  change_schema(catalog, table, [](SchemaUpdate& u) { u.rename_column("id", "id"); });
  EXPECT_EQ(catalog.commits_.size(), 2) << "nothing changes, nothing is committed";
}

TEST_F(EvolveTest, StepsSeeTheSchemaOfThoseBefore) {
  ScriptedCatalog catalog(io_, new_table(), {});
  Transaction transaction(catalog, catalog.now());
  for (const std::string name : {"x", "y"}) {
    SchemaUpdate update(*transaction.staged().metadata);
    add_column(update, name);
    update_schema(transaction, update);
  }
  append(transaction, {file("a")}, {});
  // A retry, after an append of another writer, changes nothing about them.
  append_files(catalog, catalog.now(), {file("other")}, {});
  const LoadedTable table = transaction.commit();
  EXPECT_THAT(live_names(table), ElementsAre("a", "other"));
  EXPECT_EQ(find_field(*current_schema(*table.metadata), "y")->id, 4);
  EXPECT_EQ(current_snapshot(*table.metadata)->schema_id, 2);
}

TEST_F(EvolveTest, OfTwoWritersWhoChangeTheSchemaOneIsToldWhatTheOtherDid) {
  ScriptedCatalog catalog(io_, new_table(), {});
  const LoadedTable before = catalog.now();
  change_schema(catalog, before, [](SchemaUpdate& u) {
    add_column(u, "x");
    u.rename_column("id", "key");
  });
  const std::string text = refusal<ConflictFound>(
      [&] { change_schema(catalog, before, [](SchemaUpdate& u) { add_column(u, "x", TypeKind::kString); }); });
  EXPECT_THAT(text, HasSubstr("table db.t: Requirement failed: current schema id has changed: expected 0, found 1"));
  EXPECT_THAT(text, HasSubstr("another writer renamed column id to key, added column x (int)"));
}

TEST_F(EvolveTest, ColumnsThatTheTableIsPartitionedOrSortedByStay) {
  ScriptedCatalog catalog(io_, new_table(), {});
  const auto drop = [](SchemaUpdate& u) { u.drop_column("day"); };
  EXPECT_THAT(
      refusal<InvalidArgument>([&] { change_schema(catalog, catalog.now(), drop); }),
      HasSubstr("Cannot delete column day: the table is partitioned by it, in the field day. Remove that first"));
  {
    Transaction transaction(catalog, catalog.now());
    update_sort_order(transaction, {{.source_ids = {1}}});
    transaction.commit();
  }
  EXPECT_THAT(refusal<InvalidArgument>(
                  [&] { change_schema(catalog, catalog.now(), [](SchemaUpdate& u) { u.drop_column("id"); }); }),
              HasSubstr("Cannot delete column id: the table is sorted by it"));
  // Both can go in one commit with what uses them.
  Transaction transaction(catalog, catalog.now());
  SpecUpdate spec(transaction.staged().metadata);
  spec.remove_field("day");
  update_spec(transaction, spec);
  SchemaUpdate schema(*transaction.staged().metadata);
  schema.drop_column("day");
  update_schema(transaction, schema);
  const LoadedTable table = transaction.commit();
  EXPECT_EQ(current_schema(*table.metadata)->fields.size(), 1);
  EXPECT_TRUE(default_spec(*table.metadata).is_unpartitioned());
}

TEST_F(EvolveTest, ColumnsDoNotTakeTheNamesOfPartitionFields) {
  ScriptedCatalog catalog(io_, new_table(), {});
  change_spec(catalog, catalog.now(), [](SpecUpdate& u) { u.add_field("id", parse_transform("bucket[4]"), "b"); });
  change_spec(catalog, catalog.now(), [](SpecUpdate& u) { u.remove_field("b"); });
  EXPECT_THAT(refusal<InvalidArgument>(
                  [&] { change_schema(catalog, catalog.now(), [](SchemaUpdate& u) { add_column(u, "b"); }); }),
              HasSubstr("with a name that exists in schema: b: a partition field has that name"));
  const LoadedTable renamed =
      change_schema(catalog, catalog.now(), [](SchemaUpdate& u) { u.rename_column("day", "weekday"); });
  EXPECT_EQ(default_spec(*renamed.metadata).fields[0].name, "day");
}

TEST_F(EvolveTest, DatesStayDatesWherePartitionsDependOnIt) {
  TableMetadata metadata = new_table(3);
  metadata =
      floe::apply(metadata, {AddSchema{{.schema_id = 1,
                                        .fields = {{.id = 1, .name = "id", .type = primitive(TypeKind::kLong)},
                                                   {.id = 2, .name = "day", .type = primitive(TypeKind::kString)},
                                                   {.id = 3, .name = "d", .type = primitive(TypeKind::kDate)}}},
                                       {}},
                             SetCurrentSchema{-1}});
  ScriptedCatalog catalog(io_, metadata, {});
  const auto widen = [](SchemaUpdate& u) { u.update_type("d", primitive(TypeKind::kTimestamp)); };
  change_spec(catalog, catalog.now(), [](SpecUpdate& u) { u.add_field("d", parse_transform("month")); });
  const LoadedTable by_month = catalog.now();
  change_spec(catalog, by_month, [](SpecUpdate& u) { u.add_field("d", parse_transform("bucket[4]")); });
  change_spec(catalog, catalog.now(), [](SpecUpdate& u) { u.remove_field("d_bucket_4"); });
  EXPECT_THAT(refusal<InvalidArgument>([&] { change_schema(catalog, catalog.now(), widen); }),
              HasSubstr("partitioned by its bucket[4] (field d_bucket_4), which would become another value"));
  ScriptedCatalog other(io_, *by_month.metadata, {});
  EXPECT_EQ(find_field(*current_schema(*change_schema(other, by_month, widen).metadata), 3)->type.kind,
            TypeKind::kTimestamp);
}

TEST_F(EvolveTest, NamesAndPropertiesGoWithTheirColumns) {
  ScriptedCatalog catalog(io_,
                          new_table(2, {{"schema.name-mapping.default",
                                         R"([{"field-id":1,"names":["id"]},{"field-id":2,"names":["day","weekday"]}])"},
                                        {"write.metadata.metrics.column.id", "full"},
                                        {"write.parquet.bloom-filter-enabled.column.id", "true"},
                                        {"write.metadata.metrics.column.gone", "none"},
                                        {"write.metadata.metrics.default", "counts"}}),
                          {});
  LoadedTable table = change_schema(catalog, catalog.now(), [](SchemaUpdate& u) {
    u.rename_column("id", "weekday");
    u.add_column("", {.name = "s", .type = struct_type({{.id = 9, .name = "x", .type = primitive(TypeKind::kInt)}})});
  });
  Properties properties = table.metadata->properties;
  EXPECT_EQ(properties.at("schema.name-mapping.default"),
            R"([{"field-id":1,"names":["id","weekday"]},{"field-id":2,"names":["day"]},)"
            R"({"field-id":3,"names":["s"],"fields":[{"field-id":4,"names":["x"]}]}])");
  EXPECT_EQ(properties.at("write.metadata.metrics.column.weekday"), "full");
  EXPECT_EQ(properties.at("write.parquet.bloom-filter-enabled.column.weekday"), "true");
  EXPECT_EQ(properties.at("write.metadata.metrics.column.gone"), "none");
  EXPECT_FALSE(properties.contains("write.metadata.metrics.column.id"));

  table = change_schema(catalog, table, [](SchemaUpdate& u) { u.drop_column("weekday"); });
  EXPECT_FALSE(table.metadata->properties.contains("write.metadata.metrics.column.weekday"));
  EXPECT_THAT(table.metadata->properties.at("schema.name-mapping.default"), HasSubstr(R"(["id","weekday"])"));
}

TEST_F(EvolveTest, ColumnsThatSwapNamesSwapTheirProperties) {
  ScriptedCatalog catalog(
      io_, new_table(2, {{"write.metadata.metrics.column.id", "full"}, {"write.metadata.metrics.column.x", "none"}}),
      {});
  LoadedTable table = change_schema(catalog, catalog.now(), [](SchemaUpdate& u) { add_column(u, "x"); });
  table = change_schema(catalog, table, [](SchemaUpdate& u) {
    u.rename_column("id", "x");
    u.rename_column("x", "id");
  });
  EXPECT_EQ(table.metadata->properties.at("write.metadata.metrics.column.x"), "full");
  EXPECT_EQ(table.metadata->properties.at("write.metadata.metrics.column.id"), "none");
}

TEST_F(EvolveTest, PartitioningChangesAloneOrNotAtAll) {
  ScriptedCatalog catalog(io_, new_table(), {});
  const LoadedTable before = catalog.now();
  const LoadedTable table =
      change_spec(catalog, before, [](SpecUpdate& u) { u.add_field("id", parse_transform("bucket[4]")); });
  EXPECT_EQ(table.metadata->default_spec_id, 1);
  EXPECT_EQ(table.metadata->last_partition_id, 1001);
  const std::string text =
      refusal<ConflictFound>([&] { change_spec(catalog, before, [](SpecUpdate& u) { u.remove_field("day"); }); });
  EXPECT_THAT(text,
              HasSubstr("default spec id has changed: expected 0, found 1: another writer partitioned the table by "
                        "identity(day) as day, bucket[4](id) as id_bucket_4"));
  const LoadedTable back = change_spec(catalog, table, [](SpecUpdate& u) { u.remove_field("id_bucket_4"); });
  EXPECT_EQ(back.metadata->default_spec_id, 0);
  EXPECT_EQ(back.metadata->partition_specs.size(), 2);
}

TEST_F(EvolveTest, SortOrdersAreReused) {
  ScriptedCatalog catalog(io_, new_table(), {});
  const auto sort = [&](std::vector<SortField> fields) {
    Transaction transaction(catalog, catalog.now());
    update_sort_order(transaction, std::move(fields));
    return transaction.commit().metadata->default_sort_order_id;
  };
  const SortField by_id{.source_ids = {1}, .transform = parse_transform("bucket[4]"), .ascending = false};
  EXPECT_EQ(sort({by_id}), 1);
  EXPECT_EQ(sort({by_id, {.source_ids = {2}}}), 2);
  EXPECT_EQ(sort({}), 0);
  EXPECT_EQ(sort({by_id}), 1);
  EXPECT_THAT(refusal<InvalidArgument>([&] { sort({{.source_ids = {9}}}); }), HasSubstr("not in the schema"));
}

}  // namespace
}  // namespace floe
