#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "floe/parallel.h"
#include "floe/scan/metadata_columns.h"
#include "floe/scan/scan.h"
#include "floe/spec/metadata_columns.h"
#include "floe/spec/projection.h"

namespace floe {
namespace {

std::string table_of(const ScanOptions& options) {
  return options.table_name.empty() ? std::string("the table") : "table " + options.table_name;
}

// --- snapshot, schema, columns ---------------------------------------------------------------------------------------

struct Origin {
  const Snapshot* snapshot = nullptr;  // null: a table without one
  SchemaPtr schema;
};

Origin find_origin(const TableMetadata& table, const ScanOptions& options) {
  if (options.snapshot_id.has_value() + options.as_of_ms.has_value() + options.ref.has_value() > 1) {
    throw InvalidArgument("a scan takes one of a snapshot id, a time and a ref");
  }
  Origin origin{current_snapshot(table), current_schema(table)};
  if (options.snapshot_id) {
    origin.snapshot = snapshot_by_id(table, *options.snapshot_id);
    if (!origin.snapshot) {
      throw NotFound(fmt::format("{} has no snapshot {}: it never had or it was expired", table_of(options),
                                 *options.snapshot_id));
    }
    origin.schema = schema_of(table, *origin.snapshot);
  } else if (options.as_of_ms) {
    origin.snapshot = snapshot_as_of(table, *options.as_of_ms);
    if (!origin.snapshot) {
      throw NotFound(
          fmt::format("{} has no snapshot that was current at {} ms since 1970", table_of(options), *options.as_of_ms));
    }
    origin.schema = schema_of(table, *origin.snapshot);
  } else if (options.ref) {
    origin.snapshot = snapshot_by_ref(table, *options.ref);
    const auto ref = table.refs.find(*options.ref);
    if (!origin.snapshot && *options.ref != kMainBranch) {
      throw NotFound(fmt::format("{} has no branch or tag {}", table_of(options), *options.ref));
    }
    if (ref != table.refs.end() && !ref->second.is_branch) origin.schema = schema_of(table, *origin.snapshot);
  }
  return origin;
}

Schema select(const TableMetadata& table, const Schema& schema, const ScanOptions& options) {
  const auto& names = options.select;
  const bool all = std::find(names.begin(), names.end(), "*") != names.end();
  std::set<int32_t> ids;
  std::vector<Field> metadata;
  std::vector<std::string> unknown;
  for (const std::string& name : names) {
    if (name == "*") continue;
    if (const Field* field = find_field(schema, name, options.case_sensitive)) {
      ids.insert(field->id);
    } else if (std::optional<Field> column = metadata_column(table, schema, name)) {
      const bool is_new =
          std::none_of(metadata.begin(), metadata.end(), [&](const Field& each) { return each.id == column->id; });
      if (is_new) metadata.push_back(*std::move(column));
    } else {
      unknown.push_back(name);
    }
  }
  if (!unknown.empty()) {
    std::vector<std::string> known;
    for_each_field(schema.fields, [&](const Field& field) { known.push_back(full_name(schema, field.id)); });
    throw InvalidArgument(fmt::format("{} has no column {}. It has {}", table_of(options), fmt::join(unknown, ", "),
                                      fmt::join(known, ", ")));
  }
  Schema selected = all ? schema : project(schema, ids);
  selected.fields.insert(selected.fields.end(), metadata.begin(), metadata.end());
  return selected;
}

// Metadata columns have no statistics and are no part of the table's schema.
void refuse_metadata_columns(const Expression& filter, const TableMetadata& table, const Schema& schema,
                             const ScanOptions& options) {
  for (const Expression& operand : filter.operands) refuse_metadata_columns(operand, table, schema, options);
  if (filter.kind != ExprKind::kPredicate) return;
  const std::string& name = filter.predicate.column;
  if (find_field(schema, name, options.case_sensitive) || !metadata_column(table, schema, name)) return;
  throw NotSupported(
      fmt::format("{}: scans are not filtered by metadata columns such as {}. Select it, and filter the "
                  "rows that come out",
                  table_of(options), name));
}

// --- manifests -------------------------------------------------------------------------------------------------------

// A snapshot of format version 1 that lists its manifests itself: their lengths (0: not known), specs and counts are
// found when they are opened.
std::vector<ManifestFile> embedded_manifests(const Snapshot& snapshot) {
  std::vector<ManifestFile> manifests;
  for (const std::string& path : snapshot.manifests) {
    ManifestFile manifest;
    manifest.manifest_path = path;
    manifest.partition_spec_id = kNotKnown;
    manifest.added_snapshot_id = snapshot.snapshot_id;
    manifests.push_back(std::move(manifest));
  }
  return manifests;
}

std::shared_ptr<const std::vector<ManifestFile>> manifests_of(const Snapshot& snapshot, Io& io) {
  if (!snapshot.manifest_list.empty()) return open_manifest_list(io, snapshot.manifest_list);
  return std::make_shared<const std::vector<ManifestFile>>(embedded_manifests(snapshot));
}

// The filter as partitions of each spec see it.
class PartitionFilters {
 public:
  PartitionFilters(const TableMetadata& table, const BoundExpression& filter, const Schema& schema) {
    for (const PartitionSpec& spec : table.partition_specs) {
      filters_.emplace(spec.spec_id, Projected{&spec, project_inclusive(filter, spec, schema)});
    }
  }

