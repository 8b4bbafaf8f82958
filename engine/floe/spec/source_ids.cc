#include "floe/spec/source_ids.h"

#include <fmt/format.h>

#include "floe/error.h"
#include "floe/spec/json_codec.h"

namespace floe {

std::vector<int32_t> sources_by_name(const std::vector<int32_t>& ids, const Schema& from, const Schema& to) {
  std::vector<int32_t> out;
  for (const int32_t id : ids) {
    const std::string name = full_name(from, id);
    const Field* field = name.empty() ? nullptr : find_field(to, name);
    if (field == nullptr)
      throw InvalidArgument(fmt::format("source column {} (\"{}\") is not in the schema", id, name));
    out.push_back(field->id);
  }
  return out;
}

void validate_sources(const std::vector<int32_t>& ids, const Transform& transform, const Schema& schema,
                      std::string_view what) {
  if (ids.empty()) throw InvalidArgument(fmt::format("{}: {} has no source column", what, to_string(transform)));
  if (transform.kind == TransformKind::kUnknown) {
    throw InvalidArgument(
        fmt::format("{}: the transform \"{}\" is not known; there are identity, bucket[N], "
                    "truncate[W], year, month, day, hour and void",
                    what, to_string(transform)));
  }
  for (const int32_t id : ids) {
    const std::vector<const Field*> path = path_to(schema, id);
    if (path.empty()) {
      if (transform.kind == TransformKind::kVoid) continue;
      throw InvalidArgument(fmt::format("{}: source column {} is not in the schema", what, id));
    }
    const std::string name = full_name(schema, id);
    for (size_t i = 0; i + 1 < path.size(); ++i) {
      if (path[i]->type.kind == TypeKind::kStruct) continue;
      throw InvalidArgument(fmt::format("{}: source column \"{}\" is inside a list or map", what, name));
    }
    if (!can_transform(transform, path.back()->type)) {
      throw InvalidArgument(fmt::format("{}: the transform {} does not take column \"{}\", which is of type {}", what,
                                        to_string(transform), name, to_string(path.back()->type)));
    }
  }
}

}  // namespace floe

namespace floe::json {

void read_transform_and_sources(const Node& node, Transform& transform, std::vector<int32_t>& ids) {
  const Node text = node.at("transform");
  try {
    transform = parse_transform(text.string());
  } catch (const InvalidArgument& e) {
    text.fail(fmt::format("cannot be read: {}", e.what()));
  }
  if (const auto several = node.find("source-ids")) {
    ids = int32s_from_node(*several);
    if (ids.empty()) several->fail("is empty");
  } else {
    ids = {node.at("source-id").int32()};
  }
  if (ids.size() > 1) transform = {.kind = TransformKind::kUnknown, .text = std::string(text.string())};
}

void write_sources(boost::json::object& out, const std::vector<int32_t>& ids) {
  if (ids.size() == 1) {
    out["source-id"] = ids.front();
  } else {
    out["source-ids"] = boost::json::array(ids.begin(), ids.end());
  }
}

}  // namespace floe::json
