#include "floe/transaction/evolve.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "floe/error.h"
#include "floe/file/name_mapping.h"
#include "floe/spec/schema_difference.h"
#include "floe/transaction/commit.h"

namespace floe {
namespace {

constexpr std::array<std::string_view, 3> kColumnProperties = {"write.metadata.metrics.column.",
                                                               "write.parquet.bloom-filter-enabled.column.",
                                                               "write.parquet.stats-enabled.column."};

// `what` has changed from one id to another, by what another writer did.
[[noreturn]] void conflict(const LoadedTable& base, std::string_view what, int32_t expected, int32_t found,
                           std::string_view change) {
  throw ConflictFound(
      fmt::format("table {}: Requirement failed: {} has changed: expected {}, found {}: another writer {}. Load the "
                  "table and make the change again",
                  to_string(base.identifier), what, expected, found, change));
}

// --- schema ----------------------------------------------------------------------------------------------------------

std::string described(const std::vector<ColumnChange>& changes) {
  constexpr size_t kMost = 5;
  std::vector<std::string> texts;
  for (const ColumnChange& change : changes) {
    if (texts.size() == kMost) {
      texts.push_back(fmt::format("and {} changes more", changes.size() - kMost));
      break;
    }
    texts.push_back(to_string(change));
  }
  return texts.empty() ? "added columns, and dropped them again" : fmt::format("{}", fmt::join(texts, ", "));
}

class SchemaStep : public Step {
 public:
  explicit SchemaStep(const SchemaUpdate& update)
      : before_(update.base()), last_column_id_(update.base_last_column_id()), after_(update.apply()) {}

  TableCommit build(const LoadedTable& base) override {
    const TableMetadata& table = *base.metadata;
    const Schema& current = *current_schema(table);
    if (current.schema_id != before_.schema_id || !same_fields(current, before_)) {
      conflict(base, "current schema id", before_.schema_id, current.schema_id,
               described(difference(before_, current)));
    }
    if (table.last_column_id != last_column_id_) {
      conflict(base, "last assigned field id", last_column_id_, table.last_column_id, described({}));
    }
    if (same_fields(current, after_)) return {};
    check_use(base);

    TableCommit commit = commit_on(table);
    commit.requirements.emplace_back(AssertCurrentSchemaId{current.schema_id});
    if (const Schema* known = equal_schema(table)) {
      commit.updates.emplace_back(SetCurrentSchema{known->schema_id});
    } else {
      Schema added = after_;
      for (const SchemaPtr& schema : table.schemas) added.schema_id = std::max(added.schema_id, schema->schema_id + 1);
      commit.requirements.emplace_back(AssertLastAssignedFieldId{last_column_id_});
      commit.updates.emplace_back(AddSchema{std::move(added), {}});
      commit.updates.emplace_back(SetCurrentSchema{-1});
    }
    add_properties(table.properties, commit);
    return commit;
  }

 private:
  const Schema* equal_schema(const TableMetadata& table) const {
    const auto found = std::ranges::find_if(table.schemas, [&](const SchemaPtr& s) { return same_fields(*s, after_); });
    return found == table.schemas.end() ? nullptr : found->get();
  }

  [[noreturn]] static void refuse(const LoadedTable& base, const std::string& problem) {
    throw InvalidArgument(fmt::format("table {}: {}", to_string(base.identifier), problem));
  }

  // What the table is partitioned and sorted by has to go on being so.
  void check_use(const LoadedTable& base) const {
    const TableMetadata& table = *base.metadata;
    for (const PartitionField& field : default_spec(table).fields) {
      if (field.transform.kind == TransformKind::kVoid) continue;
      check_source(base, field.source_ids, field.transform,
                   fmt::format("the table is partitioned by it, in the field {0}. Remove that first, by "
                               "update_spec().remove_field(\"{0}\")",
                               field.name));
    }
    for (const SortField& field : default_sort_order(table).fields) {
      check_source(base, field.source_ids, field.transform,
                   "the table is sorted by it. Change that first, by update_sort_order()");
    }
    for (const PartitionSpec& spec : table.partition_specs) {
      for (const PartitionField& field : spec.fields) check_partition_field(base, field);
    }
  }

  void check_source(const LoadedTable& base, const std::vector<int32_t>& ids, const Transform& transform,
                    const std::string& use) const {
    for (const int32_t id : ids) {
      const Field* column = find_field(after_, id);
      if (column == nullptr) refuse(base, fmt::format("Cannot delete column {}: {}", full_name(before_, id), use));
      if (!can_transform(transform, column->type)) {
        refuse(base, fmt::format("Cannot change the type of column {} to {}: {}", full_name(before_, id),
                                 to_string(column->type), use));
      }
    }
  }

  // Values of partitions are there to stay, also those of earlier specs, and so are their names.
  void check_partition_field(const LoadedTable& base, const PartitionField& field) const {
    const Field* was = find_field(before_, field.source_id());
    const Field* is = find_field(after_, field.source_id());
    const bool date_to_timestamp = was != nullptr && is != nullptr && was->type.kind == TypeKind::kDate &&
                                   (is->type.kind == TypeKind::kTimestamp || is->type.kind == TypeKind::kTimestampNs);
    const bool same_values =
        field.transform.kind == TransformKind::kVoid || field.transform.kind == TransformKind::kYear ||
        field.transform.kind == TransformKind::kMonth || field.transform.kind == TransformKind::kDay;
    if (date_to_timestamp && !same_values) {
      refuse(base,
             fmt::format("Cannot change the type of column {} to {}: files are or were partitioned by its {} (field "
                         "{}), which would become another value",
                         full_name(before_, is->id), to_string(is->type), to_string(field.transform), field.name));
    }
    const Field* namesake = find_field(after_, field.name);
    const bool may_share =
        field.transform.kind == TransformKind::kIdentity || field.transform.kind == TransformKind::kVoid;
    if (namesake != nullptr && !(may_share && namesake->id == field.source_id())) {
      const Field* before = find_field(before_, field.name);
      if (before != nullptr && before->id == namesake->id) return;  // of old
      refuse(base, fmt::format("Cannot create {} in schema: {}: a partition field has that name. Rename that first, by "
                               "update_spec().rename_field(\"{}\", ...), or choose another name for the column",
                               field.transform.kind == TransformKind::kIdentity
                                   ? "identity partition sourced from different field"
                                   : "partition with a name that exists",
                               field.name, field.name));
    }
  }

