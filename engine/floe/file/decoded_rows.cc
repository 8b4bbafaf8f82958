#include "floe/file/decoded_rows.h"

#include <arrow/api.h>
#include <arrow/compute/api_scalar.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/exec.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_ops.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "floe/arrow_compute.h"
#include "floe/arrow_status.h"
#include "floe/expression/arrow.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"
#include "floe/spec/metadata_columns.h"
#include "floe/spec/projection.h"

namespace floe {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

// Adds what `field` has and `fields` lack, at every depth. Returns its place.
size_t add_field(std::vector<Field>& fields, const Field& field) {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& each) { return each.id == field.id; });
  if (found == fields.end()) {
    fields.push_back(field);
    return fields.size() - 1;
  }
  if (field.type.is_nested()) {
    std::vector<Field> children = *found->type.children;
    for (const Field& child : *field.type.children) add_field(children, child);
    found->type.children = std::make_shared<const std::vector<Field>>(std::move(children));
  }
  return static_cast<size_t>(found - fields.begin());
}

// A column with only the children that `wanted` has.
std::shared_ptr<arrow::ArrayData> narrow(const std::shared_ptr<arrow::ArrayData>& data, const Field& from,
                                         const Field& wanted) {
  if (!from.type.is_nested() || from.type == wanted.type) return data;
  auto out = data->Copy();
  out->type = to_arrow_type(wanted.type);
  const bool map = from.type.kind == TypeKind::kMap;
  const std::shared_ptr<arrow::ArrayData> holder = map ? data->child_data[0] : data;
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  for (const Field& child : *wanted.type.children) {
    for (size_t i = 0; i < from.type.children->size(); ++i) {
      const Field& candidate = (*from.type.children)[i];
      if (candidate.id == child.id) children.push_back(narrow(holder->child_data[i], candidate, child));
    }
  }
  if (map) {
    auto entries = holder->Copy();
    entries->type = static_cast<const arrow::MapType&>(*out->type).value_type();
    entries->child_data = std::move(children);
    out->child_data = {std::move(entries)};
  } else {
    out->child_data = std::move(children);
  }
  return out;
}

std::vector<uint8_t> ones(int64_t rows) {
  return std::vector<uint8_t>(static_cast<size_t>(arrow::bit_util::BytesForBits(rows)), 0xFF);
}

std::shared_ptr<arrow::BooleanArray> as_array(const std::vector<uint8_t>& bits, int64_t rows) {
  return std::make_shared<arrow::BooleanArray>(rows, arrow::Buffer::Wrap(bits));
}

}  // namespace

DecodedRows::DecodedRows(const DataFile& file, std::shared_ptr<const ParquetReadOptions> options, FileContext context,
                         bool stores_lineage)
    : location_(file.file_path), options_(std::move(options)), context_(std::move(context)) {
  for (const Field& field : options_->projection.fields) {
    output_.push_back(output_column(file, field, stores_lineage));
  }
  schema_ = to_arrow_schema(options_->projection);
  if (options_->filter.kind != ExprKind::kTrue) {
    const auto ids = field_ids(options_->filter);
    const Schema filter_schema = project(*options_->schema, {ids.begin(), ids.end()});
    for (const Field& field : filter_schema.fields) filter_columns_.push_back(decoded_column(field));
    initialize_compute();
    filter_ = check(to_arrow(options_->filter, filter_schema).Bind(*to_arrow_schema(filter_schema)), location_);
  }
  for (const auto& deletes : context_.deletes.equality) {
    std::vector<Column>& key = delete_keys_.emplace_back();
    for (const Field& field : deletes->columns().fields) key.push_back(decoded_column(field));
  }
}

DecodedRows::Column DecodedRows::decoded_column(const Field& field) {
  return {.field = field, .decoded = static_cast<int>(add_field(fields_, field))};
}

