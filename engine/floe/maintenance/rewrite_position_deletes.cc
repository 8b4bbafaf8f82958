#include "floe/maintenance/rewrite_position_deletes.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "floe/arrow_status.h"
#include "floe/error.h"
#include "floe/file/position_delete.h"
#include "floe/maintenance/branch.h"
#include "floe/maintenance/options.h"
#include "floe/maintenance/sizes.h"
#include "floe/scan/partition.h"
#include "floe/spec/metadata_columns.h"
#include "floe/transaction/entries.h"
#include "floe/transaction/remove_rows.h"
#include "floe/transaction/snapshot_summary.h"
#include "floe/transaction/transaction.h"

namespace floe {
namespace {

constexpr int64_t kTargetBytes = 64 << 20;

// Position delete files of one partition.
struct Group {
  std::string partition;  // its key
  std::vector<DeleteEntry> files;
  int64_t bytes = 0;
};

class Rewrite {
 public:
  Rewrite(Catalog& catalog, LoadedTable& table, const RewritePositionDeletesOptions& options)
      : catalog_(catalog), table_(table), options_(options), name_(to_string(table.identifier)) {}

  RewrittenDeletes run() {
    check_is_branch(*table_.metadata, options_.branch, name_);
    check_snapshot_properties(options_.snapshot_properties);
    const Sizes sizes =
        sizes_of(options_,
                 int_property(table_.metadata->properties, "write.delete.target-file-size-bytes", kTargetBytes), name_);
    const Snapshot* head = parent_snapshot(*table_.metadata, options_.branch);
    if (!head) return {};
    io_ = catalog_.io(table_);
    branch_ = *table_.metadata;
    branch_.current_snapshot_id = head->snapshot_id;
    scan_ = {.table_name = name_, .stop = options_.stop};
    plan_ = floe::plan(branch_, scan_, *io_);
    if (!plan_.deletes) return {};
    choose();
    if (options_.convert_equality_deletes || branch_.format_version >= 3) {
      convert();
    } else {
      bin_pack(sizes);
    }
    return counts_;
  }

 private:
  static bool is_position_delete_file(const Manifest& manifest, uint32_t entry) {
    return manifest.file_content[entry] == FileContent::kPositionDeletes &&
           manifest.file_format[entry] != FileFormat::kPuffin;
  }

  // The position delete files of partitions that the filter asks for, by path.
  void choose() {
    ScanOptions filtered = scan_;
    filtered.filter = options_.filter;
    filtered.case_sensitive = options_.case_sensitive;
    const ScanPlan plan = floe::plan(branch_, filtered, *io_);
    if (!plan.deletes) return;
    for (const ManifestPart& part : plan.deletes->parts()) {
      for (const uint32_t entry : part.entries) {
        if (is_position_delete_file(*part.manifest, entry)) chosen_.emplace(part.manifest->file_path[entry]);
      }
    }
  }

  bool is_chosen(const Manifest& manifest, uint32_t entry) const {
    return is_position_delete_file(manifest, entry) && chosen_.contains(std::string(manifest.file_path[entry]));
  }

  const PartitionSpec& spec_of(const Manifest& manifest) const {
    const PartitionSpec* spec = spec_by_id(branch_, manifest.spec_id);
    if (spec) return *spec;
    throw CorruptFile(fmt::format("table {}: a manifest is of a partition spec that it does not have", name_));
  }

  SnapshotChange change() const {
    return {.operation = "replace",
            .branch = options_.branch,
            .checks = {.starting_snapshot = plan_.snapshot_id, .not_moved_back = true},
            .snapshot_properties = options_.snapshot_properties};
  }

  void commit(SnapshotChange change) {
    RewrittenDeletes done{.commits = 1};
    for (const DataFile& file : change.added) {
      ++done.added_delete_files;
      done.added_bytes += file.content_size_in_bytes.value_or(file.file_size_in_bytes);
    }
    Transaction transaction(catalog_, table_);
    transaction.add(std::move(change));
    table_ = transaction.commit(options_.stop);
    const Snapshot* snapshot = snapshot_by_id(*table_.metadata, *transaction.snapshots().begin());
    if (snapshot) done.rewritten_delete_files = summary_number(snapshot->summary, "removed-delete-files").value_or(0);
    counts_.rewritten_delete_files += done.rewritten_delete_files;
    counts_.added_delete_files += done.added_delete_files;
    counts_.added_bytes += done.added_bytes;
    counts_.commits += done.commits;
  }

  void remove(const Manifest& manifest, uint32_t entry, SnapshotChange& change) {
    change.removed.push_back(removal_of(manifest, entry));
    counts_.rewritten_bytes += manifest.file_size_in_bytes[entry];
  }

  // --- version 2 ---

