#include "floe/spec/table_update.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "floe/error.h"
#include "floe/spec/snapshot_json.h"

namespace floe {

namespace {

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};

template <typename T, typename Container>
bool contains(const Container& container, const T& value) {
  return std::find(container.begin(), container.end(), value) != container.end();
}

bool same_uuid(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) return false;
  }
  return true;
}

bool same_source(const PartitionField& a, const PartitionField& b) {
  return a.source_ids == b.source_ids && a.transform == b.transform;
}

// Whether two specs group rows into the same partitions under the same names; field ids do not count.
bool compatible(const PartitionSpec& a, const PartitionSpec& b) {
  return std::ranges::equal(a.fields, b.fields, [](const PartitionField& x, const PartitionField& y) {
    return same_source(x, y) && x.name == y.name;
  });
}

bool is_void(const PartitionField& field) { return field.transform.kind == TransformKind::kVoid; }

// A spec without the fields that hold nothing any more, whose source column may be gone.
PartitionSpec without_voids(PartitionSpec spec) {
  std::erase_if(spec.fields, is_void);
  return spec;
}

// Applies updates one after the other, remembering what "the one added last" means.
class Application {
 public:
  explicit Application(TableMetadata base) : table_(std::move(base)) {}

  void operator()(const AssignUuid& update);
  void operator()(const UpgradeFormatVersion& update);
  void operator()(const AddSchema& update);
  void operator()(const SetCurrentSchema& update);
  void operator()(const AddPartitionSpec& update);
  void operator()(const SetDefaultSpec& update);
  void operator()(const AddSortOrder& update);
  void operator()(const SetDefaultSortOrder& update);
  void operator()(const AddSnapshot& update);
  void operator()(const SetSnapshotRef& update);
  void operator()(const RemoveSnapshots& update);
  void operator()(const RemoveSnapshotRef& update);
  void operator()(const SetLocation& update);
  void operator()(const SetProperties& update);
  void operator()(const RemoveProperties& update);
  void operator()(const SetStatistics& update);
  void operator()(const RemoveStatistics& update);
  void operator()(const SetPartitionStatistics& update);
  void operator()(const RemovePartitionStatistics& update);
  void operator()(const RemovePartitionSpecs& update);
  void operator()(const RemoveSchemas& update);
  void operator()(const AddEncryptionKey& update);
  void operator()(const RemoveEncryptionKey& update);

  TableMetadata finish();

 private:
  [[noreturn]] void refuse(const std::string& problem) const {
    throw InvalidArgument(fmt::format("table {}: {}", table_.location, problem));
  }
  // Made from a state that is not the table's any more, such as before a commit to another branch: worth a retry.
  [[noreturn]] void refuse_stale(const std::string& problem) const {
    throw CommitFailed(fmt::format("table {}: {}", table_.location, problem));
  }
  void need_snapshot(int64_t snapshot_id, std::string_view what) const;
  void assign_partition_field_ids(PartitionSpec& spec) const;
  void check_partition_field_ids(const PartitionSpec& spec) const;
  void check_row_ids(const Snapshot& snapshot) const;
  void check_source(const Snapshot& snapshot) const;
  void check_retention(const SetSnapshotRef& update) const;
  void tidy_snapshot_log();
  void check_layout() const;

  TableMetadata table_;
  std::optional<int32_t> added_schema_, added_spec_, added_order_;  // -1 in a later update means these
  std::vector<int32_t> new_specs_, new_orders_;
  std::vector<int64_t> new_snapshots_;
  std::vector<int64_t> were_current_;  // snapshots that main was set to
  bool removed_snapshots_ = false;
  bool changed_layout_ = false;  // schema, spec or sort order
};

void Application::operator()(const AssignUuid& update) {
  if (!is_uuid(update.uuid)) refuse(fmt::format("\"{}\" is no uuid", update.uuid));
  if (same_uuid(update.uuid, table_.table_uuid)) return;
  if (!table_.table_uuid.empty()) {
    refuse(fmt::format("has the uuid {} already and cannot be given another", table_.table_uuid));
  }
  table_.table_uuid = update.uuid;
}

void Application::operator()(const UpgradeFormatVersion& update) {
  if (update.format_version > kLatestFormatVersion) {
    refuse(fmt::format("cannot be upgraded to format version {}, the last one known is {}", update.format_version,
                       kLatestFormatVersion));
  }
  if (update.format_version < table_.format_version) {
    refuse(fmt::format("cannot go back from format version {} to {}", table_.format_version, update.format_version));
  }
  if (table_.format_version < 3 && update.format_version >= 3) table_.next_row_id = 0;
  if (update.format_version > 1 && table_.table_uuid.empty()) table_.table_uuid = new_uuid();
  table_.format_version = update.format_version;
}

