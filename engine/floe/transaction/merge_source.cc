#include "floe/transaction/merge_source.h"

#include <arrow/array/array_nested.h>
#include <arrow/compute/api_aggregate.h>
#include <arrow/compute/api_vector.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <unordered_set>

#include "floe/arrow_status.h"
#include "floe/file/arrow_value.h"

namespace floe {
namespace {

constexpr std::string_view kStep = "looking at the keys of the rows to merge";

void refuse_duplicates(const KeyIndex& index, const KeyColumns& keys, const arrow::ArrayVector& columns,
                       const std::string& table_name) {
  if (index.duplicates().empty()) return;
  std::vector<std::string> shown;
  for (const auto& [first, second] : index.duplicates()) {
    shown.push_back(key_text(keys, columns, second));
  }
  throw InvalidArgument(
      fmt::format("table {}: Duplicate rows found in source dataset based on the key columns. No upsert executed. The "
                  "same key stands in several rows: {}; keep one of each",
                  table_name, fmt::join(shown, ", ")));
}

// The values of one partition field that rows of these keys have, in binary form.
std::unordered_set<std::string> partitions_of(const arrow::Array& values, const Type& type,
                                              const Transform& transform) {
  const Type result = result_type(transform, type);
  std::unordered_set<std::string> partitions;
  for (int64_t i = 0; i < values.length(); ++i) {
    if (!values.IsNull(i)) partitions.insert(to_bytes(apply(transform, type, value_at(values, i, type)), result));
  }
  return partitions;
}

// Whether rows of one key are in one partition of such a field. (Floats are not: -0.0 and 0.0 are one key.)
bool tells_partitions(const Transform& transform, const Type& source) {
  return transform.kind != TransformKind::kVoid && transform.kind != TransformKind::kUnknown &&
         source.kind != TypeKind::kFloat && source.kind != TypeKind::kDouble && can_transform(transform, source);
}

// A struct stands for its fields.
void add_leaves(const Field& field, std::vector<const Field*>& leaves) {
  if (field.type.kind != TypeKind::kStruct) return leaves.push_back(&field);
  for (const Field& child : *field.type.children) add_leaves(child, leaves);
}

}  // namespace

// --- KeyColumns ------------------------------------------------------------------------------------------------------

KeyColumns::KeyColumns(const Schema& schema, const std::vector<std::string>& names, bool case_sensitive,
                       const std::string& table_name) {
  std::vector<const Field*> found;
  for (const std::string& name : names) {
    const Field* field = find_field(schema, name, case_sensitive);
    if (!field) throw InvalidArgument(fmt::format("table {} has no column {} to join on", table_name, name));
    add_leaves(*field, found);
  }
  if (names.empty()) {
    for (const int32_t id : schema.identifier_field_ids) found.push_back(find_field(schema, id));
  }
  if (found.empty()) {
    throw InvalidArgument(
        fmt::format("table {}: Join columns could not be found, please set identifier-field-ids or pass in explicitly.",
                    table_name));
  }
  for (const Field* field : found) {
    names_.push_back(full_name(schema, field->id));
    for (const Field* step : path_to(schema, field->id)) {
      if (step->type.kind == TypeKind::kList || step->type.kind == TypeKind::kMap ||
          (step == field && step->type.is_nested())) {
        throw InvalidArgument(
            fmt::format("table {}: rows cannot be joined on {}, which is {}; name primitive columns "
                        "outside lists and maps",
                        table_name, names_.back(), to_string(step->type)));
      }
    }
    fields_.push_back(*field);
  }
}

std::vector<Type> KeyColumns::types() const {
  std::vector<Type> types;
  for (const Field& field : fields_) types.push_back(field.type);
  return types;
}

std::vector<int32_t> KeyColumns::ids() const {
  std::vector<int32_t> ids;
  for (const Field& field : fields_) ids.push_back(field.id);
  return ids;
}

arrow::ArrayVector KeyColumns::of(const arrow::RecordBatch& batch, const Schema& schema) const {
  arrow::ArrayVector columns;
  for (const Field& key : fields_) {
    std::shared_ptr<arrow::Array> column;
    const std::vector<Field>* siblings = &schema.fields;
    for (const Field* step : path_to(schema, key.id)) {
      const int at = static_cast<int>(step - siblings->data());
      column = column ? check(static_cast<const arrow::StructArray&>(*column).GetFlattenedField(at), kStep)
                      : batch.column(at);
      siblings = &children_of(step->type);
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

std::string key_text(const KeyColumns& keys, const arrow::ArrayVector& columns, int64_t row) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < columns.size(); ++i) {
    const Type& type = keys.fields()[i].type;
    parts.push_back(fmt::format("{}={}", keys.name(i), to_human_string(value_at(*columns[i], row, type), type)));
  }
  return fmt::format("({})", fmt::join(parts, ", "));
}

Expression in_ranges(const KeyColumns& keys, const std::vector<KeyRange>& ranges) {
  Expression expression;
  for (size_t i = 0; i < ranges.size(); ++i) {
    const Type& type = keys.fields()[i].type;
    if (!ranges[i].known() || type.kind == TypeKind::kBoolean) continue;
    const auto bound = [&](Op op, const Value& value) {
      return Expression{.kind = ExprKind::kPredicate,
                        .operands = {},
                        .predicate = {.op = op, .column = keys.name(i), .literals = {to_literal(value, type)}}};
    };
    expression = both(std::move(expression),
                      both(bound(Op::kGreaterEqual, ranges[i].least), bound(Op::kLessEqual, ranges[i].greatest)));
  }
  return expression;
}

// --- MergeSource -----------------------------------------------------------------------------------------------------

MergeSource::MergeSource(std::shared_ptr<arrow::RecordBatch> rows, const Schema& schema, const KeyColumns& keys,
                         const std::string& table_name)
    : rows_(std::move(rows)), index_(keys.types(), kJoinKeys) {
  const arrow::ArrayVector columns = keys.of(*rows_, schema);
  index_.add(columns);
  refuse_duplicates(index_, keys, columns, table_name);
  keys_ = std::make_shared<const KeySet>(keys.fields(), columns);
}

std::vector<KeyRange> MergeSource::ranges() const {
  std::vector<KeyRange> ranges;
  for (size_t i = 0; i < keys_->columns(); ++i) ranges.push_back(keys_->range(i));
  return ranges;
}

std::vector<uint8_t> MergeSource::may_have_keys(ManifestReader& reader) const {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < keys_->columns(); ++i) ids.push_back(keys_->field(i).id);
  const auto stats = reader.stats(ids);
  const ManifestPtr manifest = reader.entries();
  std::vector<uint8_t> may = keys_->may_have(*stats);
  for (size_t f = 0; f < manifest->spec.fields.size(); ++f) {
    const PartitionField& field = manifest->spec.fields[f];
    if (field.source_ids.size() != 1) continue;
    const auto column = std::ranges::find(ids, field.source_id()) - ids.begin();
    if (column == std::ssize(ids)) continue;
    const Type& type = keys_->field(column).type;
    // Old partitions of a column that was widened since are in the narrower type's binary form.
    if (!tells_partitions(field.transform, type) ||
        result_type(field.transform, type) != manifest->partition_types[f]) {
      continue;
    }
    const auto partitions = partitions_of(*keys_->values(column), type, field.transform);
    for (size_t i = 0; i < may.size(); ++i) {
      const BytesColumn& values = manifest->partition[f];
      if (may[i]) may[i] = values.has(i) && partitions.contains(std::string(values[i]));
    }
  }
  return may;
}

}  // namespace floe
