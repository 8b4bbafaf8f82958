#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "floe/error.h"
#include "floe/maintenance/options.h"
#include "floe/maintenance/row_order_text.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string message(const std::function<void()>& work) {
  try {
    work();
  } catch (const InvalidArgument& e) {
    return e.what();
  }
  return "no exception";
}

Schema schema() {
  return {.fields = {{.id = 1, .name = "id", .type = primitive(TypeKind::kLong)},
                     {.id = 2, .name = "a name", .type = primitive(TypeKind::kString)},
                     {.id = 3, .name = "at", .type = primitive(TypeKind::kTimestamp)},
                     {.id = 4,
                      .name = "place",
                      .type = struct_type({{.id = 5, .name = "lat", .type = primitive(TypeKind::kDouble)},
                                           {.id = 6, .name = "desc", .type = primitive(TypeKind::kDouble)}})}}};
}

TEST(Options, WhatIsNotKnownIsRefusedByName) {
  OptionReader reader({{"a", "1"}, {"b", "2"}}, "compaction");
  int64_t a = 0;
  reader.read("a", a);
  EXPECT_EQ(a, 1);
  EXPECT_THAT(message([&] { reader.finish(); }), HasSubstr("compaction has no option b. It has a"));
}

TEST(Options, ValuesThatCannotBeAreRefusedByName) {
  const auto reading = [](const std::string& text, auto value) {
    return message([&] { OptionReader({{"x", text}}, "it").read("x", value); });
  };
  for (const char* text : {"", "1.5", "1 ", "x", "0", "-1", "99999999999999999999"}) {
    EXPECT_THAT(reading(text, int64_t{}), HasSubstr("option 'x' is '")) << text;
  }
  for (const char* text : {"", "0", "1.01", "-0.5", "nan", "inf"}) {
    EXPECT_THAT(reading(text, double{}), HasSubstr("option 'x' is '")) << text;
  }
  EXPECT_THAT(reading("yes", bool{}), HasSubstr("true or false"));
  EXPECT_THAT(reading("5000000000", std::optional<int32_t>()), HasSubstr("32 bits"));
}

TEST(RowOrderText, FieldsHaveTransformsDirectionsAndNulls) {
  const auto order = [](const char* text) { return parse_row_order(text, schema(), false).fields; };
  using Fields = std::vector<SortField>;
  EXPECT_EQ(order("id"), (Fields{{.source_ids = {1}}}));
  EXPECT_EQ(order(" ID desc , `a name` ASC NULLS last"),
            (Fields{{.source_ids = {1}, .ascending = false, .nulls_first = false},
                    {.source_ids = {2}, .ascending = true, .nulls_first = false}}));
  EXPECT_EQ(order("id DESC NULLS FIRST"), (Fields{{.source_ids = {1}, .ascending = false, .nulls_first = true}}));
  EXPECT_EQ(order("days(at), hour(at)"), (Fields{{.source_ids = {3}, .transform = parse_transform("day")},
                                                 {.source_ids = {3}, .transform = parse_transform("hour")}}));
  EXPECT_EQ(order("bucket(16, id), truncate(`a name`, 3)"),
            (Fields{{.source_ids = {1}, .transform = parse_transform("bucket[16]")},
                    {.source_ids = {2}, .transform = parse_transform("truncate[3]")}}));
  EXPECT_EQ(order("place.desc desc"), (Fields{{.source_ids = {6}, .ascending = false, .nulls_first = false}}));
}

TEST(RowOrderText, ZOrder) {
  EXPECT_THAT(parse_row_order("zorder(id, PLACE.lat)", schema(), false).z_order, ElementsAre("id", "place.lat"));
  EXPECT_THAT(message([] { parse_row_order("zorder(id), at", schema(), true); }), HasSubstr("zorder"));
  EXPECT_EQ(parse_row_order("zorder(id, at)", schema(), true).curve, Curve::kZOrder);
  const RowOrderText hilbert = parse_row_order("Hilbert(at, id)", schema(), true);
  EXPECT_THAT(hilbert.z_order, ElementsAre("at", "id"));
  EXPECT_EQ(hilbert.curve, Curve::kHilbert);
  EXPECT_THAT(message([] { parse_row_order("zorder(id), hilbert(at)", schema(), true); }), HasSubstr("one order"));
}

TEST(RowOrderText, WhatDoesNotParseIsRefused) {
  for (const char* text :
       {"", "id,", "id id", "id desc asc", "id nulls", "nothing", "ID", "(id", "zorder(id", "zorder()", "days(id)",
        "days(at, at, at)", "sideways(id)", "`id", "id;", "bucket(id)", "place"}) {
    EXPECT_NE(message([&] { parse_row_order(text, schema(), true); }), "no exception") << text;
  }
}

}  // namespace
}  // namespace floe