// The id asked for if it is free, else the next one. `taken` has the ids in use.
int32_t free_id(int32_t wanted, int32_t first, const std::vector<int32_t>& taken) {
  if (wanted >= first && !contains(taken, wanted)) return wanted;
  int32_t highest = first - 1;
  for (const int32_t id : taken) highest = std::max(highest, id);
  if (highest == INT32_MAX) throw InvalidArgument("no ids are left");
  return highest + 1;
}

void Application::operator()(const AddSchema& update) {
  validate(update.schema, table_.format_version);
  table_.last_column_id = std::max(
      {table_.last_column_id, highest_field_id(update.schema), update.last_column_id.value_or(table_.last_column_id)});
  std::vector<int32_t> ids;
  for (const SchemaPtr& schema : table_.schemas) {
    if (same_fields(*schema, update.schema)) {
      added_schema_ = schema->schema_id;
      return;
    }
    ids.push_back(schema->schema_id);
  }
  Schema schema = update.schema;
  schema.schema_id = free_id(schema.schema_id, 0, ids);
  added_schema_ = schema.schema_id;
  table_.schemas.push_back(std::make_shared<const Schema>(std::move(schema)));
}

void Application::operator()(const SetCurrentSchema& update) {
  if (update.schema_id == -1 && !added_schema_) refuse("no schema was added that could become the current one");
  const int32_t id = update.schema_id == -1 ? *added_schema_ : update.schema_id;
  if (schema_by_id(table_, id) == nullptr) refuse(fmt::format("has no schema {}", id));
  changed_layout_ |= id != table_.current_schema_id;
  table_.current_schema_id = id;
}

// Fields without an id (0): in version 1 ids count up; later, an equal field of any spec lends its own.
void Application::assign_partition_field_ids(PartitionSpec& spec) const {
  int32_t last = table_.format_version == 1 ? kFirstPartitionFieldId - 1 : table_.last_partition_id;
  for (PartitionField& field : spec.fields) {
    if (field.field_id != 0) continue;
    if (table_.format_version > 1) {
      for (const PartitionSpec& other : table_.partition_specs) {
        for (const PartitionField& known : other.fields) {
          if (same_source(field, known)) field.field_id = known.field_id;
        }
      }
    }
    if (field.field_id == 0) field.field_id = ++last;
  }
}

void Application::check_partition_field_ids(const PartitionSpec& spec) const {
  int32_t next = kFirstPartitionFieldId;
  for (const PartitionField& field : spec.fields) {
    if (table_.format_version == 1) {
      if (field.field_id != next++) {
        refuse("format version 1 wants the ids of partition fields to count up from 1000");
      }
      continue;
    }
    const PartitionField* conflict = nullptr;
    bool known = false;
    for (const PartitionSpec& other : table_.partition_specs) {
      for (const PartitionField& used : other.fields) {
        if (used.field_id != field.field_id) continue;
        known |= same_source(used, field);
        if (!is_void(used) && !is_void(field)) conflict = &used;
      }
    }
    if (conflict != nullptr && !known) {
      refuse(fmt::format("partition field {} cannot have the id {}, which is that of field {}", field.name,
                         field.field_id, conflict->name));
    }
  }
}

void Application::operator()(const AddPartitionSpec& update) {
  std::vector<int32_t> ids;
  for (const PartitionSpec& spec : table_.partition_specs) {
    if (compatible(spec, update.spec)) {
      added_spec_ = spec.spec_id;
      return;
    }
    ids.push_back(spec.spec_id);
  }
  PartitionSpec spec = update.spec;
  assign_partition_field_ids(spec);
  check_partition_field_ids(spec);
  spec.spec_id = free_id(spec.spec_id, 0, ids);
  for (const PartitionField& field : spec.fields) {
    table_.last_partition_id = std::max(table_.last_partition_id, field.field_id);
  }
  added_spec_ = spec.spec_id;
  new_specs_.push_back(spec.spec_id);
  table_.partition_specs.push_back(std::move(spec));
}

void Application::operator()(const SetDefaultSpec& update) {
  if (update.spec_id == -1 && !added_spec_) refuse("no partition spec was added that could become the default");
  const int32_t id = update.spec_id == -1 ? *added_spec_ : update.spec_id;
  if (spec_by_id(table_, id) == nullptr) refuse(fmt::format("has no partition spec {}", id));
  changed_layout_ |= id != table_.default_spec_id;
  table_.default_spec_id = id;
}

