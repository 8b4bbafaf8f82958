// Processes that commit at the same time to a table of a REST catalog, also through a proxy that loses, delays and
// breaks requests and answers. As with other catalogs, a history of what each was told decides.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <random>

#include "floe/test_http_server.h"
#include "floe/test_service.h"
#include "history.h"
#include "process.h"
#include "warehouse.h"

namespace floe {
namespace {

constexpr int kProcesses = 4;

int64_t commits() {
  const char* text = std::getenv("FLOE_TEST_COMMITS");
  return text ? std::stoll(text) : 6;
}

// A table in the namespace "db" that nobody else knows.
class RestTable {
 public:
  explicit RestTable(Properties properties) {
    properties.emplace("write.metadata.previous-versions-max", "10000");
    try {
      catalog_->create_namespace({"db"});
    } catch (const NamespaceAlreadyExists&) {  // another test's
    }
    catalog_->create_table({{"db"}, name_}, {.schema = numbered_schema(), .properties = std::move(properties)});
  }

  const std::string& name() const { return name_; }
  Table load() const { return Table::load(catalog_, {{"db"}, name_}); }

  // Those that we write and those metadata files that the table names: what becomes of others is the server's affair.
  std::set<std::string> files(const Table& table) const {
    std::set<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(local_path(table.metadata().location))) {
      const std::string path = entry.path();
      const bool is_servers = path.ends_with(".metadata.json") || path.ends_with(".crc");
      if (entry.is_regular_file() && !is_servers) files.insert(path);
    }
    for (const std::string& path : referenced_files(table)) {
      if (path.ends_with(".metadata.json") && std::filesystem::exists(path)) files.insert(path);
    }
    return files;
  }

 private:
  CatalogPtr catalog_ = open_catalog("test", {{"type", "rest"}, {"uri", rest_url()}});
  std::string name_ = "t" + new_uuid();
};

History run(const std::string& uri, const RestTable& table) {
  std::vector<std::unique_ptr<Process>> processes;
  for (int i = 0; i < kProcesses; ++i) {
    processes.push_back(std::make_unique<Process>(
        std::vector<std::string>{COMMIT_PROGRAM, uri, "", table.name(), std::string(name_of(Workload::kMix)),
                                 std::to_string(i), std::to_string(commits())}));
  }
  History history;
  for (const auto& process : processes) {
    EXPECT_EQ(process->wait(), 0) << process->errors();
    read_lines(process->output(), history);
  }
  EXPECT_EQ(history.size(), kProcesses * commits());
  return history;
}

class ConcurrentRest : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Modes, ConcurrentRest, testing::Values("CopyOnWrite", "MergeOnRead"),
                         [](const auto& test) { return test.param; });

Properties properties_for(const std::string& mode) {
  const std::string value = mode == "CopyOnWrite" ? "copy-on-write" : "merge-on-read";
  return {{"format-version", mode == "CopyOnWrite" ? "2" : "3"},
          {"write.delete.mode", value},
          {"write.update.mode", value},
          {"write.merge.mode", value}};
}

TEST_P(ConcurrentRest, ChangesOfEveryKindAreAsIfOneAfterTheOther) {
  const RestTable rest(properties_for(GetParam()));
  const History history = run(rest_url(), rest);
  const Table table = rest.load();
  expect_history(table, Workload::kMix, history, rest.files(table));
}

// What a bad day does to requests: some are lost before they arrive and some answers on the way back, gateways say this
// and that before or after the server acted, answers are cut, and everything may take longer.
class BadDay {
 public:
  TestAnswer operator()(const TestRequest& request) {
    if (request.target.starts_with("/v1/config")) return pass_on(request, rest_url());
    const int luck = draw();
    if (request.method == "GET") {
      if (luck < 5) return {.status = 502 + luck % 3};
      if (luck < 10) return {.delivery = TestAnswer::kNone};
      return pass_on(request, rest_url());
    }
    if (luck < 7) return {.delivery = TestAnswer::kNone};
    if (luck < 10) return {.status = 503};
    if (luck < 13) return {.status = 429, .headers = {{"Retry-After", "0"}}};
    if (luck < 18) std::this_thread::sleep_for(std::chrono::milliseconds(3 * luck));
    TestAnswer answer = pass_on(request, rest_url());
    if (luck >= 92) answer.delivery = TestAnswer::kNone;
    if (luck >= 88 && luck < 92) answer = {.status = luck < 90 ? 500 : 504};
    if (luck >= 84 && luck < 88) answer.delivery = TestAnswer::kCut;
    return answer;
  }

 private:
  int draw() {
    const std::lock_guard lock(mutex_);
    return std::uniform_int_distribution(0, 99)(random_);
  }
  std::mutex mutex_;
  std::minstd_rand random_{17};
};

TEST_P(ConcurrentRest, Trap24OnABadDayNothingIsLostAndNothingDoubled) {
  BadDay bad_day;
  TestHttpServer proxy(std::ref(bad_day));
  const RestTable rest(properties_for(GetParam()));
  const History history = run(proxy.url(), rest);
  const Table table = rest.load();
  expect_history(table, Workload::kMix, history, referenced_files(table));
  // An outcome that stays unknown leaves its files where they are.
  EXPECT_THAT(rest.files(table), testing::IsSupersetOf(referenced_files(table)));
  EXPECT_GT(std::ranges::count(history, Reported::kSucceeded, [](const auto& c) { return c.second.reported; }), 0);
}

}  // namespace
}  // namespace floe
