#include "floe/catalog/rest_catalog.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <thread>

#include "floe/catalog/test_rest.h"
#include "floe/error.h"
#include "floe/io/http.h"
#include "floe/io/test_stores.h"
#include "floe/spec/json.h"
#include "floe/spec/table_metadata.h"
#include "floe/test_http_server.h"

namespace floe {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

const testing::Environment* const kEnvironment = testing::AddGlobalTestEnvironment(new S3Environment);

// --- on the reference server of Iceberg's Java ---

class RestCatalogTest : public testing::Test {
 protected:
  CatalogPtr catalog_ = open_catalog("prod", {{"type", "rest"}, {"uri", rest_url()}});
};

TEST_F(RestCatalogTest, NamespacesComeAndGo) {
  const std::string a = fresh("a");
  EXPECT_FALSE(catalog_->namespace_exists({a}));
  catalog_->create_namespace({a}, {{"owner", "ann"}, {"color", "red"}});
  EXPECT_TRUE(catalog_->namespace_exists({a}));
  EXPECT_EQ(catalog_->load_namespace_properties({a}).at("owner"), "ann");
  const NamespaceUpdate done = catalog_->update_namespace_properties({a}, {"color", "shape"}, {{"owner", "bob"}});
  EXPECT_THAT(done.removed, ElementsAre("color"));
  EXPECT_THAT(done.updated, ElementsAre("owner"));
  EXPECT_THAT(done.missing, ElementsAre("shape"));
  EXPECT_EQ(catalog_->load_namespace_properties({a}).at("owner"), "bob");
  EXPECT_FALSE(catalog_->load_namespace_properties({a}).contains("color"));
  EXPECT_THAT(message_of<NamespaceAlreadyExists>([&] { catalog_->create_namespace({a}); }),
              AllOf(HasSubstr("catalog prod: namespace " + a), HasSubstr("already exists")));
  catalog_->drop_namespace({a});
  EXPECT_THAT(message_of<NoSuchNamespace>([&] { catalog_->drop_namespace({a}); }), HasSubstr(a));
  EXPECT_THROW(catalog_->load_namespace_properties({a}), NoSuchNamespace);
  EXPECT_THROW(catalog_->list_tables({a}), NoSuchNamespace);
  EXPECT_THROW(catalog_->list_namespaces({a}), NoSuchNamespace);
  EXPECT_THROW(catalog_->update_namespace_properties({a}, {}, {{"x", "y"}}), NoSuchNamespace);
  for (const Namespace& empty : std::vector<Namespace>{{}, {""}, {"a", ""}}) {
    EXPECT_THROW(catalog_->create_namespace(empty), NoSuchNamespace);
  }
}

// Its HTTP server refuses some characters (% and /) in paths whatever their encoding.
TEST_F(RestCatalogTest, NamespacesNestAndHaveManyNames) {
  const std::string top = fresh("top");
  for (const Namespace& ns :
       std::vector<Namespace>{{top}, {top, "b c"}, {top, "b c", "d+e"}, {top, "ünï"}, {top, "x&y=z?#"}}) {
    catalog_->create_namespace(ns);
    EXPECT_TRUE(catalog_->namespace_exists(ns)) << to_string(ns);
    catalog_->load_namespace_properties(ns);
  }
  EXPECT_THAT(catalog_->list_namespaces(), Contains(Namespace{top}));
  EXPECT_THAT(catalog_->list_namespaces({top}),
              UnorderedElementsAre(Namespace{top, "b c"}, Namespace{top, "ünï"}, Namespace{top, "x&y=z?#"}));
  EXPECT_THAT(catalog_->list_namespaces({top, "b c"}), ElementsAre(Namespace{top, "b c", "d+e"}));
  EXPECT_FALSE(catalog_->namespace_exists({top, "b"}));
}

TEST_F(RestCatalogTest, TablesComeAndGo) {
  const std::string a = fresh("a");
  const TableIdentifier t{{a}, "t x"};
  catalog_->create_namespace({a});
  EXPECT_FALSE(catalog_->table_exists(t));
  NewTable table = definition();
  table.properties = {{"format-version", "3"}, {"owner", "ann"}};
  const LoadedTable created = catalog_->create_table(t, table);
  EXPECT_EQ(created.metadata->format_version, 3);
  EXPECT_EQ(created.metadata->properties.at("owner"), "ann");
  EXPECT_TRUE(catalog_->table_exists(t));
  EXPECT_THAT(catalog_->list_tables({a}), ElementsAre(t));

  const LoadedTable loaded = catalog_->load_table(t);
  EXPECT_EQ(*loaded.metadata, *created.metadata);
  EXPECT_EQ(loaded.metadata_location, created.metadata_location);
  EXPECT_TRUE(catalog_->io(loaded)->exists(loaded.metadata_location));

  const TableIdentifier u{{a}, "u"};
  catalog_->rename_table(t, u);
  EXPECT_EQ(catalog_->load_table(u).metadata->table_uuid, created.metadata->table_uuid);
  catalog_->create_table(t, definition());
  EXPECT_THROW(catalog_->rename_table(t, u), TableAlreadyExists);
  EXPECT_THROW(catalog_->rename_table({{a}, "none"}, {{a}, "v"}), NoSuchTable);
  EXPECT_THROW(catalog_->rename_table(t, {{fresh("none")}, "v"}), NoSuchNamespace);
  EXPECT_THAT(message_of<NamespaceNotEmpty>([&] { catalog_->drop_namespace({a}); }), HasSubstr(a));

  catalog_->drop_table(u);
  EXPECT_TRUE(catalog_->io(loaded)->exists(loaded.metadata_location));  // dropping deletes no file
  EXPECT_THROW(catalog_->drop_table(u), NoSuchTable);
  EXPECT_THAT(message_of<NoSuchTable>([&] { catalog_->load_table(u); }),
              AllOf(HasSubstr("table " + a + ".u"), HasSubstr("Table does not exist"), HasSubstr("HTTP 404")));
  EXPECT_EQ(catalog_->register_table(u, loaded.metadata_location).metadata->table_uuid, created.metadata->table_uuid);
  EXPECT_THROW(catalog_->register_table(u, loaded.metadata_location), TableAlreadyExists);
  catalog_->purge_table(u);
  EXPECT_FALSE(catalog_->table_exists(u));
  EXPECT_FALSE(catalog_->io(loaded)->exists(loaded.metadata_location));
}

TEST_F(RestCatalogTest, CreatingNeedsANamespaceAFreeNameAndAPossibleTable) {
  const std::string a = fresh("a");
  EXPECT_THROW(catalog_->create_table({{a}, "t"}, definition()), NoSuchNamespace);
  catalog_->create_namespace({a});
  catalog_->create_table({{a}, "t"}, definition());
  EXPECT_THROW(catalog_->create_table({{a}, "t"}, definition()), TableAlreadyExists);
  EXPECT_THROW(catalog_->create_table({{a}, ""}, definition()), InvalidArgument);
  NewTable impossible = definition();
  impossible.schema.fields.push_back(impossible.schema.fields[0]);
  EXPECT_THROW(catalog_->create_table({{a}, "u"}, impossible), InvalidArgument);
  EXPECT_FALSE(catalog_->table_exists({{a}, "u"}));
}

TEST_F(RestCatalogTest, CommitsCheckRequirements) {
  const std::string a = fresh("a");
  const TableIdentifier t{{a}, "t"};
  catalog_->create_namespace({a});
  const LoadedTable created = catalog_->create_table(t, definition());
  const LoadedTable committed = catalog_->commit(t, set("k", "v"));
  EXPECT_EQ(committed.metadata->properties.at("k"), "v");
  EXPECT_NE(committed.metadata_location, created.metadata_location);
  EXPECT_EQ(*catalog_->load_table(t).metadata, *committed.metadata);

  TableCommit wrong = set("k", "w");
  wrong.requirements = {AssertTableUuid{new_uuid()}};
  EXPECT_THAT(message_of<CommitFailed>([&] { catalog_->commit(t, wrong); }), HasSubstr("table " + a + ".t"));
  wrong.requirements = {AssertRefSnapshotId{"main", 17}};
  EXPECT_THROW(catalog_->commit(t, wrong), CommitFailed);
  wrong.requirements = {AssertRefSnapshotId{"main", std::nullopt}};
  EXPECT_EQ(catalog_->commit(t, wrong).metadata->properties.at("k"), "w");
  EXPECT_THROW(catalog_->commit({{a}, "none"}, set("k", "v")), NoSuchTable);
}

TEST_F(RestCatalogTest, SeveralTablesAreCommittedTogetherOrNotAtAll) {
  const std::string a = fresh("a");
  const TableIdentifier t{{a}, "t"}, u{{a}, "u"};
  catalog_->create_namespace({a});
  for (const TableIdentifier& table : {t, u}) catalog_->create_table(table, definition());
  TestHttpServer proxy([](const TestRequest& request) { return pass_on(request, rest_url()); });
  const CatalogPtr catalog = open_catalog("prod", {{"type", "rest"}, {"uri", proxy.url()}});
  EXPECT_TRUE(catalog->commits_tables());
  catalog->commit_tables({{t, set("k", "t")}, {u, set("k", "u")}});
  EXPECT_EQ(proxy.requests().size(), 2);
  EXPECT_EQ(catalog->load_table(t).metadata->properties.at("k"), "t");
  EXPECT_EQ(catalog->load_table(u).metadata->properties.at("k"), "u");

  TableCommit wrong = set("k", "w");
  wrong.requirements = {AssertTableUuid{new_uuid()}};
  EXPECT_THAT(message_of<CommitFailed>([&] { catalog->commit_tables({{t, set("k", "w")}, {u, wrong}}); }),
              HasSubstr(fmt::format("catalog prod: tables {0}.t, {0}.u: ", a)));
  EXPECT_THROW(catalog->commit_tables({{t, set("k", "w")}, {{{a}, "none"}, set("k", "w")}}), NoSuchTable);
  EXPECT_THROW(catalog->commit_tables({{t, set("k", "w")}, {t, set("k", "x")}}), InvalidArgument);
  EXPECT_EQ(catalog->load_table(t).metadata->properties.at("k"), "t");
  // A change that is there for its requirement alone.
  wrong.updates.clear();
  EXPECT_THROW(catalog->commit_tables({{t, set("k", "w")}, {u, wrong}}), CommitFailed);
  const TableCommit right{{AssertTableUuid{catalog->load_table(u).metadata->table_uuid}}, {}};
  catalog->commit_tables({{t, set("k", "w")}, {u, right}});
  EXPECT_EQ(catalog->load_table(t).metadata->properties.at("k"), "w");
}

TEST_F(RestCatalogTest, Trap24TheOutcomeOfACommitOfSeveralTablesWhoseAnswerIsLostIsUnknown) {
  const std::string a = fresh("a");
  const TableIdentifier t{{a}, "t"}, u{{a}, "u"};
  catalog_->create_namespace({a});
  for (const TableIdentifier& table : {t, u}) catalog_->create_table(table, definition());
  TestHttpServer proxy([](const TestRequest& request) {
    TestAnswer answer = pass_on(request, rest_url());
    if (request.target.ends_with("/transactions/commit")) answer.delivery = TestAnswer::kNone;
    return answer;
  });
  const CatalogPtr catalog = open_catalog("prod", rest(proxy.url()));
  EXPECT_THROW(catalog->commit_tables({{t, set("k", "t")}, {u, set("k", "u")}}), CommitStateUnknown);
  EXPECT_EQ(proxy.requests().size(), 2);
  EXPECT_EQ(catalog->load_table(t).metadata->properties.at("k"), "t");
  EXPECT_EQ(catalog->load_table(u).metadata->properties.at("k"), "u");
}

TEST_F(RestCatalogTest, AStagedTableIsMadeByItsCommit) {
  const std::string a = fresh("a");
  const TableIdentifier t{{a}, "t"};
  catalog_->create_namespace({a});
  const LoadedTable staged = catalog_->stage_table(t, definition());
  EXPECT_FALSE(catalog_->table_exists(t));
  EXPECT_FALSE(staged.metadata->location.empty());
  const TableMetadata& metadata = *staged.metadata;
  TableCommit creation{
      {AssertCreate{}},
      {AssignUuid{metadata.table_uuid}, UpgradeFormatVersion{metadata.format_version},
       AddSchema{*metadata.schemas[0], {}}, SetCurrentSchema{-1}, AddPartitionSpec{metadata.partition_specs[0]},
       SetDefaultSpec{-1}, AddSortOrder{metadata.sort_orders[0]}, SetDefaultSortOrder{-1},
       SetLocation{metadata.location}, SetProperties{{{"k", "v"}}}}};
  EXPECT_EQ(catalog_->commit(t, creation).metadata->table_uuid, metadata.table_uuid);
  EXPECT_EQ(catalog_->load_table(t).metadata->properties.at("k"), "v");
  EXPECT_THROW(catalog_->commit(t, creation), Error);
  EXPECT_EQ(catalog_->load_table(t).metadata->table_uuid, metadata.table_uuid);
}

TEST_F(RestCatalogTest, ATableIsLoadedAgainOnlyIfItHasChanged) {
  const std::string a = fresh("a");
  catalog_->create_namespace({a});
  catalog_->create_table({{a}, "t"}, definition());
  const LoadedTable first = catalog_->load_table({{a}, "t"});
  EXPECT_EQ(catalog_->load_table({{a}, "t"}).metadata, first.metadata);
  open_catalog("other", {{"type", "rest"}, {"uri", rest_url()}})->commit({{a}, "t"}, set("k", "v"));
  EXPECT_EQ(catalog_->load_table({{a}, "t"}).metadata->properties.at("k"), "v");
}

TEST_F(RestCatalogTest, ListsComeInPages) {
  const std::string a = fresh("a");
  catalog_->create_namespace({a});
  for (const char* name : {"t1", "t2", "t3", "t4", "t5"}) {
    catalog_->create_table({{a}, name}, definition());
    catalog_->create_namespace({a, name});
  }
  TestHttpServer proxy([](const TestRequest& request) { return pass_on(request, rest_url()); });
  const CatalogPtr paged = open_catalog("prod", {{"type", "rest"}, {"uri", proxy.url()}, {"rest-page-size", "2"}});
  EXPECT_EQ(paged->list_tables({a}).size(), 5);
  EXPECT_EQ(paged->list_namespaces({a}).size(), 5);
  EXPECT_EQ(proxy.requests().size(), 1 + 3 + 3);
}

TEST_F(RestCatalogTest, LoadingAndCommittingAreOneRequestEach) {
  const std::string a = fresh("a");
  catalog_->create_namespace({a});
  catalog_->create_table({{a}, "t"}, definition());
  TestHttpServer proxy([](const TestRequest& request) { return pass_on(request, rest_url()); });
  const CatalogPtr catalog = open_catalog("prod", {{"type", "rest"}, {"uri", proxy.url() + "/"}});
  catalog->load_table({{a}, "t"});
  catalog->commit({{a}, "t"}, set("k", "v"));
  EXPECT_EQ(proxy.requests().size(), 3);
  EXPECT_EQ(proxy.connections(), 1);
  EXPECT_EQ(proxy.requests()[1].target, fmt::format("/v1/namespaces/{}/tables/t?snapshots=all", a));
}

// --- on a server that says what the test wants to hear ---

TEST(RestConfig, TheServersDefaultsAndOverridesFrameTheClientsOwn) {
  TestHttpServer server(
      configured(R"({"defaults":{"a":"default","b":"default"},"overrides":{"c":"override","prefix":"pre/fix"}})",
                 [](const TestRequest&) { return TestAnswer{.body = R"({"namespaces":[["x"]]})"}; }));
  const CatalogPtr catalog = open_catalog(
      "prod", rest(server.url(), {{"b", "own"}, {"c", "own"}, {"warehouse", "my wh"}, {"header.X-Own", "1"}}));
  EXPECT_EQ(catalog->properties().at("a"), "default");
  EXPECT_EQ(catalog->properties().at("b"), "own");
  EXPECT_EQ(catalog->properties().at("c"), "override");
  EXPECT_THAT(catalog->list_namespaces(), ElementsAre(Namespace{"x"}));
  EXPECT_EQ(server.requests()[0].target, "/v1/config?warehouse=my%20wh");
  EXPECT_EQ(server.requests()[1].target, "/v1/pre/fix/namespaces?pageToken=");
  EXPECT_EQ(server.requests()[1].headers.at("x-own"), "1");
  EXPECT_EQ(server.requests()[1].headers.at("x-iceberg-access-delegation"), "vended-credentials");
}

TEST(RestConfig, AccessDelegationCanBeDeclined) {
  TestHttpServer server(configured("{}", [](const TestRequest&) { return TestAnswer{}; }));
  open_catalog("prod", rest(server.url(), {{"header.x-iceberg-access-delegation", ""}}));
  EXPECT_FALSE(server.requests()[0].headers.contains("x-iceberg-access-delegation"));
}

TEST(RestConfig, UnknownEndpointsAreNoTrouble) {
  TestHttpServer server(configured(
      R"({"defaults":null,"overrides":{},"endpoints":["PUT /v9/{prefix}/x","nonsense",
          17,"GET /v1/{prefix}/namespaces/{namespace}"]})",
      [](const TestRequest&) { return TestAnswer{.body = R"({"namespace":["a"],"properties":null})"}; }));
  const CatalogPtr catalog = open_catalog("prod", rest(server.url()));
  EXPECT_TRUE(catalog->namespace_exists({"a"}));  // by GET, as the server knows no HEAD
  EXPECT_THAT(catalog->load_namespace_properties({"a"}), IsEmpty());
  EXPECT_THAT(message_of<NotSupported>([&] { catalog->drop_table({{"a"}, "t"}); }),
              HasSubstr("catalog prod: table a.t: the server does not offer DELETE"));
  EXPECT_EQ(server.requests().size(), 3);
}