void Application::operator()(const AddSortOrder& update) {
  std::vector<int32_t> ids;
  for (const SortOrder& order : table_.sort_orders) {
    if (order.fields == update.order.fields) {
      added_order_ = order.order_id;
      return;
    }
    ids.push_back(order.order_id);
  }
  SortOrder order = update.order;
  order.order_id = order.fields.empty() ? 0 : free_id(order.order_id, 1, ids);
  added_order_ = order.order_id;
  new_orders_.push_back(order.order_id);
  table_.sort_orders.push_back(std::move(order));
}

void Application::operator()(const SetDefaultSortOrder& update) {
  if (update.order_id == -1 && !added_order_) refuse("no sort order was added that could become the default");
  const int32_t id = update.order_id == -1 ? *added_order_ : update.order_id;
  const bool known = std::ranges::any_of(table_.sort_orders, [&](const SortOrder& o) { return o.order_id == id; });
  if (!known && id != 0) refuse(fmt::format("has no sort order {}", id));
  changed_layout_ |= id != table_.default_sort_order_id;
  table_.default_sort_order_id = id;
}

// Version 3: row ids are given out once, so a snapshot starts no lower than the table says.
void Application::check_row_ids(const Snapshot& snapshot) const {
  if (!snapshot.first_row_id) refuse(fmt::format("snapshot {} lacks first-row-id", snapshot.snapshot_id));
  if (!snapshot.added_rows) refuse(fmt::format("snapshot {} lacks added-rows", snapshot.snapshot_id));
  if (*snapshot.first_row_id < table_.next_row_id) {
    refuse_stale(fmt::format("snapshot {} has first-row-id {}, less than the table's next-row-id {}",
                             snapshot.snapshot_id, *snapshot.first_row_id, table_.next_row_id));
  }
  if (*snapshot.added_rows < 0 || *snapshot.added_rows > INT64_MAX - *snapshot.first_row_id) {
    refuse(fmt::format("snapshot {} has added-rows {}, out of range", snapshot.snapshot_id, *snapshot.added_rows));
  }
}

// What is cherry-picked has the files of a snapshot that nothing may refer to: once expiry removes it, they go, too.
void Application::check_source(const Snapshot& snapshot) const {
  const std::string source(snapshot.summary.get("source-snapshot-id"));
  const auto is_source = [&](const auto& other) { return std::to_string(other->snapshot_id) == source; };
  if (!source.empty() && std::ranges::none_of(table_.snapshots, is_source)) {
    refuse_stale(fmt::format("snapshot {} is made of snapshot {}, which is gone", snapshot.snapshot_id, source));
  }
}

void Application::operator()(const AddSnapshot& update) {
  Snapshot snapshot = update.snapshot;
  json::keep_fields_of(snapshot, table_.format_version);
  if (table_.schemas.empty() || table_.partition_specs.empty() || table_.sort_orders.empty()) {
    refuse("a snapshot needs a schema, a partition spec and a sort order to be added first");
  }
  if (snapshot_by_id(table_, snapshot.snapshot_id) != nullptr) {
    refuse(fmt::format("has a snapshot {} already", snapshot.snapshot_id));
  }
  if (table_.format_version > 1) {
    if (snapshot.manifest_list.empty()) refuse(fmt::format("snapshot {} lacks manifest-list", snapshot.snapshot_id));
    if (snapshot.sequence_number <= table_.last_sequence_number && snapshot.parent_snapshot_id) {
      refuse_stale(fmt::format("cannot add snapshot {} with sequence number {}, the last one is {}",
                               snapshot.snapshot_id, snapshot.sequence_number, table_.last_sequence_number));
    }
    table_.last_sequence_number = std::max(table_.last_sequence_number, snapshot.sequence_number);
  }
  if (table_.format_version > 2) {
    check_row_ids(snapshot);
    table_.next_row_id = *snapshot.first_row_id + *snapshot.added_rows;
  }
  check_source(snapshot);
  // A writer whose clock is behind must not make the logs go back in time: readers refuse such a table.
  table_.last_updated_ms = std::max(table_.last_updated_ms, snapshot.timestamp_ms);
  new_snapshots_.push_back(snapshot.snapshot_id);
  table_.snapshots.push_back(std::make_shared<const Snapshot>(std::move(snapshot)));
}

