// entries, files and their kin: a row for each entry of a snapshot's manifests, or of all snapshots'.
#include <arrow/api.h>
#include <arrow/compute/api_vector.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "floe/inspect/columns.h"
#include "floe/inspect/entries.h"
#include "floe/inspect/manifests_of.h"
#include "floe/inspect/metadata_table.h"
#include "floe/inspect/readable_metrics.h"

namespace floe {
namespace {

constexpr std::string_view kWhat = "the entries of a manifest as Arrow";
constexpr size_t kBatchRows = 4096;
constexpr std::string_view kReadableMetrics = "readable_metrics";
constexpr std::string_view kDataFile = "data_file";

// The ids of readable metrics follow those of all other columns.
Field readable_metrics_after(const TableMetadata& table, const Schema& others) {
  return readable_metrics_field(*current_schema(table), highest_field_id(others) + 1);
}

Schema files_schema(const TableMetadata& table) {
  Schema schema{.fields = file_fields(table)};
  schema.fields.push_back(readable_metrics_after(table, schema));
  return schema;
}

Schema entries_schema(const TableMetadata& table) {
  const Type large = primitive(TypeKind::kLong);
  Schema schema{.fields = {
                    {.id = 0, .name = "status", .required = true, .type = primitive(TypeKind::kInt)},
                    {.id = 1, .name = "snapshot_id", .type = large},
                    {.id = 3, .name = "sequence_number", .type = large},
                    {.id = 4, .name = "file_sequence_number", .type = large},
                    {.id = 2, .name = "data_file", .required = true, .type = struct_type(file_fields(table))},
                }};
  schema.fields.push_back(readable_metrics_after(table, schema));
  return schema;
}

bool needs_maps(const Field& field) {
  if (field.name == kReadableMetrics || is_statistics_map(field.name)) return true;
  if (field.name != kDataFile) return false;
  const std::vector<Field>& children = *field.type.children;
  return std::any_of(children.begin(), children.end(), &needs_maps);
}

// What all manifests of one request share.
struct EntryRows {
  explicit EntryRows(InspectionPtr what)
      : inspection(std::move(what)),
        schema(to_arrow_schema(inspection->columns)),
        filter(*inspection),
        with_maps(std::any_of(inspection->columns.fields.begin(), inspection->columns.fields.end(), &needs_maps)) {
    const std::vector<Field>& fields = inspection->columns.fields;
    for (size_t i = 0; i < fields.size(); ++i) {
      if (fields[i].name != kReadableMetrics) continue;
      metrics.emplace(*current_schema(inspection->metadata()), fields[i], schema->field(static_cast<int>(i))->type());
    }
  }

  ArrayPtr column(const EntryRange& range, const Field& field, const DataTypePtr& type) const {
    const Manifest& manifest = *range.manifest;
    if (field.name == kReadableMetrics) return metrics->of(range);
    if (field.name == kDataFile) {
      arrow::ArrayVector children;
      for (size_t i = 0; i < field.type.children->size(); ++i) {
        children.push_back(file_array(range, (*field.type.children)[i], type->field(static_cast<int>(i))->type()));
      }
      return struct_array(range.size(), type, children);
    }
    if (field.name == "status") {
      std::vector<int32_t> values;
      for (size_t i = range.begin; i < range.end; ++i) values.push_back(static_cast<int32_t>(manifest.status[i]));
      return number_array(std::move(values), type);
    }
    if (field.name == "snapshot_id") return long_array(range, manifest.snapshot_id);
    if (field.name == "sequence_number") return long_array(range, manifest.sequence_number);
    if (field.name == "file_sequence_number") return long_array(range, manifest.file_sequence_number);
    return file_array(range, field, type);
  }

