#include "history.h"

#include <arrow/api.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "warehouse.h"

namespace floe {
namespace {

constexpr std::pair<Reported, std::string_view> kWords[] = {{Reported::kSucceeded, "succeeded"},
                                                            {Reported::kFailed, "failed"},
                                                            {Reported::kConflict, "conflict"},
                                                            {Reported::kUnknown, "unknown"}};

constexpr std::pair<Workload, std::string_view> kWorkloads[] = {
    {Workload::kAppends, "appends"}, {Workload::kMix, "mix"}, {Workload::kPartitions, "partitions"}};

// Ids that all writers change, those that only one does, and those that are appended once.
constexpr int64_t kShared = 24;
constexpr int64_t kOwn = 12;
constexpr int64_t kAppended = 3;
constexpr int64_t kPartition = 1'000;
constexpr int64_t first_own(int64_t writer) { return kPartition * (writer + 1); }
constexpr int64_t first_appended(int64_t commit) { return 1'000'000 + commit * kAppended; }

using Rows = std::map<int64_t, std::string>;

Change append_of(int64_t commit) {
  Change change{.kind = Change::Kind::kAppend};
  for (int64_t i = 0; i < kAppended; ++i) change.rows[first_appended(commit) + i] = fmt::format("commit {}", commit);
  return change;
}

// Steps of a commit, by chance, which the commit's id decides.
class Chance {
 public:
  explicit Chance(int64_t commit) : commit_(commit), random_(static_cast<uint64_t>(commit) + 1) {}

  int64_t below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }

  // Of ids from `first` on. Some rows have a text that other commits give them as well: those may be there unchanged.
  Change upsert(int64_t first, int64_t ids) {
    Change change{.kind = Change::Kind::kUpsert};
    for (int i = 0; i < 5; ++i) {
      change.rows[first + below(ids)] = below(2) == 0 ? "as always" : fmt::format("commit {}", commit_);
    }
    return change;
  }
  Change remove(int64_t first, int64_t ids) {
    const int64_t from = first + below(ids - 2);
    return {.kind = Change::Kind::kDelete, .first = from, .end = from + 3};
  }
  Change overwrite(int64_t first, int64_t ids) {
    Change change = remove(first, ids);
    change.kind = Change::Kind::kOverwrite;
    for (int64_t id = change.first; id < change.end; ++id) change.rows[id] = fmt::format("commit {}", commit_);
    return change;
  }
  // Of which some rows only leave.
  Change change_by_key(int64_t first, int64_t ids) {
    Change change = overwrite(first, ids);
    change.kind = Change::Kind::kChangeByKey;
    change.rows.erase(change.first);
    return change;
  }
  Change overwrite_partition(int64_t first, int64_t ids) {
    Change change = overwrite(first, ids);
    change.kind = Change::Kind::kOverwritePartition;
    change.first = first;
    change.end = first + kPartition;
    return change;
  }

 private:
  const int64_t commit_;
  std::mt19937_64 random_;
};

// Does a change of the model, and counts what an upsert of it does.
UpsertCounts apply(const Change& change, Rows& model) {
  UpsertCounts counts;
  model.erase(model.lower_bound(change.first), model.lower_bound(change.end));
  for (const auto& [id, text] : change.rows) {
    const auto [row, inserted] = model.emplace(id, text);
    if (change.kind != Change::Kind::kUpsert) {
      EXPECT_TRUE(inserted) << "the model has two rows of the id " << id;
      continue;
    }
    ++(inserted ? counts.inserted : row->second == text ? counts.unchanged : counts.updated);
    row->second = text;
  }
  return counts;
}

bool is_shared(const Change& change) {
  return change.end > change.first ? change.first < kShared : change.rows.begin()->first < kShared;
}

std::string counted(const UpsertCounts& counts) {
  return fmt::format("updated {}, inserted {}, unchanged {}", counts.updated, counts.inserted, counts.unchanged);
}

Rows rows_of(const Table& table, const Snapshot* snapshot) {
  Rows found;
  if (!snapshot) return found;
  const auto rows = read_all(table, {.snapshot_id = snapshot->snapshot_id});
  const auto& ids = static_cast<const arrow::Int64Array&>(*rows->GetColumnByName("id"));
  const auto& texts = static_cast<const arrow::StringArray&>(*rows->GetColumnByName("text"));
  for (int64_t i = 0; i < rows->num_rows(); ++i) {
    EXPECT_TRUE(found.emplace(ids.Value(i), texts.GetString(i)).second)
        << "snapshot " << snapshot->snapshot_id << " has two rows of the id " << ids.Value(i);
  }
  return found;
}

// The table's snapshots, oldest first.
std::vector<const Snapshot*> chain_of(const TableMetadata& table) {
  std::vector<const Snapshot*> chain;
  const Snapshot* child = nullptr;
  for (const Snapshot* snapshot = current_snapshot(table); snapshot != nullptr;) {
    if (child != nullptr) {
      EXPECT_EQ(child->sequence_number, snapshot->sequence_number + 1);
      EXPECT_GE(child->timestamp_ms, snapshot->timestamp_ms);
    }
    chain.push_back(snapshot);
    child = snapshot;
    snapshot = snapshot->parent_snapshot_id ? snapshot_by_id(table, *snapshot->parent_snapshot_id) : nullptr;
  }
  std::reverse(chain.begin(), chain.end());
  EXPECT_EQ(chain.size(), table.snapshots.size()) << "snapshots beside the chain";
  EXPECT_EQ(table.last_sequence_number, static_cast<int64_t>(chain.size()));
  return chain;
}

int64_t number(const Snapshot& snapshot, std::string_view property) {
  return std::stoll("0" + std::string(snapshot.summary.get(property)));
}

// The model's states: what each snapshot should show, and what no snapshot shows before the first one.
class Replay {
 public:
  Replay(const Table& table, Workload workload, const History& history)
      : table_(table), workload_(workload), history_(history), chain_(chain_of(table.metadata())) {
    states_.push_back({-1, {}});
    for (size_t at = 0; at < chain_.size();) at += is_compaction(at) ? replay_compaction(at) : replay_commit(at);
  }