void Application::need_snapshot(int64_t snapshot_id, std::string_view what) const {
  if (snapshot_by_id(table_, snapshot_id) == nullptr) refuse(fmt::format("{}: no snapshot {}", what, snapshot_id));
}

void Application::check_retention(const SetSnapshotRef& update) const {
  const SnapshotRef& ref = update.ref;
  if (update.name.empty()) refuse("a branch or tag needs a name");
  if (update.name == kMainBranch && !ref.is_branch) refuse("\"main\" has to be a branch");
  if (!ref.is_branch && (ref.min_snapshots_to_keep || ref.max_snapshot_age_ms)) {
    refuse(fmt::format("tag {} cannot have min-snapshots-to-keep or max-snapshot-age-ms", update.name));
  }
  if (ref.min_snapshots_to_keep.value_or(1) <= 0 || ref.max_snapshot_age_ms.value_or(1) <= 0 ||
      ref.max_ref_age_ms.value_or(1) <= 0) {
    refuse(fmt::format("{}: what a branch or tag keeps has to be a positive number", update.name));
  }
}

void Application::operator()(const SetSnapshotRef& update) {
  check_retention(update);
  const auto existing = table_.refs.find(update.name);
  if (existing != table_.refs.end() && existing->second == update.ref) return;
  need_snapshot(update.ref.snapshot_id, fmt::format("cannot set {}", update.name));
  if (update.name == kMainBranch) {
    const bool added = contains(new_snapshots_, update.ref.snapshot_id);
    if (!added) table_.last_updated_ms = std::max(table_.last_updated_ms, now_ms());
    table_.current_snapshot_id = update.ref.snapshot_id;
    table_.snapshot_log.push_back({table_.last_updated_ms, update.ref.snapshot_id});
    were_current_.push_back(update.ref.snapshot_id);
  }
  table_.refs.insert_or_assign(update.name, update.ref);
}

void Application::operator()(const RemoveSnapshots& update) {
  const std::set<int64_t> gone(update.snapshot_ids.begin(), update.snapshot_ids.end());
  for (const auto& [name, ref] : table_.refs) {
    if (!gone.contains(ref.snapshot_id)) continue;
    refuse_stale(fmt::format("snapshot {} cannot go: the {} {} is at it", ref.snapshot_id,
                             ref.is_branch ? "branch" : "tag", name));
  }
  const size_t lost =
      std::erase_if(table_.snapshots, [&](const auto& snapshot) { return gone.contains(snapshot->snapshot_id); });
  if (lost != gone.size()) refuse_stale("cannot lose snapshots that it does not have");
  std::erase_if(table_.statistics, [&](const StatisticsFile& file) { return gone.contains(file.snapshot_id); });
  std::erase_if(table_.partition_statistics,
                [&](const PartitionStatisticsFile& file) { return gone.contains(file.snapshot_id); });
  if (table_.current_snapshot_id && gone.contains(*table_.current_snapshot_id)) table_.current_snapshot_id.reset();
  removed_snapshots_ |= !gone.empty();
}

void Application::operator()(const RemoveSnapshotRef& update) {
  table_.refs.erase(update.name);
  if (update.name == kMainBranch) table_.current_snapshot_id.reset();
}

void Application::operator()(const SetLocation& update) {
  std::string location = update.location;
  while (location.size() > 1 && location.back() == '/') location.pop_back();
  if (location.empty()) refuse("cannot be given an empty location");
  table_.location = std::move(location);
}

void Application::operator()(const SetProperties& update) {
  for (const auto& [key, value] : update.updates) table_.properties.insert_or_assign(key, value);
}

void Application::operator()(const RemoveProperties& update) {
  for (const std::string& key : update.removals) table_.properties.erase(key);
}

template <typename File>
void set_file(std::vector<File>& files, const File& file) {
  for (File& known : files) {
    if (known.snapshot_id == file.snapshot_id) {
      known = file;
      return;
    }
  }
  files.push_back(file);
}

void Application::operator()(const SetStatistics& update) {
  need_snapshot(update.statistics.snapshot_id, "cannot set statistics");
  set_file(table_.statistics, update.statistics);
}

void Application::operator()(const RemoveStatistics& update) {
  const auto of = [&](const StatisticsFile& file) { return file.snapshot_id == update.snapshot_id; };
  if (std::erase_if(table_.statistics, of) == 0) {
    refuse(fmt::format("has no statistics of snapshot {}", update.snapshot_id));
  }
}

