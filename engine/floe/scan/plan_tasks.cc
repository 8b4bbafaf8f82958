#include "floe/scan/plan_tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <utility>

#include "floe/error.h"

namespace floe {
namespace {

constexpr int64_t kSmallestTask = 16 << 20;  // that parallelism asks for
constexpr int64_t kMaxSplits = 1 << 16;      // of one file

using PartPtr = std::shared_ptr<const ScanPlan::Part>;

// What is packed: a piece of a data file.
struct Piece {
  PartPtr part;
  size_t index = 0;  // of its entries
  ScanPlan::Split split;
  int64_t weight = 0;
};

struct Bin {
  std::vector<Piece> pieces;
  int64_t weight = 0;
};

int64_t sum(int64_t a, int64_t b) {
  int64_t total = 0;
  return __builtin_add_overflow(a, b, &total) ? INT64_MAX : total;
}

std::vector<int64_t> offsets_of(const Manifest& manifest, size_t entry) {
  const std::string_view bytes = manifest.split_offsets[entry];
  std::vector<int64_t> offsets(bytes.size() / sizeof(int64_t));
  if (!offsets.empty()) std::memcpy(offsets.data(), bytes.data(), offsets.size() * sizeof(int64_t));
  return offsets;
}

// Where a file's pieces begin: the first one at 0 and each within the file.
std::vector<int64_t> starts(const Manifest& manifest, size_t entry, int64_t target_bytes) {
  const int64_t size = std::max<int64_t>(manifest.file_size_in_bytes[entry], 0);
  if (manifest.file_format[entry] != FileFormat::kParquet) return {0};
  std::vector<int64_t> offsets = offsets_of(manifest, entry);
  const bool usable = !offsets.empty() && offsets.front() >= 0 && offsets.back() < size &&
                      std::adjacent_find(offsets.begin(), offsets.end(), std::greater_equal<>()) == offsets.end();
  if (usable) {
    offsets.front() = 0;
    return offsets;
  }
  const int64_t pieces = std::clamp<int64_t>(size / target_bytes, 1, kMaxSplits);
  std::vector<int64_t> even;
  for (int64_t i = 0; i < pieces; ++i) even.push_back(i * (size / pieces));
  return even;
}

int64_t positive(const Properties& table, const Properties& options, std::string_view key, int64_t otherwise,
                 int64_t least) {
  const int64_t value = int_property(options, key, int_property(table, key, otherwise));
  if (value < least) throw InvalidArgument(fmt::format("{}={} is less than {}", key, value, least));
  return value;
}

}  // namespace

TaskOptions task_options(const TableMetadata& table, const Properties& options, std::optional<int64_t> parallelism) {
  const TaskOptions defaults;
  TaskOptions read;
  read.target_bytes = positive(table.properties, options, "read.split.target-size", defaults.target_bytes, 1);
  read.lookback = positive(table.properties, options, "read.split.planning-lookback", defaults.lookback, 1);
  read.open_file_bytes = positive(table.properties, options, "read.split.open-file-cost", defaults.open_file_bytes, 0);
  if (parallelism && *parallelism < 1) {
    throw InvalidArgument(fmt::format("tasks cannot be made for {} readers", *parallelism));
  }
  constexpr std::string_view kAdaptive = "read.split.adaptive-size.enabled";
  if (bool_property(options, kAdaptive, bool_property(table.properties, kAdaptive, true))) {
    read.parallelism = parallelism;
  }
  return read;
}

struct TaskPlanner::State {
  const ScanPlan head;
  TaskOptions options;
  NextPart parts;
  std::vector<Bin> open;
  std::deque<Bin> full;
  bool ended = false;

  // All files are needed to know how large they are together.
  void adapt() {
    std::deque<ScanPlan::Part> all;
    int64_t bytes = 0;
    while (std::optional<ScanPlan::Part> part = parts()) {
      for (const uint32_t entry : part->entries) {
        bytes = sum(bytes, std::max<int64_t>(part->manifest->file_size_in_bytes[entry], 0));
      }
      all.push_back(*std::move(part));
    }
    const int64_t target = options.target_bytes;
    if (bytes / target < *options.parallelism) {
      options.target_bytes = std::max(bytes / *options.parallelism, std::min(kSmallestTask, target));
    }
    parts = [all = std::move(all)]() mutable -> std::optional<ScanPlan::Part> {
      if (all.empty()) return std::nullopt;
      ScanPlan::Part part = std::move(all.front());
      all.pop_front();
      return part;
    };
  }

  // What the deletes of a file weigh, and how many files they are.
  std::pair<int64_t, int64_t> deletes_of(DeleteFinder& finder, uint32_t entry) const {
    int64_t bytes = 0, files = 0;
    for (const DeleteEntry& file : finder.find(entry).files()) {
      const Manifest& manifest = head.deletes->manifest(file);
      const int64_t content = manifest.content_size_in_bytes[file.entry];
      bytes = sum(bytes, std::max<int64_t>(content == kAbsent ? manifest.file_size_in_bytes[file.entry] : content, 0));
      ++files;
    }
    return {bytes, files};
  }