  void expect_reports() const {
    const auto may_conflict = [&](int64_t commit) {
      return compacted_ || std::ranges::any_of(steps_of(workload_, commit), is_shared);
    };
    for (const auto& [commit, report] : history_) {
      const bool is_there = committed_.contains(commit);
      const bool failed = report.reported == Reported::kFailed || report.reported == Reported::kConflict;
      EXPECT_FALSE(is_there && failed) << "commit " << commit << " did not fail";
      EXPECT_TRUE(report.reported != Reported::kConflict || may_conflict(commit))
          << "commit " << commit << " is in conflict, but no other writer has its rows";
      if (!is_there && report.reported == Reported::kSucceeded) expect_nothing_to_do(commit, report);
    }
  }

  void expect_rows() const {
    if (rows_of(table_, chain_.empty() ? nullptr : chain_.back()) == states_.back().second) return;
    for (size_t i = 0; i < chain_.size(); ++i) {
      const Rows found = rows_of(table_, chain_[i]);
      if (found == states_[i + 1].second) continue;
      ADD_FAILURE() << "the first snapshot with other rows than it should have is of commit "
                    << number(*chain_[i], "commit") << ": " << differences(found, states_[i + 1].second);
      return;
    }
  }

 private:
  // What changes no rows.
  bool is_compaction(size_t at) const { return chain_[at]->summary.get("operation") == "replace"; }
  size_t replay_compaction(size_t at) {
    compacted_ = true;
    states_.emplace_back(chain_[at]->snapshot_id, states_.back().second);
    return 1;
  }

  // Of the snapshot at this place and those of the same commit; how many.
  size_t replay_commit(size_t at) {
    const int64_t commit = number(*chain_[at], "commit");
    EXPECT_TRUE(committed_.insert(commit).second) << "commit " << commit << " is in the table twice";
    const auto report = history_.find(commit);
    EXPECT_NE(report, history_.end()) << "nobody tried commit " << commit;
    Rows state = states_.back().second;
    size_t snapshots = 0;
    const std::vector<Change> steps = steps_of(workload_, commit);
    for (size_t step = 0; step < steps.size(); ++step) {
      const Rows before = state;
      const UpsertCounts counts = apply(steps[step], state);
      const size_t next = at + snapshots;
      if (next < chain_.size() && number(*chain_[next], "commit") == commit &&
          number(*chain_[next], "step") == static_cast<int64_t>(step)) {
        states_.emplace_back(chain_[next]->snapshot_id, state);
        ++snapshots;
      } else {
        EXPECT_EQ(before, state) << "commit " << commit << " lacks the step " << to_string(steps[step]);
      }
      if (steps[step].kind == Change::Kind::kUpsert && report != history_.end() &&
          report->second.reported == Reported::kSucceeded) {
        EXPECT_EQ(counted(report->second.counts), counted(counts)) << "commit " << commit << to_string(steps[step]);
      }
    }
    EXPECT_GT(snapshots, 0) << "commit " << commit << " has other steps than it should have";
    return std::max<size_t>(snapshots, 1);
  }

  void expect_nothing_to_do(int64_t commit, const Report& report) const {
    const auto state = std::ranges::find(states_, report.snapshot, &std::pair<int64_t, Rows>::first);
    ASSERT_NE(state, states_.end()) << "commit " << commit << " is lost";
    Rows rows = state->second;
    UpsertCounts counts;
    for (const Change& step : steps_of(workload_, commit)) counts = apply(step, rows);
    EXPECT_EQ(rows, state->second) << "commit " << commit << " is lost";
    EXPECT_EQ(counted(report.counts), counted(counts)) << "commit " << commit;
  }