TEST(RestConfig, SeparatorsOfLevelsAreTheServers) {
  const auto targets = [](const std::string& config) {
    TestHttpServer server(configured(config, [](const TestRequest&) { return TestAnswer{.body = "{}"}; }));
    const CatalogPtr catalog = open_catalog("prod", rest(server.url()));
    catalog->load_namespace_properties({"a b", "c/d"});
    catalog->load_namespace_properties({"a.b", "c"});
    return std::vector{server.requests()[1].target, server.requests()[2].target};
  };
  EXPECT_THAT(targets("{}"), ElementsAre("/v1/namespaces/a%20b%1Fc%2Fd", "/v1/namespaces/a.b%1Fc"));
  // A level with the separator in it is told apart by the one that all servers know.
  for (const char* separator : {"%2E", "."}) {
    const std::string config = fmt::format(R"({{"overrides":{{"namespace-separator":"{}"}}}})", separator);
    EXPECT_THAT(targets(config),
                ElementsAre(fmt::format("/v1/namespaces/a%20b{}c%2Fd", separator), "/v1/namespaces/a.b%1Fc"));
  }
}

TEST(RestConfig, WhatCannotBeIsRefusedByName) {
  for (const auto& [key, value] :
       Properties{{"rest.auth.type", "google"}, {"snapshot-loading-mode", "refs"}, {"ssl.cabundle", "false"}}) {
    EXPECT_THAT(message_of<NotSupported>([&] { open_catalog("prod", rest("http://127.0.0.1:1", {{key, value}})); }),
                HasSubstr(key));
  }
  EXPECT_THROW(open_catalog("prod", {{"type", "rest"}}), InvalidArgument);
  EXPECT_THROW(open_catalog("prod", rest("ftp://host")), InvalidArgument);
  EXPECT_THROW(open_catalog("prod", rest("http://127.0.0.1:1", {{"header.a b", "x"}})), InvalidArgument);
}

