#include "floe/spec/schema_update.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "floe/error.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Field field(int32_t id, std::string name, Type type, bool required = false) {
  return {.id = id, .name = std::move(name), .required = required, .type = std::move(type)};
}

// 1: id required long, 2: name string, 3: point struct<4: x int, 5: y float>, 6: tags list<7: string>,
// 8: places map<9: string, 10: struct<11: lat double>>, 12: price decimal(9, 2), 13: day date
Schema schema() {
  return {.fields = {field(1, "id", primitive(TypeKind::kLong), true), field(2, "name", primitive(TypeKind::kString)),
                     field(3, "point",
                           struct_type(
                               {field(4, "x", primitive(TypeKind::kInt)), field(5, "y", primitive(TypeKind::kFloat))})),
                     field(6, "tags", list_type(7, primitive(TypeKind::kString), false)),
                     field(8, "places",
                           map_type(9, primitive(TypeKind::kString), 10,
                                    struct_type({field(11, "lat", primitive(TypeKind::kDouble))}), false)),
                     field(12, "price", decimal_type(9, 2)), field(13, "day", primitive(TypeKind::kDate))},
          .identifier_field_ids = {1}};
}

SchemaUpdate update(int32_t format_version = 2, SchemaUpdateOptions options = {}) {
  return {schema(), 13, format_version, options};
}

std::vector<std::string> names(const std::vector<Field>& fields) {
  std::vector<std::string> out;
  for (const Field& f : fields) out.push_back(f.name);
  return out;
}

template <typename F>
std::string refusal(F&& work) {
  try {
    work();
  } catch (const InvalidArgument& e) {
    return e.what();
  }
  return "it was not refused";
}

TEST(SchemaUpdateTest, ColumnsAreAddedWithNewIdsAtEveryDepth) {
  SchemaUpdate changes = update();
  changes.add_column("", field(1, "extra",
                               struct_type({field(1, "a", primitive(TypeKind::kInt)),
                                            field(2, "b", list_type(3, primitive(TypeKind::kLong), true))})));
  changes.add_column("point", field(0, "z", primitive(TypeKind::kInt)));
  changes.add_column("places", field(0, "lon", primitive(TypeKind::kDouble)));
  const Schema after = changes.apply();
  EXPECT_EQ(find_field(after, "extra")->id, 14);
  EXPECT_EQ(find_field(after, "extra.a")->id, 15);
  EXPECT_EQ(find_field(after, "extra.b")->id, 16);
  EXPECT_EQ(find_field(after, "extra.b.element")->id, 17);
  EXPECT_EQ(find_field(after, "point.z")->id, 18);
  EXPECT_EQ(find_field(after, "places.value.lon")->id, 19);
}

TEST(SchemaUpdateTest, WhatCannotBeAddedIsRefused) {
  SchemaUpdate changes = update();
  const auto add = [&](std::string_view parent, const std::string& name) {
    return refusal([&] { changes.add_column(parent, field(0, name, primitive(TypeKind::kInt))); });
  };
  EXPECT_THAT(add("", "name"), HasSubstr("already exists: name"));
  EXPECT_THAT(add("name", "x"), HasSubstr("to non-struct type: name"));
  EXPECT_THAT(add("tags", "x"), HasSubstr("to non-struct type: tags"));
  EXPECT_THAT(add("nothing", "x"), HasSubstr("Could not find field with name nothing"));
  changes.add_column("", field(0, "new", primitive(TypeKind::kInt)));
  EXPECT_THAT(add("", "new"), HasSubstr("already exists: new"));
  changes.drop_column("point");
  EXPECT_THAT(add("point", "z"), HasSubstr("will be deleted"));
  changes.drop_column("name");
  EXPECT_EQ(add("", "name"), "it was not refused");
  EXPECT_THAT(names(changes.apply().fields), ElementsAre("id", "tags", "places", "price", "day", "new", "name"));
}