  struct Projected {
    const PartitionSpec* spec;
    BoundExpression filter;
  };
  // Null if the spec is not known or its partitions tell nothing.
  const Projected* find(int32_t spec_id) const {
    const auto found = filters_.find(spec_id);
    return found == filters_.end() || found->second.filter.kind == ExprKind::kTrue ? nullptr : &found->second;
  }

 private:
  std::map<int32_t, Projected> filters_;
};

// Counts of v1 may not be known.
bool may_have_files(const ManifestFile& manifest) {
  return manifest.added_files_count != 0 || manifest.existing_files_count != 0;
}

// Which manifests may hold files that match, in their order.
std::vector<const ManifestFile*> prune_manifests(const std::vector<ManifestFile>& manifests,
                                                 const PartitionFilters& filters) {
  std::vector<uint8_t> keep(manifests.size());
  std::map<int32_t, std::vector<size_t>> by_spec;
  for (size_t i = 0; i < manifests.size(); ++i) {
    keep[i] = may_have_files(manifests[i]);
    if (keep[i] && manifests[i].partitions) by_spec[manifests[i].partition_spec_id].push_back(i);
  }
  for (const auto& [spec_id, members] : by_spec) {
    const PartitionFilters::Projected* projected = filters.find(spec_id);
    if (!projected) continue;
    std::vector<const ManifestFile*> files;
    for (const size_t i : members) files.push_back(&manifests[i]);
    const std::vector<uint8_t> may = may_match(projected->filter, partition_stats(files, *projected->spec));
    for (size_t k = 0; k < members.size(); ++k) keep[members[k]] = may[k];
  }
  std::vector<const ManifestFile*> kept;
  for (size_t i = 0; i < manifests.size(); ++i) {
    if (keep[i]) kept.push_back(&manifests[i]);
  }
  return kept;
}

void keep_only(std::vector<uint8_t>& keep, const std::vector<uint8_t>& may) {
  for (size_t i = 0; i < keep.size(); ++i) keep[i] &= may[i];
}

bool any(const std::vector<uint8_t>& keep) { return std::find(keep.begin(), keep.end(), 1) != keep.end(); }

struct OpenManifest {
  ManifestReaderPtr reader;
  ManifestPtr manifest;
  std::vector<uint8_t> keep;  // of its entries
  int64_t live = 0;
};

// Decodes a manifest and drops the entries that are deleted or whose partitions cannot match.
OpenManifest pruned(ManifestReaderPtr reader, const PartitionFilters& filters) {
  OpenManifest open;
  open.reader = std::move(reader);
  open.manifest = open.reader->entries();
  const Manifest& manifest = *open.manifest;
  open.keep.resize(manifest.size);
  for (size_t i = 0; i < manifest.size; ++i) {
    open.keep[i] = manifest.status[i] != EntryStatus::kDeleted;
    open.live += open.keep[i];
  }
  const PartitionFilters::Projected* projected = filters.find(manifest.spec_id);
  if (projected && open.live > 0) keep_only(open.keep, may_match(projected->filter, *open.reader->partition_stats()));
  return open;
}

std::vector<uint32_t> kept_entries(const OpenManifest& open) {
  std::vector<uint32_t> entries(static_cast<size_t>(std::count(open.keep.begin(), open.keep.end(), 1)));
  if (entries.size() == open.keep.size()) {
    std::iota(entries.begin(), entries.end(), 0);
    return entries;
  }
  size_t next = 0;
  for (size_t i = 0; i < open.keep.size(); ++i) {
    if (open.keep[i]) entries[next++] = static_cast<uint32_t>(i);
  }
  return entries;
}

struct ReadManifest {
  ScanPlan::Part part;
  int64_t live = 0;
};

ReadManifest read_data_manifest(const ManifestFile& file, const ScanPlan& plan, const PartitionFilters& filters,
                                const std::vector<int32_t>& columns, Io& io) {
  const ManifestReaderPtr reader = open_manifest(io, file);
  if (plan.deletes && !plan.deletes->equality_ids().empty()) {  // in one pass: whoever reads the plan needs them all
    std::vector<int32_t> all = plan.deletes->equality_ids();
    all.insert(all.end(), columns.begin(), columns.end());
    reader->stats(all);
  }
  OpenManifest open = pruned(reader, filters);
  if (!columns.empty() && any(open.keep)) keep_only(open.keep, may_match(plan.filter, *open.reader->stats(columns)));
  return {{{open.reader, open.manifest, kept_entries(open)}, {}}, open.live};
}

[[noreturn]] void throw_gone(const NotFound& e, const ScanOptions& options, int64_t snapshot_id) {
  throw NotFound(
      fmt::format("{}, snapshot {}: a file of its metadata is gone: {}", table_of(options), snapshot_id, e.what()));
}

// Deletes of a partition that cannot match apply to data files that cannot; those of the whole table are of a spec
// whose partitions tell nothing, and are kept.
ManifestPart read_delete_manifest(const ManifestFile& file, const PartitionFilters& filters, Io& io) {
  const ManifestReaderPtr reader = open_manifest(io, file);
  reader->stats({kDeleteFilePathId});  // with the entries, in one pass
  OpenManifest open = pruned(reader, filters);
  ManifestPart part{open.reader, open.manifest, kept_entries(open)};
  delete_stats(part);
  return part;
}

std::shared_ptr<const DeleteIndex> read_deletes(const TableMetadata& table, const ScanPlan& plan,
                                                const std::vector<const ManifestFile*>& manifests,
                                                const PartitionFilters& filters, const ScanOptions& options, Io& io) {
  std::vector<ManifestPart> parts(manifests.size());
  parallel_for(
      parts.size(), [&](size_t i) { parts[i] = read_delete_manifest(*manifests[i], filters, io); }, options.stop);
  std::erase_if(parts, [](const ManifestPart& part) { return part.entries.empty(); });
  if (parts.empty()) return nullptr;
  return std::make_shared<const DeleteIndex>(table, plan.schema, std::move(parts));
}

void plan_manifests(const TableMetadata& table, const Snapshot& snapshot, const ScanOptions& options, Io& io,
                    ScanPlan& plan) {
  const auto manifests = manifests_of(snapshot, io);
  const PartitionFilters filters(table, plan.filter, *plan.schema);
  std::vector<const ManifestFile*> kept = prune_manifests(*manifests, filters);
  plan.manifests_total = static_cast<int64_t>(manifests->size());
  plan.manifests_pruned = plan.manifests_total - static_cast<int64_t>(kept.size());

  const auto data_end = std::stable_partition(kept.begin(), kept.end(), [](const ManifestFile* manifest) {
    return manifest->content == ManifestContent::kData;
  });
  if (data_end != kept.begin()) {
    plan.deletes = read_deletes(table, plan, {data_end, kept.end()}, filters, options, io);
  }
  kept.erase(data_end, kept.end());

  const std::vector<int32_t> columns = field_ids(plan.filter);
  std::vector<ReadManifest> found(kept.size());
  parallel_for(
      kept.size(), [&](size_t i) { found[i] = read_data_manifest(*kept[i], plan, filters, columns, io); },
      options.stop);
  for (ReadManifest& manifest : found) {
    plan.files_total += manifest.live;
    plan.files_pruned += manifest.live - static_cast<int64_t>(manifest.part.entries.size());
    if (!manifest.part.entries.empty()) plan.parts.push_back(std::move(manifest.part));
  }
}

}  // namespace

int64_t ScanPlan::files() const {
  int64_t files = 0;
  for (const Part& part : parts) files += static_cast<int64_t>(part.entries.size());
  return files;
}

int64_t ScanPlan::rows() const {
  int64_t rows = 0;
  for (const Part& part : parts) {
    for (const uint32_t entry : part.entries) rows += std::max<int64_t>(part.manifest->record_count[entry], 0);
  }
  return rows;
}

ScanPlan plan(const TableMetadata& table, const ScanOptions& options, Io& io) {
  const Origin origin = find_origin(table, options);
  ScanPlan plan;
  plan.schema = origin.schema;
  plan.projection = select(table, *plan.schema, options);
  refuse_metadata_columns(options.filter, table, *plan.schema, options);
  plan.filter = bind(options.filter, *plan.schema, options.case_sensitive);
  if (!origin.snapshot) return plan;
  plan.snapshot_id = origin.snapshot->snapshot_id;
  if (plan.filter.kind == ExprKind::kFalse) return plan;
  try {
    plan_manifests(table, *origin.snapshot, options, io, plan);
  } catch (const NotFound& e) {
    throw_gone(e, options, *plan.snapshot_id);
  }
  return plan;
}

}  // namespace floe