  static std::string differences(const Rows& found, const Rows& expected) {
    std::string text;
    for (const auto& [id, value] : found) {
      const auto other = expected.find(id);
      if (other == expected.end()) text += fmt::format("({}, {}) should not be there; ", id, value);
      if (other != expected.end() && other->second != value)
        text += fmt::format("({}, {}) should be {}; ", id, value, other->second);
    }
    for (const auto& [id, value] : expected) {
      if (!found.contains(id)) text += fmt::format("({}, {}) is missing; ", id, value);
    }
    return text;
  }

  const Table& table_;
  const Workload workload_;
  const History& history_;
  const std::vector<const Snapshot*> chain_;
  std::vector<std::pair<int64_t, Rows>> states_;  // by snapshot, oldest first
  bool compacted_ = false;
  std::set<int64_t> committed_;
};

}  // namespace

std::string_view name_of(Workload workload) { return kWorkloads[static_cast<int>(workload)].second; }

Workload parse_workload(std::string_view name) {
  for (const auto& [workload, known] : kWorkloads) {
    if (name == known) return workload;
  }
  throw std::invalid_argument(fmt::format("no workload '{}'", name));
}

PartitionSpec history_spec() {
  return {.fields = {{.source_ids = {1},
                      .field_id = 1000,
                      .name = "writer",
                      .transform = parse_transform(fmt::format("truncate[{}]", kPartition))}}};
}

std::string to_string(const Change& change) {
  constexpr std::string_view kNames[] = {"append",    "upsert",        "delete",
                                         "overwrite", "change by key", "overwrite of the partition"};
  std::string text(kNames[static_cast<int>(change.kind)]);
  if (change.end > change.first) text += fmt::format(" [{}, {})", change.first, change.end);
  for (const auto& [id, value] : change.rows) text += fmt::format(" ({}, {})", id, value);
  return text;
}

std::shared_ptr<arrow::RecordBatch> rows_of(const Change& change) {
  arrow::Int64Builder ids;
  arrow::StringBuilder texts;
  for (const auto& [id, text] : change.rows) {
    check(ids.Append(id), "append");
    check(texts.Append(text), "append");
  }
  return arrow::RecordBatch::Make(to_arrow_schema(numbered_schema()), static_cast<int64_t>(change.rows.size()),
                                  {*ids.Finish(), *texts.Finish()});
}

std::string filter_of(const Change& change) { return fmt::format("id >= {} and id < {}", change.first, change.end); }

std::vector<Change> steps_of(Workload workload, int64_t commit) {
  if (workload == Workload::kAppends) return {append_of(commit)};
  Chance chance(commit);
  const int64_t own = first_own(commit / kWriterCommits);
  switch (chance.below(workload == Workload::kMix ? 9 : 13)) {
    case 0:
      return {append_of(commit)};
    case 1:
      return {chance.upsert(own, kOwn)};
    case 2:
    case 3:
      return {chance.upsert(0, kShared)};
    case 4:
      return {chance.remove(own, kOwn)};
    case 5:
      return {chance.remove(0, kShared)};
    case 6:
      return {chance.overwrite(0, kShared)};
    case 7:
      return {chance.remove(own, kOwn), append_of(commit)};
    case 8:
      return {chance.overwrite(own, kOwn), chance.remove(own, kOwn)};
    case 9:
      return {chance.change_by_key(own, kOwn)};
    case 10:
      return {chance.change_by_key(0, kShared)};
    case 11:
      return {chance.overwrite_partition(own, kOwn)};
    default:
      return {chance.overwrite_partition(0, kShared)};
  }
}

std::string line_of(int64_t commit, const Report& report) {
  return fmt::format("{} {} {} {} {} {}\n", kWords[static_cast<int>(report.reported)].second, commit, report.snapshot,
                     report.counts.updated, report.counts.inserted, report.counts.unchanged);
}

void read_lines(const std::string& lines, History& history) {
  std::istringstream in(lines);
  std::string word;
  Report report;
  for (int64_t commit; in >> word >> commit >> report.snapshot >> report.counts.updated >> report.counts.inserted >>
                       report.counts.unchanged;) {
    for (const auto& [reported, name] : kWords) {
      if (word != name) continue;
      report.reported = reported;
      EXPECT_TRUE(history.emplace(commit, report).second) << "commit " << commit << " is reported twice";
    }
  }
}

void expect_history(const Table& table, Workload workload, const History& history, const std::set<std::string>& files) {
  const Replay replay(table, workload, history);
  replay.expect_reports();
  replay.expect_rows();
  EXPECT_EQ(referenced_files(table), files) << "files that nothing refers to, or that are missing";
}

}  // namespace floe
