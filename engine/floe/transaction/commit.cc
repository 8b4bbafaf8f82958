#include "floe/transaction/commit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "floe/error.h"

namespace floe {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kStopCheckInterval{50};

// A lost race costs little to run again, and somebody won it: a few races are one try. Before the next race, a loser
// lets others by for up to as long as this many attempts take; who has lost more of them waits less, so that nobody
// always comes too late.
constexpr int kRacesOfATry = 16;
constexpr int kLetBy = 4;

// Anything in [shortest, longest], so that writers that met once do not meet again.
milliseconds random_between(milliseconds shortest, milliseconds longest) {
  thread_local std::minstd_rand random{std::random_device{}()};
  return milliseconds(std::uniform_int_distribution<int64_t>(shortest.count(), longest.count())(random));
}

milliseconds milliseconds_property(const Properties& properties, std::string_view key, int64_t otherwise) {
  constexpr int64_t kDay = 86'400'000;
  return milliseconds(std::clamp<int64_t>(int_property(properties, key, otherwise), 0, kDay));
}

struct RetryPolicy {
  int64_t retries;
  milliseconds min_wait, max_wait, total;

  explicit RetryPolicy(const Properties& properties)
      : retries(int_property(properties, "commit.retry.num-retries", 4)),
        min_wait(milliseconds_property(properties, "commit.retry.min-wait-ms", 100)),
        max_wait(milliseconds_property(properties, "commit.retry.max-wait-ms", 60'000)),
        total(milliseconds_property(properties, "commit.retry.total-timeout-ms", 1'800'000)) {}

  // Before the n-th retry, from 0: twice as long each time.
  milliseconds wait(int64_t n) const {
    const double longest = std::min(static_cast<double>(min_wait.count()) * std::exp2(static_cast<double>(n)),
                                    static_cast<double>(max_wait.count()));
    const milliseconds rounded(static_cast<int64_t>(longest));
    return random_between(rounded / 2, rounded);
  }
};

// The snapshot that a commit adds, by which it is recognized in the table.
const Snapshot* added_snapshot(const TableCommit& commit) {
  for (const TableUpdate& update : commit.updates) {
    if (const auto* add = std::get_if<AddSnapshot>(&update)) return &add->snapshot;
  }
  return nullptr;
}

using Commits = std::vector<TableCommit>;  // an attempt: one of each table

bool adds_snapshots(const Commits& commits) { return std::ranges::any_of(commits, added_snapshot); }

// Whether an attempt that is not in the tables can never get into them any more, whenever it arrives. That its
// requirements do not hold now is not enough: a rollback makes them hold again. Sequence numbers never go back.
bool comes_too_late(const Commits& commits, const std::vector<LoadedTable>& tables) {
  for (size_t i = 0; i < tables.size(); ++i) {
    const TableMetadata& table = *tables[i].metadata;
    const Snapshot* snapshot = added_snapshot(commits[i]);
    if (snapshot && table.format_version >= 2 && snapshot->parent_snapshot_id &&
        snapshot->sequence_number <= table.last_sequence_number) {
      return true;
    }
  }
  return false;
}

void sleep(milliseconds time, const arrow::StopToken& stop) {
  const auto end = Clock::now() + time;
  for (auto now = Clock::now(); now < end && !stop.IsStopRequested(); now = Clock::now()) {
    std::this_thread::sleep_for(std::min<Clock::duration>(end - now, kStopCheckInterval));
  }
}

class CommitLoop {
 public:
  CommitLoop(Catalog& catalog, std::vector<LoadedTable> bases, const CommitBuilder& build, const arrow::StopToken& stop)
      : catalog_(catalog),
        build_(build),
        stop_(stop),
        bases_(std::move(bases)),
        policy_(bases_.front().metadata->properties) {}

  std::vector<LoadedTable> run() {
    try {
      while (!attempt()) {
        if (!unknown_.empty() && found_after_reload()) break;
        wait_or_give_up();
        if (found_after_reload()) break;
      }
      return std::move(bases_);
    } catch (const std::exception& e) {
      if (unknown_.empty()) throw;
      if (is_found_after_all()) return std::move(bases_);
      if (unknown_.empty()) {
        if (dynamic_cast<const CommitStateUnknown*>(&e)) std::rethrow_exception(failure_);
        throw;
      }
      throw CommitStateUnknown(
          fmt::format("{}: it could not be learnt whether the commit succeeded ({}). Nothing was removed; load the "
                      "table and look for snapshot {}",
                      subject(), e.what(), fmt::join(snapshots_of(unknown_.front()), ", ")));
    }
  }

 private:
  // True if it succeeded; then bases_ are the tables with the commit.
  bool attempt() {
    check_stop();
    const auto start = Clock::now();
    Commits commits = build_(bases_);
    try {
      send(commits);
      return true;
    } catch (const CommitFailed&) {
      refused_ = std::move(commits);
      attempt_time_ = Clock::now() - start;
      failure_ = std::current_exception();
    } catch (const CommitStateUnknown&) {
      if (!adds_snapshots(commits)) throw;  // nothing to recognize it by
      failure_ = std::current_exception();
      unknown_.push_back(std::move(commits));
    }
    return false;
  }

  void send(const Commits& commits) {
    if (bases_.size() == 1) {
      bases_.front() = catalog_.commit(bases_.front().identifier, commits.front());
      return;
    }
    std::vector<TableChange> changes;
    for (size_t i = 0; i < bases_.size(); ++i) changes.push_back({bases_[i].identifier, commits[i]});
    catalog_.commit_tables(changes);
    try {
      bases_ = load();
    } catch (const std::exception& e) {
      throw CommitStateUnknown(
          fmt::format("{}: the commit succeeded, and the tables cannot be loaded: {}", subject(), e.what()));
    }
  }

  void wait_or_give_up() {
    if (unknown_.empty() && policy_.retries > 0 && ++races_ % kRacesOfATry != 0) {
      const auto longest = std::chrono::duration_cast<milliseconds>(attempt_time_ * kLetBy / races_);
      return sleep(random_between(milliseconds(0), std::min(longest, policy_.min_wait)), stop_);
    }
    if (retry_ >= policy_.retries || Clock::now() - start_ >= policy_.total) std::rethrow_exception(failure_);
    sleep(policy_.wait(retry_++), stop_);
  }

  void check_stop() const {
    if (stop_.IsStopRequested()) throw Cancelled(fmt::format("{}: commit stopped", subject()));
  }

  std::vector<LoadedTable> load() const {
    std::vector<LoadedTable> tables;
    for (const LoadedTable& base : bases_) tables.push_back(catalog_.load_table(base.identifier));
    return tables;
  }

  // Loads the tables. True if an attempt of unknown outcome is in them. Forgets those that can never succeed any more.
  bool found_after_reload() {
    std::vector<LoadedTable> tables;
    try {
      tables = load();
    } catch (const std::exception&) {
      if (unknown_.empty()) throw;
      return false;  // nothing learnt
    }
    for (size_t i = 0; i < tables.size(); ++i) {
      if (tables[i].metadata->table_uuid == bases_[i].metadata->table_uuid) continue;
      throw CommitFailed(fmt::format("table {} was replaced by another table while it was written to",
                                     to_string(bases_[i].identifier)));
    }
    bases_ = std::move(tables);
    // A transport that sends a request again gets the refusal of the second for the success of the first.
    if (is_there(refused_) || std::ranges::any_of(unknown_, [&](const Commits& each) { return is_there(each); })) {
      return true;
    }
    const auto forgotten =
        std::erase_if(unknown_, [&](const Commits& commits) { return comes_too_late(commits, bases_); });
    if (forgotten > 0 && unknown_.empty()) {
      failure_ = std::make_exception_ptr(
          CommitFailed(fmt::format("{}: another writer was first, and the commit is not in the table", subject())));
    }
    return false;
  }

  // Whether the tables have the snapshots of an attempt.
  bool is_there(const Commits& commits) const {
    std::vector<std::string> with, without;
    for (size_t i = 0; i < commits.size(); ++i) {
      const Snapshot* snapshot = added_snapshot(commits[i]);
      if (!snapshot) continue;
      const bool found = snapshot_by_id(*bases_[i].metadata, snapshot->snapshot_id) != nullptr;
      (found ? with : without).push_back(to_string(bases_[i].identifier));
    }
    if (!with.empty() && !without.empty()) {
      throw CommitStateUnknown(fmt::format(
          "catalog {} committed to {} and not, or not yet, to {}, though it was asked to do all or nothing. Nothing "
          "was removed; load the tables and look for snapshots {}",
          catalog_.name(), fmt::join(with, ", "), fmt::join(without, ", "), fmt::join(snapshots_of(commits), ", ")));
    }
    return !with.empty();
  }

  // The last look at the tables, before giving up.
  bool is_found_after_all() noexcept {
    try {
      return found_after_reload();
    } catch (...) {
      return false;
    }
  }

  // "table a.b", "tables a.b, a.c": what messages are about.
  std::string subject() const {
    std::vector<std::string> names;
    for (const LoadedTable& base : bases_) names.push_back(to_string(base.identifier));
    return fmt::format("{} {}", names.size() == 1 ? "table" : "tables", fmt::join(names, ", "));
  }

  static std::vector<int64_t> snapshots_of(const Commits& commits) {
    std::vector<int64_t> ids;
    for (const TableCommit& commit : commits) {
      if (const Snapshot* snapshot = added_snapshot(commit)) ids.push_back(snapshot->snapshot_id);
    }
    return ids;
  }

  Catalog& catalog_;
  const CommitBuilder& build_;
  const arrow::StopToken& stop_;
  std::vector<LoadedTable> bases_;
  const RetryPolicy policy_;
  const Clock::time_point start_ = Clock::now();
  int64_t retry_ = 0;
  int races_ = 0;                   // lost
  Clock::duration attempt_time_{};  // of the last one of them
  Commits refused_;                 // the last attempt that was refused
  std::vector<Commits> unknown_;    // attempts that may still succeed
  std::exception_ptr failure_;      // of the last attempt
};

}  // namespace

TableCommit commit_on(const TableMetadata& table) {
  TableCommit commit;
  if (!table.table_uuid.empty()) commit.requirements.emplace_back(AssertTableUuid{table.table_uuid});
  return commit;
}

std::vector<LoadedTable> commit_with_retry(Catalog& catalog, std::vector<LoadedTable> bases, const CommitBuilder& build,
                                           const arrow::StopToken& stop) {
  return CommitLoop(catalog, std::move(bases), build, stop).run();
}

}  // namespace floe