void Application::operator()(const SetPartitionStatistics& update) {
  need_snapshot(update.statistics.snapshot_id, "cannot set partition statistics");
  set_file(table_.partition_statistics, update.statistics);
}

void Application::operator()(const RemovePartitionStatistics& update) {
  const auto of = [&](const PartitionStatisticsFile& file) { return file.snapshot_id == update.snapshot_id; };
  if (std::erase_if(table_.partition_statistics, of) == 0) {
    refuse(fmt::format("has no partition statistics of snapshot {}", update.snapshot_id));
  }
}

void Application::operator()(const RemovePartitionSpecs& update) {
  for (const int32_t id : update.spec_ids) {
    if (spec_by_id(table_, id) == nullptr) refuse(fmt::format("has no partition spec {}", id));
    if (id == table_.default_spec_id) refuse(fmt::format("cannot lose its default partition spec {}", id));
  }
  std::erase_if(table_.partition_specs,
                [&](const PartitionSpec& spec) { return contains(update.spec_ids, spec.spec_id); });
}

void Application::operator()(const RemoveSchemas& update) {
  for (const int32_t id : update.schema_ids) {
    if (schema_by_id(table_, id) == nullptr) refuse(fmt::format("has no schema {}", id));
    if (id == table_.current_schema_id) refuse(fmt::format("cannot lose its current schema {}", id));
  }
  std::erase_if(table_.schemas,
                [&](const SchemaPtr& schema) { return contains(update.schema_ids, schema->schema_id); });
}

void Application::operator()(const AddEncryptionKey& update) {
  if (table_.format_version < 3) refuse("encryption keys need format version 3");
  for (const EncryptedKey& key : table_.encryption_keys) {
    if (key == update.key) return;
    if (key.key_id == update.key.key_id) refuse(fmt::format("has another encryption key {}", key.key_id));
  }
  table_.encryption_keys.push_back(update.key);
}

void Application::operator()(const RemoveEncryptionKey& update) {
  const auto named = [&](const EncryptedKey& key) { return key.key_id == update.key_id; };
  if (std::erase_if(table_.encryption_keys, named) == 0) {
    refuse(fmt::format("has no encryption key {}", update.key_id));
  }
}

// Two things are kept out of the log. Snapshots that were added and already superseded within this one commit, which
// nobody could read. And what lies before a removed snapshot: with a gap, its neighbour would seem to have been current
// in its time.
void Application::tidy_snapshot_log() {
  const auto superseded = [&](const SnapshotLogEntry& entry) {
    return entry.snapshot_id != table_.current_snapshot_id && contains(new_snapshots_, entry.snapshot_id) &&
           contains(were_current_, entry.snapshot_id);
  };
  if (were_current_.size() > 1) std::erase_if(table_.snapshot_log, superseded);
  if (!removed_snapshots_) return;
  std::set<int64_t> left;
  for (const auto& snapshot : table_.snapshots) left.insert(snapshot->snapshot_id);
  auto& log = table_.snapshot_log;
  const auto gap = std::find_if(log.rbegin(), log.rend(),
                                [&](const SnapshotLogEntry& entry) { return !left.contains(entry.snapshot_id); });
  log.erase(log.begin(), gap.base());
}

// What readers and writers use from now on has to fit together; old specs and orders may name columns that are gone.
void Application::check_layout() const {
  if (!changed_layout_ && new_specs_.empty() && new_orders_.empty()) return;
  const Schema& schema = *current_schema(table_);
  for (const PartitionSpec& spec : table_.partition_specs) {
    if (spec.spec_id == table_.default_spec_id || contains(new_specs_, spec.spec_id)) {
      validate(without_voids(spec), schema);
    }
  }
  for (const SortOrder& order : table_.sort_orders) {
    if (order.order_id == table_.default_sort_order_id || contains(new_orders_, order.order_id)) {
      validate(order, schema);
    }
  }
}

TableMetadata Application::finish() {
  tidy_snapshot_log();
  check_layout();
  return std::move(table_);
}

TableMetadata apply_all(TableMetadata base, const std::vector<TableUpdate>& updates) {
  Application application(std::move(base));
  for (const TableUpdate& update : updates) std::visit(application, update);
  return application.finish();
}

template <typename T>
const T* first(const std::vector<TableUpdate>& updates) {
  for (const TableUpdate& update : updates) {
    if (const T* found = std::get_if<T>(&update)) return found;
  }
  return nullptr;
}

[[noreturn]] void fail(const std::string& problem) { throw CommitFailed("Requirement failed: " + problem); }

