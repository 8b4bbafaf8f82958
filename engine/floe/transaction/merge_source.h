// The rows of an upsert: one batch in memory, found by key, and what is known about their keys as a whole.
#pragma once

#include <arrow/record_batch.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "floe/expression/expression.h"
#include "floe/file/key_index.h"
#include "floe/manifest/manifest.h"
#include "floe/spec/schema.h"

namespace floe {

// The columns that rows are matched by, and where they are in batches.
class KeyColumns {
 public:
  // By full names; none: the schema's identifier fields. Throws InvalidArgument naming table and column if one is not
  // there, is not a primitive, or is in a list or map, or if there are none.
  KeyColumns(const Schema& schema, const std::vector<std::string>& names, bool case_sensitive,
             const std::string& table_name);

  const std::vector<Field>& fields() const { return fields_; }
  std::vector<int32_t> ids() const;
  const std::string& name(size_t i) const { return names_[i]; }

  // Of a batch in the Arrow schema of `schema`, which has at least these columns.
  arrow::ArrayVector of(const arrow::RecordBatch& batch, const Schema& schema) const;

 private:
  std::vector<Field> fields_;
  std::vector<std::string> names_;
};

class MergeSource {
 public:
  // `rows` are in the table's schema. A key with a null matches nothing, as in SQL. Throws InvalidArgument, showing
  // some of the keys, if rows share one.
  MergeSource(std::shared_ptr<arrow::RecordBatch> rows, const Schema& schema, const KeyColumns& keys,
              const std::string& table_name);

  const std::shared_ptr<arrow::RecordBatch>& rows() const { return rows_; }
  const KeyIndex& index() const { return index_; }

  // What every row that has one of the keys matches: their least and greatest values, column by column.
  Expression key_range() const;

  // Whether data files of a manifest may have one of the keys: by their bounds, and by partitions that are made of key
  // columns. One answer per entry.
  std::vector<uint8_t> may_have_keys(ManifestReader& manifest);

 private:
  struct Column {
    std::shared_ptr<arrow::Array> values;
    Field field;
    std::string name;
    bool ranged = false;  // values lie between `least` and `greatest`: there are some, and none is NaN
    Value least, greatest;
    std::vector<Value> sorted;  // distinct; filled in when first needed
  };

  bool may_have(Column& column, const Value& least, const Value& greatest);

  std::shared_ptr<arrow::RecordBatch> rows_;
  KeyIndex index_;
  std::vector<Column> columns_;
};

}  // namespace floe
