// Changes of a partition spec, each checked when it is made and all applied at once. Specification: "Partition
// Evolution".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "floe/spec/table_metadata.h"

namespace floe {

// Starts from the table's default spec. Every change throws InvalidArgument, with the reason, if it cannot be.
class SpecUpdate {
 public:
  explicit SpecUpdate(TableMetadataPtr table, bool case_sensitive = true);  // the latter of columns' names

  // Without a name it is "<column>" for identity, else "<column>_bucket_16", "<column>_trunc_4", "<column>_day" and so
  // on, or the one that the same field had in an earlier spec. From version 2 on such a field takes its id up again.
  void add_field(std::string_view column, const Transform& transform, std::optional<std::string> name = {});
  // In version 1 the field stays in its place and is void from now on, since ids count up there; if it is added again
  // right away it stays as it was.
  void remove_field(std::string_view name);
  void rename_field(std::string_view name, const std::string& new_name);

  const TableMetadataPtr& base() const { return table_; }

  // The spec with all changes, valid for the table's current schema: one of the table's that has the same fields, or a
  // new one with the next id.
  PartitionSpec apply() const;

 private:
  const PartitionField* find(std::string_view name) const;
  const PartitionField* find_added(std::string_view name) const;
  bool removed(const PartitionField& field) const { return removed_.contains(field.field_id); }
  PartitionField new_field(int32_t source_id, const Transform& transform, const std::optional<std::string>& name);
  std::string name_for(int32_t source_id, const Transform& transform) const;

  const TableMetadataPtr table_;
  const bool case_sensitive_;
  int32_t last_partition_id_;
  std::set<int32_t> removed_;
  std::map<std::string, std::string, std::less<>> renamed_;
  std::vector<PartitionField> added_;
};

}  // namespace floe
