#include "floe/transaction/commit.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <random>
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

// Whether a commit that is not in the table can never get into it any more, whenever it arrives. That its requirements
// do not hold now is not enough: a rollback makes them hold again. Sequence numbers never go back.
bool comes_too_late(const TableCommit& commit, const TableMetadata& table) {
  const Snapshot& snapshot = *added_snapshot(commit);
  return table.format_version >= 2 && snapshot.parent_snapshot_id &&
         snapshot.sequence_number <= table.last_sequence_number;
}

void sleep(milliseconds time, const arrow::StopToken& stop) {
  const auto end = Clock::now() + time;
  for (auto now = Clock::now(); now < end && !stop.IsStopRequested(); now = Clock::now()) {
    std::this_thread::sleep_for(std::min<Clock::duration>(end - now, kStopCheckInterval));
  }
}

class CommitLoop {
 public:
  CommitLoop(Catalog& catalog, LoadedTable base, const CommitBuilder& build, const arrow::StopToken& stop)
      : catalog_(catalog), build_(build), stop_(stop), base_(std::move(base)), policy_(base_.metadata->properties) {}

  LoadedTable run() {
    try {
      while (!attempt()) {
        if (!unknown_.empty() && found_after_reload()) break;
        wait_or_give_up();
        if (found_after_reload()) break;
      }
      return std::move(base_);
    } catch (const std::exception& e) {
      if (unknown_.empty()) throw;
      if (is_found_after_all()) return std::move(base_);
      if (unknown_.empty()) {
        if (dynamic_cast<const CommitStateUnknown*>(&e)) std::rethrow_exception(failure_);
        throw;
      }
      throw CommitStateUnknown(
          fmt::format("table {}: it could not be learnt whether the commit succeeded ({}). Nothing was removed; load "
                      "the table and look for snapshot {}",
                      to_string(base_.identifier), e.what(), added_snapshot(unknown_.front())->snapshot_id));
    }
  }

 private:
  // True if it succeeded; then base_ is the table with the commit.
  bool attempt() {
    check_stop();
    const auto start = Clock::now();
    TableCommit commit = build_(base_);
    try {
      base_ = catalog_.commit(base_.identifier, commit);
      return true;
    } catch (const CommitFailed&) {
      refused_ = added_snapshot(commit) ? std::optional(added_snapshot(commit)->snapshot_id) : std::nullopt;
      attempt_time_ = Clock::now() - start;
      failure_ = std::current_exception();
    } catch (const CommitStateUnknown&) {
      if (!added_snapshot(commit)) throw;  // nothing to recognize it by
      failure_ = std::current_exception();
      unknown_.push_back(std::move(commit));
    }
    return false;
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
    if (stop_.IsStopRequested()) throw Cancelled(fmt::format("table {}: commit stopped", to_string(base_.identifier)));
  }

  // Loads the table. True if an attempt of unknown outcome is in it. Forgets those that can never succeed any more.
  bool found_after_reload() {
    LoadedTable table;
    try {
      table = catalog_.load_table(base_.identifier);
    } catch (const std::exception&) {
      if (unknown_.empty()) throw;
      return false;  // nothing learnt
    }
    if (table.metadata->table_uuid != base_.metadata->table_uuid) {
      throw CommitFailed(
          fmt::format("table {} was replaced by another table while it was written to", to_string(base_.identifier)));
    }
    base_ = std::move(table);
    // A transport that sends a request again gets the refusal of the second for the success of the first.
    if (refused_ && snapshot_by_id(*base_.metadata, *refused_)) return true;
    for (const TableCommit& commit : unknown_) {
      if (snapshot_by_id(*base_.metadata, added_snapshot(commit)->snapshot_id)) return true;
    }
    const auto forgotten =
        std::erase_if(unknown_, [&](const TableCommit& commit) { return comes_too_late(commit, *base_.metadata); });
    if (forgotten > 0 && unknown_.empty()) {
      failure_ = std::make_exception_ptr(CommitFailed(fmt::format(
          "table {}: another writer was first, and the commit is not in the table", to_string(base_.identifier))));
    }
    return false;
  }

  // The last look at the table, before giving up.
  bool is_found_after_all() noexcept {
    try {
      return found_after_reload();
    } catch (...) {
      return false;
    }
  }

  Catalog& catalog_;
  const CommitBuilder& build_;
  const arrow::StopToken& stop_;
  LoadedTable base_;
  const RetryPolicy policy_;
  const Clock::time_point start_ = Clock::now();
  int64_t retry_ = 0;
  int races_ = 0;                     // lost
  Clock::duration attempt_time_{};    // of the last one of them
  std::optional<int64_t> refused_;    // the snapshot of the last attempt that was refused
  std::vector<TableCommit> unknown_;  // attempts that may still succeed
  std::exception_ptr failure_;        // of the last attempt
};

}  // namespace

TableCommit commit_on(const TableMetadata& table) {
  TableCommit commit;
  if (!table.table_uuid.empty()) commit.requirements.emplace_back(AssertTableUuid{table.table_uuid});
  return commit;
}

LoadedTable commit_with_retry(Catalog& catalog, LoadedTable base, const CommitBuilder& build,
                              const arrow::StopToken& stop) {
  return CommitLoop(catalog, std::move(base), build, stop).run();
}

}  // namespace floe
