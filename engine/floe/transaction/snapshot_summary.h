// The numbers that a snapshot says about itself. Specification: "Optional Snapshot Summary Fields".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "floe/manifest/data_file.h"
#include "floe/spec/summary.h"
#include "floe/spec/table_metadata.h"

namespace floe {

// In the summary of an overwrite: it replaced the partitions that its files are in, so that it can be done again.
inline constexpr std::string_view kReplacePartitions = "replace-partitions";

// Sums up the files that a change adds to a table and removes from it.
class SummaryCounter {
 public:
  // `table` knows the specs of all the files, and outlives this.
  explicit SummaryCounter(const TableMetadata& table) : table_(table) {}

  void add(const DataFile& file) { count(file, true); }
  void remove(const DataFile& file) { count(file, false); }

  // The counts that are not 0, "changed-partition-count", and the totals: `parent` is the summary of the snapshot
  // before, null if there is none. A total that the parent does not have, or has wrong, is not known and left out.
  // Up to `write.summary.partition-limit` changed partitions are described one by one.
  Properties summary(const Summary* parent) const;

 private:
  using Counts = std::map<std::string_view, int64_t>;

  void count(const DataFile& file, bool added);

  const TableMetadata& table_;
  Counts counts_;
  std::map<std::string, std::pair<std::string, Counts>> partitions_;  // by spec and values: the path, and the counts
};

// A count or a total; nullopt if it is not there, or wrong.
std::optional<int64_t> summary_number(const Summary& summary, std::string_view name);

// Throws InvalidArgument naming a key that only the engine may write: the operation, the counts and totals.
void check_snapshot_properties(const Properties& properties);

}  // namespace floe