  void bin_pack(const Sizes& sizes) {
    const std::vector<Group> groups = pack(sizes);
    if (groups.empty()) return;
    find_live(groups);
    SnapshotChange all = change();
    try {
      for (const Group& group : groups) {
        check(options_.stop.Poll(), "the rewriting of deletes was stopped");
        rewrite(group, all);
        if (options_.partial_progress) commit(std::exchange(all, change()));
      }
    } catch (...) {
      remove_files(*io_, all.discard);
      throw;
    }
    if (!all.removed.empty()) commit(std::move(all));
  }

  std::vector<Group> pack(const Sizes& sizes) const {
    std::map<std::string, std::vector<Group>> partitions;
    std::string key;
    for (uint32_t p = 0; p < plan_.deletes->parts().size(); ++p) {
      const ManifestPart& part = plan_.deletes->parts()[p];
      const PartitionKeys keys(*part.manifest, spec_of(*part.manifest), *plan_.schema);
      for (const uint32_t entry : part.entries) {
        if (!is_chosen(*part.manifest, entry)) continue;
        const int64_t bytes = part.manifest->file_size_in_bytes[entry];
        if (!options_.rewrite_all && bytes >= sizes.min && bytes <= sizes.max) continue;
        keys.write(entry, key);
        std::vector<Group>& groups = partitions[key];
        if (groups.empty() || groups.back().bytes + bytes > options_.max_file_group_size_bytes) {
          groups.push_back({.partition = key, .files = {}});
        }
        groups.back().files.push_back({p, entry});
        groups.back().bytes += bytes;
      }
    }
    std::vector<Group> worth_it;
    for (auto& [partition, groups] : partitions) {
      for (Group& group : groups) {
        const bool several = group.files.size() > 1;
        const bool enough =
            static_cast<int64_t>(group.files.size()) >= options_.min_input_files || group.bytes > sizes.target;
        if (options_.rewrite_all || (several && enough) || group.bytes > sizes.max)
          worth_it.push_back(std::move(group));
      }
    }
    return worth_it;
  }

  // The data files of the groups' partitions.
  void find_live(const std::vector<Group>& groups) {
    for (const Group& group : groups) live_[group.partition];
    std::string key;
    for (const ScanPlan::Part& part : plan_.parts) {
      const PartitionKeys keys(*part.manifest, spec_of(*part.manifest), *plan_.schema);
      for (const uint32_t entry : part.entries) {
        keys.write(entry, key);
        if (const auto found = live_.find(key); found != live_.end()) {
          found->second.insert(part.manifest->file_path[entry]);
        }
      }
    }
  }

  void rewrite(const Group& group, SnapshotChange& change) {
    const auto& live = live_.at(group.partition);
    PositionDeletes deletes;
    for (const DeleteEntry& file : group.files) {
      const Manifest& manifest = plan_.deletes->manifest(file);
      remove(manifest, file.entry, change);
      for (auto& [path, positions] : read_position_deletes(*io_, data_file(manifest, file.entry), {}, options_.stop)) {
        if (live.contains(path)) deletes[path].add(positions);
      }
    }
    const Manifest& manifest = plan_.deletes->manifest(group.files.front());
    const Type partition = partition_type(spec_of(manifest), *plan_.schema);
    add_position_deletes(branch_, name_, *io_, std::move(deletes), manifest.spec_id,
                         partition_of(manifest, group.files.front().entry, partition), change);
  }

  // --- into deletion vectors, or of equality deletes into what has positions ---

  void convert() {
    LeavingRows rows{.table = branch_, .scan = scan_, .plan = plan_};
    if (branch_.format_version >= 3) find_positions(rows);
    if (options_.convert_equality_deletes) find_equal(rows);
    Transaction transaction(catalog_, table_);
    SnapshotChange all = change();
    for (const FoundRows& whole : rows.whole) all.checks.still_there.insert(rows.path(whole));
    for (const FoundRows& part : rows.part) all.checks.still_there.insert(rows.path(part));
    try {
      remove_rows(transaction, std::move(rows), DeleteMode::kMergeOnRead, {.table_name = name_, .stop = options_.stop},
                  all);
    } catch (...) {
      remove_files(*io_, all.discard);
      throw;
    }
    for (const ManifestPart& part : plan_.deletes->parts()) {
      for (const uint32_t entry : part.entries) {
        const bool by_key = part.manifest->file_content[entry] == FileContent::kEqualityDeletes;
        const bool goes = by_key ? options_.convert_equality_deletes
                                 : branch_.format_version >= 3 && is_chosen(*part.manifest, entry);
        if (goes) remove(*part.manifest, entry, all);
      }
    }
    if (!all.removed.empty()) commit(std::move(all));
  }

