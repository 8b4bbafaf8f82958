#include "floe/spec/snapshot.h"

#include <gtest/gtest.h>

#include "floe/error.h"
#include "floe/spec/json_writer.h"
#include "floe/spec/snapshot_json.h"

namespace floe {
namespace {

std::string failure_of(std::string_view json) {
  try {
    snapshot_from_json(json);
  } catch (const CorruptFile& error) {
    return error.what();
  }
  return "read";
}

TEST(Snapshot, ComesBackFromItsJson) {
  Snapshot snapshot;
  snapshot.snapshot_id = 9007199254740993;  // more than a double holds
  snapshot.parent_snapshot_id = 7;
  snapshot.sequence_number = 3;
  snapshot.timestamp_ms = 1700000000123;
  snapshot.manifest_list = "file:///t/metadata/snap-1.avro";
  snapshot.summary = {{"operation", "append"}, {"quote \" and \\ and \n", "\x01 ü 😀"}};
  snapshot.schema_id = 2;
  snapshot.first_row_id = 0;
  snapshot.added_rows = 5;
  snapshot.key_id = "k";
  EXPECT_EQ(snapshot_from_json(to_json(snapshot, 3)), snapshot);
}

// Trap 12: v2 snapshots of upgraded tables have no sequence number; 0 is a value.
TEST(Trap12, SnapshotWithoutSequenceNumberHasZero) {
  const Snapshot snapshot = snapshot_from_json(
      R"({"snapshot-id": 1, "timestamp-ms": 5, "manifest-list": "m", "summary": {"operation": "append"}})");
  EXPECT_EQ(snapshot.sequence_number, 0);
  EXPECT_EQ(snapshot.schema_id, std::nullopt);
}

TEST(Snapshot, FieldsOfLaterVersionsAreNotWrittenInEarlierOnes) {
  Snapshot snapshot{.snapshot_id = 1, .sequence_number = 4, .manifest_list = "m"};
  snapshot.first_row_id = 1;
  EXPECT_EQ(to_json(snapshot, 1), R"({"snapshot-id":1,"timestamp-ms":0,"manifest-list":"m"})");
  EXPECT_EQ(to_json(snapshot, 2), R"({"sequence-number":4,"snapshot-id":1,"timestamp-ms":0,"manifest-list":"m"})");
}

TEST(Snapshot, ListsManifestsItselfInVersionOne) {
  const std::string json = R"({"snapshot-id":1,"timestamp-ms":2,"manifests":["a","b"]})";
  const Snapshot snapshot = snapshot_from_json(json);
  EXPECT_EQ(snapshot.manifests, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(to_json(snapshot, 1), json);
}

TEST(Snapshot, ErrorsNameTheField) {
  EXPECT_EQ(failure_of(R"({"timestamp-ms": 1})"), "snapshot: the document lacks the field \"snapshot-id\"");
  EXPECT_EQ(failure_of(R"({"snapshot-id": 1})"), "snapshot: the document lacks the field \"timestamp-ms\"");
  EXPECT_EQ(failure_of(R"({"snapshot-id": "1", "timestamp-ms": 1})"), "snapshot: snapshot-id is not a 64-bit integer");
  EXPECT_EQ(failure_of(R"({"snapshot-id": 1, "timestamp-ms": 1, "summary": {"a": null}})"),
            "snapshot: summary.a is not a string");
  EXPECT_EQ(failure_of(R"({"snapshot-id": 1, "timestamp-ms": 1, "summary": []})"),
            "snapshot: summary is not an object");
  EXPECT_EQ(failure_of(R"({"snapshot-id": 1, "timestamp-ms": 1, "sequence-number": -1})"),
            "snapshot: sequence-number is negative");
  EXPECT_EQ(failure_of(R"([])"), "snapshot: the document is not an object");
}

TEST(Snapshot, NumbersInASummaryBecomeText) {
  const Snapshot snapshot =
      snapshot_from_json(R"({"snapshot-id": 1, "timestamp-ms": 1, "summary": {"added-records": 10, "x": true}})");
  EXPECT_EQ(snapshot.summary, (Summary{{"added-records", "10"}, {"x", "true"}}));
}

TEST(Summary, ReadsLikeAMap) {
  Summary summary{{"operation", "append"}, {"empty", ""}, {"", "no name"}};
  EXPECT_EQ(summary.size(), 3);
  EXPECT_EQ(summary.find("operation")->second, "append");
  EXPECT_EQ(summary.get("empty"), "");
  EXPECT_TRUE(summary.contains("empty"));
  EXPECT_EQ(summary.get(""), "no name");
  EXPECT_EQ(summary.find("nothing"), summary.end());
  summary.emplace("operation", "delete");
  EXPECT_EQ(summary.get("operation"), "append");
  EXPECT_EQ(summary.to_map(), (Properties{{"operation", "append"}, {"empty", ""}, {"", "no name"}}));
}

TEST(Summary, EqualWhateverTheOrder) {
  EXPECT_EQ((Summary{{"a", "1"}, {"b", "2"}}), (Summary{{"b", "2"}, {"a", "1"}}));
  EXPECT_NE((Summary{{"a", "1"}, {"b", "2"}}), (Summary{{"a", "12"}, {"b", ""}}));
  EXPECT_NE((Summary{{"a", "1"}}), (Summary{{"a", "1"}, {"b", "2"}}));
}

TEST(JsonWriter, EscapesWhatStringsMayNotHoldWhereverItStands) {
  for (size_t length = 0; length < 20; ++length) {
    for (size_t at = 0; at < length; ++at) {
      for (const char c : {'"', '\\', '\n', '\x1f', '\0', '\x7f', ' '}) {
        std::string text(length, 'x');
        text[at] = c;
        json::Writer out;
        out.value(text);
        const json::Document document(out.take(), "text");
        EXPECT_EQ(document.root().string(), text);
      }
    }
  }
}

TEST(JsonWriter, TextThatIsNotUtf8IsRefusedBeforeItIsWritten) {
  Snapshot snapshot{.snapshot_id = 1, .manifest_list = "m"};
  snapshot.summary = {{"operation", "\xff\xfe"}};
  EXPECT_THROW(to_json(snapshot, 2), InvalidArgument);
}

}  // namespace
}  // namespace floe