  // `keep`: of the range's entries; empty: all.
  std::shared_ptr<arrow::RecordBatch> batch(const EntryRange& range, const std::vector<uint8_t>& keep) const {
    arrow::ArrayVector arrays;
    for (int i = 0; i < schema->num_fields(); ++i) {
      arrays.push_back(column(range, inspection->columns.fields[i], schema->field(i)->type()));
    }
    auto all = arrow::RecordBatch::Make(schema, range.size(), std::move(arrays));
    const auto kept = std::count(keep.begin(), keep.end(), 1);
    if (keep.empty() || kept == range.size()) return all;
    std::vector<int32_t> rows;
    for (size_t i = 0; i < keep.size(); ++i) {
      if (keep[i]) rows.push_back(static_cast<int32_t>(i));
    }
    arrow::ArrayVector some;
    const ArrayPtr indices = number_array(std::move(rows), arrow::int32());
    for (const ArrayPtr& array : all->columns()) {
      some.push_back(
          check(arrow::compute::Take(*array, *indices, arrow::compute::TakeOptions::NoBoundsCheck()), kWhat));
    }
    return arrow::RecordBatch::Make(schema, kept, std::move(some));
  }

  const InspectionPtr inspection;
  const std::shared_ptr<arrow::Schema> schema;
  const EntryFilter filter;
  const bool with_maps;
  std::optional<ReadableMetrics> metrics;  // if they are wanted
  bool live_only = false;
};
using EntryRowsPtr = std::shared_ptr<const EntryRows>;

// The rows of some manifests. Without maps their entries come from the cache, as planning has them; with maps a
// manifest is read a part at a time, and small ones with the same header together.
class ManifestRows {
 public:
  ManifestRows(EntryRowsPtr rows, std::vector<ManifestFile> files) : rows_(std::move(rows)), files_(std::move(files)) {}

  std::shared_ptr<arrow::RecordBatch> next() {
    for (;;) {
      const EntryRange range = of_table(*rows_->inspection, [&] { return next_range(); });
      if (range.size() == 0) return nullptr;
      auto batch = rows_->batch(range, kept(range));
      if (batch->num_rows() > 0) return batch;
    }
  }

 private:
  EntryRange next_range() { return rows_->with_maps ? next_whole() : next_cached(); }

  EntryRange next_whole() {
    auto some = std::make_shared<WholeEntries>();
    keep_.clear();
    while (some->size() < kBatchRows && open_next()) {
      if (!whole_->may_follow(*some)) break;
      const size_t begin = some->size();
      const bool more = whole_->read(kBatchRows, *some);
      for (size_t i = begin; i < some->size() && !may_match_.empty(); ++i) keep_.push_back(may_match_.at(at_++));
      if (!more) whole_.reset();
    }
    return {some->manifest, 0, some->size(), std::shared_ptr<const EntryMaps>(some, &some->maps)};
  }

  EntryRange next_cached() {
    while (open_next()) {
      const ManifestPtr manifest = reader_->entries();
      const size_t begin = at_;
      at_ = std::min(begin + kBatchRows, manifest->size);
      if (begin < at_) {
        keep_.clear();
        if (!may_match_.empty()) keep_.assign(may_match_.begin() + begin, may_match_.begin() + at_);
        return {manifest, begin, at_, nullptr};
      }
      reader_.reset();
    }
    return {};
  }

  // False: there is no manifest left.
  bool open_next() {
    if (whole_ || (reader_ && !rows_->with_maps)) return true;
    if (next_ == files_.size()) return false;
    const ManifestFile& file = files_[next_++];
    Io& io = *rows_->inspection->io;
    at_ = 0;
    may_match_.clear();
    if (!rows_->with_maps || !rows_->filter.keeps_all()) reader_ = open_manifest(io, file);
    if (!rows_->filter.keeps_all()) may_match_ = rows_->filter.may_match(*reader_);
    if (rows_->with_maps) {
      const int64_t length = file.manifest_length > 0 ? file.manifest_length : -1;
      whole_ = std::make_unique<WholeEntryReader>(io.read(file.manifest_path, length), file);
    }
    return true;
  }

  std::vector<uint8_t> kept(const EntryRange& range) const {
    if (!rows_->live_only) return keep_;
    std::vector<uint8_t> keep;
    for (size_t i = range.begin; i < range.end; ++i) {
      const bool live = range.manifest->status[i] != EntryStatus::kDeleted;
      keep.push_back(live && (keep_.empty() || keep_[i - range.begin]));
    }
    return keep;
  }