TEST(SchemaUpdateTest, RequiredColumnsNeedADefaultOrToBeAllowed) {
  SchemaUpdate changes = update();
  const Field required = field(0, "n", primitive(TypeKind::kInt), true);
  EXPECT_THAT(refusal([&] { changes.add_column("", required); }), HasSubstr("or say allow_incompatible_changes"));
  SchemaUpdate allowed = update(2, {.allow_incompatible_changes = true});
  allowed.add_column("", required);
  EXPECT_TRUE(find_field(allowed.apply(), "n")->required);

  Field defaulted = required;
  defaulted.initial_default = Value(7);
  SchemaUpdate v3 = update(3);
  v3.add_column("", defaulted);
  const Schema after = v3.apply();
  EXPECT_EQ(find_field(after, "n")->initial_default, Value(7));
  EXPECT_EQ(find_field(after, "n")->write_default, Value(7));

  SchemaUpdate v2 = update(2);
  v2.add_column("", defaulted);
  EXPECT_THAT(refusal([&] { v2.apply(); }), HasSubstr("needs format version 3"));
}

TEST(SchemaUpdateTest, TypesAreWidenedAndNothingElse) {
  SchemaUpdate changes = update();
  changes.update_type("point.x", primitive(TypeKind::kLong));
  changes.update_type("point.y", primitive(TypeKind::kDouble));
  changes.update_type("price", decimal_type(12, 2));
  const auto to = [&](std::string_view name, const Type& type) {
    return refusal([&] { changes.update_type(name, type); });
  };
  EXPECT_THAT(to("price", decimal_type(12, 3)), HasSubstr("decimal(12, 2) -> decimal(12, 3)"));
  EXPECT_THAT(to("id", primitive(TypeKind::kInt)), HasSubstr("id: long -> int: ints may become longs"));
  EXPECT_THAT(to("day", primitive(TypeKind::kTimestamp)), HasSubstr("that needs format version 3"));
  EXPECT_THAT(to("point", primitive(TypeKind::kInt)), HasSubstr("is not a primitive"));
  EXPECT_THAT(to("places.key", primitive(TypeKind::kUuid)), HasSubstr("places.key: string -> uuid"));
  EXPECT_THAT(refusal([&] { changes.set_required("places.key", false); }),
              HasSubstr("Cannot update map keys: map<string, "));
  EXPECT_THAT(refusal([&] { changes.drop_column("places.key"); }), HasSubstr("Cannot delete map keys"));
  const Schema after = changes.apply();
  EXPECT_EQ(find_field(after, "point.x")->type, primitive(TypeKind::kLong));
  EXPECT_EQ(find_field(after, "price")->type, decimal_type(12, 2));

  SchemaUpdate v3 = update(3);
  v3.update_type("day", primitive(TypeKind::kTimestampNs));
  EXPECT_EQ(find_field(v3.apply(), "day")->type.kind, TypeKind::kTimestampNs);
  SchemaUpdate allowed = update(2, {.allow_incompatible_changes = true});
  allowed.update_type("name", primitive(TypeKind::kInt));
  EXPECT_EQ(find_field(allowed.apply(), "name")->type.kind, TypeKind::kInt);
}

