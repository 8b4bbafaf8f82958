#include "floe/scan/partition.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "floe/error.h"

namespace floe {
namespace {

template <typename T>
void append_bytes(std::string& key, T value) {
  key.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
T number(std::string_view bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof(value)));
  return value;
}

// Numbers of the type's widest form, and everything else as it is.
void append_value(std::string& key, std::string_view bytes, const Type& from, const Type& to) {
  if (from.kind == TypeKind::kDate && to.kind != TypeKind::kDate) {
    key += to_bytes(from_bytes(bytes, to), to);
  } else if (from.kind == TypeKind::kInt || from.kind == TypeKind::kDate) {
    append_bytes(key, int64_t{number<int32_t>(bytes)});
  } else if (from.kind == TypeKind::kFloat || from.kind == TypeKind::kDouble) {
    const double value = from.kind == TypeKind::kFloat ? number<float>(bytes) : number<double>(bytes);
    append_bytes(key, std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value);
  } else {
    key += bytes;
  }
}

}  // namespace

Type partition_field_type(const Manifest& manifest, size_t field, const Schema& schema) {
  const PartitionField& partition_field = manifest.spec.fields[field];
  const Field* source =
      partition_field.source_ids.size() == 1 ? find_field(schema, partition_field.source_id()) : nullptr;
  if (!source || !can_transform(partition_field.transform, source->type)) return manifest.partition_types[field];
  return result_type(partition_field.transform, source->type);
}

std::vector<Value> partition_values(const Manifest& manifest, size_t entry, const Schema& schema) {
  std::vector<Value> values;
  for (size_t i = 0; i < manifest.partition.size(); ++i) {
    const BytesColumn& column = manifest.partition[i];
    try {
      values.push_back(column.has(entry) ? from_bytes(column[entry], partition_field_type(manifest, i, schema))
                                         : Value());
    } catch (const CorruptFile& e) {
      throw CorruptFile(fmt::format("the manifest's entry of {}: partition field {}: {}", manifest.file_path[entry],
                                    manifest.spec.fields[i].name, e.what()));
    }
  }
  return values;
}

std::vector<std::pair<int32_t, Value>> identity_values(const Manifest& manifest, const std::vector<Value>& values) {
  std::vector<std::pair<int32_t, Value>> found;
  for (size_t i = 0; i < values.size(); ++i) {
    const PartitionField& field = manifest.spec.fields[i];
    if (field.transform.kind == TransformKind::kIdentity && field.source_ids.size() == 1) {
      found.emplace_back(field.source_id(), values[i]);
    }
  }
  return found;
}

PartitionKeys::PartitionKeys(const Manifest& manifest, const PartitionSpec& spec, const Schema& schema)
    : spec_id_(manifest.spec_id) {
  for (const PartitionField& field : spec.fields) {
    const auto& held = manifest.spec.fields;
    const auto found = std::find_if(held.begin(), held.end(),
                                    [&](const PartitionField& each) { return each.field_id == field.field_id; });
    if (found == held.end()) {
      parts_.push_back({.values = nullptr, .from = {}, .to = {}});
    } else {
      const size_t i = found - held.begin();
      parts_.push_back(
          {&manifest.partition[i], manifest.partition_types[i], partition_field_type(manifest, i, schema)});
    }
  }
}

void PartitionKeys::write(size_t entry, std::string& key) const {
  key.clear();
  append_bytes(key, spec_id_);
  for (const Part& part : parts_) {
    const size_t start = key.size();
    append_bytes(key, uint32_t{0});
    if (!part.values || !part.values->has(entry)) continue;
    append_value(key, (*part.values)[entry], part.from, part.to);
    const auto length = static_cast<uint32_t>(key.size() - start - sizeof(uint32_t) + 1);  // 0 is null
    std::memcpy(key.data() + start, &length, sizeof(length));
  }
}

}  // namespace floe
