#include "floe/transaction/remove_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "floe/error.h"
#include "floe/file/deletion_vector.h"
#include "floe/file/position_delete.h"
#include "floe/spec/metadata_columns.h"
#include "floe/transaction/entries.h"
#include "floe/transaction/rewrite_rows.h"

namespace floe {
namespace {

// The files that match in part, as a plan of all their rows; with `without`, of those that do not match.
ScanPlan plan_of_part(const LeavingRows& found, bool without) {
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
void copy_on_write(const Transaction& transaction, const LeavingRows& found, const WriteOptions& write,
                   SnapshotChange& change) {
  std::vector<DataFile> files =
      rewrite_rows(found.table, plan_of_part(found, true), found.scan, transaction.io(), write);
  std::ranges::move(locations_of(files), std::back_inserter(change.discard));
  std::ranges::move(files, std::back_inserter(change.added));
  for (const FoundRows& part : found.part) {
    change.removed.push_back(removal_of(found.manifest(part), found.entry(part)));
    change.checks.no_new_deletes.push_back(found.data_file(part));
  }
}

std::string delete_location(const TableMetadata& table, const std::string& uuid, size_t number, const char* extension) {
  return data_location(table, "", fmt::format("00000-0-{}-{:05}-deletes.{}", uuid, number, extension));
}

// One deletion vector for each file, with what is deleted from it already; the older deletes of it alone go.
void write_vectors(const Transaction& transaction, LeavingRows& found, SnapshotChange& change) {
  const ScanPlan plan = plan_of_part(found, false);
  std::map<std::pair<size_t, size_t>, size_t> place;  // in `plan`: which of found.part
  for (size_t part = 0, i = 0; part < plan.parts.size(); ++part) {
    for (size_t index = 0; index < plan.parts[part].entries.size(); ++index) place[{part, index}] = i++;
  }
  find_deleted(found.table, plan, found.scan, transaction.io(), [&](const FoundRows& deleted) {
    found.part[place.at({deleted.part, deleted.index})].positions.add(deleted.positions);
  });

  // Files of which nothing is left go.
  const auto rest = std::stable_partition(found.part.begin(), found.part.end(), [&](const FoundRows& rows) {
    return rows.positions.count() != found.manifest(rows).record_count[found.entry(rows)];
  });
  std::move(rest, found.part.end(), std::back_inserter(found.whole));
  found.part.erase(rest, found.part.end());

  // Position deletes that come meanwhile, be it from before an upgrade, would not apply beside a vector.
  if (change.checks.no_new_deletes.empty()) change.checks.equality_deletes_stay = true;
  for (const FoundRows& rows : found.part) change.checks.no_new_deletes.push_back(found.data_file(rows));

  if (!found.part.empty()) {
    const std::string location = delete_location(found.table, new_uuid(), 1, "puffin");
    change.discard.push_back(location);
    DeletionVectorWriter writer(*transaction.io(), location);
    for (const FoundRows& rows : found.part) {
      writer.add(found.path(rows), found.manifest(rows).spec_id, found.partition(rows), rows.positions);
    }
    std::ranges::move(writer.finish(), std::back_inserter(change.added));
  }

  if (!plan.deletes) return;
  for (const ScanPlan::Part& part : plan.parts) {
    DeleteFinder finder(*plan.deletes, *part.reader, part.manifest);
    for (const uint32_t entry : part.entries) {
      const AppliedDeletes applied = finder.find(entry);
      if (applied.vector)
        change.removed.push_back(removal_of(plan.deletes->manifest(*applied.vector), applied.vector->entry));
      for (const DeleteEntry& file : applied.positions) {
        const Manifest& manifest = plan.deletes->manifest(file);
        const auto stats = delete_stats(plan.deletes->parts()[file.part]);
        if (only_data_file(manifest, stats->column(kDeleteFilePathId), file.entry).empty()) continue;
        change.removed.push_back(removal_of(manifest, file.entry));
      }
    }
  }
}

void write_positions(const Transaction& transaction, const LeavingRows& found, SnapshotChange& change) {
  struct Partition {
    const FoundRows* first;
    PositionDeletes deletes;
  };
  std::map<std::string, Partition> partitions;
  for (const FoundRows& rows : found.part) {
    std::string key = partition_key(found.manifest(rows).spec_id, found.partition(rows), found.partition_type_of(rows));
    partitions.try_emplace(std::move(key), Partition{&rows, {}})
        .first->second.deletes.emplace(found.path(rows), rows.positions);
  }
  for (auto& [key, partition] : partitions) {
    add_position_deletes(found.table, found.scan.table_name, *transaction.io(), std::move(partition.deletes),
                         found.manifest(*partition.first).spec_id, found.partition(*partition.first), change);
  }
}

void merge_on_read(const Transaction& transaction, LeavingRows& found, SnapshotChange& change) {
  for (const FoundRows& rows : found.part) change.checks.still_there.insert(found.path(rows));
  found.table.format_version >= 3 ? write_vectors(transaction, found, change)
                                  : write_positions(transaction, found, change);
}

// Version 1 has no delete files, and those of a partition that the schema does not know any more cannot be written.
bool can_merge_on_read(const LeavingRows& found) {
  return found.table.format_version >= 2 && std::ranges::none_of(found.part, [&](const FoundRows& rows) {
           const Type type = found.partition_type_of(rows);
           return std::ranges::any_of(*type.children, [](const Field& f) { return f.type.kind == TypeKind::kUnknown; });
         });
}

}  // namespace

DeleteMode parse_delete_mode(std::string_view text) {
  if (text == "copy-on-write") return DeleteMode::kCopyOnWrite;
  if (text == "merge-on-read") return DeleteMode::kMergeOnRead;
  throw InvalidArgument(fmt::format("the mode of deletes is '{}'; it is one of copy-on-write and merge-on-read", text));
}

DeleteMode delete_mode(const TableMetadata& table, std::string_view property, std::optional<DeleteMode> asked) {
  if (asked == DeleteMode::kMergeOnRead && table.format_version < 2) {
    throw NotSupported(
        "format version 1 has no delete files, so rows cannot be deleted merge-on-read; upgrade the "
        "table to version 2");
  }
  if (asked) return *asked;
  try {
    return parse_delete_mode(string_property(table.properties, property, "copy-on-write"));
  } catch (const InvalidArgument& e) {
    throw InvalidArgument(fmt::format("table property '{}': {}", property, e.what()));
  }
}

void LeavingRows::add(FoundRows rows) {
  const bool all = rows.all || rows.positions.count() == manifest(rows).record_count[entry(rows)];
  (all ? whole : part).push_back(std::move(rows));
}

Type LeavingRows::partition_type_of(const FoundRows& rows) const {
  const PartitionSpec* spec = spec_by_id(table, manifest(rows).spec_id);
  if (spec) return partition_type(*spec, *current_schema(table));
  throw CorruptFile(
      fmt::format("{} is of the partition spec {}, which the table does not have", path(rows), manifest(rows).spec_id));
}

std::vector<Value> LeavingRows::partition(const FoundRows& rows) const {
  return partition_of(manifest(rows), entry(rows), partition_type_of(rows));
}

DataFile LeavingRows::data_file(const FoundRows& rows) const {
  DataFile file;
  file.file_path = path(rows);
  file.spec_id = manifest(rows).spec_id;
  file.partition = partition(rows);
  return file;
}

LeavingRows plan_removal(const Transaction& transaction, const std::string& branch, const Expression& filter,
                         bool case_sensitive, const WriteOptions& write) {
  const LoadedTable& staged = transaction.staged();
  LeavingRows rows{.table = *staged.metadata,
                   .scan = {.filter = filter,
                            .case_sensitive = case_sensitive,
                            .table_name = to_string(transaction.base().identifier),
                            .stop = write.stop}};
  const Snapshot* head = parent_snapshot(*staged.metadata, branch);
  if (!head) return rows;
  rows.table.current_snapshot_id = head->snapshot_id;
  rows.scan.select = rewritten_columns(rows.table);
  rows.plan = plan(rows.table, rows.scan, *transaction.io());
  return rows;
}

void remove_rows(const Transaction& transaction, LeavingRows rows, DeleteMode mode, const WriteOptions& write,
                 SnapshotChange& change) {
  if (!rows.part.empty()) {
    if (mode == DeleteMode::kMergeOnRead && can_merge_on_read(rows)) {
      merge_on_read(transaction, rows, change);
    } else {
      copy_on_write(transaction, rows, write, change);
    }
  }
  for (const FoundRows& whole : rows.whole) {
    change.removed.push_back(removal_of(rows.manifest(whole), rows.entry(whole)));
  }
}

void add_position_deletes(const TableMetadata& table, const std::string& table_name, Io& io, PositionDeletes deletes,
                          int32_t spec_id, const std::vector<Value>& partition, SnapshotChange& change) {
  const std::string granularity = string_property(table.properties, "write.delete.granularity", "partition");
  if (granularity != "partition" && granularity != "file") {
    throw InvalidArgument(
        fmt::format("table {}: table property 'write.delete.granularity' is '{}'; it is one of file and partition",
                    table_name, granularity));
  }
  const std::string uuid = new_uuid();
  size_t number = 0;
  const auto write = [&](const PositionDeletes& of_one_file) {
    const std::string location = delete_location(table, uuid, ++number, "parquet");
    change.discard.push_back(location);
    change.added.push_back(write_position_deletes(io, location, of_one_file, spec_id, partition, table.properties));
  };
  if (granularity == "partition") {
    if (!deletes.empty()) write(deletes);
    return;
  }
  while (!deletes.empty()) {
    PositionDeletes one;
    one.insert(deletes.extract(deletes.begin()));
    write(one);
  }
}

}  // namespace floe
