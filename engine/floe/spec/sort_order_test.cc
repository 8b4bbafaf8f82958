#include "floe/spec/sort_order.h"

#include <gtest/gtest.h>

#include "floe/error.h"

namespace floe {
namespace {

Schema sample() {
  return {.fields = {{.id = 2, .name = "a", .type = primitive(TypeKind::kInt)},
                     {.id = 3, .name = "b", .type = primitive(TypeKind::kString)},
                     {.id = 4, .name = "l", .type = list_type(5, primitive(TypeKind::kInt), true)}}};
}

SortField field(int32_t source, std::string_view transform, bool ascending = true, bool nulls_first = true) {
  return {.source_ids = {source},
          .transform = parse_transform(transform),
          .ascending = ascending,
          .nulls_first = nulls_first};
}

TEST(SortOrder, ReadsTheExampleOfTheSpecificationAndWritesItBack) {
  const char* text = R"({"order-id":1,"fields":[)"
                     R"({"transform":"identity","source-id":2,"direction":"asc","null-order":"nulls-first"},)"
                     R"({"transform":"bucket[4]","source-id":3,"direction":"desc","null-order":"nulls-last"}]})";
  const SortOrder order = sort_order_from_json(text);
  EXPECT_EQ(order, (SortOrder{.order_id = 1, .fields = {field(2, "identity"), field(3, "bucket[4]", false, false)}}));
  EXPECT_EQ(to_json(order), text);
}

TEST(SortOrder, SeveralSourcesAreKept) {
  const char* text = R"({"order-id":1,"fields":[)"
                     R"({"transform":"zorder","source-ids":[2,3],"direction":"asc","null-order":"nulls-first"}]})";
  EXPECT_EQ(to_json(sort_order_from_json(text)), text);
}

TEST(SortOrder, BrokenJsonIsRefused) {
  for (
      const char* text :
      {"{}", R"({"fields":[]})", R"({"order-id":1})",
       R"({"order-id":1,"fields":[{"transform":"identity","source-id":2,"direction":"up","null-order":"nulls-first"}]})",
       R"({"order-id":1,"fields":[{"transform":"identity","source-id":2,"direction":"asc","null-order":"first"}]})",
       R"({"order-id":1,"fields":[{"transform":"identity","direction":"asc","null-order":"nulls-first"}]})"}) {
    EXPECT_THROW(sort_order_from_json(text), CorruptFile) << text;
  }
}

TEST(SortOrder, FreshIdsFollowNames) {
  Schema to = sample();
  to.fields[1].id = 30;
  EXPECT_EQ(assign_fresh_ids({.order_id = 7, .fields = {field(3, "identity")}}, sample(), to),
            (SortOrder{.order_id = 1, .fields = {field(30, "identity")}}));
  EXPECT_EQ(assign_fresh_ids({.order_id = 7}, sample(), to), SortOrder{}) << "the unsorted order is 0";
  EXPECT_THROW(assign_fresh_ids({.order_id = 1, .fields = {field(9, "identity")}}, sample(), to), InvalidArgument);
}

TEST(SortOrder, Validates) {
  validate({}, sample());
  validate({.order_id = 1, .fields = {field(2, "identity"), field(3, "truncate[4]")}}, sample());
  EXPECT_THROW(validate({.order_id = 0, .fields = {field(2, "identity")}}, sample()), InvalidArgument);
  EXPECT_THROW(validate({.order_id = 1}, sample()), InvalidArgument);
  EXPECT_THROW(validate({.order_id = 1, .fields = {field(9, "identity")}}, sample()), InvalidArgument);
  EXPECT_THROW(validate({.order_id = 1, .fields = {field(2, "day")}}, sample()), InvalidArgument);
  EXPECT_THROW(validate({.order_id = 1, .fields = {field(5, "identity")}}, sample()), InvalidArgument);
  EXPECT_THROW(validate({.order_id = 1, .fields = {field(2, "zorder")}}, sample()), InvalidArgument);
}

}  // namespace
}  // namespace floe
