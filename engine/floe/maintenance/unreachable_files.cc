#include "floe/maintenance/unreachable_files.h"

#include <arrow/buffer.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <mutex>
#include <unordered_set>
#include <utility>

#include "floe/error.h"
#include "floe/maintenance/location.h"
#include "floe/manifest/manifest.h"
#include "floe/parallel.h"
#include "floe/transaction/snapshot_producer.h"

namespace floe {
namespace {

constexpr size_t kManifestsTogether = 256;
constexpr int64_t kFilesTogether = 100'000;

FileKind kind_of(FileContent content) {
  switch (content) {
    case FileContent::kData:
      return FileKind::kData;
    case FileContent::kPositionDeletes:
      return FileKind::kPositionDeletes;
    case FileContent::kEqualityDeletes:
      return FileKind::kEqualityDeletes;
  }
  return FileKind::kData;
}

// Past the cache: most lists are read this once.
std::vector<ManifestFile> lines_of(Io& io, const Snapshot& snapshot) {
  if (snapshot.manifest_list.empty()) return manifests_of(io, snapshot);
  const auto bytes = io.read(snapshot.manifest_list);
  return read_manifest_list({reinterpret_cast<const char*>(bytes->data()), static_cast<size_t>(bytes->size())},
                            snapshot.manifest_list);
}

template <typename F>
void for_each_live(Io& io, const ManifestFile& file, const F& visit) {
  const ManifestPtr manifest = open_manifest(io, file)->entries();
  for (size_t i = 0; i < manifest->size; ++i) {
    if (manifest->status[i] != EntryStatus::kDeleted) visit(*manifest, i);
  }
}

// Hashes of paths that may have to go, and what became of each.
class Candidates {
 public:
  void add(const std::vector<uint64_t>& hashes) {
    const std::lock_guard lock(mutex_);
    hashes_.insert(hashes_.end(), hashes.begin(), hashes.end());
  }
  void seal() {
    std::ranges::sort(hashes_);
    const auto repeated = std::ranges::unique(hashes_);
    hashes_.erase(repeated.begin(), repeated.end());
    states_ = std::vector<std::atomic<State>>(hashes_.size());
    left_ = hashes_.size();
  }

  bool any_left() const { return left_ > 0; }
  void keep(uint64_t hash) { change(hash, State::kKept); }
  // True for the first who asks, unless it is kept.
  bool claim(uint64_t hash) { return change(hash, State::kClaimed); }

 private:
  enum class State : uint8_t { kFree, kKept, kClaimed };

  bool change(uint64_t hash, State to) {
    const auto found = std::ranges::lower_bound(hashes_, hash);
    if (found == hashes_.end() || *found != hash) return false;
    State expected = State::kFree;
    const bool changed = states_[found - hashes_.begin()].compare_exchange_strong(expected, to);
    if (changed) --left_;
    return changed;
  }

  std::mutex mutex_;
  std::vector<uint64_t> hashes_;  // sorted once sealed
  std::vector<std::atomic<State>> states_;
  std::atomic<size_t> left_{0};
};

class Search {
 public:
  Search(Io& io, const TableMetadata& before, const std::vector<int64_t>& removed, const TableMetadata& after,
         const UnreachableSearch& search)
      : io_(io), before_(before), after_(after), search_(search) {
    for (const int64_t id : removed) {
      const Snapshot* snapshot = snapshot_by_id(before, id);
      if (snapshot && !snapshot_by_id(after, id)) removed_.push_back(snapshot);
    }
  }

  void run() {
    if (removed_.empty()) return;
    read_kept_lists();
    read_removed_lists();
    unreadable_.resize(dead_.size());
    collect_candidates();
    strike_out_kept();
    hand_over_content_files();
    hand_over_manifests();
    hand_over_lists();
    hand_over_statistics();
  }

 private:
  bool is_kept(std::string_view location) const { return kept_paths_.contains(path_hash(location)); }

  // The lines of all lists, one at a time and in any order.
  template <typename F>
  void for_each_line(const std::vector<const Snapshot*>& snapshots, bool is_removed, const F& take) {
    ProgressMeter progress(search_.progress, is_removed ? "manifest lists to remove" : "manifest lists to keep",
                           static_cast<int64_t>(snapshots.size()));
    std::mutex mutex;
    const auto read = [&](size_t i) {
      std::vector<ManifestFile> lines;
      tolerate(is_removed, [&] { lines = lines_of(io_, *snapshots[i]); });
      {
        const std::lock_guard lock(mutex);
        for (ManifestFile& line : lines) take(std::move(line));
      }
      progress.add(1);
    };
    parallel_for(snapshots.size(), read, search_.stop);
  }

  // Runs `work`; an error is a problem only, if it may be. False: there was one.
  template <typename F>
  bool tolerate(bool may, const F& work) {
    if (!may) {
      work();
      return true;
    }
    try {
      work();
      return true;
    } catch (const Cancelled&) {
      throw;
    } catch (const Error& e) {
      const std::lock_guard lock(problems_);
      search_.problem(e.what());
      return false;
    }
  }

  void read_kept_lists() {
    std::vector<const Snapshot*> snapshots;
    for (const auto& snapshot : after_.snapshots) {
      if (snapshot->manifest_list.empty() || kept_paths_.insert(path_hash(snapshot->manifest_list)).second) {
        snapshots.push_back(snapshot.get());
      }
    }
    std::ranges::reverse(snapshots);  // the latest have most of what others have
    for (const StatisticsFile& file : after_.statistics) kept_paths_.insert(path_hash(file.statistics_path));
    for (const auto& file : after_.partition_statistics) kept_paths_.insert(path_hash(file.statistics_path));
    for_each_line(snapshots, false, [&](ManifestFile line) {
      if (!kept_paths_.insert(path_hash(line.manifest_path)).second) return;
      line.partitions.reset();
      kept_.push_back(std::move(line));
    });
  }