template <typename T>
void check_number(std::string_view what, T expected, T found) {
  if (expected != found) fail(fmt::format("{} has changed: expected {}, found {}", what, expected, found));
}

void check_ref(const AssertRefSnapshotId& requirement, const TableMetadata& table) {
  const auto found = table.refs.find(requirement.ref);
  if (found == table.refs.end()) {
    if (requirement.snapshot_id) {
      fail(fmt::format("branch or tag {} is missing, expected {}", requirement.ref, *requirement.snapshot_id));
    }
    return;
  }
  const std::string_view kind = found->second.is_branch ? "branch" : "tag";
  if (!requirement.snapshot_id) fail(fmt::format("{} {} was created concurrently", kind, requirement.ref));
  if (*requirement.snapshot_id != found->second.snapshot_id) {
    fail(fmt::format("{} {} has changed: expected id {}, found {}", kind, requirement.ref, *requirement.snapshot_id,
                     found->second.snapshot_id));
  }
}

}  // namespace

void check(const TableRequirement& requirement, const TableMetadata* current) {
  if (std::holds_alternative<AssertCreate>(requirement)) {
    if (current != nullptr) fail(fmt::format("the table exists already, at {}", current->location));
    return;
  }
  if (current == nullptr) fail("the table does not exist");
  const TableMetadata& table = *current;
  std::visit(Overloaded{
                 [](const AssertCreate&) {},
                 [&](const AssertTableUuid& r) {
                   if (!same_uuid(r.uuid, table.table_uuid)) {
                     fail(fmt::format("table uuid does not match: expected {}, found {}", r.uuid, table.table_uuid));
                   }
                 },
                 [&](const AssertRefSnapshotId& r) { check_ref(r, table); },
                 [&](const AssertLastAssignedFieldId& r) {
                   check_number("last assigned field id", r.last_assigned_field_id, table.last_column_id);
                 },
                 [&](const AssertCurrentSchemaId& r) {
                   check_number("current schema id", r.current_schema_id, table.current_schema_id);
                 },
                 [&](const AssertLastAssignedPartitionId& r) {
                   check_number("last assigned partition id", r.last_assigned_partition_id, table.last_partition_id);
                 },
                 [&](const AssertDefaultSpecId& r) {
                   check_number("default spec id", r.default_spec_id, table.default_spec_id);
                 },
                 [&](const AssertDefaultSortOrderId& r) {
                   check_number("default sort order id", r.default_sort_order_id, table.default_sort_order_id);
                 },
             },
             requirement);
}

// By value, since std::apply would match a reference as well.
// NOLINTNEXTLINE(performance-unnecessary-value-param)
TableMetadata apply(TableMetadata base, const std::vector<TableUpdate>& updates) {
  TableMetadata result = apply_all(base, updates);
  if (result.last_updated_ms == base.last_updated_ms && !(result == base)) {
    result.last_updated_ms = std::max(base.last_updated_ms, now_ms());
  }
  return result;
}

TableMetadata create_from(std::vector<TableUpdate> updates, const std::string& default_location) {
  if (first<AddSchema>(updates) == nullptr) throw InvalidArgument("a table about to be created needs a schema");
  if (first<SetCurrentSchema>(updates) == nullptr) updates.emplace_back(SetCurrentSchema{-1});
  if (first<AddPartitionSpec>(updates) == nullptr) updates.emplace_back(AddPartitionSpec{});
  if (first<SetDefaultSpec>(updates) == nullptr) updates.emplace_back(SetDefaultSpec{-1});
  if (first<AddSortOrder>(updates) == nullptr) updates.emplace_back(AddSortOrder{});
  if (first<SetDefaultSortOrder>(updates) == nullptr) updates.emplace_back(SetDefaultSortOrder{-1});

  TableMetadata empty;
  // What is added before the upgrade is meant for the version upgraded to.
  if (const auto* upgrade = first<UpgradeFormatVersion>(updates)) empty.format_version = upgrade->format_version;
  if (empty.format_version < 1) throw InvalidArgument("a table's format version is at least 1");
  empty.location = default_location;
  empty.current_schema_id = -1;
  empty.default_spec_id = -1;
  empty.default_sort_order_id = -1;
  TableMetadata table = apply_all(std::move(empty), updates);
  if (table.location.empty()) throw InvalidArgument("a table about to be created needs a location");
  if (table.table_uuid.empty()) table.table_uuid = new_uuid();
  table.last_updated_ms = std::max(table.last_updated_ms, now_ms());
  return table;
}

}  // namespace floe
