// readable_metrics: the sizes, counts and bounds of a table's columns in each file, by the columns' names and with
// their types. Internal to inspect/.
#pragma once

#include <cstdint>
#include <vector>

#include "floe/inspect/columns.h"
#include "floe/spec/schema.h"

namespace floe {

// A struct with a field for each column of a primitive type at any depth, in the order of their full names, whose ids
// are counted up from `first_id`.
Field readable_metrics_field(const Schema& schema, int32_t first_id);

class ReadableMetrics {
 public:
  // `field`: of readable_metrics_field, perhaps with fewer children.
  ReadableMetrics(const Schema& schema, const Field& field, DataTypePtr arrow_type);

  // The range has maps. Bounds that are no value of their column's type are null.
  ArrayPtr of(const EntryRange& range) const;

 private:
  struct Column {
    int32_t id;
    Type type;
    size_t position;  // among the struct's fields
  };
  std::vector<Column> columns_;  // sorted by id
  DataTypePtr arrow_type_;
};

}  // namespace floe
