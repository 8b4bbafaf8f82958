// manifests and all_manifests: a row for each manifest of a snapshot.
#include <arrow/api.h>
#include <fmt/format.h>

#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "floe/inspect/columns.h"
#include "floe/inspect/metadata_table.h"
#include "floe/manifest/manifest.h"
#include "floe/transaction/snapshot_producer.h"

namespace floe {
namespace {

constexpr std::string_view kWhat = "manifests as Arrow";
constexpr size_t kBatchRows = 4096;

// Java's ids. Reading goes by them.
enum Column : int32_t {
  kContent = 14,
  kPath = 1,
  kLength = 2,
  kSpecId = 3,
  kAddedSnapshotId = 4,
  kAddedDataFiles = 5,
  kExistingDataFiles = 6,
  kDeletedDataFiles = 7,
  kAddedDeleteFiles = 15,
  kExistingDeleteFiles = 16,
  kDeletedDeleteFiles = 17,
  kPartitionSummaries = 8,
  kReferenceSnapshotId = 18,
  kKeyMetadata = 19,
};

Field column(int32_t id, const char* name, Type type, bool required = true) {
  return {.id = id, .name = name, .required = required, .type = std::move(type)};
}

Schema manifests_schema(const TableMetadata&) {
  const Type number = primitive(TypeKind::kInt);
  const Type large = primitive(TypeKind::kLong);
  const Type text = primitive(TypeKind::kString);
  const Type summary = struct_type({column(10, "contains_null", primitive(TypeKind::kBoolean)),
                                    column(11, "contains_nan", primitive(TypeKind::kBoolean), false),
                                    column(12, "lower_bound", text, false), column(13, "upper_bound", text, false)});
  return {.fields = {column(kContent, "content", number), column(kPath, "path", text), column(kLength, "length", large),
                     column(kSpecId, "partition_spec_id", number), column(kAddedSnapshotId, "added_snapshot_id", large),
                     column(kAddedDataFiles, "added_data_files_count", number),
                     column(kExistingDataFiles, "existing_data_files_count", number),
                     column(kDeletedDataFiles, "deleted_data_files_count", number),
                     column(kAddedDeleteFiles, "added_delete_files_count", number),
                     column(kExistingDeleteFiles, "existing_delete_files_count", number),
                     column(kDeletedDeleteFiles, "deleted_delete_files_count", number),
                     column(kPartitionSummaries, "partition_summaries", list_type(9, summary, true))}};
}

Schema all_manifests_schema(const TableMetadata& table) {
  Schema schema = manifests_schema(table);
  schema.fields.push_back(column(kReferenceSnapshotId, "reference_snapshot_id", primitive(TypeKind::kLong)));
  schema.fields.push_back(column(kKeyMetadata, "key_metadata", primitive(TypeKind::kBinary), false));
  return schema;
}

// The bounds of partition summaries in words. The same ones are many, and put into words once.
class BoundTexts {
 public:
  explicit BoundTexts(const TableMetadata& table) {
    for (const PartitionSpec& spec : table.partition_specs) {
      auto& fields = specs_[spec.spec_id];
      const Type types = partition_type(spec, *current_schema(table));
      for (size_t i = 0; i < spec.fields.size(); ++i) {
        fields.push_back({spec.fields[i].transform, (*types.children)[i].type, {}});
      }
    }
  }

  // nullopt for bounds that are absent, or are no value of their type.
  std::optional<std::string_view> of(int32_t spec_id, size_t field, const std::optional<std::string>& bound) {
    const auto spec = specs_.find(spec_id);
    if (!bound || spec == specs_.end() || field >= spec->second.size()) return std::nullopt;
    OfField& of = spec->second[field];
    const auto [found, is_new] = of.texts.try_emplace(*bound);
    if (is_new) found->second = text(of, *bound);
    return found->second ? std::optional<std::string_view>(*found->second) : std::nullopt;
  }

 private:
  struct OfField {
    Transform transform;
    Type type;
    std::unordered_map<std::string, std::optional<std::string>> texts;
  };