  void add(ScanPlan::Part added) {
    const auto part = std::make_shared<const ScanPlan::Part>(std::move(added));
    std::optional<DeleteFinder> finder;
    if (head.deletes) finder.emplace(*head.deletes, *part->reader, part->manifest);
    for (size_t i = 0; i < part->entries.size(); ++i) {
      const uint32_t entry = part->entries[i];
      const auto [delete_bytes, delete_files] = finder ? deletes_of(*finder, entry) : std::pair<int64_t, int64_t>();
      const int64_t least = (1 + delete_files) * options.open_file_bytes;
      if (i < part->splits.size() && part->splits[i] != ScanPlan::Split()) {
        throw InvalidArgument("what is split already is not split again");
      }
      const std::vector<int64_t> begins = starts(*part->manifest, entry, options.target_bytes);
      for (size_t k = 0; k < begins.size(); ++k) {
        // The last one has no end: the size in the manifest may not be the file's.
        const bool is_last = k + 1 == begins.size();
        const int64_t end = is_last ? std::max<int64_t>(part->manifest->file_size_in_bytes[entry], 0) : begins[k + 1];
        const int64_t length = end - begins[k];
        pack({.part = part,
              .index = i,
              .split = {begins[k], is_last ? INT64_MAX : length},
              .weight = std::max(sum(length, delete_bytes), least)});
      }
    }
  }

  void pack(Piece piece) {
    const auto room = std::find_if(open.begin(), open.end(), [&](const Bin& bin) {
      return bin.weight <= options.target_bytes - std::min(piece.weight, options.target_bytes);
    });
    Bin& bin = room != open.end() ? *room : open.emplace_back();
    bin.weight = sum(bin.weight, piece.weight);
    bin.pieces.push_back(std::move(piece));
    if (static_cast<int64_t>(open.size()) <= options.lookback) return;
    const auto largest =
        std::max_element(open.begin(), open.end(), [](const Bin& a, const Bin& b) { return a.weight < b.weight; });
    full.push_back(std::move(*largest));
    open.erase(largest);
  }

  ScanPlan task_of(const Bin& bin) const {
    ScanPlan task = head;
    const ScanPlan::Part* from = nullptr;
    size_t index = 0;
    for (const Piece& piece : bin.pieces) {
      const bool same_part = piece.part.get() == from;
      if (same_part && piece.index == index) {
        ScanPlan::Split& last = task.parts.back().splits.back();
        if (last.start + last.length == piece.split.start) {  // the next piece of the same file
          last.length = piece.split.length == INT64_MAX ? INT64_MAX : last.length + piece.split.length;
          continue;
        }
      }
      if (!same_part) task.parts.push_back({{piece.part->reader, piece.part->manifest, {}}, {}, {}});
      from = piece.part.get();
      index = piece.index;
      ScanPlan::Part& part = task.parts.back();
      part.entries.push_back(from->entries[index]);
      part.splits.push_back(piece.split);
      if (!from->without.empty()) part.without.push_back(from->without[index]);
    }
    for (ScanPlan::Part& part : task.parts) {
      if (std::count(part.splits.begin(), part.splits.end(), ScanPlan::Split()) ==
          static_cast<int64_t>(part.splits.size())) {
        part.splits.clear();
      }
    }
    return task;
  }
};

TaskPlanner::TaskPlanner(const ScanPlan& plan, const TaskOptions& options, NextPart parts)
    : state_(std::make_unique<State>(State{.head = {.schema = plan.schema,
                                                    .projection = plan.projection,
                                                    .filter = plan.filter,
                                                    .keys = plan.keys,
                                                    .snapshot_id = plan.snapshot_id,
                                                    .parts = {},
                                                    .deletes = plan.deletes},
                                           .options = options,
                                           .parts = std::move(parts)})) {
  if (options.parallelism) state_->adapt();
}

TaskPlanner::~TaskPlanner() = default;

std::optional<ScanPlan> TaskPlanner::next() {
  while (state_->full.empty() && !state_->ended) {
    if (std::optional<ScanPlan::Part> part = state_->parts()) {
      state_->add(*std::move(part));
    } else {
      state_->ended = true;
      std::move(state_->open.begin(), state_->open.end(), std::back_inserter(state_->full));
      state_->open.clear();
    }
  }
  if (state_->full.empty()) return std::nullopt;
  const Bin bin = std::move(state_->full.front());
  state_->full.pop_front();
  return state_->task_of(bin);
}

std::vector<ScanPlan> plan_tasks(const ScanPlan& plan, const TaskOptions& options) {
  size_t next_part = 0;
  TaskPlanner planner(plan, options, [&]() -> std::optional<ScanPlan::Part> {
    if (next_part == plan.parts.size()) return std::nullopt;
    return plan.parts[next_part++];
  });
  std::vector<ScanPlan> tasks;
  while (std::optional<ScanPlan> task = planner.next()) tasks.push_back(*std::move(task));
  return tasks;
}

}  // namespace floe