TEST(RestConfig, AWarehouseThatIsNotThereAndAServerThatIsNotThere) {
  TestHttpServer server([](const TestRequest&) { return complaint(404, "NoSuchWarehouseException", "no such w"); });
  EXPECT_THAT(message_of<NotFound>([&] { open_catalog("prod", rest(server.url())); }), HasSubstr("no such w"));
  EXPECT_THAT(message_of<IoError>([&] { open_catalog("prod", rest("http://127.0.0.1:1")); }),
              HasSubstr("catalog prod: "));
  TestHttpServer page([](const TestRequest&) { return TestAnswer{.body = "<html>"}; });
  EXPECT_THAT(message_of<CorruptFile>([&] { open_catalog("prod", rest(page.url())); }), HasSubstr(page.url()));
}

TEST(RestErrors, MeanWhatTheSpecificationSays) {
  TestAnswer next;
  TestHttpServer server(configured("{}", [&](const TestRequest&) { return next; }));
  const CatalogPtr catalog = open_catalog("prod", rest(server.url()));
  const TableIdentifier t{{"a"}, "t"};
  const auto load = [&] { catalog->load_table(t); };
  const auto commit = [&] { catalog->commit(t, set("k", "v")); };
  const auto create = [&] { catalog->create_table(t, definition()); };

  next = complaint(403, "ForbiddenException", "bob may not");
  EXPECT_THAT(message_of<Forbidden>(commit), AllOf(HasSubstr("table a.t"), HasSubstr("bob may not"),
                                                   HasSubstr("HTTP 403, ForbiddenException"), Not(HasSubstr("at x"))));
  next = complaint(401, "NotAuthorizedException", "who?");
  EXPECT_THROW(load(), Unauthorized);
  next = complaint(419, "AuthenticationTimeoutException", "too old");
  EXPECT_THROW(commit(), Unauthorized);
  next = complaint(400, "BadRequestException", "bad");
  EXPECT_THROW(commit(), InvalidArgument);
  next = complaint(406, "UnsupportedOperationException", "no");
  EXPECT_THROW(load(), NotSupported);
  next = complaint(404, "NoSuchNamespaceException", "no a");
  EXPECT_THROW(create(), NoSuchNamespace);
  next = {.status = 404, .body = "<html>"};
  EXPECT_THROW(load(), NoSuchTable);
  EXPECT_THROW(catalog->list_tables({"a"}), NoSuchNamespace);
  EXPECT_FALSE(catalog->table_exists(t));
  next = complaint(409, "AlreadyExistsException", "is there");
  EXPECT_THROW(create(), TableAlreadyExists);
  EXPECT_THROW(catalog->create_namespace({"a"}), NamespaceAlreadyExists);
  next = complaint(409, "CommitFailedException", "late");
  EXPECT_THROW(commit(), CommitFailed);
  next = complaint(409, "NamespaceNotEmptyException", "full");
  EXPECT_THROW(catalog->drop_namespace({"a"}), NamespaceNotEmpty);
  next = complaint(429, "SlowDownException", "slow");
  EXPECT_THROW(commit(), IoError);
  next = {.status = 301, .headers = {{"Location", "http://elsewhere"}}};
  EXPECT_THAT(message_of<IoError>(load), HasSubstr("redirections are not followed"));
}

