// Changes to a table, exactly as the Iceberg REST protocol has them: a commit is a list of requirements that must hold
// and of updates to apply (`CommitTableRequest` in rest-catalog-open-api.yaml). There is no other way to change a
// table.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "floe/spec/table_metadata.h"

namespace floe {

struct AssignUuid {
  std::string uuid;
};
struct UpgradeFormatVersion {
  int32_t format_version;
};
struct AddSchema {
  Schema schema;
  std::optional<int32_t> last_column_id;
};
struct SetCurrentSchema {
  int32_t schema_id;
};  // -1: the schema added last
struct AddPartitionSpec {
  PartitionSpec spec;
};
struct SetDefaultSpec {
  int32_t spec_id;
};  // -1: the spec added last
struct AddSortOrder {
  SortOrder order;
};
struct SetDefaultSortOrder {
  int32_t order_id;
};  // -1: the order added last
struct AddSnapshot {
  Snapshot snapshot;
};
struct SetSnapshotRef {
  std::string name;
  SnapshotRef ref;
};
struct RemoveSnapshots {
  std::vector<int64_t> snapshot_ids;
};
struct RemoveSnapshotRef {
  std::string name;
};
struct SetLocation {
  std::string location;
};
struct SetProperties {
  Properties updates;
};
struct RemoveProperties {
  std::vector<std::string> removals;
};
struct SetStatistics {
  StatisticsFile statistics;
};
struct RemoveStatistics {
  int64_t snapshot_id;
};
struct SetPartitionStatistics {
  PartitionStatisticsFile statistics;
};
struct RemovePartitionStatistics {
  int64_t snapshot_id;
};
struct RemovePartitionSpecs {
  std::vector<int32_t> spec_ids;
};
struct RemoveSchemas {
  std::vector<int32_t> schema_ids;
};
struct AddEncryptionKey {
  EncryptedKey key;
};
struct RemoveEncryptionKey {
  std::string key_id;
};

using TableUpdate =
    std::variant<AssignUuid, UpgradeFormatVersion, AddSchema, SetCurrentSchema, AddPartitionSpec, SetDefaultSpec,
                 AddSortOrder, SetDefaultSortOrder, AddSnapshot, SetSnapshotRef, RemoveSnapshots, RemoveSnapshotRef,
                 SetLocation, SetProperties, RemoveProperties, SetStatistics, RemoveStatistics, SetPartitionStatistics,
                 RemovePartitionStatistics, RemovePartitionSpecs, RemoveSchemas, AddEncryptionKey, RemoveEncryptionKey>;

struct AssertCreate {};  // the table does not exist yet
struct AssertTableUuid {
  std::string uuid;
};
struct AssertRefSnapshotId {
  std::string ref;
  std::optional<int64_t> snapshot_id;
};  // nullopt: there is no such ref
struct AssertLastAssignedFieldId {
  int32_t last_assigned_field_id;
};
struct AssertCurrentSchemaId {
  int32_t current_schema_id;
};
struct AssertLastAssignedPartitionId {
  int32_t last_assigned_partition_id;
};
struct AssertDefaultSpecId {
  int32_t default_spec_id;
};
struct AssertDefaultSortOrderId {
  int32_t default_sort_order_id;
};

using TableRequirement =
    std::variant<AssertCreate, AssertTableUuid, AssertRefSnapshotId, AssertLastAssignedFieldId, AssertCurrentSchemaId,
                 AssertLastAssignedPartitionId, AssertDefaultSpecId, AssertDefaultSortOrderId>;

struct TableCommit {
  std::vector<TableRequirement> requirements;
  std::vector<TableUpdate> updates;
};

// Throws CommitFailed, saying what was expected and what is there, if the requirement does not hold. `current` is null
// while the table does not exist.
void check(const TableRequirement& requirement, const TableMetadata* current);

// The metadata after the updates, in order. Throws InvalidArgument if one cannot be applied (an unknown snapshot, a
// lower format version, the default spec to be removed), CommitFailed for a snapshot whose sequence number or row ids
// another one has taken, and for one to be removed that is gone, or that a ref is at. An unchanged table comes back
// equal. `last_updated_ms` is when a snapshot was added, else now, and never goes back; the metadata log is kept by the
// catalog (catalog/metadata_file.h). Call it as floe::apply where the updates are a temporary, or std::apply is found.
TableMetadata apply(TableMetadata base, const std::vector<TableUpdate>& updates);

// The metadata of a table that a commit with AssertCreate makes. It is where SetLocation says, else at
// `default_location`; a spec and a sort order that were not added are those of an unpartitioned, unsorted table. Throws
// InvalidArgument, among the rest, if no schema was added.
TableMetadata create_from(std::vector<TableUpdate> updates, const std::string& default_location);

// Partition fields of an added spec may lack ids ("field-id" missing, 0 here), which applying it assigns.
std::vector<TableUpdate> updates_from_json(std::string_view json_array);
std::vector<TableRequirement> requirements_from_json(std::string_view json_array);
std::string to_json(const std::vector<TableUpdate>& updates, int32_t format_version);
std::string to_json(const std::vector<TableRequirement>& requirements);

}  // namespace floe
