#include "floe/spec/table_update.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "floe/error.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Field field(int32_t id, std::string name, TypeKind kind = TypeKind::kLong) {
  return {.id = id, .name = std::move(name), .type = primitive(kind)};
}

TableMetadata table(int32_t format_version = 2) {
  NewTable definition;
  definition.schema.fields = {field(1, "id"), field(2, "day", TypeKind::kDate)};
  definition.spec.fields = {{.source_ids = {2}, .name = "day_month", .transform = parse_transform("month")}};
  definition.location = "file:///t";
  definition.properties = {{"format-version", std::to_string(format_version)}};
  TableMetadata metadata = new_table_metadata(definition);
  metadata.last_updated_ms = 1000;
  return metadata;
}

Snapshot snapshot(const TableMetadata& base, int64_t id, int64_t timestamp_ms = 2000) {
  Snapshot snapshot{.snapshot_id = id,
                    .parent_snapshot_id = base.current_snapshot_id,
                    .sequence_number = base.last_sequence_number + 1,
                    .timestamp_ms = timestamp_ms,
                    .manifest_list = "file:///t/metadata/snap.avro"};
  snapshot.summary = {{"operation", "append"}};
  if (base.format_version > 2) snapshot.first_row_id = base.next_row_id;
  if (base.format_version > 2) snapshot.added_rows = 10;
  return snapshot;
}

// The table after an append to main.
TableMetadata appended(const TableMetadata& base, int64_t id, int64_t timestamp_ms) {
  return apply(base, {AddSnapshot{snapshot(base, id, timestamp_ms)}, SetSnapshotRef{"main", {.snapshot_id = id}}});
}

std::vector<int64_t> log_of(const TableMetadata& metadata) {
  std::vector<int64_t> ids;
  for (const SnapshotLogEntry& entry : metadata.snapshot_log) ids.push_back(entry.snapshot_id);
  return ids;
}