  void add_properties(const Properties& properties, TableCommit& commit) const {
    Properties updates;
    std::vector<std::string> removals;
    if (const auto mapping = properties.find(kNameMapping); mapping != properties.end() && !mapping->second.empty()) {
      std::string updated = evolved_name_mapping(mapping->second, before_, after_);
      if (updated != mapping->second) updates.emplace(kNameMapping, std::move(updated));
    }
    for (const auto& [key, value] : properties) {
      for (const std::string_view prefix : kColumnProperties) {
        if (!key.starts_with(prefix)) continue;
        const Field* column = find_field(before_, key.substr(prefix.size()));
        if (column == nullptr) continue;
        const std::string renamed = std::string(prefix) + full_name(after_, column->id);
        if (renamed == key) continue;
        removals.push_back(key);
        if (renamed.size() > prefix.size()) updates.insert_or_assign(renamed, value);
      }
    }
    std::erase_if(removals, [&](const std::string& key) { return updates.contains(key); });
    if (!removals.empty()) commit.updates.emplace_back(RemoveProperties{std::move(removals)});
    if (!updates.empty()) commit.updates.emplace_back(SetProperties{std::move(updates)});
  }

  const Schema before_;
  const int32_t last_column_id_;
  const Schema after_;
};

// --- partitioning and sort order -------------------------------------------------------------------------------------

std::string described(const PartitionSpec& spec, const Schema& schema) {
  std::vector<std::string> fields;
  for (const PartitionField& field : spec.fields) {
    const std::string column = full_name(schema, field.source_id());
    fields.push_back(fmt::format("{}({}) as {}", to_string(field.transform), column, field.name));
  }
  return fields.empty() ? "partitioned the table by nothing any more"
                        : fmt::format("partitioned the table by {}", fmt::join(fields, ", "));
}

class SpecStep : public Step {
 public:
  explicit SpecStep(const SpecUpdate& update)
      : default_spec_id_(update.base()->default_spec_id),
        last_partition_id_(update.base()->last_partition_id),
        after_(update.apply()) {}

  TableCommit build(const LoadedTable& base) override {
    const TableMetadata& table = *base.metadata;
    const std::string now = described(default_spec(table), *current_schema(table));
    if (table.default_spec_id != default_spec_id_) {
      conflict(base, "default spec id", default_spec_id_, table.default_spec_id, now);
    }
    if (table.last_partition_id != last_partition_id_) {
      conflict(base, "last assigned partition id", last_partition_id_, table.last_partition_id, now);
    }
    if (after_.spec_id == default_spec_id_) return {};
    TableCommit commit = commit_on(table);
    commit.requirements.emplace_back(AssertLastAssignedPartitionId{last_partition_id_});
    commit.requirements.emplace_back(AssertDefaultSpecId{default_spec_id_});
    if (spec_by_id(table, after_.spec_id) != nullptr) {
      commit.updates.emplace_back(SetDefaultSpec{after_.spec_id});
    } else {
      commit.updates.emplace_back(AddPartitionSpec{after_});
      commit.updates.emplace_back(SetDefaultSpec{-1});
    }
    return commit;
  }

 private:
  const int32_t default_spec_id_;
  const int32_t last_partition_id_;
  const PartitionSpec after_;
};

class SortOrderStep : public Step {
 public:
  SortOrderStep(const TableMetadata& table, std::vector<SortField> fields)
      : default_order_id_(table.default_sort_order_id), fields_(std::move(fields)) {}

  TableCommit build(const LoadedTable& base) override {
    const TableMetadata& table = *base.metadata;
    if (table.default_sort_order_id != default_order_id_) {
      conflict(base, "default sort order id", default_order_id_, table.default_sort_order_id, "sorted the table anew");
    }
    if (default_sort_order(table).fields == fields_) return {};
    TableCommit commit = commit_on(table);
    commit.requirements.emplace_back(AssertDefaultSortOrderId{default_order_id_});
    SortOrder order{.fields = fields_};
    for (const SortOrder& other : table.sort_orders) {
      if (other.fields == fields_) {
        commit.updates.emplace_back(SetDefaultSortOrder{other.order_id});
        return commit;
      }
      order.order_id = std::max(order.order_id, other.order_id + 1);
    }
    validate(order, *current_schema(table));
    commit.updates.emplace_back(AddSortOrder{std::move(order)});
    commit.updates.emplace_back(SetDefaultSortOrder{-1});
    return commit;
  }

 private:
  const int32_t default_order_id_;
  const std::vector<SortField> fields_;
};

}  // namespace

void update_schema(Transaction& transaction, const SchemaUpdate& update) {
  transaction.add(std::make_unique<SchemaStep>(update));
}

void update_spec(Transaction& transaction, const SpecUpdate& update) {
  transaction.add(std::make_unique<SpecStep>(update));
}

void update_sort_order(Transaction& transaction, std::vector<SortField> fields) {
  transaction.add(std::make_unique<SortOrderStep>(*transaction.staged().metadata, std::move(fields)));
}

}  // namespace floe
