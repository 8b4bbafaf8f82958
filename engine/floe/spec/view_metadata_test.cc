#include "floe/spec/view_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "floe/error.h"

namespace floe {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// The specification's example, as this engine writes it.
const std::string kEventAgg =
    R"({"view-uuid":"fa6506c3-7681-40c8-86dc-e36561f83385","format-version":1,)"
    R"("location":"s3://bucket/warehouse/default.db/event_agg",)"
    R"("schemas":[{"type":"struct","schema-id":1,"fields":[)"
    R"({"id":1,"name":"event_count","required":false,"type":"int","doc":"Count of events"},)"
    R"({"id":2,"name":"event_date","required":false,"type":"date"}]}],"current-version-id":1,)"
    R"("versions":[{"version-id":1,"schema-id":1,"timestamp-ms":1573518431292,)"
    R"("summary":{"engine-name":"Spark","engine-version":"3.3.2"},"representations":[{"type":"sql",)"
    R"("sql":"SELECT\n    COUNT(1), CAST(event_ts AS DATE)\nFROM events\nGROUP BY 2","dialect":"spark"}],)"
    R"("default-catalog":"prod","default-namespace":["default"]}],)"
    R"("version-log":[{"timestamp-ms":1573518431292,"version-id":1}],"properties":{"comment":"Daily event counts"}})";

std::string with(const std::string& what, const std::string& by) {
  std::string text = kEventAgg;
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

ViewMetadata event_agg() { return parse_view_metadata(kEventAgg, "event_agg"); }

// What the view is already.
NewView same() {
  const ViewMetadata view = event_agg();
  return {.schema = view.schemas[0], .version = view.versions[0]};
}

template <typename E, typename F>
std::string message_of(const F& body) {
  try {
    body();
  } catch (const E& error) {
    return error.what();
  }
  ADD_FAILURE() << "no exception of the wanted class";
  return "";
}

TEST(ViewMetadata, TheSpecificationsExampleIsReadAndWritten) {
  const ViewMetadata view = event_agg();
  EXPECT_EQ(view.view_uuid, "fa6506c3-7681-40c8-86dc-e36561f83385");
  EXPECT_EQ(view.properties.at("comment"), "Daily event counts");
  EXPECT_EQ(view.version_log.at(0).timestamp_ms, 1573518431292);
  ASSERT_EQ(view.schemas.size(), 1);
  EXPECT_EQ(view.schemas[0].fields.at(1).name, "event_date");
  const ViewVersion& version = current_version(view);
  EXPECT_EQ(version.schema_id, 1);
  EXPECT_EQ(version.default_catalog, "prod");
  EXPECT_THAT(version.default_namespace, ElementsAre("default"));
  ASSERT_EQ(version.representations.size(), 1);
  EXPECT_EQ(version.representations[0].dialect, "spark");
  const ViewMetadata again = parse_view_metadata(to_json(view), "again");
  EXPECT_EQ(to_json(again), to_json(view));
  EXPECT_EQ(to_json(view_version_from_json(to_json(version))), to_json(version));
}

TEST(ViewMetadata, WhatIsOptionalMayBeMissingOrNull) {
  EXPECT_EQ(parse_view_metadata(with(R"("default-catalog":"prod",)", R"("default-catalog":null,)"), "v")
                .versions[0]
                .default_catalog,
            std::nullopt);
  EXPECT_TRUE(
      parse_view_metadata(with(R"(,"properties":{"comment":"Daily event counts"})", ""), "v").properties.empty());
  // A representation of a type to come.
  const ViewMetadata view = parse_view_metadata(with(R"([{"type":"sql")", R"([{"type":"x"},{"type":"sql")"), "v");
  EXPECT_EQ(view.versions[0].representations.size(), 1);
}

TEST(ViewMetadata, WhatCannotBeIsCorrupt) {
  for (const auto& [what, by] : std::vector<std::pair<std::string, std::string>>{
           {R"("current-version-id":1)", R"("current-version-id":2)"},
           {R"("version-id":1,"schema-id":1)", R"("version-id":1,"schema-id":7)"},
           {R"("format-version":1)", R"("format-version":0)"},
           {R"("view-uuid":"fa6506c3-7681-40c8-86dc-e36561f83385",)", ""},
           {R"(,"dialect":"spark")", ""},
           {R"("default-namespace":["default"])", R"("default-namespace":"default")"},
           {R"("version-log")", R"("log")"}}) {
    const std::string text = with(what, by);
    EXPECT_THAT(message_of<CorruptFile>([&] { parse_view_metadata(text, "v.json"); }), HasSubstr("v.json")) << by;
  }
  EXPECT_THROW(parse_view_metadata("{", "v.json"), CorruptFile);
  EXPECT_THROW(parse_view_metadata(with(R"("format-version":1)", R"("format-version":2)"), "v.json"), NotSupported);
}

TEST(ViewMetadata, ADefinitionNeedsOneQueryInEachDialect) {
  NewView definition = same();
  validate(definition);
  definition.version.representations.push_back({.sql = "select 1", .dialect = "SPARK"});
  EXPECT_THAT(message_of<InvalidArgument>([&] { validate(definition); }), HasSubstr("two in one"));
  definition.version.representations[1] = {.sql = "", .dialect = "trino"};
  EXPECT_THROW(validate(definition), InvalidArgument);
  definition.version.representations.clear();
  EXPECT_THROW(validate(definition), InvalidArgument);
  definition = same();
  definition.schema.fields.push_back(definition.schema.fields[0]);
  EXPECT_THROW(validate(definition), InvalidArgument);
}

TEST(ViewMetadata, AReplacementIsUpdatesOfTheProtocol) {
  const ViewMetadata view = event_agg();
  // What was there before is taken up again.
  EXPECT_EQ(view_replacement_to_json(view, same()),
            R"({"requirements":[{"type":"assert-view-uuid","uuid":"fa6506c3-7681-40c8-86dc-e36561f83385"}],)"
            R"("updates":[{"action":"set-current-view-version","view-version-id":1}]})");

  NewView other = same();
  other.version.representations[0].sql = "select 1";
  other.properties = {{"comment", "new"}};
  other.location = "s3://elsewhere";
  EXPECT_THAT(view_replacement_to_json(view, other),
              AllOf(HasSubstr(R"({"action":"set-location","location":"s3://elsewhere"},)"),
                    HasSubstr(R"({"action":"set-properties","updates":{"comment":"new"}},)"),
                    HasSubstr(R"({"action":"add-view-version","view-version":{"version-id":2,"schema-id":1,)"),
                    HasSubstr(R"("view-version-id":-1})"), Not(HasSubstr("add-schema"))));

  other.schema.fields.pop_back();
  EXPECT_THAT(view_replacement_to_json(view, other),
              AllOf(HasSubstr(R"({"action":"add-schema","schema":{"type":"struct","schema-id":2,)"),
                    HasSubstr(R"("version-id":2,"schema-id":-1,)")));
}

TEST(ViewMetadata, AReplacementKeepsTheDialects) {
  const ViewMetadata view = event_agg();
  NewView other = same();
  other.version.representations[0].dialect = "Spark";
  view_replacement_to_json(view, other);
  other.version.representations[0].dialect = "trino";
  EXPECT_THAT(message_of<InvalidArgument>([&] { view_replacement_to_json(view, other); }),
              AllOf(HasSubstr("dialect spark"), HasSubstr("replace.drop-dialect.allowed")));
  other.properties = {{"replace.drop-dialect.allowed", "true"}};
  view_replacement_to_json(view, other);
}

}  // namespace
}  // namespace floe
