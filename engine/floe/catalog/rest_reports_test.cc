#include "floe/catalog/rest_reports.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>

#include "floe/catalog/test_rest.h"
#include "floe/io/test_stores.h"
#include "floe/spec/table_metadata.h"

namespace floe {
namespace {

using testing::HasSubstr;

const TableIdentifier kTable{{"a"}, "t"};
constexpr const char* kCommit =
    R"({"report-type":"commit-report","table-name":"a.t","snapshot-id":1,"sequence-number":1,"operation":"append",)"
    R"("metrics":{"total-duration":{"count":1,"time-unit":"nanoseconds","total-duration":17},)"
    R"("added-records":{"unit":"count","value":3},"made-up":{"unit":"bytes","value":4}}})";

std::string wait_for_trouble(Catalog& catalog) {
  while (true) {
    if (const auto trouble = report_taker(catalog)->report_trouble()) return *trouble;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

TEST(RestReports, GoToTheTablesEndpointAndHaveNoKey) {
  TestHttpServer server(configured(R"({"idempotency-key-lifetime":"PT30M","overrides":{"prefix":"p"}})",
                                   [](const TestRequest&) { return TestAnswer{.status = 204}; }));
  const CatalogPtr catalog = open_catalog("prod", rest(server.url()));
  ASSERT_NE(report_taker(*catalog), nullptr);
  report_taker(*catalog)->report(kTable, kCommit);
  server.wait_for_requests(2);
  const TestRequest request = server.requests()[1];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/v1/p/namespaces/a/tables/t/metrics");
  EXPECT_EQ(request.body, kCommit);
  EXPECT_EQ(request.headers.at("content-type"), "application/json");
  EXPECT_FALSE(request.headers.contains("idempotency-key"));
}

TEST(RestReports, AreNotMadeForWhoeverDoesNotTakeThem) {
  TestHttpServer server(
      configured("{}", [](const TestRequest&) { return TestAnswer{.body = R"({"namespaces":[]})"}; }));
  TestHttpServer other(configured(R"({"endpoints":["GET /v1/{prefix}/namespaces"]})",
                                  [](const TestRequest&) { return TestAnswer{.body = R"({"namespaces":[]})"}; }));
  const CatalogPtr declined = open_catalog("prod", rest(server.url(), {{"rest-metrics-reporting-enabled", "false"}}));
  const CatalogPtr unknown = open_catalog("prod", rest(other.url()));
  for (const CatalogPtr& catalog : {declined, unknown}) {
    EXPECT_EQ(report_taker(*catalog), nullptr);
    dynamic_cast<ReportTaker&>(*catalog).report(kTable, kCommit);
  }
  // Whatever was on its way is there when a later report is.
  const CatalogPtr catalog = open_catalog("prod", rest(server.url()));
  report_taker(*catalog)->report(kTable, kCommit);
  server.wait_for_requests(3);
  EXPECT_TRUE(server.requests()[2].target.ends_with("/metrics"));
  EXPECT_EQ(other.requests().size(), 1);
}

TEST(RestReports, WhatGoesWrongIsSaidOnce) {
  TestHttpServer server(configured("{}", [](const TestRequest&) { return complaint(400, "BadRequest", "no report"); }));
  const CatalogPtr catalog = open_catalog("prod", rest(server.url()));
  EXPECT_EQ(report_taker(*catalog)->report_trouble(), std::nullopt);
  report_taker(*catalog)->report(kTable, kCommit);
  EXPECT_THAT(wait_for_trouble(*catalog), HasSubstr("table a.t: no report"));
  report_taker(*catalog)->report(kTable, kCommit);
  server.wait_for_requests(3);
  EXPECT_EQ(report_taker(*catalog)->report_trouble(), std::nullopt);
}

TEST(RestReports, AServerThatIsSlowHoldsUpNobody) {
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  TestHttpServer server(configured("{}", [&](const TestRequest&) {
    released.wait();
    return TestAnswer{.status = 204};
  }));
  CatalogPtr catalog = open_catalog("prod", rest(server.url()));
  for (int i = 0; i < 1000; ++i) report_taker(*catalog)->report(kTable, kCommit);
  catalog = nullptr;  // those that wait keep what they need
  release.set_value();
  server.wait_for_requests(101);  // the configuration, and all that may wait
  const CatalogPtr later = open_catalog("prod", rest(server.url()));
  report_taker(*later)->report({{"a"}, "last"}, kCommit);
  while (server.requests().back().target != "/v1/namespaces/a/tables/last/metrics") {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_LE(server.requests().size(), 2 + 101 + 1);
}

TEST(RestReports, ThoseOnTheirWayArriveBeforeAProcessEndsAndAForkedChildSendsItsOwn) {
  TestHttpServer server(configured("{}", [](const TestRequest&) { return TestAnswer{.status = 204}; }));
  const CatalogPtr catalog = open_catalog("prod", rest(server.url()));
  report_taker(*catalog)->report(kTable, kCommit);
  server.wait_for_requests(2);
  const pid_t child = ::fork();
  if (child == 0) {
    report_taker(*catalog)->report({{"a"}, "childs"}, kCommit);
    finish_reports();
    report_taker(*catalog)->report(kTable, kCommit);  // too late
    ::_exit(0);
  }
  int status = 1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  ASSERT_EQ(server.requests().size(), 3);
  EXPECT_EQ(server.requests()[2].target, "/v1/namespaces/a/tables/childs/metrics");
}

TEST(RestReports, JavaReadsThem) {
  const std::string a = fresh("a");
  std::atomic<int> read{0}, refused{0};
  TestHttpServer proxy([&](const TestRequest& request) {
    const TestAnswer answer = pass_on(request, rest_url());
    if (request.target.ends_with("/metrics")) ++(answer.status < 300 ? read : refused);
    return answer;
  });
  const CatalogPtr catalog = open_catalog("prod", rest(proxy.url()));
  catalog->create_namespace({a});
  catalog->create_table({{a}, "t"}, definition());
  report_taker(*catalog)->report({{a}, "t"}, kCommit);
  report_taker(*catalog)->report({{a}, "t"}, R"({"report-type":"commit-report","table-name":"a.t"})");
  wait_for_trouble(*catalog);
  EXPECT_EQ(read, 1);
  EXPECT_EQ(refused, 1);
}

}  // namespace
}  // namespace floe
