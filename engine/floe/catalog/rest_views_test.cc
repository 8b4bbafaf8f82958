#include "floe/catalog/rest_views.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "floe/error.h"
#include "floe/io/test_stores.h"
#include "floe/test_http_server.h"
#include "floe/test_service.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

NewView definition(const std::string& sql = "select id from t") {
  NewView view;
  view.schema.fields = {{.id = 1, .name = "id", .type = primitive(TypeKind::kLong)}};
  view.version.timestamp_ms = 1'700'000'000'000;
  view.version.representations = {{.sql = sql, .dialect = "spark"}};
  view.version.default_namespace = {"a"};
  return view;
}

// On the reference server of Iceberg's Java.
class RestViewsTest : public testing::Test {
 protected:
  RestViewsTest() { catalog_->create_namespace({ns_}); }
  TableIdentifier named(const std::string& name) const { return {{ns_}, name}; }

  const std::string ns_ = fmt::format("views_{}", new_uuid());
  CatalogPtr catalog_ = open_catalog("prod", {{"type", "rest"}, {"uri", rest_url()}});
};

TEST_F(RestViewsTest, ViewsComeAndGo) {
  const TableIdentifier v = named("v w"), u = named("u");
  EXPECT_FALSE(catalog_->view_exists(v));
  EXPECT_THAT(catalog_->list_views({ns_}), IsEmpty());
  NewView given = definition();
  given.properties = {{"comment", "all of them"}};
  given.version.default_catalog = "prod";
  const LoadedView created = catalog_->create_view(v, given);
  EXPECT_TRUE(catalog_->view_exists(v));
  EXPECT_FALSE(catalog_->table_exists(v));
  EXPECT_THAT(catalog_->list_views({ns_}), ElementsAre(v));
  EXPECT_THAT(catalog_->list_tables({ns_}), IsEmpty());

  const LoadedView loaded = catalog_->load_view(v);
  EXPECT_EQ(loaded.metadata_location, created.metadata_location);
  EXPECT_EQ(to_json(*loaded.metadata), to_json(*created.metadata));
  EXPECT_EQ(loaded.metadata->properties.at("comment"), "all of them");
  const ViewVersion& version = current_version(*loaded.metadata);
  EXPECT_EQ(version.representations, given.version.representations);
  EXPECT_EQ(version.default_catalog, "prod");
  EXPECT_THAT(version.default_namespace, ElementsAre("a"));
  EXPECT_TRUE(same_fields(loaded.metadata->schemas.at(0), given.schema));

  catalog_->rename_view(v, u);
  EXPECT_EQ(catalog_->load_view(u).metadata->view_uuid, created.metadata->view_uuid);
  catalog_->drop_view(u);
  EXPECT_THAT(catalog_->list_views({ns_}), IsEmpty());
}

TEST_F(RestViewsTest, WhatIsNotThereOrIsThereAlreadySaysSo) {
  const TableIdentifier v = named("v"), none = named("none");
  catalog_->create_view(v, definition());
  EXPECT_THAT(message_of<ViewAlreadyExists>([&] { catalog_->create_view(v, definition()); }),
              HasSubstr(fmt::format("catalog prod: view {}.v: ", ns_)));
  NewTable table;
  table.schema = definition().schema;
  catalog_->create_table(named("t"), table);
  EXPECT_THROW(catalog_->create_view(named("t"), definition()), ViewAlreadyExists);
  EXPECT_THROW(catalog_->rename_view(v, named("t")), ViewAlreadyExists);
  EXPECT_THROW(catalog_->create_table(v, table), TableAlreadyExists);
  EXPECT_THROW(catalog_->load_table(v), NoSuchTable);
  EXPECT_THROW(catalog_->load_view(named("t")), NoSuchView);

  EXPECT_THAT(message_of<NoSuchView>([&] { catalog_->load_view(none); }),
              HasSubstr(fmt::format("view {}.none: ", ns_)));
  EXPECT_THROW(catalog_->replace_view(none, definition()), NoSuchView);
  EXPECT_THROW(catalog_->drop_view(none), NoSuchView);
  EXPECT_THROW(catalog_->rename_view(none, named("u")), NoSuchView);
  EXPECT_THROW(catalog_->rename_view(v, {{"no_such_namespace"}, "u"}), NoSuchNamespace);
  EXPECT_THROW(catalog_->create_view({{"no_such_namespace"}, "v"}, definition()), NoSuchNamespace);
  EXPECT_THROW(catalog_->create_view({{}, "v"}, definition()), NoSuchNamespace);
  EXPECT_THROW(catalog_->create_view(named(""), definition()), InvalidArgument);
  EXPECT_THROW(catalog_->create_view(none, {}), InvalidArgument);
  EXPECT_THROW(catalog_->load_view({{}, "v"}), NoSuchView);
  EXPECT_FALSE(catalog_->view_exists({{}, "v"}));
  EXPECT_THROW(catalog_->list_views({"no_such_namespace"}), NoSuchNamespace);
}