std::string refusal_of(const TableMetadata& base, const std::vector<TableUpdate>& updates) {
  try {
    apply(base, updates);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "applied";
}

std::string conflict_of(const TableMetadata& base, const std::vector<TableUpdate>& updates) {
  try {
    apply(base, updates);
  } catch (const CommitFailed& error) {
    return error.what();
  }
  return "applied";
}

std::string failure_of(const TableRequirement& requirement, const TableMetadata* current) {
  try {
    check(requirement, current);
  } catch (const CommitFailed& error) {
    return error.what();
  }
  return "holds";
}

TEST(Requirements, FailSayingWhatWasExpectedAndWhatIsThere) {
  const TableMetadata base = appended(table(), 7, 2000);
  EXPECT_EQ(failure_of(AssertCurrentSchemaId{1}, &base),
            "Requirement failed: current schema id has changed: expected 1, found 0");
  EXPECT_EQ(failure_of(AssertLastAssignedFieldId{1}, &base),
            "Requirement failed: last assigned field id has changed: expected 1, found 2");
  EXPECT_EQ(failure_of(AssertLastAssignedPartitionId{999}, &base),
            "Requirement failed: last assigned partition id has changed: expected 999, found 1000");
  EXPECT_EQ(failure_of(AssertDefaultSpecId{4}, &base),
            "Requirement failed: default spec id has changed: expected 4, found 0");
  EXPECT_EQ(failure_of(AssertDefaultSortOrderId{4}, &base),
            "Requirement failed: default sort order id has changed: expected 4, found 0");
  EXPECT_THAT(failure_of(AssertTableUuid{"x"}, &base), HasSubstr("expected x"));
  EXPECT_EQ(failure_of(AssertRefSnapshotId{"main", 6}, &base),
            "Requirement failed: branch main has changed: expected id 6, found 7");
  EXPECT_EQ(failure_of(AssertRefSnapshotId{"main", {}}, &base),
            "Requirement failed: branch main was created concurrently");
  EXPECT_EQ(failure_of(AssertRefSnapshotId{"b", 7}, &base),
            "Requirement failed: branch or tag b is missing, expected 7");
  EXPECT_THAT(failure_of(AssertCreate{}, &base), HasSubstr("exists already"));
}

TEST(Requirements, Hold) {
  const TableMetadata base = appended(table(), 7, 2000);
  std::string upper = base.table_uuid;
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  for (const TableRequirement& requirement : std::vector<TableRequirement>{
           AssertCurrentSchemaId{0}, AssertLastAssignedFieldId{2}, AssertLastAssignedPartitionId{1000},
           AssertDefaultSpecId{0}, AssertDefaultSortOrderId{0}, AssertTableUuid{base.table_uuid},
           AssertTableUuid{upper}, AssertRefSnapshotId{"main", 7}, AssertRefSnapshotId{"b", {}}}) {
    EXPECT_EQ(failure_of(requirement, &base), "holds");
  }
  EXPECT_EQ(failure_of(AssertCreate{}, nullptr), "holds");
}

TEST(Requirements, OfATableThatIsNotThere) {
  EXPECT_THAT(failure_of(AssertCurrentSchemaId{0}, nullptr), HasSubstr("does not exist"));
  EXPECT_THAT(failure_of(AssertRefSnapshotId{"main", {}}, nullptr), HasSubstr("does not exist"));
}

TEST(Apply, NothingChangesNothing) {
  const TableMetadata base = appended(table(), 7, 2000);
  EXPECT_EQ(apply(base, {}), base);
  EXPECT_EQ(
      apply(base, {SetProperties{}, RemoveProperties{{"none"}}, RemoveSnapshotRef{"none"},
                   AddSchema{*current_schema(base), {}}, SetCurrentSchema{-1}, UpgradeFormatVersion{2},
                   SetSnapshotRef{"main", {.snapshot_id = 7}}, AssignUuid{base.table_uuid}, SetLocation{"file:///t/"}}),
      base);
}

TEST(Apply, ChangesMoveTheTimeOn) {
  const TableMetadata base = table();
  EXPECT_GT(apply(base, {SetProperties{{{"a", "b"}}}}).last_updated_ms, base.last_updated_ms);
  EXPECT_EQ(appended(base, 1, 5000).last_updated_ms, 5000);
}

TEST(Apply, PropertiesAreSetAndRemoved) {
  TableMetadata metadata = apply(table(), {SetProperties{{{"a", "1"}, {"b", "2"}}}});
  metadata = apply(metadata, {SetProperties{{{"a", "3"}}}, RemoveProperties{{"b", "none"}}});
  EXPECT_EQ(metadata.properties, (Properties{{"a", "3"}}));
}

TEST(Apply, AUuidIsAssignedOnce) {
  TableMetadata metadata = table();
  EXPECT_THAT(refusal_of(metadata, {AssignUuid{"00000000-0000-4000-8000-000000000000"}}), HasSubstr("already"));
  metadata.table_uuid.clear();
  const std::string uuid = new_uuid();
  EXPECT_EQ(apply(metadata, {AssignUuid{uuid}}).table_uuid, uuid);
  EXPECT_THAT(refusal_of(metadata, {AssignUuid{"u"}}), HasSubstr("no uuid"));
}

TEST(Apply, FormatVersionsOnlyGoUp) {
  TableMetadata metadata = table(1);
  metadata.table_uuid.clear();
  const TableMetadata upgraded = apply(metadata, {UpgradeFormatVersion{3}});
  EXPECT_EQ(upgraded.format_version, 3);
  EXPECT_EQ(upgraded.next_row_id, 0);
  EXPECT_FALSE(upgraded.table_uuid.empty());
  EXPECT_THAT(refusal_of(upgraded, {UpgradeFormatVersion{2}}), HasSubstr("cannot go back"));
  EXPECT_THAT(refusal_of(metadata, {UpgradeFormatVersion{4}}), HasSubstr("4"));
}

Schema schema_with(std::vector<Field> fields, int32_t schema_id = 0) {
  Schema schema;
  schema.schema_id = schema_id;
  schema.fields = std::move(fields);
  return schema;
}

TEST(Apply, SchemasGetAFreeIdAndEqualOnesAreUsedAgain) {
  const TableMetadata base = table();
  const Schema wider = schema_with({field(1, "id"), field(2, "day", TypeKind::kDate), field(5, "x")});
  const TableMetadata added = apply(base, {AddSchema{wider, {}}, SetCurrentSchema{-1}});
  EXPECT_EQ(added.schemas.size(), 2);
  EXPECT_EQ(added.current_schema_id, 1);  // 0, which it came with, is taken
  EXPECT_EQ(added.last_column_id, 5);

  const TableMetadata back = apply(added, {AddSchema{*base.schemas[0], {}}, SetCurrentSchema{-1}});
  EXPECT_EQ(back.schemas.size(), 2);
  EXPECT_EQ(back.current_schema_id, 0);
  EXPECT_EQ(back.last_column_id, 5);
}

TEST(Apply, LastColumnIdNeverGoesDown) {
  const TableMetadata base = table();
  EXPECT_EQ(apply(base, {AddSchema{schema_with({field(1, "id")}), 1}}).last_column_id, 2);
  EXPECT_EQ(apply(base, {AddSchema{schema_with({field(1, "id")}), 9}}).last_column_id, 9);
}

TEST(Apply, SchemasHaveToBeKnownAndSound) {
  const TableMetadata base = table();
  EXPECT_THAT(refusal_of(base, {SetCurrentSchema{-1}}), HasSubstr("no schema was added"));
  EXPECT_THAT(refusal_of(base, {SetCurrentSchema{3}}), HasSubstr("no schema 3"));
  EXPECT_NE(refusal_of(base, {AddSchema{schema_with({field(1, "a"), field(1, "b")}), {}}}), "applied");
  EXPECT_NE(refusal_of(base, {AddSchema{schema_with({field(3, "v", TypeKind::kVariant)}), {}}}), "applied");
}

TEST(Apply, ASchemaMayNotLoseAColumnThatTheTableIsPartitionedBy) {
  const TableMetadata base = table();
  EXPECT_NE(refusal_of(base, {AddSchema{schema_with({field(1, "id")}), {}}, SetCurrentSchema{-1}}), "applied");
  // Unless the same commit partitions it in another way.
  EXPECT_EQ(refusal_of(base, {AddPartitionSpec{{.spec_id = 1, .fields = {}}}, SetDefaultSpec{-1},
                              AddSchema{schema_with({field(1, "id")}), {}}, SetCurrentSchema{-1}}),
            "applied");
}

TEST(Apply, SchemasAreRemovedUnlessCurrent) {
  const TableMetadata base =
      apply(table(), {AddSchema{schema_with({field(1, "id"), field(2, "day", TypeKind::kDate), field(3, "x")}), {}},
                      SetCurrentSchema{-1}});
  EXPECT_EQ(apply(base, {RemoveSchemas{{0}}}).schemas.size(), 1);
  EXPECT_THAT(refusal_of(base, {RemoveSchemas{{1}}}), HasSubstr("current schema 1"));
  EXPECT_THAT(refusal_of(base, {RemoveSchemas{{8}}}), HasSubstr("no schema 8"));
}

PartitionSpec spec_of(std::string transform, std::string name, int32_t source_id, int32_t field_id) {
  return {.spec_id = 1,
          .fields = {{.source_ids = {source_id},
                      .field_id = field_id,
                      .name = std::move(name),
                      .transform = parse_transform(transform)}}};
}

TEST(Apply, SpecsGetIdsAndEqualOnesAreUsedAgain) {
  const TableMetadata base = table();
  const TableMetadata added = apply(base, {AddPartitionSpec{spec_of("bucket[4]", "b", 1, 1001)}, SetDefaultSpec{-1}});
  EXPECT_EQ(added.default_spec_id, 1);
  EXPECT_EQ(added.last_partition_id, 1001);
  const TableMetadata back = apply(added, {AddPartitionSpec{base.partition_specs[0]}, SetDefaultSpec{-1}});
  EXPECT_EQ(back.default_spec_id, 0);
  EXPECT_EQ(back.partition_specs.size(), 2);
  EXPECT_EQ(back.last_partition_id, 1001);
}

// Trap 20: an equal partition field keeps its id; another one never takes it.
TEST(Trap20, PartitionFieldIdsAreUsedAgainForTheSameFieldOnly) {
  const TableMetadata base = table();
  PartitionSpec both = spec_of("month", "by_month", 2, 0);
  both.fields.push_back(spec_of("bucket[4]", "b", 1, 0).fields[0]);
  const TableMetadata added = apply(base, {AddPartitionSpec{both}, SetDefaultSpec{-1}});
  EXPECT_EQ(default_spec(added).fields[0].field_id, 1000);
  EXPECT_EQ(default_spec(added).fields[1].field_id, 1001);
  EXPECT_EQ(added.last_partition_id, 1001);
  EXPECT_THAT(refusal_of(base, {AddPartitionSpec{spec_of("bucket[4]", "b", 1, 1000)}}), HasSubstr("id 1000"));
}

TEST(Trap20, PartitionNamesMayNotBeThoseOfColumns) {
  EXPECT_NE(refusal_of(table(), {AddPartitionSpec{spec_of("bucket[4]", "day", 1, 1001)}}), "applied");
}

TEST(Apply, VersionOneCountsPartitionFieldIdsUp) {
  const TableMetadata base = table(1);
  EXPECT_THAT(refusal_of(base, {AddPartitionSpec{spec_of("bucket[4]", "b", 1, 1001)}}), HasSubstr("count up"));
  const TableMetadata added = apply(base, {AddPartitionSpec{spec_of("bucket[4]", "b", 1, 0)}, SetDefaultSpec{-1}});
  EXPECT_EQ(default_spec(added).fields[0].field_id, 1000);
  // Upgraded, the table keeps what version 1 gave twice.
  EXPECT_EQ(refusal_of(apply(added, {UpgradeFormatVersion{2}}),
                       {AddPartitionSpec{spec_of("bucket[4]", "other", 1, 1000)}, SetDefaultSpec{-1}}),
            "applied");
}

TEST(Apply, SpecsHaveToBeKnownAndAreRemovedUnlessDefault) {
  const TableMetadata base = apply(table(), {AddPartitionSpec{spec_of("bucket[4]", "b", 1, 1001)}});
  EXPECT_THAT(refusal_of(base, {SetDefaultSpec{5}}), HasSubstr("no partition spec 5"));
  EXPECT_THAT(refusal_of(base, {SetDefaultSpec{-1}}), HasSubstr("no partition spec was added"));
  EXPECT_THAT(refusal_of(base, {RemovePartitionSpecs{{0}}}), HasSubstr("default partition spec 0"));
  EXPECT_THAT(refusal_of(base, {RemovePartitionSpecs{{5}}}), HasSubstr("no partition spec 5"));
  EXPECT_EQ(apply(base, {RemovePartitionSpecs{{1}}}).partition_specs.size(), 1);
}

TEST(Apply, SortOrdersGetIdsAndEqualOnesAreUsedAgain) {
  const TableMetadata base = table();
  const SortOrder order{.order_id = 0, .fields = {{.source_ids = {1}, .transform = {}}}};
  const TableMetadata added = apply(base, {AddSortOrder{order}, SetDefaultSortOrder{-1}});
  EXPECT_EQ(added.default_sort_order_id, 1);  // 0 is the unsorted one
  EXPECT_EQ(apply(added, {AddSortOrder{}, SetDefaultSortOrder{-1}}).default_sort_order_id, 0);
  EXPECT_EQ(apply(added, {AddSortOrder{order}, SetDefaultSortOrder{-1}}), added);
  EXPECT_THAT(refusal_of(base, {SetDefaultSortOrder{4}}), HasSubstr("no sort order 4"));
  EXPECT_THAT(refusal_of(base, {SetDefaultSortOrder{-1}}), HasSubstr("no sort order was added"));
  EXPECT_NE(refusal_of(base, {AddSortOrder{{.fields = {{.source_ids = {9}, .transform = {}}}}}}), "applied");
}

TEST(Apply, SnapshotsThatListTheirManifestsSurviveAnUpgrade) {
  Snapshot first = snapshot(table(1), 1);
  first.manifest_list.clear();
  const TableMetadata metadata = apply(table(1), {AddSnapshot{first}, UpgradeFormatVersion{2}});
  EXPECT_EQ(parse_table_metadata(to_json(metadata), "m"), metadata);
}

TEST(Apply, SnapshotsMoveTheSequenceNumber) {
  const TableMetadata base = appended(table(), 1, 2000);
  EXPECT_EQ(base.last_sequence_number, 1);
  Snapshot late = snapshot(base, 2);
  late.sequence_number = 1;
  EXPECT_THAT(conflict_of(base, {AddSnapshot{late}}), HasSubstr("sequence number 1"));
  late.parent_snapshot_id.reset();  // the first one of a branch of its own, or of a replaced table
  EXPECT_EQ(apply(base, {AddSnapshot{late}}).last_sequence_number, 1);
  EXPECT_THAT(refusal_of(base, {AddSnapshot{snapshot(base, 1)}}), HasSubstr("snapshot 1 already"));
  Snapshot without_list = snapshot(base, 2);
  without_list.manifest_list.clear();
  EXPECT_THAT(refusal_of(base, {AddSnapshot{without_list}}), HasSubstr("manifest-list"));
}

TEST(Apply, WhatIsPickedOfAnExpiredSnapshotIsNotAdded) {
  const TableMetadata base = apply(appended(table(), 1, 2000), {AddSnapshot{snapshot(table(), 2)}});
  Snapshot picked = snapshot(base, 3);
  picked.summary = {{"operation", "append"}, {"source-snapshot-id", "2"}};
  EXPECT_NO_THROW(apply(base, {AddSnapshot{picked}}));
  EXPECT_THAT(conflict_of(base, {RemoveSnapshots{{2}}, AddSnapshot{picked}}), HasSubstr("snapshot 2, which is gone"));
}

TEST(Apply, VersionOneHasNoSequenceNumbers) {
  const TableMetadata base = appended(appended(table(1), 1, 2000), 2, 3000);
  EXPECT_EQ(base.last_sequence_number, 0);
}

TEST(Apply, RowIdsAreGivenOnce) {
  const TableMetadata base = appended(table(3), 1, 2000);
  EXPECT_EQ(base.next_row_id, 10);
  const auto with = [&](std::optional<int64_t> first, std::optional<int64_t> rows) {
    Snapshot next = snapshot(base, 2);
    next.first_row_id = first;
    next.added_rows = rows;
    return std::vector<TableUpdate>{AddSnapshot{next}};
  };
  EXPECT_THAT(conflict_of(base, with(9, 1)), HasSubstr("less than the table's next-row-id 10"));
  EXPECT_THAT(refusal_of(base, with({}, 1)), HasSubstr("lacks first-row-id"));
  EXPECT_THAT(refusal_of(base, with(10, {})), HasSubstr("lacks added-rows"));
  EXPECT_THAT(refusal_of(base, with(10, -1)), HasSubstr("out of range"));
  EXPECT_THAT(refusal_of(base, with(10, INT64_MAX)), HasSubstr("out of range"));
  EXPECT_EQ(floe::apply(base, with(10, 0)).next_row_id, 10);
  EXPECT_EQ(floe::apply(base, with(15, 5)).next_row_id, 20);
}

TEST(Trap19, MainMovesTheCurrentSnapshotAndTheLog) {
  const TableMetadata base = appended(appended(table(), 1, 2000), 2, 3000);
  EXPECT_EQ(base.current_snapshot_id, 2);
  EXPECT_EQ(base.refs.at("main").snapshot_id, 2);
  EXPECT_THAT(base.snapshot_log, ElementsAre(SnapshotLogEntry{2000, 1}, SnapshotLogEntry{3000, 2}));

  const TableMetadata rolled_back = apply(base, {SetSnapshotRef{"main", {.snapshot_id = 1}}});
  EXPECT_EQ(rolled_back.current_snapshot_id, 1);
  EXPECT_THAT(log_of(rolled_back), ElementsAre(1, 2, 1));
  EXPECT_GT(rolled_back.snapshot_log.back().timestamp_ms, 3000);

  const TableMetadata branched = apply(base, {SetSnapshotRef{"b", {.snapshot_id = 1}}});
  EXPECT_EQ(branched.current_snapshot_id, 2);
  EXPECT_THAT(log_of(branched), ElementsAre(1, 2));
}

// A writer whose clock is behind: readers in Java refuse logs that go back by more than a minute.
TEST(Apply, TimeNeverGoesBack) {
  const TableMetadata base = appended(appended(table(), 1, 900000), 2, 5000);
  EXPECT_GE(base.last_updated_ms, 900000);
  EXPECT_THAT(base.snapshot_log, ElementsAre(SnapshotLogEntry{900000, 1}, SnapshotLogEntry{900000, 2}));
  EXPECT_EQ(snapshot_as_of(base, 900000)->snapshot_id, 2);
}

TEST(Apply, SnapshotsSupersededWithinACommitAreNotLogged) {
  const TableMetadata base = appended(table(), 1, 2000);
  Snapshot second = snapshot(base, 2, 3000);
  Snapshot third = second;
  third.snapshot_id = 3;
  third.parent_snapshot_id = 2;
  ++third.sequence_number;
  const TableMetadata metadata = apply(base, {AddSnapshot{second}, SetSnapshotRef{"main", {.snapshot_id = 2}},
                                              AddSnapshot{third}, SetSnapshotRef{"main", {.snapshot_id = 3}}});
  EXPECT_THAT(log_of(metadata), ElementsAre(1, 3));
  EXPECT_EQ(metadata.snapshots.size(), 3);
}

TEST(Trap19, RefsHaveToBeSound) {
  const TableMetadata base = appended(table(), 1, 2000);
  EXPECT_THAT(refusal_of(base, {SetSnapshotRef{"b", {.snapshot_id = 5}}}), HasSubstr("no snapshot 5"));
  EXPECT_THAT(refusal_of(base, {SetSnapshotRef{"main", {.snapshot_id = 1, .is_branch = false}}}), HasSubstr("branch"));
  EXPECT_NE(refusal_of(base, {SetSnapshotRef{"", {.snapshot_id = 1}}}), "applied");
  EXPECT_NE(refusal_of(base, {SetSnapshotRef{"t", {.snapshot_id = 1, .is_branch = false, .min_snapshots_to_keep = 1}}}),
            "applied");
  EXPECT_NE(refusal_of(base, {SetSnapshotRef{"b", {.snapshot_id = 1, .max_ref_age_ms = 0}}}), "applied");
}

TEST(Trap19, RemovingMainLeavesNoCurrentSnapshotAndKeepsTheLog) {
  const TableMetadata metadata = apply(appended(table(), 1, 2000), {RemoveSnapshotRef{"main"}});
  EXPECT_EQ(metadata.current_snapshot_id, std::nullopt);
  EXPECT_TRUE(metadata.refs.empty());
  EXPECT_THAT(log_of(metadata), ElementsAre(1));
  EXPECT_EQ(parse_table_metadata(to_json(metadata), "m"), metadata);
}

// Trap 19: with a gap in the log, the snapshot before it would seem to have been current in the gap.
TEST(Trap19, ExpiryTrimsTheLogBeforeTheGap) {
  TableMetadata base = table();
  for (int64_t id = 1; id <= 4; ++id) base = appended(base, id, 1000 + 1000 * id);
  base = apply(base, {SetSnapshotRef{"old", {.snapshot_id = 2, .is_branch = false}},
                      SetStatistics{{.snapshot_id = 2, .statistics_path = "s"}},
                      SetStatistics{{.snapshot_id = 3, .statistics_path = "s3"}},
                      SetPartitionStatistics{{.snapshot_id = 2, .statistics_path = "p"}}});
  const TableMetadata metadata = apply(base, {RemoveSnapshotRef{"old"}, RemoveSnapshots{{2}}});
  EXPECT_THAT(log_of(metadata), ElementsAre(3, 4));
  EXPECT_EQ(metadata.snapshots.size(), 3);
  EXPECT_EQ(metadata.statistics.size(), 1);
  EXPECT_TRUE(metadata.partition_statistics.empty());
  EXPECT_EQ(snapshot_as_of(metadata, 2500), nullptr);
  EXPECT_THAT(log_of(apply(base, {RemoveSnapshots{{1}}})), ElementsAre(2, 3, 4));
}

// Both are races that a builder of the commit has lost: it decides anew.
TEST(Apply, ASnapshotThatARefIsAtOrThatIsGoneCannotGo) {
  TableMetadata base = appended(appended(table(), 1, 2000), 2, 3000);
  EXPECT_NE(conflict_of(base, {RemoveSnapshots{{1, 9}}}), "applied");
  EXPECT_THAT(conflict_of(base, {RemoveSnapshots{{1, 2}}}),
              HasSubstr("snapshot 2 cannot go: the branch main is at it"));
  base = apply(base, {SetSnapshotRef{"old", {.snapshot_id = 1, .is_branch = false}}});
  EXPECT_THAT(conflict_of(base, {RemoveSnapshots{{1}}}), HasSubstr("the tag old is at it"));
  EXPECT_EQ(apply(base, {RemoveSnapshotRef{"old"}, RemoveSnapshots{{1}}}).snapshots.size(), 1);
}

TEST(Apply, RemovingTheCurrentSnapshotLeavesNone) {
  const TableMetadata metadata = apply(appended(table(), 1, 2000), {RemoveSnapshotRef{"main"}, RemoveSnapshots{{1}}});
  EXPECT_EQ(metadata.current_snapshot_id, std::nullopt);
  EXPECT_TRUE(metadata.refs.empty());
  EXPECT_TRUE(metadata.snapshot_log.empty());
}

TEST(Apply, StatisticsReplaceThoseOfTheirSnapshot) {
  const TableMetadata base =
      apply(appended(table(), 1, 2000), {SetStatistics{{.snapshot_id = 1, .statistics_path = "a"}}});
  const TableMetadata replaced = apply(base, {SetStatistics{{.snapshot_id = 1, .statistics_path = "b"}}});
  ASSERT_EQ(replaced.statistics.size(), 1);
  EXPECT_EQ(replaced.statistics[0].statistics_path, "b");
  EXPECT_TRUE(apply(replaced, {RemoveStatistics{1}}).statistics.empty());
  EXPECT_NE(refusal_of(base, {RemoveStatistics{2}}), "applied");
  EXPECT_NE(refusal_of(base, {RemovePartitionStatistics{1}}), "applied");
  EXPECT_NE(refusal_of(base, {SetStatistics{{.snapshot_id = 9}}}), "applied");
}

TEST(Apply, EncryptionKeysNeedVersionThree) {
  const EncryptedKey key{.key_id = "k", .encrypted_key_metadata = "YQ=="};
  EXPECT_THAT(refusal_of(table(), {AddEncryptionKey{key}}), HasSubstr("version 3"));
  const TableMetadata metadata = apply(table(3), {AddEncryptionKey{key}, AddEncryptionKey{key}});
  EXPECT_EQ(metadata.encryption_keys.size(), 1);
  EncryptedKey other = key;
  other.encrypted_key_metadata = "Yg==";
  EXPECT_THAT(refusal_of(metadata, {AddEncryptionKey{other}}), HasSubstr("another encryption key k"));
  EXPECT_TRUE(apply(metadata, {RemoveEncryptionKey{"k"}}).encryption_keys.empty());
  EXPECT_NE(refusal_of(metadata, {RemoveEncryptionKey{"x"}}), "applied");
}

// What PyIceberg and Java send to create a table in a transaction.
TEST(CreateFrom, TheUpdatesOfACreateTransaction) {
  Schema schema = schema_with({field(1, "id"), field(2, "day", TypeKind::kDate)});
  const TableMetadata metadata = create_from(
      {AssignUuid{"9c12d441-03fe-4693-9a96-a0705ddf69c1"}, UpgradeFormatVersion{1}, AddSchema{schema, 2},
       SetCurrentSchema{-1}, AddPartitionSpec{{.spec_id = 0, .fields = spec_of("month", "m", 2, 1000).fields}},
       SetDefaultSpec{-1}, AddSortOrder{}, SetDefaultSortOrder{-1}, SetLocation{"file:///t"},
       SetProperties{{{"a", "b"}}}},
      "file:///elsewhere");
  EXPECT_EQ(metadata.format_version, 1);
  EXPECT_EQ(metadata.location, "file:///t");
  EXPECT_EQ(metadata.table_uuid, "9c12d441-03fe-4693-9a96-a0705ddf69c1");
  EXPECT_EQ(metadata.current_schema_id, 0);
  EXPECT_EQ(metadata.default_spec_id, 0);
  EXPECT_EQ(metadata.default_sort_order_id, 0);
  EXPECT_EQ(metadata.last_column_id, 2);
  EXPECT_EQ(metadata.last_partition_id, 1000);
  EXPECT_EQ(parse_table_metadata(to_json(metadata), "m"), metadata);
}

TEST(CreateFrom, WhatIsLeftOutHasDefaults) {
  const TableMetadata metadata = create_from({AddSchema{schema_with({field(1, "id")}), {}}}, "file:///t");
  EXPECT_EQ(metadata.format_version, 2);
  EXPECT_EQ(metadata.location, "file:///t");
  EXPECT_FALSE(metadata.table_uuid.empty());
  EXPECT_TRUE(default_spec(metadata).is_unpartitioned());
  EXPECT_EQ(parse_table_metadata(to_json(metadata), "m"), metadata);
  EXPECT_THROW(create_from({}, "file:///t"), InvalidArgument);
  EXPECT_THROW(create_from({AddSchema{schema_with({field(1, "id")}), {}}}, ""), InvalidArgument);
}

TEST(UpdateJson, EveryActionComesBack) {
  const std::string text =
      R"([{"action":"assign-uuid","uuid":"u"},)"
      R"({"action":"upgrade-format-version","format-version":3},)"
      R"({"action":"set-current-schema","schema-id":-1},{"action":"set-default-spec","spec-id":2},)"
      R"({"action":"set-default-sort-order","sort-order-id":3},)"
      R"({"action":"add-snapshot","snapshot":{"sequence-number":4,"snapshot-id":1,"parent-snapshot-id":5,)"
      R"("timestamp-ms":6,"summary":{"operation":"append"},"manifest-list":"m","schema-id":0,"first-row-id":1,)"
      R"("added-rows":2}},)"
      R"({"action":"set-snapshot-ref","ref-name":"main","snapshot-id":1,"type":"branch","min-snapshots-to-keep":1,)"
      R"("max-snapshot-age-ms":2,"max-ref-age-ms":3},)"
      R"({"action":"remove-snapshots","snapshot-ids":[1,2]},{"action":"remove-snapshot-ref","ref-name":"b"},)"
      R"({"action":"set-location","location":"l"},{"action":"set-properties","updates":{"a":"b"}},)"
      R"({"action":"remove-properties","removals":["a"]},)"
      R"({"action":"set-statistics","snapshot-id":1,"statistics":{"snapshot-id":1,"statistics-path":"p",)"
      R"("file-size-in-bytes":2,"file-footer-size-in-bytes":3,"blob-metadata":[]}},)"
      R"({"action":"remove-statistics","snapshot-id":1},)"
      R"({"action":"set-partition-statistics","partition-statistics":{"snapshot-id":1,"statistics-path":"p",)"
      R"("file-size-in-bytes":2}},)"
      R"({"action":"remove-partition-statistics","snapshot-id":1},{"action":"remove-partition-specs","spec-ids":[1]},)"
      R"({"action":"remove-schemas","schema-ids":[1]},)"
      R"({"action":"add-encryption-key","encryption-key":{"key-id":"k","encrypted-key-metadata":"YQ=="}},)"
      R"({"action":"remove-encryption-key","key-id":"k"}])";
  EXPECT_EQ(to_json(updates_from_json(text), 3), text);
}

TEST(UpdateJson, SchemasSpecsAndOrders) {
  const std::vector<TableUpdate> updates = updates_from_json(R"([
    {"action": "add-schema", "last-column-id": 4, "schema": {"type": "struct", "schema-id": 1, "fields": [
      {"id": 1, "name": "x", "type": "long", "required": true}]}},
    {"action": "add-spec", "spec": {"fields": [{"source-id": 1, "transform": "bucket[4]", "name": "b"}]}},
    {"action": "add-sort-order", "sort-order": {"order-id": 1, "fields": [
      {"source-id": 1, "transform": "identity", "direction": "desc", "null-order": "nulls-last"}]}}])");
  EXPECT_EQ(std::get<AddSchema>(updates[0]).last_column_id, 4);
  EXPECT_EQ(std::get<AddPartitionSpec>(updates[1]).spec.fields[0].field_id, 0);  // to be assigned
  EXPECT_FALSE(std::get<AddSortOrder>(updates[2]).order.fields[0].ascending);
  const std::string text = to_json(updates, 2);
  EXPECT_THAT(text, Not(HasSubstr("field-id")));
  EXPECT_EQ(to_json(updates_from_json(text), 2), text);
}

