#include "floe/catalog/rest_idempotency.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "floe/catalog/catalog.h"
#include "floe/catalog/test_rest.h"
#include "floe/error.h"
#include "floe/io/test_stores.h"

namespace floe {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::MatchesRegex;

constexpr const char* kTakesKeys = R"({"idempotency-key-lifetime":"PT30M"})";
const TableIdentifier kTable{{"a"}, "t"};

Properties patient(const std::string& uri, int retries = 3) {
  return {{"type", "rest"}, {"uri", uri}, {"rest.client.max-retries", std::to_string(retries)}};
}

std::vector<std::string> keys_of(const TestHttpServer& server) {
  std::vector<std::string> keys;
  for (const TestRequest& request : server.requests()) {
    const auto key = request.headers.find("idempotency-key");
    keys.push_back(key == request.headers.end() ? "" : key->second);
  }
  return keys;
}

// Answers with these in order, the last one for ever.
TestHttpServer::Handler in_turn(std::vector<TestAnswer> answers) {
  auto next = std::make_shared<std::atomic<size_t>>(0);
  return [answers = std::move(answers), next](const TestRequest&) {
    return answers[std::min(next->fetch_add(1), answers.size() - 1)];
  };
}

TEST(Idempotency, KeysAreOfTheirTimeAndNoTwoAreTheSame) {
  std::set<std::string> keys;
  std::string before;
  for (int i = 0; i < 1000; ++i) {
    const std::string key = new_idempotency_key();
    EXPECT_THAT(key, MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
    EXPECT_GE(key.substr(0, 13), before.substr(0, 13));
    const int64_t time = std::stoll(key.substr(0, 8) + key.substr(9, 4), nullptr, 16);
    EXPECT_LE(std::abs(time - now_ms()), 60'000);
    keys.insert(key);
    before = key;
  }
  EXPECT_EQ(keys.size(), 1000);
}

TEST(Idempotency, LifetimesAreDurations) {
  EXPECT_EQ(duration_from_iso("PT30M"), seconds(1800));
  EXPECT_EQ(duration_from_iso("PT24H"), seconds(86'400));
  EXPECT_EQ(duration_from_iso("P1DT2H3M4S"), seconds(93'784));
  EXPECT_EQ(duration_from_iso("P2W"), seconds(1'209'600));
  EXPECT_EQ(duration_from_iso("PT1.5S"), seconds(1));
  EXPECT_EQ(duration_from_iso("P99999999999D"), seconds(366 * 86'400));
  for (const char* none : {"", "P", "PT", "30", "PT30", "P30M", "PTM", "PT-1M", "PT1D", "P1H", "PT1.5M", "P1DT", "P1Y",
                           "PT99999999999999999999M", "PT1.S2M", "PTT1M"}) {
    EXPECT_EQ(duration_from_iso(none), std::nullopt) << none;
  }
}

TEST(Idempotency, KeysGoOnlyToServersThatTakeThem) {
  for (const char* config : {"{}", R"({"idempotency-key-lifetime":"soon"})", R"({"idempotency-key-lifetime":30})",
                             R"({"idempotency-key-lifetime":null})"}) {
    TestHttpServer server(configured(config, [](const TestRequest&) { return TestAnswer{.status = 503}; }));
    const CatalogPtr catalog = open_catalog("prod", patient(server.url()));
    EXPECT_THROW(catalog->commit(kTable, set("k", "v")), CommitStateUnknown);
    EXPECT_THAT(keys_of(server), Each(std::string())) << config;
    EXPECT_EQ(server.requests().size(), 2);
  }
}

TEST(Idempotency, EveryRequestThatChangesSomethingHasAKeyOfItsOwn) {
  TestHttpServer server(configured(kTakesKeys, [](const TestRequest& request) {
    return TestAnswer{.body = request.method == "POST" ? table_answer() : "{}"};
  }));
  const CatalogPtr catalog = open_catalog("prod", patient(server.url()));
  catalog->load_namespace_properties({"a"});
  catalog->create_namespace({"a"});
  catalog->update_namespace_properties({"a"}, {}, {{"k", "v"}});
  catalog->create_table(kTable, definition());
  catalog->register_table(kTable, "s3://bucket/m.json");
  catalog->commit(kTable, set("k", "v"));
  catalog->commit(kTable, set("k", "v"));
  catalog->rename_table(kTable, {{"a"}, "u"});
  catalog->drop_table(kTable);
  catalog->drop_namespace({"a"});
  const std::vector<std::string> keys = keys_of(server);
  ASSERT_EQ(keys.size(), 11);
  EXPECT_EQ(keys[0], "");  // the configuration
  EXPECT_EQ(keys[1], "");  // what is only read
  const std::set<std::string> distinct(keys.begin() + 2, keys.end());
  EXPECT_EQ(distinct.size(), 9);
  EXPECT_FALSE(distinct.contains(""));
}

TEST(Idempotency, ALostAnswerIsAskedForAgainUnderTheSameKey) {
  for (const TestAnswer& trouble :
       {TestAnswer{.delivery = TestAnswer::kNone}, TestAnswer{.body = "half of it", .delivery = TestAnswer::kCut},
        complaint(500, "CommitStateUnknownException", "who knows"), complaint(502, "X", "x"), complaint(504, "X", "x"),
        complaint(429, "SlowDownException", "slow"), complaint(507, "X", "full")}) {
    TestHttpServer server(configured(kTakesKeys, in_turn({trouble, trouble, {.body = table_answer()}})));
    const CatalogPtr catalog = open_catalog("prod", patient(server.url()));
    catalog->commit(kTable, set("k", "v"));
    const std::vector<std::string> keys = keys_of(server);
    ASSERT_EQ(keys.size(), 4) << trouble.status;
    EXPECT_NE(keys[1], "");
    EXPECT_EQ(keys[2], keys[1]);
    EXPECT_EQ(keys[3], keys[1]);
  }
}

TEST(Idempotency, ItIsAskedOnlyAsOftenAsRetriesAllow) {
  TestHttpServer server(configured(kTakesKeys, [](const TestRequest&) { return complaint(500, "X", "x"); }));
  EXPECT_THROW(open_catalog("prod", patient(server.url(), 2))->drop_table(kTable), CommitStateUnknown);
  EXPECT_EQ(server.requests().size(), 4);
  TestHttpServer lost(configured(kTakesKeys, in_turn({{.delivery = TestAnswer::kNone}})));
  EXPECT_THROW(open_catalog("prod", patient(lost.url(), 2))->drop_table(kTable), CommitStateUnknown);
  EXPECT_EQ(lost.requests().size(), 4);
}

TEST(Idempotency, AKeyIsNotUsedLongerThanTheServerKnowsIt) {
  TestHttpServer server(configured(R"({"idempotency-key-lifetime":"PT0S"})",
                                   [](const TestRequest&) { return complaint(503, "X", "x"); }));
  EXPECT_THROW(open_catalog("prod", patient(server.url()))->commit(kTable, set("k", "v")), CommitStateUnknown);
  EXPECT_EQ(server.requests().size(), 2);
}

// A server keeps no 5xx under a key: it runs the repetition anew, which may find what the first try left behind.
TEST(Idempotency, Trap24ARefusalAfterAnOpenTryIsUnknown) {
  for (const TestAnswer& then :
       {complaint(409, "CommitFailedException", "late"), complaint(404, "NoSuchTableException", "gone"),
        complaint(403, "ForbiddenException", "no"), complaint(401, "NotAuthorizedException", "who?"),
        complaint(400, "BadRequestException", "bad")}) {
    TestHttpServer server(configured(kTakesKeys, in_turn({complaint(500, "X", "x"), then})));
    const CatalogPtr catalog = open_catalog("prod", patient(server.url()));
    EXPECT_THAT(message_of<CommitStateUnknown>([&] { catalog->commit(kTable, set("k", "v")); }),
                AllOf(HasSubstr("table a.t"), HasSubstr("an earlier try")));
  }
  // What surely was not done is refused as ever.
  TestHttpServer server(configured(kTakesKeys, in_turn({complaint(429, "SlowDownException", "slow"),
                                                        complaint(409, "CommitFailedException", "late")})));
  EXPECT_THROW(open_catalog("prod", patient(server.url()))->commit(kTable, set("k", "v")), CommitFailed);
}

// --- on the reference server, which knows keys and does not say so ---

// Before the reference server: `distort` is given each of its answers to what changes something, and how many came
// before.
TestHttpServer::Handler before_reference(std::function<TestAnswer(TestAnswer, size_t)> distort) {
  auto changes = std::make_shared<std::atomic<size_t>>(0);
  return [distort = std::move(distort), changes](TestRequest request) {
    request.headers.erase("accept-encoding");
    TestAnswer answer = pass_on(request, rest_url());
    if (request.target.starts_with("/v1/config")) {
      answer.body.insert(answer.body.find('{') + 1, R"("idempotency-key-lifetime":"PT30M",)");
    }
    return request.method == "GET" || request.method == "HEAD" ? answer : distort(answer, changes->fetch_add(1));
  };
}

TEST(Idempotency, Trap24WhatWasDoneIsNotDoneTwice) {
  const std::string a = fresh("a");
  const TableIdentifier t{{a}, "t"}, u{{a}, "u"};
  // Every first answer is lost, or cut, or becomes one of a gateway.
  TestHttpServer server(before_reference([](TestAnswer answer, size_t number) {
    if (number % 2 == 1) return answer;
    if (number % 6 == 4) return TestAnswer{.status = 504};
    answer.delivery = number % 6 == 0 || answer.body.size() < 2 ? TestAnswer::kNone : TestAnswer::kCut;
    return answer;
  }));
  const CatalogPtr catalog = open_catalog("prod", patient(server.url()));
  catalog->create_namespace({a});
  catalog->create_table(t, definition());
  for (int i = 0; i < 4; ++i) {
    TableCommit commit = set("count", std::to_string(i));
    const LoadedTable now = catalog->load_table(t);
    commit.requirements = {AssertTableUuid{now.metadata->table_uuid}};
    EXPECT_EQ(catalog->commit(t, commit).metadata->properties.at("count"), std::to_string(i));
    EXPECT_EQ(catalog->load_table(t).metadata->metadata_log.size(), now.metadata->metadata_log.size() + 1);
  }
  catalog->rename_table(t, u);
  EXPECT_TRUE(catalog->table_exists(u));
  catalog->drop_table(u);
  catalog->drop_namespace({a});
  EXPECT_FALSE(catalog->namespace_exists({a}));
  std::map<std::string, int> sendings;
  for (const std::string& key : keys_of(server)) ++sendings[key];
  sendings.erase("");
  EXPECT_EQ(sendings.size(), 9);
  for (const auto& [key, count] : sendings) EXPECT_EQ(count, 2) << key;
}

TEST(Idempotency, ARefusalIsTheSameWhenItIsAskedForAgain) {
  const std::string a = fresh("a");
  TestHttpServer server(before_reference([](const TestAnswer& answer, size_t number) {
    return number % 2 == 0 ? TestAnswer{.status = 429} : answer;  // nothing was done, says a gateway
  }));
  const CatalogPtr catalog = open_catalog("prod", patient(server.url()));
  open_catalog("other", {{"type", "rest"}, {"uri", rest_url()}})->create_namespace({a});
  EXPECT_THROW(catalog->create_namespace({a}), NamespaceAlreadyExists);
  EXPECT_EQ(server.requests().size(), 3);
}

}  // namespace
}  // namespace floe