  // Of the plan, the files to which such deletes apply; indices go with them.
  template <typename Applies>
  std::pair<ScanPlan, std::vector<std::pair<size_t, std::vector<size_t>>>> files_with(const Applies& applies) const {
    ScanPlan some = plan_;
    some.parts.clear();
    std::vector<std::pair<size_t, std::vector<size_t>>> places;  // of each part: that of `plan_`, and indices there
    for (size_t p = 0; p < plan_.parts.size(); ++p) {
      const ScanPlan::Part& part = plan_.parts[p];
      DeleteFinder finder(*plan_.deletes, *part.reader, part.manifest);
      ScanPlan::Part kept{{part.reader, part.manifest, {}}, {}};
      std::vector<size_t> indices;
      for (size_t i = 0; i < part.entries.size(); ++i) {
        if (!applies(finder.find(part.entries[i]))) continue;
        kept.entries.push_back(part.entries[i]);
        indices.push_back(i);
      }
      if (kept.entries.empty()) continue;
      some.parts.push_back(std::move(kept));
      places.emplace_back(p, std::move(indices));
    }
    return {std::move(some), std::move(places)};
  }

  // Rows that position delete files delete; a deletion vector has them already.
  void find_positions(LeavingRows& rows) {
    const auto [some, places] = files_with([&](const AppliedDeletes& applied) {
      return !applied.vector && std::ranges::any_of(applied.positions, [&](const DeleteEntry& file) {
        return is_chosen(plan_.deletes->manifest(file), file.entry);
      });
    });
    find_deleted(branch_, some, scan_, io_, [&](FoundRows found) {
      const auto& [part, indices] = places[found.part];
      found.index = indices[found.index];
      found.part = part;
      rows.add(std::move(found));
    });
  }

  // Rows that equality deletes delete, which are those that are not read.
  void find_equal(LeavingRows& rows) {
    auto [some, places] = files_with([](const AppliedDeletes& applied) { return !applied.equality.empty(); });
    std::vector<std::vector<Positions>> left(places.size());
    for (size_t p = 0; p < places.size(); ++p) left[p].resize(places[p].second.size());
    some.projection = {.fields = {pos_field()}};
    read_mapped(
        branch_, some, scan_, io_, [](const arrow::RecordBatch& batch) { return batch.Slice(0); },
        [&](size_t part, size_t index, const arrow::RecordBatch& batch) {
          const auto& positions = static_cast<const arrow::Int64Array&>(*batch.column(0));
          left[part][index].add(std::span(positions.raw_values(), static_cast<size_t>(positions.length())));
        });
    std::set<std::pair<size_t, size_t>> found;  // by their position deletes already
    for (const auto* known : {&rows.whole, &rows.part}) {
      for (const FoundRows& each : *known) found.emplace(each.part, each.index);
    }
    for (size_t p = 0; p < places.size(); ++p) {
      const auto& [part, indices] = places[p];
      for (size_t i = 0; i < indices.size(); ++i) {
        const int64_t count = plan_.parts[part].manifest->record_count[plan_.parts[part].entries[indices[i]]];
        if (left[p][i].count() == count) continue;  // none
        FoundRows gone{.part = part, .index = indices[i]};
        int64_t next = 0;
        left[p][i].for_each([&](std::span<const int64_t> positions) {
          for (const int64_t position : positions) {
            gone.positions.add_range(next, position);
            next = position + 1;
          }
        });
        gone.positions.add_range(next, count);
        if (found.contains({part, indices[i]})) {
          forget(rows, part, indices[i]);
        }
        rows.add(std::move(gone));
      }
    }
    // As plans have them.
    for (std::vector<FoundRows>* each : {&rows.whole, &rows.part}) {
      std::ranges::sort(*each, {}, [](const FoundRows& f) { return std::pair(f.part, f.index); });
    }
  }

  static void forget(LeavingRows& rows, size_t part, size_t index) {
    for (std::vector<FoundRows>* each : {&rows.whole, &rows.part}) {
      std::erase_if(*each, [&](const FoundRows& f) { return f.part == part && f.index == index; });
    }
  }

  Catalog& catalog_;
  LoadedTable& table_;
  const RewritePositionDeletesOptions& options_;
  const std::string name_;
  IoPtr io_;
  TableMetadata branch_;  // as if the branch were its current state
  ScanOptions scan_;
  ScanPlan plan_;  // of all files
  std::unordered_set<std::string> chosen_;
  std::unordered_map<std::string, std::unordered_set<std::string_view>> live_;  // data files, by partition
  RewrittenDeletes counts_;
};

}  // namespace

void set_options(RewritePositionDeletesOptions& options, const Properties& values) {
  OptionReader reader(values, "rewrite_position_delete_files");
  read_grouping(reader, options);
  reader.read("convert-equality-deletes", options.convert_equality_deletes);
  reader.finish();
}

RewrittenDeletes rewrite_position_deletes(Catalog& catalog, LoadedTable& table,
                                          const RewritePositionDeletesOptions& options) {
  if (options.convert_equality_deletes && options.filter.kind != ExprKind::kTrue) {
    throw InvalidArgument(
        fmt::format("table {}: equality deletes are converted in all partitions at once; leave the filter out",
                    to_string(table.identifier)));
  }
  return Rewrite(catalog, table, options).run();
}

}  // namespace floe
