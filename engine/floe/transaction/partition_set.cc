#include "floe/transaction/partition_set.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "floe/expression/evaluate.h"

namespace floe {
namespace {

bool is_nan(const Value& value) {
  const auto* narrow = std::get_if<float>(&value.data);
  const auto* wide = std::get_if<double>(&value.data);
  return (narrow && std::isnan(*narrow)) || (wide && std::isnan(*wide));
}

BoundExpression predicate(const PartitionField& field, const Type& type, Op op, std::vector<Value> literals = {}) {
  return {.kind = ExprKind::kPredicate,
          .operands = {},
          .predicate = {.op = op,
                        .field_id = field.field_id,
                        .type = type,
                        .transform = {},
                        .literals = std::move(literals),
                        .source = type}};
}

// That a partition field has one of the values.
BoundExpression one_of(const PartitionField& field, const Type& type,
                       const std::set<std::optional<std::string>>& values) {
  BoundExpression any = always<BoundPredicate>(false);
  std::vector<Value> literals;
  for (const auto& bytes : values) {
    Value value = bytes ? from_bytes(*bytes, type) : Value();
    if (value.is_null()) {
      any = either(std::move(any), predicate(field, type, Op::kIsNull));
    } else if (is_nan(value)) {
      any = either(std::move(any), predicate(field, type, Op::kIsNan));
    } else {
      literals.push_back(std::move(value));
    }
  }
  if (literals.empty()) return any;
  std::ranges::sort(literals, [&](const Value& a, const Value& b) { return compare(a, b, type) < 0; });
  const auto repeated = std::ranges::unique(literals);
  literals.erase(repeated.begin(), repeated.end());
  const Op op = literals.size() == 1 ? Op::kEqual : Op::kIn;
  return either(std::move(any), predicate(field, type, op, std::move(literals)));
}

}  // namespace

PartitionBytes partition_bytes(const Manifest& manifest, size_t entry) {
  PartitionBytes bytes;
  for (const BytesColumn& column : manifest.partition) {
    bytes.push_back(column.has(entry) ? std::optional(std::string(column[entry])) : std::nullopt);
  }
  return bytes;
}

PartitionBytes partition_bytes(const std::vector<Value>& values, const Type& partition) {
  PartitionBytes bytes;
  for (size_t i = 0; i < values.size(); ++i) {
    const Value& value = values[i];
    bytes.push_back(value.is_null() ? std::nullopt : std::optional(to_bytes(value, (*partition.children)[i].type)));
  }
  return bytes;
}

std::vector<Value> partition_values(const PartitionBytes& bytes, const Type& partition) {
  std::vector<Value> values;
  for (size_t i = 0; i < std::min(bytes.size(), partition.children->size()); ++i) {
    values.push_back(bytes[i] ? from_bytes(*bytes[i], (*partition.children)[i].type) : Value());
  }
  return values;
}

void PartitionSet::insert(int32_t spec_id, const PartitionBytes& partition) {
  std::vector<FieldValues>& fields = specs_[spec_id];
  if (fields.size() < partition.size()) fields.resize(partition.size());
  for (size_t i = 0; i < partition.size(); ++i) fields[i].insert(partition[i]);
}

std::vector<uint8_t> PartitionSet::may_have(const TableMetadata& table,
                                            const std::vector<ManifestFile>& manifests) const {
  std::vector<uint8_t> may(manifests.size());
  std::map<int32_t, std::vector<size_t>> members;
  for (size_t i = 0; i < manifests.size(); ++i) {
    if (!specs_.contains(manifests[i].partition_spec_id)) continue;
    may[i] = 1;
    if (manifests[i].partitions) members[manifests[i].partition_spec_id].push_back(i);
  }
  for (const auto& [spec_id, indices] : members) {
    const PartitionSpec* spec = spec_by_id(table, spec_id);
    const std::vector<FieldValues>& fields = specs_.at(spec_id);
    if (!spec || spec->fields.size() != fields.size()) continue;
    const Type partition = partition_type(*spec, *current_schema(table));
    BoundExpression filter = always<BoundPredicate>(true);
    for (size_t i = 0; i < fields.size(); ++i) {
      const Type& type = (*partition.children)[i].type;
      const bool tells = type.kind != TypeKind::kUnknown && spec->fields[i].transform.kind != TransformKind::kVoid;
      if (tells) filter = both(std::move(filter), one_of(spec->fields[i], type, fields[i]));
    }
    std::vector<const ManifestFile*> files;
    for (const size_t i : indices) files.push_back(&manifests[i]);
    const std::vector<uint8_t> answers = may_match(filter, partition_stats(files, *spec));
    for (size_t k = 0; k < indices.size(); ++k) may[indices[k]] = answers[k];
  }
  return may;
}

}  // namespace floe