  static std::optional<std::string> text(const OfField& field, const std::string& bound) {
    try {
      const Value value = from_bytes(bound, field.type);
      if (value.is_null() || !fits(value, field.type)) return std::nullopt;
      return to_human_string(field.transform, field.type, value);
    } catch (const CorruptFile&) {
      return std::nullopt;
    }
  }

  std::map<int32_t, std::vector<OfField>> specs_;
};

using Lines = std::vector<const ManifestFile*>;

template <typename Builder, typename Get>
ArrayPtr built(const Lines& lines, const Get& get) {
  Builder builder;
  check(builder.Reserve(static_cast<int64_t>(lines.size())), kWhat);
  for (const ManifestFile* line : lines) check(builder.Append(get(*line)), kWhat);
  return check(builder.Finish(), kWhat);
}

ArrayPtr summaries_array(const Lines& lines, const DataTypePtr& type, BoundTexts& texts) {
  arrow::BooleanBuilder nulls, nans;
  arrow::StringBuilder lower, upper;
  std::vector<int32_t> offsets = {0};
  const auto append = [](arrow::StringBuilder& builder, const std::optional<std::string_view>& text) {
    check(text ? builder.Append(*text) : builder.AppendNull(), kWhat);
  };
  for (const ManifestFile* line : lines) {
    for (size_t i = 0; line->partitions && i < line->partitions->size(); ++i) {
      const FieldSummary& summary = (*line->partitions)[i];
      check(nulls.Append(summary.contains_null), kWhat);
      check(summary.contains_nan ? nans.Append(*summary.contains_nan) : nans.AppendNull(), kWhat);
      append(lower, texts.of(line->partition_spec_id, i, summary.lower_bound));
      append(upper, texts.of(line->partition_spec_id, i, summary.upper_bound));
    }
    offsets.push_back(static_cast<int32_t>(nulls.length()));
  }
  const auto& summary_type = static_cast<const arrow::ListType&>(*type).value_type();
  const int64_t n = nulls.length();
  const ArrayPtr summaries = struct_array(n, summary_type,
                                          {check(nulls.Finish(), kWhat), check(nans.Finish(), kWhat),
                                           check(lower.Finish(), kWhat), check(upper.Finish(), kWhat)});
  return std::make_shared<arrow::ListArray>(type, static_cast<int64_t>(lines.size()),
                                            arrow::Buffer::FromVector(std::move(offsets)), summaries);
}

// The columns that are wanted, of lines that one snapshot has.
class ManifestRows {
 public:
  explicit ManifestRows(InspectionPtr inspection)
      : inspection_(std::move(inspection)),
        schema_(to_arrow_schema(inspection_->columns)),
        texts_(inspection_->metadata()) {}

  std::shared_ptr<arrow::RecordBatch> batch(const Lines& lines, int64_t snapshot_id) {
    const auto n = static_cast<int64_t>(lines.size());
    arrow::ArrayVector arrays;
    for (int i = 0; i < schema_->num_fields(); ++i) {
      arrays.push_back(array(lines, inspection_->columns.fields[i].id, schema_->field(i)->type(), snapshot_id));
    }
    return arrow::RecordBatch::Make(schema_, n, std::move(arrays));
  }

