#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "floe/avro/container.h"
#include "floe/avro/rows.h"
#include "floe/expression/literal.h"
#include "floe/manifest/fields.h"
#include "floe/manifest/manifest.h"

namespace floe {

namespace {

using avro::append_bytes;
using avro::append_long;

// What version 1 asks for and nobody reads: what Java writes there.
constexpr int64_t kBlockSize = 64 << 20;

// The branches of a union with null.
constexpr int64_t kNull = 0;
constexpr int64_t kNotNull = 1;

// The least and the greatest value of one partition field, and whether it has nulls and NaNs.
class FieldValues {
 public:
  explicit FieldValues(Type type) : type_(std::move(type)) {}

  void add(const Value& value) {
    if (value.is_null()) {
      has_null_ = true;
    } else if (is_nan(value)) {
      has_nan_ = true;
    } else {
      if (least_.is_null() || compare(value, least_, type_) < 0) least_ = value;
      if (greatest_.is_null() || compare(value, greatest_, type_) > 0) greatest_ = value;
    }
  }

  FieldSummary finish() const {
    FieldSummary summary{.contains_null = has_null_, .contains_nan = has_nan_};
    if (!least_.is_null()) {
      summary.lower_bound = to_bytes(least_, type_);
      summary.upper_bound = to_bytes(greatest_, type_);
    }
    return summary;
  }

 private:
  Type type_;
  bool has_null_ = false;
  bool has_nan_ = false;
  Value least_;
  Value greatest_;
};

void encode_optional(std::optional<int64_t> value, std::string& out) {
  append_long(out, value ? kNotNull : kNull);
  if (value) append_long(out, *value);
}

void encode_optional(const std::optional<std::string>& value, std::string& out) {
  append_long(out, value ? kNotNull : kNull);
  if (value) append_bytes(out, *value);
}

void encode_item(int64_t value, std::string& out) { append_long(out, value); }
void encode_item(const std::string& value, std::string& out) { append_bytes(out, value); }

// A map, as an array of key-value records. Null if it is empty, as all lists and maps of data files are.
template <typename T>
void encode_map(const ByFieldId<T>& map, std::string& out) {
  if (map.empty()) return append_long(out, kNull);
  append_long(out, kNotNull);
  append_long(out, static_cast<int64_t>(map.size()));
  for (const auto& [key, value] : map) {
    append_long(out, key);
    encode_item(value, out);
  }
  append_long(out, 0);
}

template <typename T>
void encode_list(const std::vector<T>& list, std::string& out) {
  if (list.empty()) return append_long(out, kNull);
  append_long(out, kNotNull);
  append_long(out, static_cast<int64_t>(list.size()));
  for (const T item : list) append_long(out, item);
  append_long(out, 0);
}

// In the order of manifest_fields::entry_fields.
void encode_file(const DataFile& file, int32_t version, const std::vector<Field>& partition, std::string& out) {
  if (version >= 2) append_long(out, static_cast<int64_t>(file.content));
  append_bytes(out, file.file_path);
  append_bytes(out, to_string(file.file_format));
  avro::encode_row(partition, file.partition, out);
  append_long(out, file.record_count);
  append_long(out, file.file_size_in_bytes);
  if (version == 1) append_long(out, kBlockSize);
  encode_map(file.column_sizes, out);
  encode_map(file.value_counts, out);
  encode_map(file.null_value_counts, out);
  encode_map(file.nan_value_counts, out);
  encode_map(file.lower_bounds, out);
  encode_map(file.upper_bounds, out);
  encode_optional(file.key_metadata, out);
  encode_list(file.split_offsets, out);
  if (version >= 2) encode_list(file.equality_ids, out);
  encode_optional(file.sort_order_id, out);
  if (version >= 3) {
    encode_optional(file.content == FileContent::kData ? file.first_row_id : std::nullopt, out);
  }
  if (version >= 2) encode_optional(file.referenced_data_file, out);
  if (version >= 3) {
    encode_optional(file.content_offset, out);
    encode_optional(file.content_size_in_bytes, out);
  }
}

[[noreturn]] void refuse(const DataFile& file, std::string_view problem) {
  throw InvalidArgument(fmt::format("the file {} cannot be written to a manifest: {}", file.file_path, problem));
}

// Values of unknown type leave no trace, so that they may be any.
void check_partition(const DataFile& file, const std::vector<Field>& fields) {
  if (file.partition.size() != fields.size()) {
    refuse(file, fmt::format("it has {} partition values where the spec has {} fields", file.partition.size(),
                             fields.size()));
  }
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].type.kind == TypeKind::kUnknown || fits(file.partition[i], fields[i].type)) continue;
    refuse(file, fmt::format("its value of partition field \"{}\" is no {}, which the field's transform asks for",
                             fields[i].name, to_string(fields[i].type)));
  }
}

void check_file(const DataFile& file, int32_t version, ManifestContent content, const std::vector<Field>& partition) {
  if ((file.content == FileContent::kData) != (content == ManifestContent::kData)) {
    refuse(file, "data files and delete files are listed in manifests of their own");
  }
  check_partition(file, partition);
  if ((file.content == FileContent::kEqualityDeletes) == file.equality_ids.empty()) {
    refuse(file, "equality deletes have equality ids, and other files have none");
  }
  if (version < 3 && (file.content_offset || file.content_size_in_bytes || file.file_format == FileFormat::kPuffin)) {
    refuse(file, "deletion vectors need format version 3");
  }
}

}  // namespace

struct ManifestWriter::State {
  int32_t version;
  ManifestContent content;
  int64_t snapshot_id;
  int32_t spec_id;
  std::vector<Field> partition;
  avro::Writer writer;
  std::vector<FieldValues> summaries;
  ManifestFile file;
  std::optional<int64_t> min_sequence_number;  // of live entries that carry theirs
  bool inherits = false;                       // some live entry takes the manifest's sequence number

