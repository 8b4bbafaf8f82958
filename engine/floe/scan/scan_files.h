// The data files of a plan, opened with everything that reading their rows
// needs. Internal to scan/.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "floe/file/data_file_reader.h"
#include "floe/scan/delete_loader.h"
#include "floe/scan/scan.h"

namespace floe {

// Refers to itself: not to be moved. Safe from many threads.
class ScanFiles {
 public:
  ScanFiles(const TableMetadata& table, ScanPlan plan, const ScanOptions& options, IoPtr io,
            std::shared_ptr<ScanCounters> counters);
  ScanFiles(const ScanFiles&) = delete;

  // Where a file stands in the plan.
  struct Place {
    size_t part = 0;
    size_t index = 0;  // of the part's `entries`
  };
  // On the way to being open.
  struct Opening {
    std::optional<DeleteLoader::Needs> needs;
  };

  size_t size() const { return places_.size(); }
  const ScanPlan& plan() const { return plan_; }
  const Place& place(size_t i) const { return places_[i]; }
  ScanCounters& counters() const { return *counters_; }

  // Opens a file, with what is deleted from it, as streams that may be read by several threads. nullopt: another thread
  // is reading some of the deletes; call again, with the same `opening`, when it is through with that.
  std::optional<std::vector<BatchStream>> open(size_t i, Opening& opening);

 private:
  bool unfiltered() const { return plan_.filter.kind == ExprKind::kTrue; }
  void choose(const ScanOptions& options);
  static DeleteLoader::Needs needs_of(const Manifest& manifest, uint32_t entry, DeleteFinder& finder);
  static void leave_out(const Positions& positions, RowDeletes& deletes);
  std::shared_ptr<const ParquetReadOptions> options_for(const ScanPlan::Part& part, size_t index,
                                                        const std::vector<Value>& partition) const;

  const ScanPlan plan_;
  const std::string table_name_;
  const std::string name_mapping_;
  const IoPtr io_;
  const std::shared_ptr<ScanCounters> counters_;
  std::shared_ptr<const ParquetReadOptions> options_;
  std::optional<Type> partition_type_;  // of `_partition`, if it is wanted
  std::vector<Place> places_;
  std::vector<bool> has_deletes_;         // beside places_; empty: none has
  std::unique_ptr<DeleteLoader> loader_;  // null: nothing is deleted
};

}  // namespace floe
