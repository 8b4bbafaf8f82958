#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "floe/error.h"
#include "floe/naming.h"
#include "floe/read_ahead.h"
#include "floe/scan/appends.h"
#include "floe/scan/live_rows.h"
#include "floe/scan/manifests.h"
#include "floe/scan/metadata_columns.h"
#include "floe/scan/plan_head.h"
#include "floe/scan/scan.h"
#include "floe/spec/metadata_columns.h"
#include "floe/spec/projection.h"

namespace floe {
namespace {

std::string table_of(const ScanOptions& options) {
  return options.table_name.empty() ? std::string("the table") : "table " + options.table_name;
}

// --- snapshot, schema, columns ---------------------------------------------------------------------------------------

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

// --- files -----------------------------------------------------------------------------------------------------------

// Manifests that are read ahead of whoever takes their files.
constexpr size_t kAhead = 64;

// A limit reads no more of them ahead than it takes at least.
size_t manifests_of_rows(const std::vector<const ManifestFile*>& manifests, int64_t rows) {
  size_t n = 0;
  while (n < std::min(manifests.size(), kAhead) && rows > 0) {
    const ManifestFile& manifest = *manifests[n++];
    for (const int64_t count : {manifest.added_rows_count, manifest.existing_rows_count}) {
      rows -= std::clamp<int64_t>(count, 0, rows);
    }
  }
  return n;
}

[[noreturn]] void throw_gone(const NotFound& e, const ScanOptions& options, int64_t snapshot_id) {
  throw NotFound(
      fmt::format("{}, snapshot {}: a file of its metadata is gone: {}", table_of(options), snapshot_id, e.what()));
}

// Cuts off what comes after the files that surely have so many rows.
void keep_enough(const ScanPlan& plan, ScanPlan::Part& part, int64_t& rows_wanted) {
  std::optional<DeleteFinder> finder;
  if (plan.deletes) finder.emplace(*plan.deletes, *part.reader, part.manifest);
  for (size_t i = 0; i < part.entries.size(); ++i) {
    if (rows_wanted <= 0) return part.entries.resize(i);
    rows_wanted -= std::max<int64_t>(live_rows(plan, part, i, finder ? &*finder : nullptr), 0);
  }
}

}  // namespace

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
  if (options.appended_since) {
    origin.schema = current_schema(table);
    if (!origin.snapshot && options.appended_since->snapshot_id) {
      throw InvalidArgument(fmt::format("{} has no snapshot, so there is nothing since {}", table_of(options),
                                        *options.appended_since->snapshot_id));
    }
  }
  return origin;
}

ScanPlan plan_head(const TableMetadata& table, SchemaPtr schema, const ScanOptions& options) {
  if (options.limit && *options.limit < 0) {
    throw InvalidArgument(fmt::format("limit={}: a scan has no negative number of rows", *options.limit));
  }
  ScanPlan plan;
  plan.schema = std::move(schema);
  plan.projection = select(table, *plan.schema, options);
  refuse_metadata_columns(options.filter, table, *plan.schema, options);
  plan.filter = bind(options.filter, *plan.schema, options.case_sensitive);
  return plan;
}

struct Planner::State {
  const ScanOptions options;
  ScanPlan plan;
  std::shared_ptr<const std::vector<ManifestFile>> manifests;
  std::unique_ptr<ManifestFilter> filter;
  std::vector<const ManifestFile*> data;
  std::optional<int64_t> rows_wanted;                        // of a scan without a filter that has a limit
  std::unique_ptr<ReadAhead<ManifestFilter::Read>> reading;  // null: there is nothing to read