TEST(RestErrors, OfSeveralTablesMeanWhatTheyMeanOfOne) {
  TestAnswer next;
  TestHttpServer server(configured("{}", [&](const TestRequest&) { return next; }));
  const CatalogPtr catalog = open_catalog("prod", rest(server.url()));
  const auto commit = [&] { catalog->commit_tables({{{{"a"}, "t"}, set("k", "v")}, {{{"b"}, "u"}, set("k", "v")}}); };
  next = {.status = 409, .body = "<html>"};
  EXPECT_THAT(message_of<CommitFailed>(commit), HasSubstr("catalog prod: tables a.t, b.u: "));
  next = {.status = 404, .body = "<html>"};
  EXPECT_THROW(commit(), NoSuchTable);
  next = complaint(404, "NoSuchNamespaceException", "no b");
  EXPECT_THROW(commit(), NoSuchNamespace);
  next = complaint(400, "BadRequestException", "bad");
  EXPECT_THROW(commit(), InvalidArgument);
  for (const int status : {500, 502, 503, 504}) {
    next = complaint(status, "X", "x");
    EXPECT_THROW(commit(), CommitStateUnknown) << status;
  }
  next = {.status = 204};
  commit();
  EXPECT_THAT(server.requests().back().body,
              HasSubstr(R"({"table-changes":[{"identifier":{"namespace":["a"],"name":)"));

  TestHttpServer without(
      configured(R"({"endpoints":["GET /v1/{prefix}/namespaces"]})", [](const TestRequest&) { return TestAnswer{}; }));
  const CatalogPtr cannot = open_catalog("prod", rest(without.url()));
  EXPECT_FALSE(cannot->commits_tables());
  EXPECT_THAT(message_of<NotSupported>([&] { cannot->commit_tables({{{{"a"}, "t"}, set("k", "v")}}); }),
              HasSubstr("does not offer POST /v1/{prefix}/transactions/commit"));
}