  void read_removed_lists() {
    std::unordered_set<uint64_t> seen;
    for_each_line(removed_, true, [&](ManifestFile line) {
      const uint64_t hash = path_hash(line.manifest_path);
      if (kept_paths_.contains(hash) || !seen.insert(hash).second) return;
      line.partitions.reset();
      dead_.push_back(std::move(line));
    });
  }

  void collect_candidates() {
    ProgressMeter progress(search_.progress, "manifests to remove", static_cast<int64_t>(dead_.size()));
    const auto collect = [&](size_t i) {
      std::vector<uint64_t> hashes;
      unreadable_[i] = !tolerate(true, [&] {
        for_each_live(io_, dead_[i], [&](const Manifest& manifest, size_t entry) {
          const uint64_t hash = path_hash(manifest.file_path[entry]);
          if (!kept_paths_.contains(hash)) hashes.push_back(hash);
        });
      });
      candidates_.add(hashes);
      progress.add(1);
    };
    parallel_for(dead_.size(), collect, search_.stop);
    candidates_.seal();
  }

  void strike_out_kept() {
    if (!candidates_.any_left()) return;
    ProgressMeter progress(search_.progress, "manifests to keep", static_cast<int64_t>(kept_.size()));
    const auto strike_out = [&](size_t i) {
      if (candidates_.any_left()) {
        for_each_live(io_, kept_[i], [&](const Manifest& manifest, size_t entry) {
          candidates_.keep(path_hash(manifest.file_path[entry]));
        });
      }
      progress.add(1);
    };
    parallel_for(kept_.size(), strike_out, search_.stop);
  }

  // The end of the manifests from `begin` on that are looked at together.
  size_t group_end(size_t begin) const {
    int64_t files = 0;
    size_t end = begin;
    do {
      const ManifestFile& file = dead_[end++];
      const bool known = file.added_files_count != kNotKnown && file.existing_files_count != kNotKnown;
      files += known ? file.added_files_count + file.existing_files_count : kFilesTogether;
    } while (end < dead_.size() && end - begin < kManifestsTogether && files < kFilesTogether);
    return end;
  }

  void hand_over_content_files() {
    for (size_t begin = 0; begin < dead_.size() && candidates_.any_left();) {
      const size_t end = group_end(begin);
      std::vector<std::vector<TableFile>> found(end - begin);
      const auto find = [&](size_t i) {
        if (unreadable_[begin + i]) return;
        const bool read = tolerate(true, [&] {
          for_each_live(io_, dead_[begin + i], [&](const Manifest& manifest, size_t entry) {
            if (!candidates_.claim(path_hash(manifest.file_path[entry]))) return;
            found[i].push_back({.location = std::string(manifest.file_path[entry]),
                                .kind = kind_of(manifest.file_content[entry]),
                                .size = manifest.file_size_in_bytes[entry]});
          });
        });
        if (!read) unreadable_[begin + i] = 1;
      };
      parallel_for(found.size(), find, search_.stop);
      for (size_t i = 1; i < found.size(); ++i) std::ranges::move(found[i], std::back_inserter(found[0]));
      if (!found[0].empty()) search_.take(std::move(found[0]));
      begin = end;
    }
  }

  // One that cannot be read stays: it says which files there are.
  void hand_over_manifests() {
    std::vector<TableFile> files;
    for (size_t i = 0; i < dead_.size(); ++i) {
      if (unreadable_[i]) continue;
      files.push_back({.location = dead_[i].manifest_path,
                       .kind = FileKind::kManifest,
                       .size = std::max<int64_t>(dead_[i].manifest_length, 0)});
    }
    if (!files.empty()) search_.take(std::move(files));
  }

  void hand_over_lists() {
    std::vector<TableFile> files;
    std::unordered_set<uint64_t> seen;
    for (const Snapshot* snapshot : removed_) {
      const std::string& list = snapshot->manifest_list;
      if (list.empty() || is_kept(list) || !seen.insert(path_hash(list)).second) continue;
      files.push_back({.location = list, .kind = FileKind::kManifestList});
    }
    if (!files.empty()) search_.take(std::move(files));
  }

  void hand_over_statistics() {
    std::vector<TableFile> files;
    std::unordered_set<uint64_t> seen;
    const auto add = [&](const auto& file) {
      const bool goes = std::ranges::any_of(
          removed_, [&](const Snapshot* snapshot) { return snapshot->snapshot_id == file.snapshot_id; });
      if (!goes || is_kept(file.statistics_path) || !seen.insert(path_hash(file.statistics_path)).second) return;
      files.push_back(
          {.location = file.statistics_path, .kind = FileKind::kStatistics, .size = file.file_size_in_bytes});
    };
    std::ranges::for_each(before_.statistics, add);
    std::ranges::for_each(before_.partition_statistics, add);
    if (!files.empty()) search_.take(std::move(files));
  }

  Io& io_;
  const TableMetadata& before_;
  const TableMetadata& after_;
  const UnreachableSearch& search_;
  std::mutex problems_;
  std::vector<const Snapshot*> removed_;
  std::unordered_set<uint64_t> kept_paths_;  // of all metadata that is kept
  std::vector<ManifestFile> kept_;           // the manifests of kept snapshots
  std::vector<ManifestFile> dead_;           // those that only removed ones have
  std::vector<uint8_t> unreadable_;          // of these
  Candidates candidates_;
};

}  // namespace

void find_unreachable_files(Io& io, const TableMetadata& before, const std::vector<int64_t>& removed,
                            const TableMetadata& after, const UnreachableSearch& search) {
  Search(io, before, removed, after, search).run();
}

}  // namespace floe
