#include "floe/transaction/overwrite.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "floe/error.h"
#include "floe/file/deletion_vector.h"
#include "floe/file/position_delete.h"
#include "floe/manifest/manifest.h"
#include "floe/parallel.h"
#include "floe/scan/scan.h"
#include "floe/spec/metadata_columns.h"
#include "floe/transaction/entries.h"
#include "floe/transaction/file_matcher.h"
#include "floe/transaction/snapshot_summary.h"

namespace floe {
namespace {

constexpr std::string_view kDeleteIsolation = "write.delete.isolation-level";
constexpr std::string_view kUpdateIsolation = "write.update.isolation-level";

std::string name_of(const Transaction& transaction) { return to_string(transaction.base().identifier); }

std::vector<ManifestFile> live_manifests(Transaction& transaction, const std::string& branch) {
  const Snapshot* head = parent_snapshot(*transaction.staged().metadata, branch);
  std::vector<ManifestFile> manifests = head ? manifests_of(*transaction.io(), *head) : std::vector<ManifestFile>();
  std::erase_if(manifests, [](const ManifestFile& file) { return !may_have_files(file); });
  return manifests;
}

bool keeps_lineage(const TableMetadata& table) { return table.format_version >= 3; }

FileId id_at(const Manifest& manifest, size_t i) {
  const int64_t offset = manifest.content_offset[i];
  return {std::string(manifest.file_path[i]), offset == kAbsent ? std::nullopt : std::optional(offset)};
}

// --- by filter -------------------------------------------------------------------------------------------------------

// What a filter finds in a branch: its files, and the rows of those of which not all match.
struct Found {
  TableMetadata table;  // as if the branch were its current state
  ScanOptions scan;
  ScanPlan plan;
  std::vector<FoundRows> whole, part;

  const Manifest& manifest(const FoundRows& rows) const { return *plan.parts[rows.part].manifest; }
  size_t entry(const FoundRows& rows) const { return plan.parts[rows.part].entries[rows.index]; }
  std::string path(const FoundRows& rows) const { return std::string(manifest(rows).file_path[entry(rows)]); }