TEST(RestErrors, Trap24AnOutcomeThatNobodySaysIsUnknown) {
  TestAnswer next;
  TestHttpServer server(configured("{}", [&](const TestRequest&) { return next; }));
  const CatalogPtr catalog = open_catalog("prod", rest(server.url()));
  const TableIdentifier t{{"a"}, "t"};
  for (const int status : {408, 500, 502, 503, 504, 507}) {
    next = complaint(status, "X", "x");
    EXPECT_THROW(catalog->commit(t, set("k", "v")), CommitStateUnknown) << status;
    EXPECT_THROW(catalog->create_table(t, definition()), CommitStateUnknown) << status;
    EXPECT_THROW(catalog->drop_table(t), CommitStateUnknown) << status;
    EXPECT_THROW(catalog->load_table(t), IoError) << status;
    EXPECT_THROW(catalog->table_exists(t), IoError) << status;
  }
  next = {.body = "half of it", .delivery = TestAnswer::kCut};
  EXPECT_THROW(catalog->commit(t, set("k", "v")), CommitStateUnknown);
  next = {.delivery = TestAnswer::kNone};
  EXPECT_THROW(catalog->rename_table(t, {{"a"}, "u"}), CommitStateUnknown);
  next = {.body = "{}"};  // done, but what is the table now?
  EXPECT_THROW(catalog->commit(t, set("k", "v")), CommitStateUnknown);
}

TEST(RestErrors, AListThatNeverEndsIsCorrupt) {
  TestHttpServer server(configured(
      "{}", [](const TestRequest&) { return TestAnswer{.body = R"({"namespaces":[],"next-page-token":"p"})"}; }));
  EXPECT_THROW(open_catalog("prod", rest(server.url()))->list_namespaces(), CorruptFile);
}

TEST(RestAccess, TheLongestPrefixOfTheLocationSaysIt) {
  const std::string credentials =
      R"(,"config":{"s3.access-key-id":"all","s3.region":"r"},"storage-credentials":[
         {"prefix":"s3://bucket/a","config":{"s3.access-key-id":"a"}},
         {"prefix":"s3://bucket/a/t","config":{"s3.access-key-id":"t"}},
         {"prefix":"s3://bucket","config":{"s3.access-key-id":"bucket"}},
         {"prefix":"s3://bucket/a/t/elsewhere","config":{"s3.access-key-id":"elsewhere"}}])";
  const std::string loaded = table_answer(credentials);
  const std::string committed = loaded.substr(0, loaded.find(",\"config\":{\"s3")) + "}";
  TestHttpServer server(configured("{}", [&](const TestRequest& request) {
    return TestAnswer{.body = request.method == "GET" ? loaded : committed};
  }));
  const CatalogPtr catalog = open_catalog("prod", rest(server.url()));
  const Properties expected = {{"s3.access-key-id", "t"}, {"s3.region", "r"}};
  EXPECT_EQ(catalog->load_table({{"a"}, "t"}).config, expected);
  EXPECT_EQ(catalog->commit({{"a"}, "t"}, set("k", "v")).config, expected);  // whose answer has none
}

