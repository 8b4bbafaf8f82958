// Which columns of a Parquet or ORC file make up a column of the table, and how they become it.
// Specification: "Column Projection", "Schema Evolution", "Parquet" in "Appendix A".
#pragma once

#include <arrow/array.h>
#include <parquet/arrow/schema.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "floe/file/name_mapping.h"
#include "floe/spec/schema.h"

namespace floe {

// Whether a file must have values of a field (by id) that it seems to lack, because its manifest counts some. The
// schema in a file's footer has no checksum: a damaged field id would make a column null without a word. `by_name`: the
// file has no ids, and the name mapping may have given the column's name to another one since.
using HasValues = std::function<bool(int32_t field_id, bool by_name)>;

// One Parquet file, as far as finding columns goes.
struct ParquetColumns {
  std::string location;  // for messages
  const parquet::arrow::SchemaManifest* manifest = nullptr;
  NameMapping mapping;
  std::vector<std::pair<int32_t, Value>> partition_values;  // of identity partition fields, by source id
  HasValues has_values;                                     // may be empty
  bool has_ids = false;
  bool whole_structs = false;  // structs are decoded with all their fields, and not only with those that are wanted
};
ParquetColumns parquet_columns(std::string location, const parquet::arrow::SchemaManifest& manifest,
                               NameMapping mapping, std::vector<std::pair<int32_t, Value>> partition_values,
                               HasValues has_values = {});

// Where a wanted field comes from: a node of the file's schema, or one value for every row.
struct ColumnPlan {
  const Field* field = nullptr;           // belongs to the schema that the caller keeps
  std::shared_ptr<arrow::DataType> type;  // of what comes out
  const parquet::arrow::SchemaField* node = nullptr;
  int position = 0;  // of the node among those of its siblings that are read
  Value constant;    // where there is no node
  std::vector<ColumnPlan> children;
};

// Finds a top-level column and everything below it. What the file lacks is, in this order, the partition's value, the
// column of a mapped name, the initial default, null. Throws CorruptFile naming file and column if a required field is
// missing, a field is missing that has values, a type cannot be read as the table's, or the file has neither ids nor a
// name mapping.
ColumnPlan plan_column(const Field& field, const ParquetColumns& file);

// A column that is one value for every row, whatever the file has.
ColumnPlan constant_column(const Field& field, Value value);

// The Parquet columns to decode for it, ascending; none if the plan is a constant.
std::vector<int> leaves(const ColumnPlan& plan);

// What Arrow decoded from these leaves, as the table's type. Throws CorruptFile where a value does not fit it, or a
// required field is null.
std::shared_ptr<arrow::Array> convert(const std::shared_ptr<arrow::Array>& array, const ColumnPlan& plan,
                                      const ParquetColumns& file);

}  // namespace floe
