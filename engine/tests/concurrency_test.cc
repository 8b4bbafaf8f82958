// Processes that commit to one table at the same time: a history of what each was told decides, not a count.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <thread>
#include <tuple>
#include <utility>

#include "history.h"
#include "process.h"
#include "warehouse.h"

namespace floe {
namespace {

constexpr int kProcesses = 8;
constexpr int64_t kAppends = 25;

// Of the mix, which is many tests: FLOE_TEST_COMMITS, or so few that all of them take seconds.
int64_t mixed_commits() {
  const char* text = std::getenv("FLOE_TEST_COMMITS");
  return text ? std::stoll(text) : 10;
}

// Otherwise the table forgets its oldest metadata files, which stay.
const Properties::value_type kKeepMetadata = {"write.metadata.previous-versions-max", "10000"};

// Runs all processes to their end; what they were told.
History run(const Warehouse& warehouse, Workload workload, int64_t commits, int writers = kProcesses) {
  std::vector<std::unique_ptr<Process>> processes;
  for (int i = 0; i < writers; ++i) {
    processes.push_back(std::make_unique<Process>(
        std::vector<std::string>{COMMIT_PROGRAM, warehouse.uri(), warehouse.location(), "t",
                                 std::string(name_of(workload)), std::to_string(i), std::to_string(commits)}));
  }
  History history;
  for (const auto& process : processes) {
    EXPECT_EQ(process->wait(), 0) << process->errors();
    read_lines(process->output(), history);
  }
  EXPECT_EQ(history.size(), writers * commits);
  return history;
}

int64_t successes(const History& history) {
  return std::ranges::count(history, Reported::kSucceeded, [](const auto& commit) { return commit.second.reported; });
}

class ConcurrencyTest : public testing::TestWithParam<Database> {
 protected:
  Warehouse warehouse_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Databases, ConcurrencyTest, testing::ValuesIn(kAllDatabases),
                         [](const auto& test) { return name_of(test.param); });

TEST_P(ConcurrencyTest, AppendsAllGetIn) {
  warehouse_.create("t", numbered_schema(), {}, {kKeepMetadata});
  const History history = run(warehouse_, Workload::kAppends, kAppends);
  const Table table = warehouse_.load("t");
  expect_history(table, Workload::kAppends, history, warehouse_.files(table));
  EXPECT_EQ(successes(history), kProcesses * kAppends);
}

// Losers of a race that may not try again leave nothing.
TEST_P(ConcurrencyTest, WithoutRetriesTheLosersLeaveNothing) {
  warehouse_.create("t", numbered_schema(), {}, {kKeepMetadata, {"commit.retry.num-retries", "0"}});
  const History history = run(warehouse_, Workload::kAppends, kAppends);
  const Table table = warehouse_.load("t");
  expect_history(table, Workload::kAppends, history, warehouse_.files(table));
  EXPECT_GT(successes(history), 0);
  EXPECT_LT(successes(history), kProcesses * kAppends);
}

using Mix = std::tuple<Database, const char*, const char*>;  // and format version, mode

std::string name_of_mix(const testing::TestParamInfo<Mix>& test) {
  const auto& [database, version, mode] = test.param;
  const bool copies = std::string(mode) == "copy-on-write";
  return name_of(database) + "V" + version + (copies ? "CopyOnWrite" : "MergeOnRead");
}

class ConcurrentChanges : public testing::TestWithParam<Mix> {};
INSTANTIATE_TEST_SUITE_P(Tables, ConcurrentChanges,
                         testing::Combine(testing::ValuesIn(kAllDatabases), testing::Values("2", "3"),
                                          testing::Values("copy-on-write", "merge-on-read")),
                         name_of_mix);

void expect_as_if_one_after_the_other(const Mix& mix, Workload workload, PartitionSpec spec) {
  const auto& [database, version, mode] = mix;
  const Warehouse warehouse(database);
  warehouse.create("t", numbered_schema(), std::move(spec),
                   {kKeepMetadata,
                    {"format-version", version},
                    {"write.delete.mode", mode},
                    {"write.update.mode", mode},
                    {"write.merge.mode", mode}});
  const History history = run(warehouse, workload, mixed_commits());
  const Table table = warehouse.load("t");
  expect_history(table, workload, history, warehouse.files(table));
  testing::Test::RecordProperty("successes", static_cast<int>(successes(history)));
  EXPECT_GT(successes(history), kProcesses * mixed_commits() / 2);
}

TEST_P(ConcurrentChanges, OfEveryKindAreAsIfOneAfterTheOther) {
  expect_as_if_one_after_the_other(GetParam(), Workload::kMix, {});
}

TEST_P(ConcurrentChanges, OfPartitionsAndByKeyToo) {
  expect_as_if_one_after_the_other(GetParam(), Workload::kPartitions, history_spec());
}

// The table is compacted all the while, and writers go on.
TEST_P(ConcurrentChanges, AndCompactionLoseNoRowAndBringNoneBack) {
  constexpr int kWriters = 4;
  const auto& [database, version, mode] = GetParam();
  const Warehouse warehouse(database);
  warehouse.create("t", numbered_schema(), {},
                   {kKeepMetadata,
                    {"format-version", version},
                    {"write.delete.mode", mode},
                    {"write.update.mode", mode},
                    {"write.merge.mode", mode}});
  std::atomic<bool> done = false;
  History history;
  std::thread writers([&] {
    history = run(warehouse, Workload::kMix, 2 * mixed_commits(), kWriters);
    done = true;
  });
  int64_t compacted = 0;
  while (!done) {
    Table table = warehouse.load("t");
    try {
      compacted += table
                       .rewrite_data_files({.rewrite_all = true,
                                            .max_file_group_input_files = 5,
                                            .partial_progress = true,
                                            .max_failed_commits = 1000,
                                            .remove_dangling_deletes = true})
                       .commits;
    } catch (const CommitFailed&) {  // others were first, again and again
    }
  }
  writers.join();
  const Table table = warehouse.load("t");
  expect_history(table, Workload::kMix, history, warehouse.files(table));
  EXPECT_GT(successes(history), kWriters * mixed_commits());
  EXPECT_GT(compacted, 0);
}

}  // namespace
}  // namespace floe
