#include "floe/inspect/inspect.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "floe/error.h"
#include "floe/inspect/metadata_table.h"

namespace floe {
namespace {

const std::vector<MetadataTable>& tables() {
  static const auto& all = *new std::vector<MetadataTable>([] {
    std::vector<MetadataTable> found;
    for (const auto& some : {log_tables(), manifest_tables(), entry_tables(), partition_tables(), delete_tables()}) {
      found.insert(found.end(), some.begin(), some.end());
    }
    return found;
  }());
  return all;
}

const MetadataTable& find_table(std::string_view name) {
  for (const MetadataTable& table : tables()) {
    if (table.name == name) return table;
  }
  throw NotFound(
      fmt::format("there is no metadata table {}. There are {}", name, fmt::join(metadata_table_names(), ", ")));
}

const Snapshot* find_snapshot(const LoadedTable& table, const MetadataTable& kind, const InspectOptions& options) {
  const TableMetadata& metadata = *table.metadata;
  const std::string name = to_string(table.identifier);
  const int given = options.snapshot_id.has_value() + options.as_of_ms.has_value() + options.ref.has_value();
  if (given > 1) throw InvalidArgument("a metadata table is of one of a snapshot id, a time and a ref");
  if (given == 1 && !kind.of_one_snapshot) {
    throw InvalidArgument(
        fmt::format("the metadata table {} is not of one snapshot, so none can be chosen", kind.name));
  }
  const Snapshot* snapshot = current_snapshot(metadata);
  if (options.snapshot_id) {
    snapshot = snapshot_by_id(metadata, *options.snapshot_id);
    if (!snapshot) {
      throw NotFound(
          fmt::format("table {} has no snapshot {}: it never had or it was expired", name, *options.snapshot_id));
    }
  } else if (options.as_of_ms) {
    snapshot = snapshot_as_of(metadata, *options.as_of_ms);
    if (!snapshot) {
      throw NotFound(
          fmt::format("table {} has no snapshot that was current at {} ms since 1970", name, *options.as_of_ms));
    }
  } else if (options.ref) {
    snapshot = snapshot_by_ref(metadata, *options.ref);
    if (!snapshot && *options.ref != kMainBranch) {
      throw NotFound(fmt::format("table {} has no branch or tag {}", name, *options.ref));
    }
  }
  return snapshot;
}

// The columns that are named, in the table's order.
Schema select(const Schema& all, const MetadataTable& kind, const std::vector<std::string>& names) {
  std::vector<std::string> unknown = names;
  const auto named = [&](const std::string& name) {
    std::erase(unknown, name);
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (named("*")) return all;
  Schema some;
  for (const Field& field : all.fields) {
    const bool whole = named(field.name);
    std::vector<Field> children;
    if (field.type.kind == TypeKind::kStruct) {
      for (const Field& child : *field.type.children) {
        if (named(field.name + "." + child.name)) children.push_back(child);
      }
    }
    if (!whole && children.empty()) continue;
    some.fields.push_back(field);
    if (!whole) some.fields.back().type = struct_type(std::move(children));
  }
  if (!unknown.empty()) {
    std::vector<std::string> known;
    for (const Field& field : all.fields) known.push_back(field.name);
    throw InvalidArgument(fmt::format("the metadata table {} has no column {}. It has {}", kind.name,
                                      fmt::join(unknown, ", "), fmt::join(known, ", ")));
  }
  if (some.fields.empty()) throw InvalidArgument(fmt::format("no column of the metadata table {} is named", kind.name));
  return some;
}

}  // namespace

std::vector<std::string> metadata_table_names() {
  std::vector<std::string> names;
  for (const MetadataTable& table : tables()) names.emplace_back(table.name);
  return names;
}

Schema metadata_table_schema(const TableMetadata& table, std::string_view name) {
  return find_table(name).schema(table);
}

std::unique_ptr<arrow::RecordBatchReader> inspect(const LoadedTable& table, std::string_view name,
                                                  const InspectOptions& options, IoPtr io) {
  const MetadataTable& kind = find_table(name);
  auto inspection = std::make_shared<Inspection>();
  inspection->table = table;
  inspection->snapshot = find_snapshot(table, kind, options);
  inspection->columns = select(kind.schema(*table.metadata), kind, options.columns);
  inspection->filter = bind(options.filter, *current_schema(*table.metadata), options.case_sensitive);
  if (inspection->filter.kind != ExprKind::kTrue && !kind.filtered) {
    throw InvalidArgument(fmt::format("the metadata table {} takes no filter on the table's rows", name));
  }
  inspection->stop = options.stop;
  inspection->io = std::move(io);
  return kind.open(inspection);
}

}  // namespace floe