TEST_F(RestViewsTest, AReplacementIsTheNextVersionOrAnEarlierOne) {
  const TableIdentifier v = named("v");
  const LoadedView first = catalog_->create_view(v, definition());
  NewView other = definition("select 1");
  other.properties = {{"comment", "one"}};
  const LoadedView second = catalog_->replace_view(v, other);
  EXPECT_EQ(second.metadata->view_uuid, first.metadata->view_uuid);
  EXPECT_NE(second.metadata_location, first.metadata_location);
  EXPECT_EQ(second.metadata->versions.size(), 2);
  EXPECT_EQ(second.metadata->schemas.size(), 1);
  EXPECT_EQ(current_version(*second.metadata).representations[0].sql, "select 1");
  EXPECT_EQ(second.metadata->properties.at("comment"), "one");

  other.schema.fields[0].name = "one";
  const LoadedView third = catalog_->replace_view(v, other);
  EXPECT_EQ(third.metadata->versions.size(), 3);
  EXPECT_EQ(third.metadata->schemas.size(), 2);
  // The first one's summary is the server's to say.
  NewView again{.schema = first.metadata->schemas[0], .version = first.metadata->versions[0]};
  const LoadedView back = catalog_->replace_view(v, again);
  EXPECT_EQ(back.metadata->versions.size(), 3);
  EXPECT_EQ(back.metadata->current_version_id, first.metadata->current_version_id);
  EXPECT_EQ(back.metadata->version_log.size(), 4);
  EXPECT_EQ(to_json(*catalog_->load_view(v).metadata), to_json(*back.metadata));

  again.version.representations[0].dialect = "trino";
  EXPECT_THROW(catalog_->replace_view(v, again), InvalidArgument);
}

TEST_F(RestViewsTest, ViewsAreRegisteredByTheirMetadata) {
  const TableIdentifier v = named("v");
  const LoadedView created = catalog_->create_view(v, definition());
  const std::string file = make_io({})->read(created.metadata_location)->ToString();
  catalog_->drop_view(v);  // of which this server keeps nothing
  make_io({})->write(created.metadata_location, file);
  EXPECT_EQ(catalog_->register_view(v, created.metadata_location).metadata->view_uuid, created.metadata->view_uuid);
  EXPECT_THROW(catalog_->register_view(v, created.metadata_location), ViewAlreadyExists);
}

// --- on a server that says what the test wants to hear ---

TEST(RestViews, ErrorsMeanWhatTheSpecificationSays) {
  TestAnswer next;
  TestHttpServer server([&](const TestRequest& request) {
    return request.target.starts_with("/v1/config")
               ? TestAnswer{.body = R"({"overrides":{"view-endpoints-supported":"true"}})"}
               : next;
  });
  const CatalogPtr catalog =
      open_catalog("prod", {{"type", "rest"}, {"uri", server.url()}, {"rest.client.max-retries", "0"}});
  const TableIdentifier v{{"a"}, "v"};
  next = {.status = 404, .body = "<html>"};
  EXPECT_THROW(catalog->load_view(v), NoSuchView);
  EXPECT_THROW(catalog->list_views({"a"}), NoSuchNamespace);
  EXPECT_FALSE(catalog->view_exists(v));
  next = {.status = 409, .body = "<html>"};
  EXPECT_THROW(catalog->create_view(v, definition()), ViewAlreadyExists);
  next = {.status = 500, .body = "<html>"};
  EXPECT_THROW(catalog->create_view(v, definition()), CommitStateUnknown);
  EXPECT_THROW(catalog->drop_view(v), CommitStateUnknown);
  EXPECT_THROW(catalog->load_view(v), IoError);
  next = {.body = "{}"};  // done, but what is it now?
  EXPECT_THROW(catalog->create_view(v, definition()), CommitStateUnknown);
  EXPECT_THROW(catalog->load_view(v), CorruptFile);
}

TEST(RestViews, AnotherWriterWasFirst) {
  const ViewMetadata view{.view_uuid = "u",
                          .location = "file:///v",
                          .schemas = {definition().schema},
                          .current_version_id = 1,
                          .versions = {definition().version}};
  TestHttpServer server([&](const TestRequest& request) {
    if (request.target.starts_with("/v1/config")) {
      return TestAnswer{.body = R"({"defaults":{"view-endpoints-supported":"true"}})"};
    }
    if (request.method == "POST") return TestAnswer{.status = 409, .body = "<html>"};
    return TestAnswer{.body = fmt::format(R"({{"metadata-location":"m","metadata":{}}})", to_json(view))};
  });
  const CatalogPtr catalog = open_catalog("prod", {{"type", "rest"}, {"uri", server.url()}});
  EXPECT_THROW(catalog->replace_view({{"a"}, "v"}, definition("select 1")), CommitFailed);
  EXPECT_EQ(server.requests().size(), 3);
}

TEST(RestViews, AServerWithoutViewsHasNoneAndTakesNone) {
  TestHttpServer server([](const TestRequest&) { return TestAnswer{.body = "{}"}; });
  const CatalogPtr catalog = open_catalog("prod", {{"type", "rest"}, {"uri", server.url()}});
  EXPECT_THAT(catalog->list_views({"a"}), IsEmpty());
  EXPECT_THAT(message_of<NotSupported>([&] { catalog->create_view({{"a"}, "v"}, definition()); }),
              HasSubstr("view a.v: the server does not offer POST"));
  EXPECT_EQ(server.requests().size(), 1);
}

TEST(SqlCatalogs, KeepNoViewsAndSaySo) {
  const CatalogPtr catalog = open_catalog("memory", {{"type", "in-memory"}});
  const TableIdentifier v{{"a"}, "v"};
  EXPECT_THAT(message_of<NotSupported>([&] { catalog->load_view(v); }),
              HasSubstr("catalog memory keeps no views (a.v)"));
  EXPECT_THROW(catalog->create_view(v, definition()), NotSupported);
  EXPECT_THROW(catalog->replace_view(v, definition()), NotSupported);
  EXPECT_THROW(catalog->register_view(v, "m"), NotSupported);
  EXPECT_THROW(catalog->view_exists(v), NotSupported);
  EXPECT_THROW(catalog->list_views({"a"}), NotSupported);
  EXPECT_THROW(catalog->drop_view(v), NotSupported);
  EXPECT_THROW(catalog->rename_view(v, v), NotSupported);
}

}  // namespace
}  // namespace floe
