// Rows of an upsert: one batch in memory, found by key, and what is known about their keys as a whole.
#pragma once

#include <arrow/record_batch.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "floe/expression/expression.h"
#include "floe/file/key_index.h"
#include "floe/file/key_set.h"
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
  std::vector<Type> types() const;
  std::vector<int32_t> ids() const;
  const std::string& name(size_t i) const { return names_[i]; }

  // Of a batch in the Arrow schema of `schema`, which has at least these columns.
  arrow::ArrayVector of(const arrow::RecordBatch& batch, const Schema& schema) const;

 private:
  std::vector<Field> fields_;
  std::vector<std::string> names_;
};

// What every row matches whose key lies in these ranges, one per column.
Expression in_ranges(const KeyColumns& keys, const std::vector<KeyRange>& ranges);

// How rows are joined: a null matches nothing, as in SQL, and -0.0 is 0.0.
inline constexpr KeyIndexOptions kJoinKeys{.nulls_equal = false, .zeros_equal = true};

// "(a=1, b=x)": the key of one row, for messages. `columns` as KeyColumns::of gives them.
std::string key_text(const KeyColumns& keys, const arrow::ArrayVector& columns, int64_t row);

class MergeSource {
 public:
  // `rows` are in the table's schema. Throws InvalidArgument, showing some of the keys, if rows share one.
  MergeSource(std::shared_ptr<arrow::RecordBatch> rows, const Schema& schema, const KeyColumns& keys,
              const std::string& table_name);

  const std::shared_ptr<arrow::RecordBatch>& rows() const { return rows_; }
  const KeyIndex& index() const { return index_; }

  const std::shared_ptr<const KeySet>& keys() const { return keys_; }
  std::vector<KeyRange> ranges() const;  // of each key column

  // Whether data files of a manifest may have one of the keys: by their bounds, and by partitions that are made of key
  // columns. One answer per entry.
  std::vector<uint8_t> may_have_keys(ManifestReader& manifest) const;

 private:
  std::shared_ptr<arrow::RecordBatch> rows_;
  KeyIndex index_;
  std::shared_ptr<const KeySet> keys_;
};

}  // namespace floe