  // Of the file, and of what deletes its rows. Of types that the table's schema knows.
  Type partition_type_of(const FoundRows& rows) const {
    const PartitionSpec* spec = spec_by_id(table, manifest(rows).spec_id);
    if (spec) return partition_type(*spec, *current_schema(table));
    throw CorruptFile(fmt::format("{} is of the partition spec {}, which the table does not have", path(rows),
                                  manifest(rows).spec_id));
  }
  std::vector<Value> partition(const FoundRows& rows) const {
    return partition_of(manifest(rows), entry(rows), partition_type_of(rows));
  }
};

Found find(Transaction& transaction, const OverwriteOptions& options, const WriteOptions& write) {
  const LoadedTable& staged = transaction.staged();
  Found found{.table = *staged.metadata,
              .scan = {.filter = options.filter,
                       .case_sensitive = options.case_sensitive,
                       .table_name = name_of(transaction),
                       .stop = write.stop}};
  const Snapshot* head = parent_snapshot(*staged.metadata, options.branch);
  if (!head) return found;
  found.table.current_snapshot_id = head->snapshot_id;
  if (keeps_lineage(found.table)) found.scan.select = {"*", "_row_id", "_last_updated_sequence_number"};
  found.plan = plan(found.table, found.scan, *transaction.io());
  find_rows(found.table, found.plan, found.scan, transaction.io(), [&](FoundRows rows) {
    const bool all = rows.all || rows.positions.count() == found.manifest(rows).record_count[found.entry(rows)];
    (all ? found.whole : found.part).push_back(std::move(rows));
  });
  return found;
}

// The files that match in part, as a plan of all their rows; with `without`, of those that do not match.
ScanPlan plan_of_part(const Found& found, bool without) {
  ScanPlan plan = found.plan;
  plan.filter = always<BoundPredicate>(true);
  plan.parts.clear();
  for (size_t i = 0; i < found.part.size(); ++i) {
    const FoundRows& rows = found.part[i];
    const ScanPlan::Part& part = found.plan.parts[rows.part];
    if (i == 0 || found.part[i - 1].part != rows.part) plan.parts.push_back({{part.reader, part.manifest, {}}, {}});
    plan.parts.back().entries.push_back(static_cast<uint32_t>(found.entry(rows)));
    if (without) plan.parts.back().without.push_back(std::make_shared<const Positions>(rows.positions));
  }
  return plan;
}

// Writes again the rows that stay, with their ids where the table keeps them.
void copy_on_write(Transaction& transaction, const Found& found, const WriteOptions& write, SnapshotChange& change) {
  WriteOptions with_lineage = write;
  with_lineage.row_lineage = keeps_lineage(found.table);
  const auto rows = read(found.table, plan_of_part(found, true), found.scan, transaction.io());
  change.added = write_data_files(found.table, *rows, *transaction.io(), with_lineage);
  change.discard = locations_of(change.added);
  for (const FoundRows& part : found.part) {
    change.removed.push_back({found.path(part), std::nullopt});
    DataFile file;
    file.file_path = found.path(part);
    file.spec_id = found.manifest(part).spec_id;
    file.partition = found.partition(part);
    change.checks.no_new_deletes.push_back(std::move(file));
  }
}

std::string delete_location(const TableMetadata& table, const std::string& uuid, size_t number, const char* extension) {
  return data_location(table, "", fmt::format("00000-0-{}-{:05}-deletes.{}", uuid, number, extension));
}

// One deletion vector for each file, with what is deleted from it already; the older deletes of it alone go.
void write_vectors(Transaction& transaction, Found& found, SnapshotChange& change) {
  const ScanPlan plan = plan_of_part(found, false);
  std::map<std::pair<size_t, size_t>, size_t> place;  // in `plan`: which of found.part
  for (size_t part = 0, i = 0; part < plan.parts.size(); ++part) {
    for (size_t index = 0; index < plan.parts[part].entries.size(); ++index) place[{part, index}] = i++;
  }
  find_deleted(found.table, plan, found.scan, transaction.io(), [&](FoundRows deleted) {
    found.part[place.at({deleted.part, deleted.index})].positions.add(deleted.positions);
  });

  // Files of which nothing is left go.
  const auto rest = std::stable_partition(found.part.begin(), found.part.end(), [&](const FoundRows& rows) {
    return rows.positions.count() != found.manifest(rows).record_count[found.entry(rows)];
  });
  std::move(rest, found.part.end(), std::back_inserter(found.whole));
  found.part.erase(rest, found.part.end());

  if (!found.part.empty()) {
    const std::string location = delete_location(found.table, new_uuid(), 1, "puffin");
    change.discard.push_back(location);
    DeletionVectorWriter writer(*transaction.io(), location);
    for (const FoundRows& rows : found.part) {
      writer.add(found.path(rows), found.manifest(rows).spec_id, found.partition(rows), rows.positions);
    }
    change.added = writer.finish();
  }

  if (!plan.deletes) return;
  for (const ScanPlan::Part& part : plan.parts) {
    DeleteFinder finder(*plan.deletes, *part.reader, part.manifest);
    for (const uint32_t entry : part.entries) {
      const AppliedDeletes applied = finder.find(entry);
      if (applied.vector)
        change.removed.push_back(id_at(plan.deletes->manifest(*applied.vector), applied.vector->entry));
      for (const DeleteEntry& file : applied.positions) {
        const Manifest& manifest = plan.deletes->manifest(file);
        const auto stats = delete_stats(plan.deletes->parts()[file.part]);
        if (only_data_file(manifest, stats->column(kDeleteFilePathId), file.entry).empty()) continue;
        change.removed.push_back(id_at(manifest, file.entry));
      }
    }
  }
}

// Position delete files, one for each data file or for each partition (`write.delete.granularity`).
void write_positions(Transaction& transaction, const Found& found, SnapshotChange& change) {
  const std::string granularity = string_property(found.table.properties, "write.delete.granularity", "partition");
  if (granularity != "partition" && granularity != "file") {
    throw InvalidArgument(
        fmt::format("table {}: table property 'write.delete.granularity' is '{}'; it is one of file "
                    "and partition",
                    name_of(transaction), granularity));
  }
  struct Group {
    const FoundRows* first;
    PositionDeletes deletes;
  };
  std::map<std::string, Group> groups;
  for (const FoundRows& rows : found.part) {
    std::string key = granularity == "file" ? found.path(rows)
                                            : partition_key(found.manifest(rows).spec_id, found.partition(rows),
                                                            found.partition_type_of(rows));
    groups.try_emplace(std::move(key), Group{&rows, {}})
        .first->second.deletes.emplace(found.path(rows), rows.positions);
  }
  const std::string uuid = new_uuid();
  for (const auto& [key, group] : groups) {
    const std::string location = delete_location(found.table, uuid, change.added.size() + 1, "parquet");
    change.discard.push_back(location);
    change.added.push_back(write_position_deletes(*transaction.io(), location, group.deletes,
                                                  found.manifest(*group.first).spec_id, found.partition(*group.first),
                                                  found.table.properties));
  }
}

void merge_on_read(Transaction& transaction, Found& found, SnapshotChange& change) {
  for (const FoundRows& rows : found.part) change.checks.still_there.insert(found.path(rows));
  found.table.format_version >= 3 ? write_vectors(transaction, found, change)
                                  : write_positions(transaction, found, change);
}

// Version 1 has no delete files, and those of a partition that the schema does not know any more cannot be written.
bool can_merge_on_read(const Found& found) {
  return found.table.format_version >= 2 && std::ranges::none_of(found.part, [&](const FoundRows& rows) {
           const Type type = found.partition_type_of(rows);
           return std::ranges::any_of(*type.children, [](const Field& f) { return f.type.kind == TypeKind::kUnknown; });
         });
}

// Position deletes of partitions of which every row matches, and all delete files where every row of the table does.
std::vector<FileId> deletes_of_nothing_else(Transaction& transaction, const OverwriteOptions& options) {
  const FileMatcher matcher(*transaction.staged().metadata, options.filter, options.case_sensitive);
  const bool everything = matcher.filter().kind == ExprKind::kTrue;
  std::vector<FileId> ids;
  for (const ManifestFile& file : live_manifests(transaction, options.branch)) {
    if (file.content != ManifestContent::kDeletes || !matcher.may_match(file)) continue;
    const ManifestReaderPtr reader = open_manifest(*transaction.io(), file);
    const std::vector<Match> matches = matcher.match(*reader);
    const ManifestPtr manifest = reader->entries();
    for (size_t i = 0; i < manifest->size; ++i) {
      if (manifest->status[i] == EntryStatus::kDeleted) continue;
      const bool by_position = manifest->file_content[i] == FileContent::kPositionDeletes;
      if (everything || (by_position && matches[i] == Match::kAll)) ids.push_back(id_at(*manifest, i));
    }
  }
  return ids;
}

// The change that removes the rows which match, without those that come.
SnapshotChange removal(Transaction& transaction, const OverwriteOptions& options, std::string_view isolation_property,
                       const WriteOptions& write) {
  const LoadedTable& staged = transaction.staged();
  check_branch(staged, options.branch);
  check_snapshot_properties(options.snapshot_properties);
  const Isolation isolation = options.isolation.value_or(isolation_level(*staged.metadata, isolation_property));
  const DeleteMode mode = options.mode.value_or(
      parse_delete_mode(string_property(staged.metadata->properties, "write.delete.mode", "copy-on-write")));
  SnapshotChange change{.branch = options.branch,
                        .checks = transaction.checks_for(options.branch),
                        .snapshot_properties = options.snapshot_properties};
  Found found = find(transaction, options, write);
  try {
    if (!found.part.empty()) {
      mode == DeleteMode::kMergeOnRead&& can_merge_on_read(found) ? merge_on_read(transaction, found, change)
                                                                  : copy_on_write(transaction, found, write, change);
    }
    for (const FoundRows& rows : found.whole) change.removed.push_back({found.path(rows), std::nullopt});
    if (!change.removed.empty()) {
      std::ranges::move(deletes_of_nothing_else(transaction, options), std::back_inserter(change.removed));
    }
  } catch (...) {
    remove_files(*transaction.io(), change.discard);
    throw;
  }
  change.checks.case_sensitive = options.case_sensitive;
  if (isolation == Isolation::kSerializable) change.checks.no_added_data = options.filter;
  return change;
}

WriteOptions named(WriteOptions write, const Transaction& transaction) {
  if (write.table_name.empty()) write.table_name = name_of(transaction);
  return write;
}

void check_data_files(const Transaction& transaction, const std::vector<DataFile>& files) {
  for (const DataFile& file : files) {
    if (file.content == FileContent::kData) continue;
    throw InvalidArgument(fmt::format("table {}: {} is a delete file; only data files can take the place of rows",
                                      name_of(transaction), file.file_path));
  }
}

// --- by partition ----------------------------------------------------------------------------------------------------

// Partitions of the table's default spec, and where files of any spec are with respect to them.
class Partitions {
 public:
  Partitions(const TableMetadata& table, const std::vector<DataFile>& files)
      : table_(table), spec_(default_spec(table)), type_(partition_type(spec_, *current_schema(table))) {
    for (const DataFile& file : files) {
      if (keys_.insert(partition_key(spec_.spec_id, file.partition, type_)).second) values_.push_back(file.partition);
    }
  }

