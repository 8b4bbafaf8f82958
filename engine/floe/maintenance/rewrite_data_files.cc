#include "floe/maintenance/rewrite_data_files.h"

#include <arrow/util/thread_pool.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "floe/error.h"
#include "floe/maintenance/dangling_deletes.h"
#include "floe/parallel.h"
#include "floe/transaction/snapshot_producer.h"

namespace floe {
namespace {

// The groups of a plan, several at a time, and their commits.
class Run {
 public:
  Run(Catalog& catalog, LoadedTable& table, const RewriteDataFilesOptions& options, RewritePlan plan, IoPtr io)
      : catalog_(catalog),
        table_(table),
        options_(options),
        plan_(std::move(plan)),
        io_(std::move(io)),
        groups_done_(options.progress, "file groups", static_cast<int64_t>(plan_.tasks.size())) {
    const auto groups = static_cast<int64_t>(plan_.tasks.size());
    const int64_t at_once = std::min<int64_t>(groups, options.max_concurrent_file_group_rewrites);
    workers_ = std::clamp<int64_t>(at_once, 1, std::max(arrow::internal::GetCpuThreadPool()->GetCapacity(), 1));
    const int64_t commits = options.partial_progress ? std::max<int64_t>(options.max_commits, 1) : 1;
    groups_per_commit_ = (groups + commits - 1) / commits;
  }
  Run(const Run&) = delete;
  // What was not committed.
  ~Run() {
    for (const RewriteResult& result : done_) remove_files(*io_, locations_of(result.added));
  }

  RewriteCounts run() {
    parallel_for(static_cast<size_t>(workers_), [&](size_t) { work(); }, options_.stop);
    commit(take(1));
    return std::move(counts_);
  }

 private:
  void work() {
    try {
      for (size_t i = next_++; i < plan_.tasks.size(); i = next_++) {
        check(options_.stop.Poll(), "compaction was stopped");
        rewrite(plan_.tasks[i]);
        commit(take(static_cast<size_t>(groups_per_commit_)));
      }
    } catch (...) {
      next_ = plan_.tasks.size();
      throw;
    }
  }

  void rewrite(const RewriteTask& task) {
    try {
      RewriteResult result =
          floe::run(task, io_,
                    {.memory = options_.memory / workers_, .sort_folder = options_.sort_folder, .stop = options_.stop});
      const std::lock_guard lock(mutex_);
      done_.push_back(std::move(result));
    } catch (const Cancelled&) {
      throw;
    } catch (const std::exception& e) {
      if (!options_.partial_progress) throw;
      const std::lock_guard lock(mutex_);
      fail(task.input_files, e.what());
    }
    groups_done_.add(1);
  }

  void fail(int64_t files, std::string why) {
    counts_.failed_data_files += files;
    counts_.failures.push_back(std::move(why));
  }

  // What is done, if that is so much.
  std::vector<RewriteResult> take(size_t least) {
    const std::lock_guard lock(mutex_);
    return done_.size() >= least ? std::exchange(done_, {}) : std::vector<RewriteResult>();
  }

  void commit(std::vector<RewriteResult> results) {
    if (results.empty()) return;
    const std::lock_guard one_at_a_time(commit_mutex_);
    int64_t files = 0;
    for (const RewriteResult& result : results) files += static_cast<int64_t>(result.removed.size());
    RewriteCounts counts;
    try {
      table_ = commit_rewrite(catalog_, table_, std::move(results), counts, options_.stop);
    } catch (const Cancelled&) {
      throw;
    } catch (const CommitStateUnknown&) {
      throw;
    } catch (const std::exception& e) {
      if (!options_.partial_progress) throw;
      const std::lock_guard lock(mutex_);
      fail(files - counts.failed_data_files, e.what());
      if (++failed_commits_ > options_.max_failed_commits.value_or(options_.max_commits)) throw;
    }
    const std::lock_guard lock(mutex_);
    add(counts);
  }

  void add(RewriteCounts& counts) {
    counts_.rewritten_data_files += counts.rewritten_data_files;
    counts_.added_data_files += counts.added_data_files;
    counts_.rewritten_bytes += counts.rewritten_bytes;
    counts_.failed_data_files += counts.failed_data_files;
    counts_.removed_delete_files += counts.removed_delete_files;
    counts_.commits += counts.commits;
    std::ranges::move(counts.failures, std::back_inserter(counts_.failures));
  }

  Catalog& catalog_;
  LoadedTable& table_;
  const RewriteDataFilesOptions& options_;
  const RewritePlan plan_;
  const IoPtr io_;
  int64_t workers_ = 1, groups_per_commit_ = 1;
  std::atomic<size_t> next_ = 0;
  ProgressMeter groups_done_;

  std::mutex commit_mutex_;  // taken before `mutex_`; guards table_ and failed_commits_
  int64_t failed_commits_ = 0;
  std::mutex mutex_;  // guards what follows
  std::vector<RewriteResult> done_;
  RewriteCounts counts_;
};

}  // namespace

RewriteCounts rewrite_data_files(Catalog& catalog, LoadedTable& table, const RewriteDataFilesOptions& options) {
  const IoPtr io = catalog.io(table);
  RewritePlan plan = plan_rewrite(table, options, *io);
  RewriteCounts counts;
  if (!plan.tasks.empty()) counts = Run(catalog, table, options, std::move(plan), io).run();
  if (options.remove_dangling_deletes) {
    const int64_t removed =
        remove_dangling_deletes(catalog, table, options.branch, options.snapshot_properties, options.stop);
    counts.removed_delete_files += removed;
    if (removed > 0) ++counts.commits;
  }
  return counts;
}

}  // namespace floe