  const EntryRowsPtr rows_;
  const std::vector<ManifestFile> files_;
  size_t next_ = 0;  // of them

  // The open manifest.
  ManifestReaderPtr reader_;
  std::unique_ptr<WholeEntryReader> whole_;
  std::vector<uint8_t> may_match_;  // one for each entry; empty: all do
  size_t at_ = 0;                   // its next entry

  std::vector<uint8_t> keep_;  // of the range that was read last, by the filter; empty: all
};

// Manifests that are small follow one another, up to this many and this many entries: each range costs as much as many
// rows.
constexpr size_t kManifestsTogether = 64;
constexpr int64_t kEntriesTogether = 1000;

std::vector<std::vector<ManifestFile>> in_groups(std::vector<ManifestFile> manifests) {
  std::vector<std::vector<ManifestFile>> groups;
  int64_t entries = 0;
  for (ManifestFile& manifest : manifests) {
    const bool counted = manifest.added_files_count != kNotKnown && manifest.existing_files_count != kNotKnown &&
                         manifest.deleted_files_count != kNotKnown;
    const int64_t own = counted
                            ? manifest.added_files_count + manifest.existing_files_count + manifest.deleted_files_count
                            : kEntriesTogether;
    if (groups.empty() || entries + own > kEntriesTogether || groups.back().size() >= kManifestsTogether) {
      groups.emplace_back();
      entries = 0;
    }
    entries += own;
    groups.back().push_back(std::move(manifest));
  }
  return groups;
}

BatchReaderPtr open_entries(const InspectionPtr& inspection, std::vector<ManifestFile> manifests, bool live_only) {
  auto rows = std::make_shared<EntryRows>(inspection);
  rows->live_only = live_only;
  std::erase_if(manifests, [&](const ManifestFile& manifest) { return !rows->filter.may_match(manifest); });
  std::vector<std::vector<ManifestFile>> groups = in_groups(std::move(manifests));
  const size_t n = groups.size();
  return read_in_order(inspection, n, [rows, groups = std::move(groups)](size_t i) -> BatchStream {
    auto source = std::make_shared<ManifestRows>(rows, groups[i]);
    return [source] { return source->next(); };
  });
}

enum class Scope { kSnapshot, kAll };
enum class Files { kAll, kData, kDeletes };

template <Scope kScope>
std::vector<ManifestFile> manifests_in(const Inspection& inspection) {
  return kScope == Scope::kAll ? manifests_of_all(inspection) : manifests_of_snapshot(inspection);
}

template <Scope kScope>
BatchReaderPtr open_entries(const InspectionPtr& inspection) {
  return open_entries(inspection, manifests_in<kScope>(*inspection), /*live_only=*/false);
}

template <Scope kScope, Files kFiles>
BatchReaderPtr open_files(const InspectionPtr& inspection) {
  std::vector<ManifestFile> manifests = manifests_in<kScope>(*inspection);
  if (kFiles != Files::kAll) {
    const ManifestContent content = kFiles == Files::kData ? ManifestContent::kData : ManifestContent::kDeletes;
    std::erase_if(manifests, [&](const ManifestFile& manifest) { return manifest.content != content; });
  }
  return open_entries(inspection, std::move(manifests), /*live_only=*/true);
}

}  // namespace

std::vector<MetadataTable> entry_tables() {
  using enum Scope;
  return {{"entries", true, true, &entries_schema, &open_entries<kSnapshot>},
          {"files", true, true, &files_schema, &open_files<kSnapshot, Files::kAll>},
          {"data_files", true, true, &files_schema, &open_files<kSnapshot, Files::kData>},
          {"delete_files", true, true, &files_schema, &open_files<kSnapshot, Files::kDeletes>},
          {"all_entries", false, true, &entries_schema, &open_entries<kAll>},
          {"all_files", false, true, &files_schema, &open_files<kAll, Files::kAll>},
          {"all_data_files", false, true, &files_schema, &open_files<kAll, Files::kData>},
          {"all_delete_files", false, true, &files_schema, &open_files<kAll, Files::kDeletes>}};
}

}  // namespace floe