  const std::vector<std::vector<Value>>& values() const { return values_; }

  // kAll: in one of the partitions; kNone: surely none of its rows is.
  std::vector<Match> match(const Manifest& manifest) const {
    std::vector<Match> matches(manifest.size, Match::kNone);
    const PartitionSpec* spec = spec_by_id(table_, manifest.spec_id);
    if (!spec) {
      throw CorruptFile(
          fmt::format("a manifest is of the partition spec {}, which the table does not have", manifest.spec_id));
    }
    const Type type = partition_type(*spec, *current_schema(table_));
    const std::vector<std::pair<size_t, size_t>> shared = shared_fields(*spec);
    std::set<std::string> keys;
    for (const std::vector<Value>& values : values_) keys.insert(key_of_shared(values, type_, shared, true));
    for (size_t i = 0; i < manifest.size; ++i) {
      if (!keys.contains(key_of_shared(partition_of(manifest, i, type), type, shared, false))) continue;
      matches[i] = shared.size() == spec_.fields.size() ? Match::kAll : Match::kSome;
    }
    return matches;
  }

 private:
  // Fields of the default spec and of another one that are the same function of the same column.
  std::vector<std::pair<size_t, size_t>> shared_fields(const PartitionSpec& other) const {
    std::vector<std::pair<size_t, size_t>> shared;
    for (size_t i = 0; i < spec_.fields.size(); ++i) {
      for (size_t k = 0; k < other.fields.size(); ++k) {
        const bool same = spec_.fields[i].source_ids == other.fields[k].source_ids &&
                          spec_.fields[i].transform == other.fields[k].transform;
        if (!same) continue;
        shared.emplace_back(i, k);
        break;
      }
    }
    return shared;
  }

