#include "floe/spec/schema_difference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "floe/spec/schema_update.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Field field(int32_t id, std::string name, Type type, bool required = false) {
  return {.id = id, .name = std::move(name), .required = required, .type = std::move(type)};
}

Schema schema() {
  return {.fields = {field(1, "a", primitive(TypeKind::kInt), true), field(2, "b", primitive(TypeKind::kString)),
                     field(3, "s", struct_type({field(4, "x", primitive(TypeKind::kInt))})),
                     field(5, "d", primitive(TypeKind::kLong))}};
}

std::vector<std::string> texts(const std::vector<ColumnChange>& changes) {
  std::vector<std::string> out;
  for (const ColumnChange& change : changes) out.push_back(to_string(change));
  return out;
}

TEST(SchemaDifferenceTest, EveryKindOfChangeIsNamed) {
  SchemaUpdate update(schema(), 5, 3, {.allow_incompatible_changes = true});
  update.update_type("a", primitive(TypeKind::kLong));
  update.set_identifier_fields({"a"});
  update.rename_column("s.x", "y");
  update.drop_column("b");
  update.add_column("", field(0, "n", struct_type({field(0, "m", primitive(TypeKind::kInt))})));
  update.set_required("d", true);
  update.update_doc("d", "distance");
  update.set_write_default("d", Value(int64_t{3}));
  update.move_first("d");
  EXPECT_THAT(texts(difference(schema(), update.apply())),
              ElementsAre("dropped column b (string)", "made column d required",
                          "changed the comment of column d from none to \"distance\"",
                          "changed the write-default of column d from null to 3", "moved column d",
                          "changed the type of column a from int to long", "renamed column s.x to y",
                          "added column n (struct<7: m: optional int>)", "added identifier field a"));
}

TEST(SchemaDifferenceTest, WhatStaysIsNotNamed) {
  EXPECT_THAT(difference(schema(), schema()), IsEmpty());
  Schema before = schema();
  before.fields[3].write_default = Value(int64_t{1});
  before.fields[0].write_default = Value(1);
  SchemaUpdate update(before, 5, 3);
  update.update_type("a", primitive(TypeKind::kLong));
  EXPECT_THAT(texts(difference(before, update.apply())), ElementsAre("changed the type of column a from int to long"));
}

TEST(SchemaDifferenceTest, OnlyTheColumnThatMovedIsNamed) {
  SchemaUpdate last(schema(), 5, 2);
  last.move_after("a", "d");
  EXPECT_THAT(texts(difference(schema(), last.apply())), ElementsAre("moved column a"));
  SchemaUpdate dropped(schema(), 5, 2);
  dropped.drop_column("a");
  EXPECT_THAT(texts(difference(schema(), dropped.apply())), ElementsAre("dropped column a (int)"));
}

}  // namespace
}  // namespace floe
