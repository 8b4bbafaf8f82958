#include "floe/inspect/entries.h"

#include <arrow/api.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/inspect/metadata_table.h"
#include "floe/scan/metadata_columns.h"

namespace floe {
namespace {

constexpr std::string_view kWhat = "the entries of a manifest as Arrow";

using Make = ArrayPtr (*)(const EntryRange& range, const Field& field, const DataTypePtr& type);

struct FileColumn {
  int32_t id;
  const char* name;
  bool required;
  Type type;
  Make make;
};

template <std::vector<int64_t> Manifest::* kColumn>
ArrayPtr longs(const EntryRange& range, const Field&, const DataTypePtr&) {
  return long_array(range, (*range.manifest).*kColumn);
}

template <BytesColumn Manifest::* kColumn>
ArrayPtr bytes(const EntryRange& range, const Field&, const DataTypePtr& type) {
  return bytes_array(range, (*range.manifest).*kColumn, type);
}

template <BytesColumn Manifest::* kColumn>
ArrayPtr lists(const EntryRange& range, const Field&, const DataTypePtr& type) {
  return list_array(range, (*range.manifest).*kColumn, type);
}

template <MapColumn EntryMaps::* kColumn>
ArrayPtr maps(const EntryRange& range, const Field&, const DataTypePtr& type) {
  return map_array(range, (*range.maps).*kColumn, type);
}

ArrayPtr contents(const EntryRange& range, const Field&, const DataTypePtr& type) {
  std::vector<int32_t> values;
  for (size_t i = range.begin; i < range.end; ++i) {
    values.push_back(static_cast<int32_t>(range.manifest->file_content[i]));
  }
  return number_array(std::move(values), type);
}

ArrayPtr formats(const EntryRange& range, const Field&, const DataTypePtr&) {
  arrow::StringBuilder builder;
  for (size_t i = range.begin; i < range.end; ++i) {
    check(builder.Append(to_string(range.manifest->file_format[i])), kWhat);
  }
  return check(builder.Finish(), kWhat);
}

ArrayPtr spec_ids(const EntryRange& range, const Field&, const DataTypePtr&) {
  return constant_array(range.size(), arrow::Int32Scalar(range.manifest->spec_id));
}

ArrayPtr partitions(const EntryRange& range, const Field& field, const DataTypePtr& type) {
  return partition_array(range, field.type, type);
}

ArrayPtr sort_orders(const EntryRange& range, const Field&, const DataTypePtr&) {
  return int_array(range, range.manifest->sort_order_id);
}

// Java's, in its order.
const std::vector<FileColumn>& file_columns() {
  static const Type number = primitive(TypeKind::kInt);
  static const Type large = primitive(TypeKind::kLong);
  static const Type text = primitive(TypeKind::kString);
  static const Type binary = primitive(TypeKind::kBinary);
  static const auto counts = [](int32_t id) { return map_type(id, number, id + 1, large, true); };
  static const auto bounds = [](int32_t id) { return map_type(id, number, id + 1, binary, true); };
  static const auto& columns = *new std::vector<FileColumn>{
      {134, "content", false, number, &contents},
      {100, "file_path", true, text, &bytes<&Manifest::file_path>},
      {101, "file_format", true, text, &formats},
      {141, "spec_id", false, number, &spec_ids},
      {102, "partition", true, {}, &partitions},
      {103, "record_count", true, large, &longs<&Manifest::record_count>},
      {104, "file_size_in_bytes", true, large, &longs<&Manifest::file_size_in_bytes>},
      {108, "column_sizes", false, counts(117), &maps<&EntryMaps::column_sizes>},
      {109, "value_counts", false, counts(119), &maps<&EntryMaps::value_counts>},
      {110, "null_value_counts", false, counts(121), &maps<&EntryMaps::null_value_counts>},
      {137, "nan_value_counts", false, counts(138), &maps<&EntryMaps::nan_value_counts>},
      {125, "lower_bounds", false, bounds(126), &maps<&EntryMaps::lower_bounds>},
      {128, "upper_bounds", false, bounds(129), &maps<&EntryMaps::upper_bounds>},
      {131, "key_metadata", false, binary, &bytes<&Manifest::key_metadata>},
      {132, "split_offsets", false, list_type(133, large, true), &lists<&Manifest::split_offsets>},
      {135, "equality_ids", false, list_type(136, number, true), &lists<&Manifest::equality_ids>},
      {140, "sort_order_id", false, number, &sort_orders},
      {142, "first_row_id", false, large, &longs<&Manifest::first_row_id>},
      {143, "referenced_data_file", false, text, &bytes<&Manifest::referenced_data_file>},
      {144, "content_offset", false, large, &longs<&Manifest::content_offset>},
      {145, "content_size_in_bytes", false, large, &longs<&Manifest::content_size_in_bytes>},
  };
  return columns;
}

}  // namespace

std::vector<Field> file_fields(const TableMetadata& table) {
  std::vector<Field> fields;
  for (const FileColumn& column : file_columns()) {
    Field field{.id = column.id, .name = column.name, .required = column.required, .type = column.type};
    if (column.make == &partitions) field.type = union_partition_type(table);
    fields.push_back(std::move(field));
  }
  return fields;
}

ArrayPtr file_array(const EntryRange& range, const Field& field, const DataTypePtr& type) {
  const auto& columns = file_columns();
  const auto found =
      std::find_if(columns.begin(), columns.end(), [&](const FileColumn& column) { return column.name == field.name; });
  return found->make(range, field, type);
}

bool is_statistics_map(std::string_view name) {
  static constexpr std::array<std::string_view, 6> kMaps = {"column_sizes",     "value_counts", "null_value_counts",
                                                            "nan_value_counts", "lower_bounds", "upper_bounds"};
  return std::find(kMaps.begin(), kMaps.end(), name) != kMaps.end();
}

ArrayPtr partition_array(const EntryRange& range, const Type& type, const DataTypePtr& arrow_type) {
  const Manifest& manifest = *range.manifest;
  const std::vector<PartitionField>& parts = manifest.spec.fields;
  arrow::ArrayVector children;
  for (size_t k = 0; k < type.children->size(); ++k) {
    const Field& field = (*type.children)[k];
    const auto& child_type = arrow_type->field(static_cast<int>(k))->type();
    const auto part =
        std::find_if(parts.begin(), parts.end(), [&](const PartitionField& each) { return each.field_id == field.id; });
    if (part == parts.end()) {
      children.push_back(null_array(range.size(), child_type));
      continue;
    }
    const BytesColumn& values = manifest.partition[part - parts.begin()];
    children.push_back(value_array(
        range.end - range.begin, field.type, child_type,
        [&](size_t i) {
          const size_t entry = range.begin + i;
          return values.has(entry) ? std::optional(values[entry]) : std::nullopt;
        },
        [&](size_t i) {
          throw CorruptFile(fmt::format("the manifest's entry of {}: partition field {} is no {}",
                                        manifest.file_path[range.begin + i], field.name, to_string(field.type)));
        }));
  }
  return struct_array(range.size(), arrow_type, children);
}

}  // namespace floe
