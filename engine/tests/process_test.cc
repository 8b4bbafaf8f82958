// Processes that append to a table: killed, without room, and several at once.
#include "process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <memory>
#include <numeric>
#include <sstream>
#include <thread>

#include "history.h"
#include "warehouse.h"

namespace floe {
namespace {

using testing::HasSubstr;

constexpr int64_t kRows = 1000;

std::vector<std::string> append_command(const Warehouse& warehouse, int64_t first, int64_t appends, int64_t rows) {
  return {APPEND_PROGRAM,        warehouse.uri(),         warehouse.location(), "t",
          std::to_string(first), std::to_string(appends), std::to_string(rows)};
}

std::vector<int64_t> ints(const std::string& text) {
  std::istringstream in(text);
  std::vector<int64_t> values;
  for (int64_t value; in >> value;) values.push_back(value);
  return values;
}

std::set<std::string> difference(const std::set<std::string>& a, const std::set<std::string>& b) {
  std::set<std::string> out;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::inserter(out, out.end()));
  return out;
}

TEST(Processes, KilledAtAnyMomentLeavesTheOldTableOrTheNewOne) {
  constexpr int kAppends = 12;
  constexpr int kKills = 24;
  Warehouse warehouse;
  warehouse.create("t", numbered_schema());
  int64_t first = 0;

  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(Process(append_command(warehouse, first, kAppends, kRows)).wait(), 0);
  const auto whole_run = std::chrono::steady_clock::now() - start;
  first += kAppends * kRows;
  std::vector<int64_t> expected(first);
  std::iota(expected.begin(), expected.end(), 0);

  int killed = 0, between = 0;
  for (int i = 0; i < kKills; ++i) {
    Process process(append_command(warehouse, first, kAppends, kRows));
    std::this_thread::sleep_for(whole_run * (i + 1) / (kKills + 1));
    process.kill();
    killed += process.wait() == -SIGKILL ? 1 : 0;
    const std::vector<int64_t> reported = ints(process.output());

    clear_manifest_cache();
    const Table table = warehouse.load("t");
    const std::vector<int64_t> ids = sorted_int64s(*read_all(table), "id");
    ASSERT_EQ((ids.size() - expected.size()) % kRows, 0) << "a part of an append";
    const size_t appended = (ids.size() - expected.size()) / kRows;
    ASSERT_GE(appended, reported.size()) << "an append that was reported is lost";
    ASSERT_LE(appended, reported.size() + 1);
    for (size_t n = 0; n < appended * kRows; ++n) expected.push_back(first + static_cast<int64_t>(n));
    ASSERT_EQ(ids, expected);
    EXPECT_EQ(difference(referenced_files(table), warehouse.files(table)), std::set<std::string>());
    between += appended > 0 && appended < kAppends ? 1 : 0;
    first += kAppends * kRows;
  }
  EXPECT_GT(killed, kKills / 3);
  EXPECT_GT(between, 0);

  // Whoever comes after a killed process works as if nothing was.
  Table table = warehouse.load("t");
  append_numbered(table, first, 5);
  EXPECT_EQ(read_all(table)->num_rows(), static_cast<int64_t>(expected.size()) + 5);
}

// Writers that change the same rows are killed, all at once; what each of them was at is in the table whole or not at
// all.
class KilledWriters : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Modes, KilledWriters, testing::Values("copy-on-write", "merge-on-read"),
                         [](const auto& test) { return test.param[0] == 'c' ? "CopyOnWrite" : "MergeOnRead"; });