TEST(UpdateJson, UnknownOrBrokenUpdatesAreRefusedByName) {
  EXPECT_THROW(updates_from_json(R"([{"action": "add-view-version"}])"), NotSupported);
  EXPECT_THROW(updates_from_json(R"([{"uuid": "x"}])"), CorruptFile);
  EXPECT_THROW(updates_from_json(R"({"action": "assign-uuid", "uuid": "x"})"), CorruptFile);
  EXPECT_THROW(requirements_from_json(R"([{"type": "assert-view-uuid", "uuid": "x"}])"), NotSupported);
}

// Trap 24: the field is "ref", and a null snapshot id is written.
TEST(Trap24, EveryRequirementComesBack) {
  const std::string text = R"([{"type":"assert-create"},{"type":"assert-table-uuid","uuid":"u"},)"
                           R"({"type":"assert-ref-snapshot-id","ref":"main","snapshot-id":1},)"
                           R"({"type":"assert-ref-snapshot-id","ref":"main","snapshot-id":null},)"
                           R"({"type":"assert-last-assigned-field-id","last-assigned-field-id":1},)"
                           R"({"type":"assert-current-schema-id","current-schema-id":2},)"
                           R"({"type":"assert-last-assigned-partition-id","last-assigned-partition-id":3},)"
                           R"({"type":"assert-default-spec-id","default-spec-id":4},)"
                           R"({"type":"assert-default-sort-order-id","default-sort-order-id":5}])";
  EXPECT_EQ(to_json(requirements_from_json(text)), text);
}

}  // namespace
}  // namespace floe
