// Rows of formats that are decoded whole, batch by batch (Avro, ORC): which of them come out, and as what.
#pragma once

#include <arrow/compute/expression.h>
#include <arrow/record_batch.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "floe/file/parquet_reader.h"

namespace floe {

// Applies a scan's filter and a file's deletes to decoded batches, and makes the columns of the projection, those of
// spec/metadata_columns.h too. Safe from many threads.
class DecodedRows {
 public:
  // `stores_lineage`: whether the file may have `_row_id` and `_last_updated_sequence_number` of its own. Throws as
  // ParquetFile's constructor does.
  DecodedRows(const DataFile& file, std::shared_ptr<const ParquetReadOptions> options, FileContext context,
              bool stores_lineage);

  // What is to be decoded of the file, each top-level column once.
  const std::vector<Field>& fields() const { return fields_; }
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }  // of what output() returns

  // `columns`: as fields(), rows in the file's order, the first of them at position `first_row`. May be without rows.
  std::shared_ptr<arrow::RecordBatch> output(const arrow::ArrayVector& columns, int64_t first_row, int64_t rows) const;

 private:
  // A column of the projection, or one that decides which rows come out: a part of one that is decoded.
  struct Column {
    Field field;
    int decoded = -1;  // which of fields_; -1: it is `constant` or computed
    Value constant;
    std::optional<int64_t> base;  // of what rows without a stored value have
    bool counts = false;          // the base plus the row's position
  };
  Column output_column(const DataFile& file, const Field& field, bool stores_lineage);
  Column decoded_column(const Field& field);
  arrow::ArrayVector parts(const std::vector<Column>& columns, const arrow::ArrayVector& decoded) const;
  std::shared_ptr<arrow::Array> make(const Column& column, const arrow::ArrayVector& decoded, int64_t first_row,
                                     int64_t rows, const std::vector<uint8_t>& left) const;

  const std::string location_;
  const std::shared_ptr<const ParquetReadOptions> options_;
  const FileContext context_;
  std::vector<Field> fields_;
  std::vector<Column> output_;
  std::shared_ptr<arrow::Schema> schema_;
  bool marks_deleted_ = false;
  std::vector<Column> filter_columns_;
  std::optional<arrow::compute::Expression> filter_;
  std::vector<std::vector<Column>> delete_keys_;  // for each of the equality deletes
};

}  // namespace floe