TEST_P(KilledWriters, LeaveTheirLastCommitWhollyOrNotAtAll) {
  constexpr int kRounds = 8, kWriters = 3;
  constexpr int64_t kCommits = 10;
  const Warehouse warehouse;
  const char* mode = GetParam();
  warehouse.create("t", numbered_schema(), history_spec(),
                   {{"write.metadata.previous-versions-max", "10000"},
                    {"write.delete.mode", mode},
                    {"write.update.mode", mode},
                    {"write.merge.mode", mode}});
  History history;
  std::chrono::steady_clock::duration whole_run{};
  int killed = 0;
  for (int round = 0; round <= kRounds; ++round) {
    std::vector<std::unique_ptr<Process>> writers;
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kWriters; ++i) {
      writers.push_back(std::make_unique<Process>(std::vector<std::string>{
          COMMIT_PROGRAM, warehouse.uri(), warehouse.location(), "t", std::string(name_of(Workload::kPartitions)),
          std::to_string(round * kWriters + i), std::to_string(kCommits)}));
    }
    if (round > 0) {  // the first round shows how long one takes
      std::this_thread::sleep_for(whole_run * round / (kRounds + 1));
      for (const auto& writer : writers) writer->kill();
    }
    for (int i = 0; i < kWriters; ++i) {
      const int ended = writers[i]->wait();
      ASSERT_TRUE(ended == 0 || (round > 0 && ended == -SIGKILL)) << writers[i]->errors();
      const size_t before = history.size();
      read_lines(writers[i]->output(), history);
      const auto told = static_cast<int64_t>(history.size() - before);
      if (told == kCommits) continue;
      ++killed;
      history.emplace((round * kWriters + i) * kWriterCommits + told, Report{.reported = Reported::kUnknown});
    }
    whole_run = std::max(whole_run, std::chrono::steady_clock::now() - start);
    clear_manifest_cache();
    read_all(warehouse.load("t"));
  }
  EXPECT_GT(killed, kRounds);
  const Table table = warehouse.load("t");
  const std::set<std::string> referenced = referenced_files(table), there = warehouse.files(table);
  EXPECT_EQ(difference(referenced, there), std::set<std::string>());
  expect_history(table, Workload::kPartitions, history, referenced);  // files that nothing refers to may be left
}

TEST(Processes, WithoutRoomAnAppendFailsWithAMessageAndLeavesNothing) {
  Warehouse warehouse;
  Table table = warehouse.create("t", numbered_schema());
  append_numbered(table, 0, 10);
  const std::set<std::string> before = warehouse.files(table);
  constexpr int64_t kManyRows = 200'000;  // about 1 MB
  for (const rlim_t limit : {0, 500, 1'000, 2'000, 4'000, 8'000, 40'000, 300'000}) {
    Process process(append_command(warehouse, 1000, 1, kManyRows), limit);
    EXPECT_EQ(process.wait(), 1) << "limit " << limit << ": " << process.errors();
    EXPECT_THAT(process.errors(), HasSubstr("write")) << "limit " << limit;
    clear_manifest_cache();
    table = warehouse.load("t");
    EXPECT_EQ(read_all(table)->num_rows(), 10) << "limit " << limit;
    EXPECT_EQ(warehouse.files(table), before) << "limit " << limit;
  }
  // Small files fit, until the catalog's or the table's own do not any more.
  std::set<std::string> known = warehouse.files(table);
  for (rlim_t limit = 500; limit < 40'000; limit += limit / 4) {
    Process process(append_command(warehouse, 1000, 1, 10), limit);
    const bool succeeded = process.wait() == 0;
    clear_manifest_cache();
    const int64_t rows = read_all(warehouse.load("t"))->num_rows();
    const int64_t expected = read_all(table)->num_rows() + (succeeded ? 10 : 0);
    ASSERT_EQ(rows, expected) << "limit " << limit << ": " << process.errors();
    table = warehouse.load("t");
    const std::set<std::string> left = difference(warehouse.files(table), known);
    if (process.errors().find("could not be learnt") == std::string::npos) {
      EXPECT_EQ(difference(left, referenced_files(table)), std::set<std::string>())
          << "limit " << limit << ": " << process.errors();
    }  // else SQLite broke on its journal, the outcome was not known, and nothing may be removed
    known.insert(left.begin(), left.end());
  }
  EXPECT_GT(read_all(table)->num_rows(), 10);
}

TEST(Processes, AppendersAtTheSameTimeAllGetIn) {
  constexpr int kProcesses = 8;
  constexpr int64_t kAppends = 10, kRowsOfEach = 10;
  Warehouse warehouse;
  warehouse.create("t", numbered_schema());
  std::vector<std::unique_ptr<Process>> processes;
  for (int i = 0; i < kProcesses; ++i) {
    processes.push_back(
        std::make_unique<Process>(append_command(warehouse, i * kAppends * kRowsOfEach, kAppends, kRowsOfEach)));
  }
  for (const auto& process : processes) EXPECT_EQ(process->wait(), 0) << process->errors();

  const Table table = warehouse.load("t");
  std::vector<int64_t> expected(kProcesses * kAppends * kRowsOfEach);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(sorted_int64s(*read_all(table), "id"), expected);
  EXPECT_EQ(table.metadata().snapshots.size(), kProcesses * kAppends);
  EXPECT_EQ(table.metadata().last_sequence_number, kProcesses * kAppends);
  EXPECT_EQ(current_snapshot(table.metadata())->summary.get("total-records"), std::to_string(expected.size()));
  EXPECT_EQ(referenced_files(table), warehouse.files(table)) << "files of lost races are left";
}

}  // namespace
}  // namespace floe
