// Splits what a scan has to read into tasks of about one size, each of which can be read by itself.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "floe/scan/scan.h"

namespace floe {

struct TaskOptions {
  int64_t target_bytes = 128 << 20;
  int64_t lookback = 10;               // tasks that are open at a time
  int64_t open_file_bytes = 4 << 20;   // what a file counts at least
  std::optional<int64_t> parallelism;  // smaller tasks, so that there is one for each of so many readers
};

// `read.split.target-size`, `read.split.planning-lookback` and `read.split.open-file-cost` of the table, each unless
// `options` has it; `parallelism` counts unless `read.split.adaptive-size.enabled` is false. Throws InvalidArgument for
// values out of range.
TaskOptions task_options(const TableMetadata& table, const Properties& options,
                         std::optional<int64_t> parallelism = std::nullopt);

// Files of Parquet are split where their row groups begin (by `split_offsets`, or else by size), others are not; the
// pieces are packed into tasks. A task is a plan of its own, to be read as such, anywhere: every row group is in
// exactly one of them. Tasks come as soon as the files for them are there.
class TaskPlanner {
 public:
  // `parts` gives the files of `plan`, whose own parts do not matter.
  TaskPlanner(const ScanPlan& plan, const TaskOptions& options, NextPart parts);
  ~TaskPlanner();

  std::optional<ScanPlan> next();  // nullopt: that was all

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::vector<ScanPlan> plan_tasks(const ScanPlan& plan, const TaskOptions& options);

}  // namespace floe
