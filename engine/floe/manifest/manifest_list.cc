#include "floe/manifest/manifest_list.h"

#include <fmt/format.h>

#include <utility>

#include "floe/avro/rows.h"
#include "floe/manifest/fields.h"

namespace floe {

namespace {

std::optional<std::string> optional_bytes(Value& value) {
  if (value.is_null()) return std::nullopt;
  return std::get<std::string>(std::move(value.data));
}

int64_t count(const Value& value) {
  if (value.is_null()) return kNotKnown;
  const auto* number = std::get_if<int32_t>(&value.data);
  const int64_t result = number != nullptr ? *number : value.as<int64_t>();
  return result < 0 ? kNotKnown : result;
}

FieldSummary summary_from(std::vector<Value> row) {
  FieldSummary summary{.contains_null = row.at(0).as<bool>(),
                       .lower_bound = optional_bytes(row.at(2)),
                       .upper_bound = optional_bytes(row.at(3))};
  if (!row.at(1).is_null()) summary.contains_nan = row.at(1).as<bool>();
  return summary;
}

// `row` has list_fields(0).
ManifestFile manifest_from(std::vector<Value> row) {
  ManifestFile file;
  size_t i = 0;
  file.manifest_path = std::get<std::string>(std::move(row.at(i++).data));
  file.manifest_length = row.at(i++).as<int64_t>();
  file.partition_spec_id = row.at(i++).as<int32_t>();
  const int32_t content = row.at(i++).as<int32_t>();
  if (content != 0 && content != 1) throw CorruptFile(fmt::format("a manifest's content is {}", content));
  file.content = static_cast<ManifestContent>(content);
  file.sequence_number = row.at(i++).as<int64_t>();
  file.min_sequence_number = row.at(i++).as<int64_t>();
  file.added_snapshot_id = row.at(i++).as<int64_t>();
  file.added_files_count = count(row.at(i++));
  file.existing_files_count = count(row.at(i++));
  file.deleted_files_count = count(row.at(i++));
  file.added_rows_count = count(row.at(i++));
  file.existing_rows_count = count(row.at(i++));
  file.deleted_rows_count = count(row.at(i++));
  if (Value& partitions = row.at(i++); !partitions.is_null()) {
    file.partitions.emplace();
    for (Value& summary : std::get<std::vector<Value>>(partitions.data)) {
      file.partitions->push_back(summary_from(std::get<std::vector<Value>>(std::move(summary.data))));
    }
  }
  file.key_metadata = optional_bytes(row.at(i++));
  if (const Value& first_row_id = row.at(i++); !first_row_id.is_null()) {
    file.first_row_id = first_row_id.as<int64_t>();
  }
  return file;
}

Value bytes_value(const std::optional<std::string>& bytes) { return bytes ? Value(*bytes) : Value(); }

// Those of a spec without fields are an empty list: Java fails to show manifests that have none.
Value summaries_value(const std::optional<std::vector<FieldSummary>>& summaries) {
  if (!summaries) return {};
  std::vector<Value> rows;
  for (const FieldSummary& summary : *summaries) {
    rows.push_back(std::vector<Value>{summary.contains_null,
                                      summary.contains_nan ? Value(*summary.contains_nan) : Value(),
                                      bytes_value(summary.lower_bound), bytes_value(summary.upper_bound)});
  }
  return rows;
}

// `type` is that of the field: the counts of files are ints.
Value count_value(int64_t count, const Field& field, const ManifestFile& file) {
  if (count == kNotKnown) {
    if (!field.required) return {};
    throw InvalidArgument(
        fmt::format("{} of the manifest {} is not known, which a table of version 1 allows and later ones do not: "
                    "count its entries first",
                    field.name, file.manifest_path));
  }
  if (field.type.kind == TypeKind::kInt) return static_cast<int32_t>(count);
  return count;
}

std::vector<Value> row_of(const ManifestFile& file, const std::vector<Field>& fields) {
  std::vector<Value> row;
  for (const Field& field : fields) {
    switch (field.id) {
      case 500:
        row.emplace_back(file.manifest_path);
        break;
      case 501:
        row.emplace_back(file.manifest_length);
        break;
      case 502:
        row.emplace_back(file.partition_spec_id);
        break;
      case 517:
        row.emplace_back(static_cast<int32_t>(file.content));
        break;
      case 515:
        row.emplace_back(file.sequence_number);
        break;
      case 516:
        row.emplace_back(file.min_sequence_number);
        break;
      case 503:
        row.emplace_back(file.added_snapshot_id);
        break;
      case 504:
        row.push_back(count_value(file.added_files_count, field, file));
        break;
      case 505:
        row.push_back(count_value(file.existing_files_count, field, file));
        break;
      case 506:
        row.push_back(count_value(file.deleted_files_count, field, file));
        break;
      case 512:
        row.push_back(count_value(file.added_rows_count, field, file));
        break;
      case 513:
        row.push_back(count_value(file.existing_rows_count, field, file));
        break;
      case 514:
        row.push_back(count_value(file.deleted_rows_count, field, file));
        break;
      case 507:
        row.push_back(summaries_value(file.partitions));
        break;
      case 519:
        row.push_back(bytes_value(file.key_metadata));
        break;
      default:  // 520
        row.push_back(file.first_row_id ? Value(*file.first_row_id) : Value());
        break;
    }
  }
  return row;
}

// Every data manifest without a first row id gets the next range, as long as its live rows: any of its files may have
// none yet. Delete manifests never have one.
int64_t assign_first_row_ids(std::vector<ManifestFile>& manifests, int64_t next_row_id) {
  for (ManifestFile& file : manifests) {
    if (file.content == ManifestContent::kDeletes) {
      file.first_row_id.reset();
      continue;
    }
    if (file.first_row_id) continue;
    if (file.added_rows_count == kNotKnown || file.existing_rows_count == kNotKnown) {
      throw InvalidArgument(fmt::format(
          "row ids cannot be assigned to the manifest {}: its row counts are not known; count its entries first",
          file.manifest_path));
    }
    file.first_row_id = next_row_id;
    if (__builtin_add_overflow(next_row_id, file.added_rows_count, &next_row_id) ||
        __builtin_add_overflow(next_row_id, file.existing_rows_count, &next_row_id)) {
      throw CorruptFile(fmt::format("the row counts of the manifest {} are out of range", file.manifest_path));
    }
  }
  return next_row_id;
}

// A manifest's summary of one field, in the terms of statistics. Only whether there are nulls and NaNs is known, not
// how many: one stands for some. Without bounds all values are null or NaN, and then the counts add up.
void append_summary(const FieldSummary* summary, ColumnStats& stats) {
  const bool known = summary != nullptr;
  const int64_t nulls = known ? (summary->contains_null ? 1 : 0) : kNotKnown;
  const int64_t nans = known && summary->contains_nan ? (*summary->contains_nan ? 1 : 0) : kNotKnown;
  const bool bounded = known && (summary->lower_bound || summary->upper_bound);
  const bool counted = !bounded && nulls != kNotKnown && nans != kNotKnown && nulls + nans > 0;
  stats.value_counts.push_back(counted ? nulls + nans : kNotKnown);
  stats.null_counts.push_back(nulls);
  stats.nan_counts.push_back(nans);
  const auto append = [](BytesColumn& column, const std::optional<std::string>& bytes) {
    bytes ? column.append(*bytes) : column.append_absent();
  };
  append(stats.lower_bounds, known ? summary->lower_bound : std::nullopt);
  append(stats.upper_bounds, known ? summary->upper_bound : std::nullopt);
}

}  // namespace

std::vector<ManifestFile> read_manifest_list(std::string_view bytes, const std::string& file) {
  std::vector<ManifestFile> manifests;
  avro::read_rows(bytes, file, manifest_fields::list_fields(0),
                  [&](std::vector<Value> row) { manifests.push_back(manifest_from(std::move(row))); });
  return manifests;
}

std::string write_manifest_list(int32_t format_version, const Snapshot& snapshot, std::vector<ManifestFile>& manifests,
                                int64_t* next_row_id) {
  avro::Metadata metadata = {
      {"snapshot-id", std::to_string(snapshot.snapshot_id)},
      {"parent-snapshot-id", snapshot.parent_snapshot_id ? std::to_string(*snapshot.parent_snapshot_id) : "null"},
      {"format-version", std::to_string(format_version)},
  };
  if (format_version >= 2) metadata["sequence-number"] = std::to_string(snapshot.sequence_number);
  if (format_version >= 3) {
    if (next_row_id == nullptr) throw InvalidArgument("a manifest list of version 3 needs the table's next row id");
    metadata["first-row-id"] = std::to_string(*next_row_id);
    *next_row_id = assign_first_row_ids(manifests, *next_row_id);
  }
  const std::vector<Field> fields = manifest_fields::list_fields(format_version);
  avro::Writer writer(avro::to_avro_schema(fields, "manifest_file"), metadata, avro::Codec::kDeflate);
  for (const ManifestFile& file : manifests) {
    if (format_version == 1 && file.content == ManifestContent::kDeletes) {
      throw InvalidArgument(
          fmt::format("the manifest {} lists delete files, which tables of version 1 do not have", file.manifest_path));
    }
    avro::encode_row(fields, row_of(file, fields), writer.record());
    writer.end_record();
  }
  return writer.finish();
}

Stats partition_stats(const std::vector<const ManifestFile*>& manifests, const PartitionSpec& spec) {
  Stats stats{.size = manifests.size()};
  for (size_t i = 0; i < spec.fields.size(); ++i) {
    ColumnStats column{.field_id = spec.fields[i].field_id};
    for (const ManifestFile* file : manifests) {
      append_summary(file->partitions && i < file->partitions->size() ? &(*file->partitions)[i] : nullptr, column);
    }
    stats.columns.push_back(std::move(column));
  }
  return stats;
}

}  // namespace floe