DecodedRows::Column DecodedRows::output_column(const DataFile& file, const Field& field, bool stores_lineage) {
  const auto expect = [&](const Field& metadata_column) {
    if (field.type == metadata_column.type) return;
    throw InvalidArgument(fmt::format("the metadata column {} is of type {}, and not {}", metadata_column.name,
                                      to_string(metadata_column.type), to_string(field.type)));
  };
  // The file's own values first, where it has the column; then what rows without a value inherit.
  const auto inherited = [&](std::optional<int64_t> base, bool counts) {
    Column column = stores_lineage ? decoded_column(field) : Column{.field = field};
    column.base = base;
    column.counts = counts;
    return column;
  };
  switch (field.id) {
    case kFileId:
      expect(file_field());
      return {.field = field, .constant = Value(file.file_path)};
    case kSpecIdId:
      expect(spec_id_field());
      return {.field = field, .constant = Value(file.spec_id)};
    case kPartitionId:
      if (!fits(context_.partition, field.type)) {
        throw InvalidArgument(fmt::format("{}: its partition is no {}", location_, to_string(field.type)));
      }
      return {.field = field, .constant = context_.partition};
    case kPosId:
      expect(pos_field());
      return {.field = field, .base = 0, .counts = true};
    case kDeletedId:
      expect(deleted_field());
      marks_deleted_ = true;
      return {.field = field};
    case kRowIdId:
      expect(row_id_field());
      return inherited(file.first_row_id, true);
    case kLastUpdatedSequenceNumberId:
      expect(last_updated_sequence_number_field());
      return inherited(file.first_row_id ? context_.data_sequence_number : std::nullopt, false);
    default:
      return decoded_column(field);
  }
}

arrow::ArrayVector DecodedRows::parts(const std::vector<Column>& columns, const arrow::ArrayVector& decoded) const {
  arrow::ArrayVector out;
  for (const Column& column : columns) {
    out.push_back(arrow::MakeArray(narrow(decoded[column.decoded]->data(), fields_[column.decoded], column.field)));
  }
  return out;
}

ArrayPtr DecodedRows::make(const Column& column, const arrow::ArrayVector& decoded, int64_t first_row, int64_t rows,
                           const std::vector<uint8_t>& left) const {
  if (column.field.id == kDeletedId) {
    arrow::BooleanBuilder builder;
    for (int64_t i = 0; i < rows; ++i) {
      check(builder.Append(!arrow::bit_util::GetBit(left.data(), i)), location_);
    }
    return check(builder.Finish(), location_);
  }
  ArrayPtr stored = column.decoded >= 0
                        ? parts({column}, decoded)[0]
                        : repeat(column.constant, column.field.type, to_arrow_type(column.field.type), rows);
  if (!column.base || stored->null_count() == 0) return stored;
  arrow::Int64Builder builder;
  const auto& own = static_cast<const arrow::Int64Array&>(*stored);
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t inherited = *column.base + (column.counts ? first_row + i : 0);
    check(builder.Append(own.IsValid(i) ? own.Value(i) : inherited), location_);
  }
  return check(builder.Finish(), location_);
}

std::shared_ptr<arrow::RecordBatch> DecodedRows::output(const arrow::ArrayVector& columns, int64_t first_row,
                                                        int64_t rows) const {
  std::vector<uint8_t> left = ones(rows);  // rows that are not deleted
  const RowDeletes& deletes = context_.deletes;
  if (deletes.positions) deletes.positions->clear_bits(first_row, rows, left.data(), 0);
  for (size_t i = 0; i < deletes.equality.size(); ++i) {
    deletes.equality[i]->clear_bits(parts(delete_keys_[i], columns), context_.data_sequence_number.value_or(0),
                                    left.data(), 0);
  }
  arrow::ArrayVector out;
  for (const Column& column : output_) out.push_back(make(column, columns, first_row, rows, left));
  auto all = arrow::RecordBatch::Make(schema_, rows, std::move(out));

  arrow::Datum mask(true);
  if (filter_) {
    const arrow::ArrayVector values = parts(filter_columns_, columns);
    mask = check(arrow::compute::ExecuteScalarExpression(
                     *filter_, arrow::compute::ExecBatch({values.begin(), values.end()}, rows)),
                 location_);
    if (mask.is_scalar()) {
      const auto& answer = mask.scalar_as<arrow::BooleanScalar>();
      if (!answer.is_valid || !answer.value) return all->Slice(0, 0);
    }
  }
  auto kept = as_array(left, rows);
  const bool deletes_some = !marks_deleted_ && kept->true_count() < rows;
  if (mask.is_scalar()) {
    if (!deletes_some) return all;
    mask = std::move(kept);
  } else if (deletes_some) {
    mask = check(arrow::compute::And(mask, kept), location_);
  }
  return check(arrow::compute::Filter(all, mask), location_).record_batch();
}

}  // namespace floe