// --- who asks ---

TEST_F(RestCatalogTest, RegisteringAsksForATableToBeReplacedIfItIsToldTo) {
  const std::string a = fresh("a");
  catalog_->create_namespace({a});
  const LoadedTable first = catalog_->create_table({{a}, "first"}, definition());
  const LoadedTable second = catalog_->create_table({{a}, "second"}, definition());
  EXPECT_THROW(catalog_->register_table({{a}, "second"}, first.metadata_location), TableAlreadyExists);
  EXPECT_THROW(catalog_->register_table({{a}, "second"}, first.metadata_location, true), NotSupported);  // so it says
  TestHttpServer server(configured("{}", [](const TestRequest&) { return TestAnswer{.body = table_answer()}; }));
  open_catalog("prod", rest(server.url()))->register_table({{"a"}, "t"}, "s3://bucket/m.json", true);
  EXPECT_THAT(server.requests()[1].body, HasSubstr(R"("overwrite":true)"));
}

// Of those that a catalog lends, two secrets are right: the one that was lent later, and that of the longest prefix.
TEST(RestAccess, LentCredentialsAreRenewedByTheEndpointForThat) {
  const std::string folder = fmt::format("s3://lake/{}", new_uuid());
  make_io(s3_access())->write(folder + "/x", "hello");
  const auto lent = [&](const std::string& secret) {
    return fmt::format(R"("storage-credentials":[{{"prefix":"{}","config":{{"s3.access-key-id":"floe",)"
                       R"("s3.secret-access-key":"{}","s3.session-token-expires-at-ms":"99999999999999"}}}}])",
                       folder, secret);
  };
  constexpr std::string_view kCredentials = "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/credentials";
  for (const bool offers : {true, false}) {
    std::atomic<int> loads{0};
    const std::string endpoints =
        offers ? fmt::format(R"("GET /v1/{{prefix}}/namespaces/{{namespace}}/tables/{{table}}","{}")", kCredentials)
               : R"("GET /v1/{prefix}/namespaces/{namespace}/tables/{table}")";
    TestHttpServer server([&](const TestRequest& request) {
      if (request.target.starts_with("/v1/config")) {
        return TestAnswer{.body = fmt::format(R"({{"endpoints":[{}]}})", endpoints)};
      }
      if (request.target.ends_with("/credentials")) return TestAnswer{.body = "{" + lent("floe-secret") + "}"};
      return TestAnswer{.body = table_answer("," + lent(++loads == 1 ? "no longer" : "floe-secret"))};
    });
    Properties properties = rest(server.url(), {{"s3.endpoint", s3_url()}, {"s3.retry.num-retries", "0"}});
    const CatalogPtr catalog = open_catalog("prod", properties);
    const IoPtr io = catalog->io(catalog->load_table({{"a"}, "t"}));
    EXPECT_EQ(io->read(folder + "/x")->ToString(), "hello");
    EXPECT_EQ(io->read(folder + "/x")->ToString(), "hello");
    EXPECT_EQ(server.requests().size(), 3);
    EXPECT_EQ(server.requests()[2].target.ends_with("/tables/t/credentials"), offers);
    EXPECT_THAT(io->principal(), HasSubstr(server.url()));
    EXPECT_THAT(io->principal(), Not(HasSubstr("floe-secret")));
  }
}

std::string element(const std::string& xml, const std::string& name) {
  const size_t start = xml.find("<" + name + ">") + name.size() + 2;
  return xml.substr(start, xml.find("</" + name + ">") - start);
}

