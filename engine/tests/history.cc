#include "history.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <utility>
#include <vector>

#include "warehouse.h"

namespace floe {
namespace {

constexpr std::pair<Reported, std::string_view> kWords[] = {
    {Reported::kSucceeded, "succeeded"}, {Reported::kFailed, "failed"}, {Reported::kUnknown, "unknown"}};

// The commits of the table's snapshots, oldest first.
std::vector<int64_t> commits_of_chain(const TableMetadata& table) {
  std::vector<int64_t> commits;
  size_t length = 0;
  const Snapshot* child = nullptr;
  for (const Snapshot* snapshot = current_snapshot(table); snapshot != nullptr; ++length) {
    if (child != nullptr) {
      EXPECT_EQ(child->sequence_number, snapshot->sequence_number + 1);
      EXPECT_GE(child->timestamp_ms, snapshot->timestamp_ms);
    }
    commits.insert(commits.begin(), std::stoll("0" + std::string(snapshot->summary.get("commit"))));
    child = snapshot;
    snapshot = snapshot->parent_snapshot_id ? snapshot_by_id(table, *snapshot->parent_snapshot_id) : nullptr;
  }
  EXPECT_EQ(length, table.snapshots.size()) << "snapshots beside the chain";
  EXPECT_EQ(length, table.snapshot_log.size());
  EXPECT_EQ(table.last_sequence_number, static_cast<int64_t>(length));
  return commits;
}

}  // namespace

std::string line_of(int64_t commit, Reported reported) {
  return fmt::format("{} {}\n", kWords[static_cast<int>(reported)].second, commit);
}

void read_lines(const std::string& lines, History& history) {
  std::istringstream in(lines);
  std::string word;
  for (int64_t commit; in >> word >> commit;) {
    for (const auto& [reported, name] : kWords) {
      if (word == name) {
        EXPECT_TRUE(history.emplace(commit, reported).second) << "commit " << commit << " is reported twice";
      }
    }
  }
}

void expect_history(const Table& table, const History& history, const std::set<std::string>& files) {
  std::set<int64_t> committed;
  for (const int64_t commit : commits_of_chain(table.metadata())) {
    EXPECT_TRUE(committed.insert(commit).second) << "commit " << commit << " is in the table twice";
    EXPECT_TRUE(history.contains(commit)) << "nobody tried commit " << commit;
  }
  std::vector<int64_t> rows;
  for (const auto& [commit, reported] : history) {
    const bool is_there = committed.contains(commit);
    EXPECT_TRUE(is_there || reported != Reported::kSucceeded) << "commit " << commit << " is lost";
    EXPECT_FALSE(is_there && reported == Reported::kFailed) << "commit " << commit << " did not fail";
    for (int64_t i = 0; is_there && i < kRowsOfCommit; ++i) rows.push_back(first_row(commit) + i);
  }
  std::sort(rows.begin(), rows.end());
  EXPECT_EQ(sorted_int64s(*read_all(table), "id"), rows);
  EXPECT_EQ(referenced_files(table), files) << "files that nothing refers to, or that are missing";
}

}  // namespace floe