  void check_entry(const ManifestEntry& entry) const;
  void count(const ManifestEntry& entry);
};

ManifestWriter::ManifestWriter(int32_t format_version, const Schema& schema, const PartitionSpec& spec,
                               ManifestContent content, int64_t snapshot_id, const std::string& codec) {
  if (format_version < 1 || format_version > kLatestFormatVersion) {
    throw NotSupported(fmt::format("manifests of format version {} are not supported", format_version));
  }
  if (format_version == 1 && content == ManifestContent::kDeletes) {
    throw InvalidArgument("tables of format version 1 have no delete files; upgrade the table first");
  }
  avro::Metadata metadata = {
      {"schema", to_json(schema)},
      {"schema-id", std::to_string(schema.schema_id)},
      {"partition-spec", fields_to_json(spec)},
      {"partition-spec-id", std::to_string(spec.spec_id)},
      {"format-version", std::to_string(format_version)},
  };
  if (format_version >= 2) metadata["content"] = content == ManifestContent::kData ? "data" : "deletes";

  const Type partition = partition_type(spec, schema);
  const std::string avro_schema =
      avro::to_avro_schema(manifest_fields::entry_fields(format_version, partition), "manifest_entry");
  state_ = std::make_unique<State>(State{.version = format_version,
                                         .content = content,
                                         .snapshot_id = snapshot_id,
                                         .spec_id = spec.spec_id,
                                         .partition = *partition.children,
                                         .writer = avro::Writer(avro_schema, metadata, avro::parse_codec(codec))});
  for (const Field& field : state_->partition) state_->summaries.emplace_back(field.type);
  ManifestFile& file = state_->file;
  file.added_files_count = file.existing_files_count = file.deleted_files_count = 0;
  file.added_rows_count = file.existing_rows_count = file.deleted_rows_count = 0;
}

ManifestWriter::~ManifestWriter() = default;

void ManifestWriter::State::check_entry(const ManifestEntry& entry) const {
  check_file(entry.file, version, content, partition);
  if (entry.status == EntryStatus::kAdded) {
    if (entry.file_sequence_number) refuse(entry.file, "the file sequence number of an added file is the commit's");
  } else if (version >= 2 && !(entry.sequence_number && entry.file_sequence_number)) {
    refuse(entry.file, "only added files inherit sequence numbers; existing and deleted ones carry theirs");
  }
  if (entry.status == EntryStatus::kExisting) {
    if (entry.snapshot_id == 0) refuse(entry.file, "an existing file carries the snapshot that added it");
  } else if (entry.snapshot_id != 0 && entry.snapshot_id != snapshot_id) {
    refuse(entry.file, fmt::format("it is added or deleted by snapshot {} and not by {}, which writes the manifest",
                                   entry.snapshot_id, snapshot_id));
  }
}

void ManifestWriter::State::count(const ManifestEntry& entry) {
  const int64_t rows = std::max<int64_t>(entry.file.record_count, 0);  // -1: not known
  switch (entry.status) {
    case EntryStatus::kAdded:
      ++file.added_files_count;
      file.added_rows_count += rows;
      break;
    case EntryStatus::kExisting:
      ++file.existing_files_count;
      file.existing_rows_count += rows;
      break;
    case EntryStatus::kDeleted:
      ++file.deleted_files_count;
      file.deleted_rows_count += rows;
      break;
  }
  for (size_t i = 0; i < summaries.size(); ++i) summaries[i].add(entry.file.partition[i]);
  if (entry.status == EntryStatus::kDeleted) return;
  if (!entry.sequence_number) {
    inherits = true;
  } else {
    min_sequence_number = std::min(min_sequence_number.value_or(*entry.sequence_number), *entry.sequence_number);
  }
}

void ManifestWriter::add(const ManifestEntry& entry) {
  state_->check_entry(entry);
  std::string& out = state_->writer.record();
  const size_t start = out.size();
  try {
    append_long(out, static_cast<int64_t>(entry.status));
    const int64_t snapshot_id = entry.status == EntryStatus::kExisting ? entry.snapshot_id : state_->snapshot_id;
    if (state_->version == 1) {
      append_long(out, snapshot_id);
    } else {
      encode_optional(std::optional<int64_t>(snapshot_id), out);
      encode_optional(entry.sequence_number, out);
      encode_optional(entry.file_sequence_number, out);
    }
    encode_file(entry.file, state_->version, state_->partition, out);
    state_->count(entry);
  } catch (...) {
    out.resize(start);  // a value that does not fit leaves the manifest as it was
    throw;
  }
  state_->writer.end_record();
}

int64_t ManifestWriter::bytes_written() const { return static_cast<int64_t>(state_->writer.bytes()); }

std::pair<std::string, ManifestFile> ManifestWriter::finish(const std::string& location, int64_t sequence_number) {
  std::string bytes = state_->writer.finish();
  ManifestFile& file = state_->file;
  file.manifest_path = location;
  file.manifest_length = static_cast<int64_t>(bytes.size());
  file.partition_spec_id = state_->spec_id;
  file.content = state_->content;
  file.added_snapshot_id = state_->snapshot_id;
  if (state_->version >= 2) {
    file.sequence_number = sequence_number;
    file.min_sequence_number = state_->min_sequence_number.value_or(sequence_number);
    if (state_->inherits) file.min_sequence_number = std::min(file.min_sequence_number, sequence_number);
  }
  file.partitions.emplace();
  for (const FieldValues& summary : state_->summaries) file.partitions->push_back(summary.finish());
  return {std::move(bytes), std::move(file)};
}

}  // namespace floe