// What MinIO lends for the files below a folder of the bucket lake, as JSON.
std::string lent_by_minio(const std::string& folder) {
  const std::string policy = fmt::format(
      R"({{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject",)"
      R"("s3:DeleteObject","s3:AbortMultipartUpload"],"Resource":"arn:aws:s3:::lake/{0}/*"}},{{"Effect":"Allow",)"
      R"("Action":"s3:ListBucket","Resource":"arn:aws:s3:::lake","Condition":{{"StringLike":)"
      R"({{"s3:prefix":["{0}/*"]}}}}}}]}})",
      folder);
  const std::string command = fmt::format(
      "curl --silent --aws-sigv4 aws:amz:us-east-1:sts --user floe:floe-secret "
      "--data 'Action=AssumeRole&Version=2011-06-15&DurationSeconds=900&Policy={}' {}/",
      url_encode(policy), minio_url());
  std::string answer;
  FILE* const pipe = ::popen(command.c_str(), "r");
  char bytes[4096];
  for (size_t count; (count = ::fread(bytes, 1, sizeof(bytes), pipe)) > 0;) answer.append(bytes, count);
  ::pclose(pipe);
  return fmt::format(R"({{"s3.access-key-id":"{}","s3.secret-access-key":"{}","s3.session-token":"{}"}})",
                     element(answer, "AccessKeyId"), element(answer, "SecretAccessKey"),
                     element(answer, "SessionToken"));
}

TEST(RestAccess, LentCredentialsReachNoOtherTable) {
  try {
    minio_url();
  } catch (const std::runtime_error& error) {
    GTEST_SKIP() << error.what();
  }
  const std::string name = new_uuid();
  const std::string folder = "s3://lake/" + name;
  TestHttpServer server(configured("{}", [&](const TestRequest&) {
    return TestAnswer{.body = table_answer(fmt::format(
                          R"(,"config":{{"s3.endpoint":"{}"}},"storage-credentials":[{{"prefix":"{}","config":{}}}])",
                          minio_url(), folder, lent_by_minio(name)))};
  }));
  const CatalogPtr catalog = open_catalog("prod", rest(server.url(), {{"s3.retry.num-retries", "0"}}));
  const IoPtr io = catalog->io(catalog->load_table({{"a"}, "t"}));
  const std::string large(11 << 20, 'x');
  io->write(folder + "/data/x", "hello");
  io->write(folder + "/data/large", large);
  EXPECT_EQ(text_of(*io, folder + "/data/x"), "hello");
  EXPECT_EQ(io->list(folder + "/data").size(), 2);
  io->remove(folder + "/data/x");
  EXPECT_FALSE(io->exists(folder + "/data/x"));

  const IoPtr root =
      make_io({{"s3.endpoint", minio_url()}, {"s3.access-key-id", "floe"}, {"s3.secret-access-key", "floe-secret"}});
  root->write(folder + "-other/x", "theirs");
  EXPECT_THROW(io->read(folder + "-other/x"), IoError);
  EXPECT_THROW(io->write(folder + "-other/y", "ours"), IoError);
  EXPECT_THROW(io->write(folder + "-other/z", large), IoError);
  EXPECT_THROW(io->remove(folder + "-other/x"), IoError);
  EXPECT_EQ(root->list(folder + "-other").size(), 1);
}

TEST(RestAccess, ATableThatHasNotChangedIsNotSentAgain) {
  std::atomic<bool> changed{false};
  TestHttpServer server(configured("{}", [&](const TestRequest& request) {
    const std::string etag = changed ? "\"2\"" : "\"1\"";
    const auto known = request.headers.find("if-none-match");
    if (known != request.headers.end() && known->second == etag) return TestAnswer{.status = 304};
    return TestAnswer{.body = table_answer(fmt::format(R"(,"config":{{"k":{}}})", etag)), .headers = {{"ETag", etag}}};
  }));
  const CatalogPtr catalog = open_catalog("prod", rest(server.url()));
  const LoadedTable first = catalog->load_table({{"a"}, "t"});
  const LoadedTable second = catalog->load_table({{"a"}, "t"});
  EXPECT_EQ(second.metadata, first.metadata);  // the very same
  EXPECT_EQ(second.config, first.config);
  EXPECT_EQ(server.requests()[2].headers.at("if-none-match"), "\"1\"");
  changed = true;
  EXPECT_EQ(catalog->load_table({{"a"}, "t"}).config.at("k"), "2");
  EXPECT_FALSE(server.requests()[1].headers.contains("if-none-match"));
  catalog->load_table({{"a"}, "other"});
  EXPECT_FALSE(server.requests()[4].headers.contains("if-none-match"));
}

TEST(RestAccess, A304ThatNobodyAskedForIsAnError) {
  TestHttpServer server(configured("{}", [&](const TestRequest&) { return TestAnswer{.status = 304}; }));
  EXPECT_THROW(open_catalog("prod", rest(server.url()))->load_table({{"a"}, "t"}), IoError);
}

// Gives tokens "t1", "t2", ...; takes only the last one of them.
struct TokenServer {
  explicit TokenServer(
      std::string answer_to_token = R"({{"access_token":"{}","token_type":"bearer","expires_in":3600}})")
      : answer(std::move(answer_to_token)) {}

  TestAnswer operator()(const TestRequest& request) {
    if (request.target == "/v1/oauth/tokens") {
      return {.body = fmt::format(fmt::runtime(answer), fmt::format("t{}", ++tokens))};
    }
    if (request.headers.contains("authorization") &&
        request.headers.at("authorization") == fmt::format("Bearer t{}", valid < 0 ? tokens.load() : valid.load())) {
      return {.body = request.target.starts_with("/v1/config") ? "{}" : R"({"namespaces":[]})"};
    }
    return complaint(401, "NotAuthorizedException", "not you");
  }

  std::string answer;
  std::atomic<int> tokens{0};
  std::atomic<int> valid{-1};  // the one that is taken; -1: the last
};

size_t count_tokens(const TestHttpServer& server) {
  const auto requests = server.requests();
  return std::ranges::count(requests, "/v1/oauth/tokens", &TestRequest::target);
}

TEST(RestAuthorization, ACredentialBecomesAToken) {
  TokenServer tokens;
  TestHttpServer server(std::ref(tokens));
  const CatalogPtr catalog = open_catalog(
      "prod",
      rest(server.url(),
           {{"credential", "me:ge:heim&"}, {"scope", "PRINCIPAL_ROLE:ALL"}, {"audience", "au"}, {"resource", "re"}}));
  catalog->list_namespaces();
  EXPECT_EQ(count_tokens(server), 1);  // also after the configuration is known
  const TestRequest request = server.requests()[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.headers.at("content-type"), "application/x-www-form-urlencoded");
  EXPECT_EQ(request.body,
            "grant_type=client_credentials&client_id=me&client_secret=ge%3Aheim%26&scope=PRINCIPAL_ROLE%3AALL&"
            "audience=au&resource=re");
}

TEST(RestAuthorization, ATokenThatIsRefusedIsReplacedOnce) {
  TokenServer tokens;
  TestHttpServer server(std::ref(tokens));
  const CatalogPtr catalog = open_catalog("prod", rest(server.url(), {{"credential", "me:geheim"}}));
  tokens.valid = 2;  // the first is revoked
  catalog->list_namespaces();
  EXPECT_EQ(count_tokens(server), 2);
  tokens.valid = 17;  // all are
  EXPECT_THAT(message_of<Unauthorized>([&] { catalog->list_namespaces(); }), HasSubstr("not you"));
  EXPECT_EQ(count_tokens(server), 3);
}

TEST(RestAuthorization, ATokenIsReplacedBeforeItExpires) {
  TokenServer tokens(R"({{"access_token":"{}","expires_in":0}})");
  TestHttpServer server(std::ref(tokens));
  const CatalogPtr catalog = open_catalog("prod", rest(server.url(), {{"credential", "me:geheim"}}));
  const auto requests = server.requests();
  EXPECT_EQ(std::ranges::count_if(requests, [](const TestRequest& r) { return r.target.starts_with("/v1/config"); }),
            1);
  catalog->list_namespaces();
  EXPECT_GE(count_tokens(server), 2);
}

// {"exp": <seconds>} as the claims of a JSON web token.
std::string web_token(int64_t expiry) {
  std::string digits;
  const std::string claims = fmt::format(R"({{"exp":{}}})", expiry);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : claims) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) {
      digits += "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[bits >> (count - 6) & 63];
    }
  }
  if (count > 0) {
    digits += "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[bits << (6 - count) & 63];
  }
  return "h." + digits + ".s";
}

// The tokens that requests had, "exchange" before those that asked for another one.
std::vector<std::string> tokens_seen(const std::string& given, const TestAnswer& to_exchange, Properties more = {}) {
  TestHttpServer server([&](const TestRequest& request) {
    if (request.target == "/v1/oauth/tokens") return to_exchange;
    return TestAnswer{.body = request.target.starts_with("/v1/config") ? "{}" : R"({"namespaces":[]})"};
  });
  more.emplace("token", given);
  open_catalog("prod", rest(server.url(), more))->list_namespaces();
  std::vector<std::string> seen;
  for (const TestRequest& request : server.requests()) {
    const std::string token = request.headers.at("authorization").substr(7);
    if (request.target == "/v1/oauth/tokens") {
      EXPECT_THAT(request.body, AllOf(HasSubstr("grant-type%3Atoken-exchange"), HasSubstr("subject_token=" + token)));
      seen.push_back("exchange " + token);
    } else {
      seen.push_back(token);
    }
  }
  return seen;
}

TEST(RestAuthorization, AGivenTokenIsUsedAndExchangedBeforeItExpires) {
  const TestAnswer exchanged{.body = R"({"access_token":"new"})"};
  EXPECT_THAT(tokens_seen("opaque", exchanged), ElementsAre("opaque", "opaque"));
  const std::string lasting = web_token(now_ms() / 1000 + 100'000);
  EXPECT_THAT(tokens_seen(lasting, exchanged), ElementsAre(lasting, lasting));
  const std::string endless = web_token(INT64_MAX);
  EXPECT_THAT(tokens_seen(endless, exchanged), ElementsAre(endless, endless));
  const std::string ending = web_token(now_ms() / 1000 + 200);
  EXPECT_THAT(tokens_seen(ending, exchanged), ElementsAre("exchange " + ending, "new", "new"));
  EXPECT_THAT(tokens_seen(ending, exchanged, {{"token-refresh-enabled", "false"}}), ElementsAre(ending, ending));
  // Who cannot exchange it uses it for as long as it lasts, and does not ask again at once.
  EXPECT_THAT(tokens_seen(ending, {.status = 404}), ElementsAre("exchange " + ending, ending, ending));
  const std::string over = web_token(now_ms() / 1000 - 1);
  EXPECT_THAT(tokens_seen(over, exchanged), ElementsAre(over, over));  // the server will say so
}

TEST(RestAuthorization, ARefusedCredentialIsSaidWithoutTheSecret) {
  TestHttpServer server([](const TestRequest&) {
    return TestAnswer{.status = 401,
                      .body = R"({"error":"invalid_client","error_description":"geheim is wrong for me"})"};
  });
  const std::string message =
      message_of<Unauthorized>([&] { open_catalog("prod", rest(server.url(), {{"credential", "me:geheim"}})); });
  EXPECT_THAT(message, AllOf(HasSubstr("catalog prod: " + server.url() + "/v1/oauth/tokens"),
                             HasSubstr("invalid_client: *** is wrong for me")));
  TestHttpServer echo([](const TestRequest& request) {
    return complaint(403, "ForbiddenException", "you sent " + request.headers.at("authorization"));
  });
  EXPECT_THAT(message_of<Forbidden>([&] { open_catalog("prod", rest(echo.url(), {{"token", "geheim"}})); }),
              HasSubstr("you sent Bearer ***"));
}

TEST(RestAuthorization, TokensComeFromAnotherServerIfOneIsNamed) {
  TestHttpServer tokens([](const TestRequest&) { return TestAnswer{.body = R"({"access_token":"t"})"}; });
  TestHttpServer server(configured("{}", [](const TestRequest&) { return TestAnswer{}; }));
  open_catalog("prod", rest(server.url(), {{"credential", "geheim"}, {"oauth2-server-uri", tokens.url() + "/token"}}));
  EXPECT_EQ(tokens.requests().at(0).target, "/token");
  EXPECT_EQ(tokens.requests().at(0).body, "grant_type=client_credentials&client_secret=geheim&scope=catalog");
  EXPECT_EQ(server.requests().at(0).headers.at("authorization"), "Bearer t");
}

}  // namespace
}  // namespace floe
