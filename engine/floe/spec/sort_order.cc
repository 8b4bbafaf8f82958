#include "floe/spec/sort_order.h"

#include <fmt/format.h>

#include "floe/error.h"
#include "floe/spec/json_codec.h"
#include "floe/spec/source_ids.h"
#include "floe/spec/utf8.h"

namespace floe {

SortOrder assign_fresh_ids(const SortOrder& order, const Schema& from, const Schema& to) {
  SortOrder fresh{.order_id = order.fields.empty() ? 0 : 1, .fields = order.fields};
  for (SortField& field : fresh.fields) field.source_ids = sources_by_name(field.source_ids, from, to);
  return fresh;
}

void validate(const SortOrder& order, const Schema& schema) {
  if ((order.order_id == 0) != order.fields.empty()) {
    throw InvalidArgument(fmt::format("sort order {} has {} fields; order 0 is the one without any", order.order_id,
                                      order.fields.size()));
  }
  for (const SortField& field : order.fields) {
    validate_sources(field.source_ids, field.transform, schema, fmt::format("sort order {}", order.order_id));
  }
}

SortOrder sort_order_from_json(std::string_view json) {
  const json::Document document(json, "sort order");
  return json::sort_order_from_node(document.root());
}

std::string to_json(const SortOrder& order) { return json::serialize(json::to_value(order)); }

}  // namespace floe

namespace floe::json {
namespace {

SortField field_from_node(const Node& node) {
  SortField field;
  read_transform_and_sources(node, field.transform, field.source_ids);
  const Node direction = node.at("direction");
  field.ascending = fold_case(direction.string()) == "asc";
  if (!field.ascending && fold_case(direction.string()) != "desc") direction.fail("is neither \"asc\" nor \"desc\"");
  const Node nulls = node.at("null-order");
  field.nulls_first = fold_case(nulls.string()) == "nulls-first";
  if (!field.nulls_first && fold_case(nulls.string()) != "nulls-last") {
    nulls.fail("is neither \"nulls-first\" nor \"nulls-last\"");
  }
  return field;
}

}  // namespace

SortOrder sort_order_from_node(const Node& node) {
  SortOrder order{.order_id = node.at("order-id").int32()};
  node.at("fields").for_each([&](const Node& field) { order.fields.push_back(field_from_node(field)); });
  return order;
}

boost::json::value to_value(const SortOrder& order) {
  boost::json::array fields;
  for (const SortField& field : order.fields) {
    boost::json::object out{{"transform", to_string(field.transform)}};
    write_sources(out, field.source_ids);
    out["direction"] = field.ascending ? "asc" : "desc";
    out["null-order"] = field.nulls_first ? "nulls-first" : "nulls-last";
    fields.push_back(std::move(out));
  }
  return boost::json::object{{"order-id", order.order_id}, {"fields", std::move(fields)}};
}

}  // namespace floe::json