  static std::string key_of_shared(const std::vector<Value>& values, const Type& type,
                                   const std::vector<std::pair<size_t, size_t>>& shared, bool of_default) {
    std::vector<Value> chosen;
    std::vector<Field> fields;
    for (const auto& [mine, theirs] : shared) {
      const size_t i = of_default ? mine : theirs;
      chosen.push_back(values[i]);
      fields.push_back((*type.children)[i]);
    }
    return partition_key(0, chosen, struct_type(std::move(fields)));
  }

  const TableMetadata& table_;
  const PartitionSpec& spec_;
  const Type type_;
  std::set<std::string> keys_;
  std::vector<std::vector<Value>> values_;
};

std::vector<FileId> files_in(Transaction& transaction, const Partitions& partitions, const std::string& branch) {
  const std::vector<ManifestFile> manifests = live_manifests(transaction, branch);
  std::vector<std::vector<FileId>> found(manifests.size());
  parallel_for(manifests.size(), [&](size_t m) {
    const ManifestPtr manifest = open_manifest(*transaction.io(), manifests[m])->entries();
    const std::vector<Match> matches = partitions.match(*manifest);
    for (size_t i = 0; i < manifest->size; ++i) {
      if (manifest->status[i] == EntryStatus::kDeleted || matches[i] == Match::kNone) continue;
      if (matches[i] == Match::kAll) {
        found[m].push_back(id_at(*manifest, i));
      } else if (manifest->file_content[i] == FileContent::kData) {
        throw NotSupported(fmt::format(
            "table {}: {} was written under the older partition spec {} and may have rows of the partitions to be "
            "replaced. Overwrite by a filter instead, or rewrite the file",
            name_of(transaction), manifest->file_path[i], manifest->spec_id));
      }
    }
  });
  std::vector<FileId> files;
  for (std::vector<FileId>& part : found) std::ranges::move(part, std::back_inserter(files));
  return files;
}

void check_partitioned(const Transaction& transaction) {
  if (default_spec(*transaction.staged().metadata).is_unpartitioned()) {
    throw InvalidArgument(
        fmt::format("table {}: Cannot apply dynamic overwrite on an unpartitioned table.", name_of(transaction)));
  }
}

// The change that puts files in the place of their partitions.
SnapshotChange replacement(Transaction& transaction, std::vector<DataFile> files,
                           const PartitionOverwriteOptions& options) {
  check_partitioned(transaction);
  check_data_files(transaction, files);
  const TableMetadata& table = *transaction.staged().metadata;
  for (const DataFile& file : files) {
    if (file.spec_id == table.default_spec_id) continue;
    throw InvalidArgument(
        fmt::format("table {}: {} is of the partition spec {}, but the partitions to replace are of "
                    "the table's default spec {}",
                    name_of(transaction), file.file_path, file.spec_id, table.default_spec_id));
  }
  SnapshotChange change{.operation = "overwrite",
                        .branch = options.branch,
                        .checks = transaction.checks_for(options.branch),
                        .snapshot_properties = options.snapshot_properties};
  const Partitions partitions(table, files);
  change.added = std::move(files);
  change.removed = files_in(transaction, partitions, options.branch);
  if (options.isolation.value_or(isolation_level(table, kUpdateIsolation)) == Isolation::kSerializable) {
    for (const std::vector<Value>& values : partitions.values()) {
      change.checks.no_added_in.push_back({table.default_spec_id, values});
    }
  }
  return change;
}

}  // namespace

DeleteMode parse_delete_mode(std::string_view text) {
  if (text == "copy-on-write") return DeleteMode::kCopyOnWrite;
  if (text == "merge-on-read") return DeleteMode::kMergeOnRead;
  throw InvalidArgument(fmt::format("the mode of deletes is '{}'; it is one of copy-on-write and merge-on-read", text));
}

bool delete_rows(Transaction& transaction, const OverwriteOptions& options, WriteOptions write) {
  SnapshotChange change = removal(transaction, options, kDeleteIsolation, named(std::move(write), transaction));
  if (change.removed.empty() && change.added.empty()) return false;
  transaction.add(std::move(change));
  return true;
}

void overwrite(Transaction& transaction, arrow::RecordBatchReader& batches, const OverwriteOptions& options,
               WriteOptions write) {
  write = named(std::move(write), transaction);
  SnapshotChange change = removal(transaction, options, kUpdateIsolation, write);
  try {
    std::vector<DataFile> files = write_data_files(*transaction.staged().metadata, batches, *transaction.io(), write);
    std::ranges::move(locations_of(files), std::back_inserter(change.discard));
    std::ranges::move(files, std::back_inserter(change.added));
  } catch (...) {
    remove_files(*transaction.io(), change.discard);
    throw;
  }
  transaction.add(std::move(change));
}

void overwrite(Transaction& transaction, std::vector<DataFile> files, const OverwriteOptions& options) {
  check_data_files(transaction, files);
  SnapshotChange change = removal(transaction, options, kUpdateIsolation, named({}, transaction));
  std::ranges::move(files, std::back_inserter(change.added));
  transaction.add(std::move(change));
}

bool overwrite_partitions(Transaction& transaction, arrow::RecordBatchReader& batches,
                          const PartitionOverwriteOptions& options, WriteOptions write) {
  check_partitioned(transaction);
  check_branch(transaction.staged(), options.branch);
  check_snapshot_properties(options.snapshot_properties);
  const TableMetadata& table = *transaction.staged().metadata;
  std::vector<DataFile> files =
      write_data_files(table, batches, *transaction.io(), named(std::move(write), transaction));
  const std::vector<std::string> locations = locations_of(files);
  SnapshotChange change;
  try {
    change = replacement(transaction, std::move(files), options);
  } catch (...) {
    remove_files(*transaction.io(), locations);
    throw;
  }
  change.discard = locations;
  if (change.added.empty()) return false;
  transaction.add(std::move(change));
  return true;
}

bool overwrite_partitions(Transaction& transaction, std::vector<DataFile> files,
                          const PartitionOverwriteOptions& options) {
  SnapshotChange change = replacement(transaction, std::move(files), options);
  if (change.added.empty()) return false;
  transaction.add(std::move(change));
  return true;
}

}  // namespace floe
