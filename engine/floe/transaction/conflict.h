// Conflict checks: whether what other writers committed since a change was planned contradicts it. Specification:
// "Commit Conflict Resolution and Retry".
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "floe/catalog/catalog.h"
#include "floe/expression/expression.h"
#include "floe/manifest/data_file.h"
#include "floe/scan/delete_index.h"

namespace floe {

// Serializable: as if the change had been planned and committed at one moment, so rows that it would have seen may not
// have come since. Snapshot isolation: rows that came since are left alone.
enum class Isolation { kSerializable, kSnapshot };

// "serializable" or "snapshot", of any case. Throws InvalidArgument.
Isolation parse_isolation(std::string_view text);
// Of `write.delete.isolation-level` and its kin. Default: serializable. Throws InvalidArgument.
Isolation isolation_level(const TableMetadata& table, std::string_view property);

// What a change relies on. Whatever is left empty is not asked.
struct ConflictChecks {
  std::optional<int64_t> starting_snapshot;  // the branch's head when the change was planned; nullopt: there was none
  std::set<int64_t> own_snapshots = {};      // of the same transaction, which come before the change

  // No data file was added that may have rows which match. Rewritten ones do not count.
  std::optional<Expression> no_added_data = {};
  // Tells of such files, if set, which of them has rows that contradict the change, as one part and an index of its
  // entries; nullopt: none has. Throws as reading does. Otherwise each of them does.
  using Added = std::pair<size_t, size_t>;
  std::function<std::optional<Added>(const LoadedTable& base, const std::vector<ManifestPart>& files)> find_added = {};
  // No delete file was added that may delete rows which match.
  std::optional<Expression> no_added_deletes = {};
  bool case_sensitive = true;  // of both
  // No data file was added to these partitions, each of its spec.
  struct Partition {
    int32_t spec_id = 0;
    std::vector<Value> values;
  };
  std::vector<Partition> no_added_in = {};
  // Data files were added under these specs alone: the change's equality deletes do not reach others.
  std::optional<std::set<int32_t>> only_specs = {};
  // No deletes were added that apply to these data files, whose rows the change has read and writes anew, or whose
  // deletes it does.
  std::vector<DataFile> no_new_deletes = {};
  bool equality_deletes_stay = false;  // they go on applying, since the files keep their sequence number
  // These data files, by location, were not removed: the change adds deletes of their rows.
  std::set<std::string, std::less<>> still_there = {};
  bool not_moved_back = false;  // the branch still has the starting snapshot in its history

  bool empty() const {
    return !not_moved_back && !no_added_data && !no_added_deletes && no_added_in.empty() && !only_specs &&
           no_new_deletes.empty() && still_there.empty();
  }
};

// Looks at the snapshots between the starting one and `head`, the branch's head in `base` (null: it has none). Throws
// ConflictFound, saying which snapshot and file; also if the starting snapshot is not in the history of `head` (any
// more), since then nobody knows.
void check_conflicts(const LoadedTable& base, const Snapshot* head, const ConflictChecks& checks, Io& io);

}  // namespace floe