 private:
  ArrayPtr array(const Lines& lines, int32_t id, const DataTypePtr& type, int64_t snapshot_id) {
    switch (id) {
      case kContent:
        return built<arrow::Int32Builder>(lines, [](const auto& line) { return static_cast<int32_t>(line.content); });
      case kPath:
        return built<arrow::StringBuilder>(lines, [](const auto& line) { return line.manifest_path; });
      case kLength:
        return built<arrow::Int64Builder>(lines, [](const auto& line) { return line.manifest_length; });
      case kSpecId:
        return built<arrow::Int32Builder>(lines, [](const auto& line) { return line.partition_spec_id; });
      case kAddedSnapshotId:
        return built<arrow::Int64Builder>(lines, [](const auto& line) { return line.added_snapshot_id; });
      case kAddedDataFiles:
        return counts(lines, ManifestContent::kData, &ManifestFile::added_files_count);
      case kExistingDataFiles:
        return counts(lines, ManifestContent::kData, &ManifestFile::existing_files_count);
      case kDeletedDataFiles:
        return counts(lines, ManifestContent::kData, &ManifestFile::deleted_files_count);
      case kAddedDeleteFiles:
        return counts(lines, ManifestContent::kDeletes, &ManifestFile::added_files_count);
      case kExistingDeleteFiles:
        return counts(lines, ManifestContent::kDeletes, &ManifestFile::existing_files_count);
      case kDeletedDeleteFiles:
        return counts(lines, ManifestContent::kDeletes, &ManifestFile::deleted_files_count);
      case kPartitionSummaries:
        return summaries_array(lines, type, texts_);
      case kReferenceSnapshotId:
        return constant_array(static_cast<int64_t>(lines.size()), arrow::Int64Scalar(snapshot_id));
      default: {  // kKeyMetadata
        arrow::BinaryBuilder builder;
        for (const ManifestFile* line : lines) {
          check(line->key_metadata ? builder.Append(*line->key_metadata) : builder.AppendNull(), kWhat);
        }
        return check(builder.Finish(), kWhat);
      }
    }
  }

  static ArrayPtr counts(const Lines& lines, ManifestContent content, int64_t ManifestFile::* count) {
    return built<arrow::Int32Builder>(lines, [&](const ManifestFile& line) {
      return line.content == content ? static_cast<int32_t>(line.*count) : 0;
    });
  }

  const InspectionPtr inspection_;
  const std::shared_ptr<arrow::Schema> schema_;
  BoundTexts texts_;
};

bool are_counted(const std::vector<ManifestFile>& lines) {
  return std::none_of(lines.begin(), lines.end(), [](const ManifestFile& line) {
    return line.added_files_count == kNotKnown || line.existing_files_count == kNotKnown ||
           line.deleted_files_count == kNotKnown;
  });
}

// A snapshot's lines, with the counts of files that version 1 may leave out.
std::shared_ptr<const std::vector<ManifestFile>> lines_of(const Inspection& inspection, const Snapshot& snapshot) {
  Io& io = *inspection.io;
  return of_table(inspection, [&]() -> std::shared_ptr<const std::vector<ManifestFile>> {
    if (!snapshot.manifest_list.empty()) {
      auto lines = open_manifest_list(io, snapshot.manifest_list);
      if (are_counted(*lines)) return lines;
    }
    auto lines = std::make_shared<std::vector<ManifestFile>>(manifests_of(io, snapshot));
    for (ManifestFile& line : *lines) {
      if (!are_counted({line})) count_entries(*open_manifest(io, line)->entries(), line);
    }
    return lines;
  });
}

BatchStream rows_of_snapshot(const InspectionPtr& inspection, const Snapshot& snapshot) {
  return [inspection, &snapshot, lines = lines_of(*inspection, snapshot),
          rows = std::make_shared<ManifestRows>(inspection),
          next = size_t{0}]() mutable -> std::shared_ptr<arrow::RecordBatch> {
    Lines some;
    while (next < lines->size() && some.size() < kBatchRows) some.push_back(&(*lines)[next++]);
    return some.empty() ? nullptr : rows->batch(some, snapshot.snapshot_id);
  };
}

BatchReaderPtr open_manifests(const InspectionPtr& inspection) {
  return read_in_order(inspection, inspection->snapshot ? 1 : 0,
                       [inspection](size_t) { return rows_of_snapshot(inspection, *inspection->snapshot); });
}

BatchReaderPtr open_all_manifests(const InspectionPtr& inspection) {
  return read_in_order(inspection, inspection->metadata().snapshots.size(), [inspection](size_t i) {
    return rows_of_snapshot(inspection, *inspection->metadata().snapshots[i]);
  });
}

}  // namespace

std::vector<MetadataTable> manifest_tables() {
  return {{"manifests", true, false, &manifests_schema, &open_manifests},
          {"all_manifests", false, false, &all_manifests_schema, &open_all_manifests}};
}

}  // namespace floe