TEST(SchemaUpdateTest, DefaultsAreWidenedWithTheirColumns) {
  Schema base;
  base.fields = {field(1, "n", primitive(TypeKind::kInt)), field(2, "d", primitive(TypeKind::kDate))};
  base.fields[0].initial_default = Value(5);
  base.fields[0].write_default = Value(6);
  base.fields[1].write_default = Value(1);
  SchemaUpdate changes(base, 2, 3);
  changes.update_type("n", primitive(TypeKind::kLong));
  changes.update_type("d", primitive(TypeKind::kTimestamp));
  const Schema after = changes.apply();
  EXPECT_EQ(after.fields[0].initial_default, Value(int64_t{5}));
  EXPECT_EQ(after.fields[0].write_default, Value(int64_t{6}));
  EXPECT_EQ(after.fields[1].write_default, Value(int64_t{86'400'000'000}));
}

TEST(SchemaUpdateTest, NamesAreThoseOfTheSchemaAsItWas) {
  SchemaUpdate changes = update();
  changes.rename_column("name", "title");
  changes.update_doc("name", "what it is called");
  EXPECT_THAT(refusal([&] { changes.update_doc("title", "no"); }), HasSubstr("Could not find field with name title"));
  EXPECT_THAT(refusal([&] { changes.drop_column("name"); }), HasSubstr("that has updates"));
  changes.rename_column("point.x", "y");
  changes.rename_column("point.y", "x");
  const Schema after = changes.apply();
  EXPECT_EQ(after.fields[1].name, "title");
  EXPECT_EQ(after.fields[1].doc, "what it is called");
  EXPECT_EQ(find_field(after, "point.y")->id, 4);

  SchemaUpdate clash = update();
  clash.rename_column("name", "day");
  EXPECT_THAT(refusal([&] { clash.apply(); }), HasSubstr("\"day\" is there twice"));
  EXPECT_THAT(refusal([&] { clash.rename_column("tags.element", "tag"); }), HasSubstr("no names of their own"));
}

TEST(SchemaUpdateTest, DroppedColumnsAreGoneWithAllBelow) {
  SchemaUpdate changes = update();
  changes.drop_column("point");
  changes.drop_column("point");
  EXPECT_THAT(refusal([&] { changes.rename_column("point.x", "z"); }), HasSubstr("will be deleted"));
  EXPECT_THAT(refusal([&] { changes.drop_column("tags.element"); }), HasSubstr("a list has its elements"));
  EXPECT_THAT(refusal([&] { changes.drop_column("nothing"); }), HasSubstr("Could not find"));
  changes.add_column("places", field(0, "lon", primitive(TypeKind::kDouble)));
  EXPECT_THAT(refusal([&] { changes.drop_column("places.value"); }), HasSubstr("that has additions"));
  EXPECT_EQ(find_field(changes.apply(), "point"), nullptr);

  SchemaUpdate emptied = update();
  emptied.drop_column("point.x");
  emptied.drop_column("point.y");
  EXPECT_THAT(refusal([&] { emptied.apply(); }), HasSubstr("Cannot delete all fields of point"));
  emptied.add_column("point", field(0, "z", primitive(TypeKind::kInt)));
  EXPECT_THAT(names(children_of(find_field(emptied.apply(), "point")->type)), ElementsAre("z"));
}

TEST(SchemaUpdateTest, IdentifierFieldsAreNotLost) {
  SchemaUpdate dropped = update();
  dropped.drop_column("id");
  EXPECT_THAT(refusal([&] { dropped.apply(); }), HasSubstr("Cannot find identifier field id. In case of deletion"));
  dropped.set_identifier_fields({});
  EXPECT_TRUE(dropped.apply().identifier_field_ids.empty());

  SchemaUpdate renamed = update();
  renamed.rename_column("id", "key");
  EXPECT_THAT(renamed.apply().identifier_field_ids, ElementsAre(1));
  SchemaUpdate named = update();
  named.set_identifier_fields({"id"});
  named.rename_column("id", "key");
  EXPECT_THAT(named.apply().identifier_field_ids, ElementsAre(1));

  SchemaUpdate optional = update();
  optional.set_required("id", false);
  EXPECT_THAT(refusal([&] { optional.apply(); }), HasSubstr("not a required field"));
  optional.set_identifier_fields({"nothing"});
  EXPECT_THAT(refusal([&] { optional.apply(); }), HasSubstr("Cannot find identifier field nothing"));
}

TEST(SchemaUpdateTest, OptionalColumnsBecomeRequiredOnlyIfThatIsAllowed) {
  SchemaUpdate changes = update();
  EXPECT_THAT(refusal([&] { changes.set_required("name", true); }), HasSubstr("optional -> required"));
  changes.set_required("name", false);
  SchemaUpdate allowed = update(2, {.allow_incompatible_changes = true});
  allowed.set_required("tags.element", true);
  EXPECT_TRUE(find_field(allowed.apply(), "tags.element")->required);
}

TEST(SchemaUpdateTest, ColumnsAreMoved) {
  SchemaUpdate changes = update();
  changes.move_first("price");
  changes.move_after("id", "day");
  changes.add_column("", field(0, "new", primitive(TypeKind::kInt)));
  changes.move_before("new", "tags");
  changes.move_first("point.y");
  const Schema after = changes.apply();
  EXPECT_THAT(names(after.fields), ElementsAre("price", "name", "point", "new", "tags", "places", "day", "id"));
  EXPECT_THAT(names(children_of(after.fields[2].type)), ElementsAre("y", "x"));
  EXPECT_THAT(refusal([&] { changes.move_first("nothing"); }), HasSubstr("Cannot move missing column: nothing"));
  EXPECT_THAT(refusal([&] { changes.move_after("id", "point.x"); }), HasSubstr("to a different struct"));
  EXPECT_THAT(refusal([&] { changes.move_after("id", "id"); }), HasSubstr("Cannot move id after itself"));
  EXPECT_THAT(refusal([&] { changes.move_first("tags.element"); }), HasSubstr("non-struct"));
}

TEST(SchemaUpdateTest, CaseCountsOnlyIfItShould) {
  SchemaUpdate exact = update();
  EXPECT_THAT(refusal([&] { exact.drop_column("NAME"); }), HasSubstr("case_sensitive=True"));
  SchemaUpdate folded = update(2, {.case_sensitive = false});
  folded.rename_column("NAME", "Title");
  folded.add_column("POINT", field(0, "Z", primitive(TypeKind::kInt)));
  folded.move_first("point.z");
  EXPECT_THAT(refusal([&] { folded.add_column("", field(0, "DAY", primitive(TypeKind::kInt))); }),
              HasSubstr("already exists"));
  const Schema after = folded.apply();
  EXPECT_EQ(find_field(after, "Title")->id, 2);
  EXPECT_THAT(names(children_of(find_field(after, "point")->type)), ElementsAre("Z", "x", "y"));
}

TEST(SchemaUpdateTest, UnionByNameAddsWidensAndRelaxes) {
  const Schema other{
      .fields = {
          field(1, "point",
                struct_type({field(2, "x", primitive(TypeKind::kLong)), field(3, "z", primitive(TypeKind::kInt))})),
          field(4, "id", primitive(TypeKind::kInt)), field(5, "added", primitive(TypeKind::kString)),
          field(6, "price", decimal_type(7, 2))}};
  SchemaUpdate changes = update();
  changes.union_by_name(other);
  changes.set_identifier_fields({});
  const Schema after = changes.apply();
  EXPECT_EQ(find_field(after, "point.x")->type.kind, TypeKind::kLong);
  EXPECT_EQ(find_field(after, "point.z")->id, 14);
  EXPECT_EQ(find_field(after, "id")->type.kind, TypeKind::kLong);
  EXPECT_FALSE(find_field(after, "id")->required);
  EXPECT_EQ(find_field(after, "price")->type, decimal_type(9, 2));
  EXPECT_EQ(find_field(after, "added")->id, 15);
  EXPECT_EQ(after.fields.size(), 8);

  SchemaUpdate clash = update();
  const Schema scalar{.fields = {field(1, "point", primitive(TypeKind::kInt))}};
  EXPECT_THAT(refusal([&] { clash.union_by_name(scalar); }), HasSubstr("is not a primitive"));
  const Schema nested{.fields = {field(1, "name", struct_type({field(2, "x", primitive(TypeKind::kInt))}))}};
  EXPECT_THAT(refusal([&] { clash.union_by_name(nested); }), HasSubstr("Cannot change column type: name"));
}

}  // namespace
}  // namespace floe
