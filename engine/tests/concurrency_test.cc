// Processes that commit to one table at the same time: a history of what each was told decides, not a count.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "history.h"
#include "process.h"
#include "warehouse.h"

namespace floe {
namespace {

constexpr int kProcesses = 8;
constexpr int64_t kCommits = 25;

// Otherwise the table forgets its oldest metadata files, which stay.
const Properties::value_type kKeepMetadata = {"write.metadata.previous-versions-max", "1000"};

class ConcurrencyTest : public testing::TestWithParam<Database> {
 protected:
  // Runs all processes to their end; what they were told.
  History run(int64_t commits) {
    std::vector<std::unique_ptr<Process>> processes;
    for (int i = 0; i < kProcesses; ++i) {
      processes.push_back(std::make_unique<Process>(
          std::vector<std::string>{COMMIT_PROGRAM, warehouse_.uri(), warehouse_.location(), "t",
                                   std::to_string(i * commits), std::to_string(commits)}));
    }
    History history;
    for (const auto& process : processes) {
      EXPECT_EQ(process->wait(), 0) << process->errors();
      read_lines(process->output(), history);
    }
    EXPECT_EQ(history.size(), kProcesses * commits);
    return history;
  }
  static int64_t successes(const History& history) {
    return std::ranges::count(history, Reported::kSucceeded, [](const auto& commit) { return commit.second; });
  }

  Warehouse warehouse_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Databases, ConcurrencyTest, testing::Values(Database::kSqlite, Database::kPostgresql),
                         [](const auto& test) { return name_of(test.param); });

TEST_P(ConcurrencyTest, AppendsAllGetIn) {
  warehouse_.create("t", numbered_schema(), {}, {kKeepMetadata});
  const History history = run(kCommits);
  const Table table = warehouse_.load("t");
  expect_history(table, history, warehouse_.files(table));
  EXPECT_EQ(successes(history), kProcesses * kCommits);
}

// Losers of a race that may not try again leave nothing.
TEST_P(ConcurrencyTest, WithoutRetriesTheLosersLeaveNothing) {
  warehouse_.create("t", numbered_schema(), {}, {kKeepMetadata, {"commit.retry.num-retries", "0"}});
  const History history = run(kCommits);
  const Table table = warehouse_.load("t");
  expect_history(table, history, warehouse_.files(table));
  EXPECT_GT(successes(history), 0);
  EXPECT_LT(successes(history), kProcesses * kCommits);
}

}  // namespace
}  // namespace floe
