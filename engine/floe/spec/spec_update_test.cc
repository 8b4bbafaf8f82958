#include "floe/spec/spec_update.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "floe/error.h"
#include "floe/spec/table_update.h"

namespace floe {
namespace {

using testing::HasSubstr;

Transform transform(std::string_view text) { return parse_transform(text); }

// (id: long, day: date, name: string), by identity of name (1000) and bucket[4] of id (1001).
TableMetadata table(int32_t format_version) {
  return new_table_metadata(
      {.schema = {.fields = {{.id = 1, .name = "id", .type = primitive(TypeKind::kLong)},
                             {.id = 2, .name = "day", .type = primitive(TypeKind::kDate)},
                             {.id = 3, .name = "name", .type = primitive(TypeKind::kString)}}},
       .spec = {.fields =
                    {{.source_ids = {3}, .field_id = 1000, .name = "name"},
                     {.source_ids = {1}, .field_id = 1001, .name = "id_bucket", .transform = transform("bucket[4]")}}},
       .location = "/t",
       .properties = {{"format-version", std::to_string(format_version)}}});
}

SpecUpdate update(const TableMetadata& metadata) { return SpecUpdate(std::make_shared<const TableMetadata>(metadata)); }

TableMetadata with(const TableMetadata& metadata, const SpecUpdate& changes) {
  return floe::apply(metadata, {AddPartitionSpec{changes.apply()}, SetDefaultSpec{-1}});
}

std::string text(const PartitionSpec& spec) {
  std::string out;
  for (const PartitionField& field : spec.fields) {
    out += (out.empty() ? "" : ", ") + std::to_string(field.field_id) + ": " + field.name + " = " +
           to_string(field.transform) + "(" + std::to_string(field.source_id()) + ")";
  }
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

TEST(SpecUpdateTest, FieldsComeGoAndAreRenamed) {
  SpecUpdate changes = update(table(2));
  changes.add_field("day", transform("month"));
  changes.add_field("id", transform("truncate[10]"), "tens");
  changes.remove_field("name");
  changes.rename_field("id_bucket", "b");
  const PartitionSpec spec = changes.apply();
  EXPECT_EQ(spec.spec_id, 1);
  EXPECT_EQ(text(spec), "1001: b = bucket[4](1), 1002: day_month = month(2), 1003: tens = truncate[10](1)");
}

TEST(SpecUpdateTest, Version1KeepsRemovedFieldsAsVoid) {
  SpecUpdate changes = update(table(1));
  changes.remove_field("name");
  changes.add_field("day", transform("day"));
  const TableMetadata after = with(table(1), changes);
  EXPECT_EQ(text(default_spec(after)), "1000: name = void(3), 1001: id_bucket = bucket[4](1), 1002: day_day = day(2)");
  SpecUpdate back = update(table(1));
  back.remove_field("name");
  back.add_field("name", transform("identity"), "n");
  EXPECT_EQ(text(back.apply()), "1000: n = identity(3), 1001: id_bucket = bucket[4](1)");
  // The name that the void field has is free.
  SpecUpdate again = update(after);
  again.add_field("name", transform("identity"));
  EXPECT_EQ(
      text(again.apply()),
      "1000: name_1000 = void(3), 1001: id_bucket = bucket[4](1), 1002: day_day = day(2), 1003: name = identity(3)");
}

TEST(SpecUpdateTest, Trap20AFieldThatWasThereBeforeTakesItsIdUpAgain) {
  for (const int32_t version : {2, 3}) {
    SpecUpdate removed = update(table(version));
    removed.remove_field("id_bucket");
    const TableMetadata without = with(table(version), removed);
    SpecUpdate back = update(without);
    back.add_field("id", transform("bucket[4]"));
    const PartitionSpec spec = back.apply();
    EXPECT_EQ(spec.spec_id, 0) << "the spec that the table had";
    SpecUpdate other = update(without);
    other.add_field("id", transform("bucket[8]"));
    EXPECT_EQ(text(other.apply()), "1000: name = identity(3), 1002: id_bucket_8 = bucket[8](1)");
  }
}

TEST(SpecUpdateTest, WhatCannotBeIsRefused) {
  SpecUpdate changes = update(table(2));
  const auto add = [&](std::string_view column, std::string_view t, std::optional<std::string> name = {}) {
    return refusal([&] { changes.add_field(column, transform(t), std::move(name)); });
  };
  EXPECT_THAT(add("nothing", "identity"), HasSubstr("Could not find field with name nothing"));
  EXPECT_THAT(add("name", "day"), HasSubstr("day cannot transform string values from name"));
  EXPECT_THAT(add("name", "identity"), HasSubstr("Duplicate partition field"));
  EXPECT_THAT(add("day", "day", "name"), HasSubstr("Cannot add duplicate partition field name: name"));
  EXPECT_EQ(add("day", "day"), "it was not refused");
  EXPECT_THAT(add("day", "day"), HasSubstr("Already added partition"));
  EXPECT_THAT(add("day", "year", "y"), HasSubstr("Cannot add time partition field: y conflicts with day_day"));
  EXPECT_THAT(refusal([&] { changes.remove_field("day_day"); }), HasSubstr("newly added"));
  EXPECT_THAT(refusal([&] { changes.rename_field("day_day", "d"); }), HasSubstr("recently added"));
  EXPECT_THAT(refusal([&] { changes.remove_field("nothing"); }), HasSubstr("No such partition field: nothing"));
  EXPECT_THAT(refusal([&] { changes.rename_field("nothing", "d"); }), HasSubstr("Cannot find partition field nothing"));
  changes.remove_field("name");
  EXPECT_THAT(refusal([&] { changes.rename_field("name", "n"); }), HasSubstr("Cannot delete and rename"));
  changes.rename_field("id_bucket", "day");
  EXPECT_THAT(refusal([&] { changes.apply(); }),
              HasSubstr("Cannot create partition with a name that exists in schema: day"));
}

TEST(SpecUpdateTest, CaseOfColumnsCountsOnlyIfItShould) {
  SpecUpdate changes(std::make_shared<const TableMetadata>(table(2)), false);
  changes.add_field("DAY", transform("year"));
  EXPECT_THAT(text(changes.apply()), HasSubstr("1002: day_year = year(2)"));
}

}  // namespace
}  // namespace floe