  void begin(const TableMetadata& table, const Snapshot& snapshot, Io& io) {
    EntryChoice choice = is_live;
    if (options.appended_since) {
      Appends appends = find_appends(table, snapshot, options, io);
      manifests = std::make_shared<const std::vector<ManifestFile>>(std::move(appends.manifests));
      choice = [from = std::move(appends.snapshots)](const Manifest& manifest, size_t entry) {
        return manifest.status[entry] == EntryStatus::kAdded && from.contains(manifest.snapshot_id[entry]);
      };
    } else {
      manifests = listed_manifests(snapshot, io);
    }
    filter = std::make_unique<ManifestFilter>(table, plan.filter, *plan.schema);
    const std::vector<const ManifestFile*> kept = filter->prune(*manifests);
    plan.manifests_total = static_cast<int64_t>(manifests->size());
    plan.manifests_pruned = plan.manifests_total - static_cast<int64_t>(kept.size());
    std::vector<const ManifestFile*> deletes;
    for (const ManifestFile* manifest : kept) {
      (manifest->content == ManifestContent::kData ? data : deletes).push_back(manifest);
    }
    if (!data.empty()) plan.deletes = read_deletes(table, plan.schema, deletes, *filter, io, options.stop);
    if (plan.filter.kind == ExprKind::kTrue) rows_wanted = options.limit;
    const std::vector<int32_t> keys = plan.deletes ? plan.deletes->equality_ids() : std::vector<int32_t>();
    reading = std::make_unique<ReadAhead<ManifestFilter::Read>>(
        data.size(), [this, keys, choice, &io](size_t i) { return filter->read_data(*data[i], keys, io, choice); },
        rows_wanted ? manifests_of_rows(data, *rows_wanted) : kAhead, options.stop);
  }

  std::optional<ScanPlan::Part> next() {
    while (reading && rows_wanted.value_or(1) > 0) {
      std::optional<ManifestFilter::Read> read = reading->next();
      if (!read) break;
      const auto kept = static_cast<int64_t>(read->part.entries.size());
      plan.files_total += read->chosen;
      plan.files_pruned += read->chosen - kept;
      ScanPlan::Part part{std::move(read->part)};
      if (rows_wanted) keep_enough(plan, part, *rows_wanted);
      if (!part.entries.empty()) return part;
    }
    reading = nullptr;
    return std::nullopt;
  }
};

Planner::Planner(const TableMetadata& table, const ScanOptions& options, Io& io)
    : state_(std::make_unique<State>(State{.options = options})) {
  const Origin origin = find_origin(table, options);
  state_->plan = naming(options.table_name, [&] { return plan_head(table, origin.schema, options); });
  if (!origin.snapshot) return;
  state_->plan.snapshot_id = origin.snapshot->snapshot_id;
  if (state_->plan.filter.kind == ExprKind::kFalse) return;
  try {
    state_->begin(table, *origin.snapshot, io);
  } catch (const NotFound& e) {
    throw_gone(e, options, origin.snapshot->snapshot_id);
  }
}

Planner::~Planner() = default;

const ScanPlan& Planner::plan() const { return state_->plan; }

std::optional<ScanPlan::Part> Planner::next() {
  try {
    return state_->next();
  } catch (const NotFound& e) {
    throw_gone(e, state_->options, *state_->plan.snapshot_id);
  }
}

ScanPlan plan(const TableMetadata& table, const ScanOptions& options, Io& io) {
  Planner planner(table, options, io);
  std::vector<ScanPlan::Part> parts;
  while (std::optional<ScanPlan::Part> part = planner.next()) parts.push_back(*std::move(part));
  ScanPlan plan = planner.plan();
  plan.parts = std::move(parts);
  return plan;
}

int64_t ScanPlan::files() const {
  int64_t files = 0;
  for (const Part& part : parts) files += static_cast<int64_t>(part.entries.size());
  return files;
}

bool ScanPlan::Part::whole(size_t i) const {
  return (i >= without.size() || !without[i]) && (i >= splits.size() || splits[i] == Split());
}

int64_t ScanPlan::rows() const {
  int64_t rows = 0;
  for (const Part& part : parts) {
    for (const uint32_t entry : part.entries) rows += std::max<int64_t>(part.manifest->record_count[entry], 0);
  }
  return rows;
}

}  // namespace floe
