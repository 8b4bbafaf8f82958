#include "floe/scan/scan_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "floe/arrow_status.h"
#include "floe/file/name_mapping.h"
#include "floe/scan/live_rows.h"
#include "floe/scan/metadata_columns.h"
#include "floe/scan/partition.h"
#include "floe/spec/metadata_columns.h"

namespace floe {

ScanFiles::ScanFiles(const TableMetadata& table, ScanPlan plan, const ScanOptions& options, IoPtr io,
                     std::shared_ptr<ScanCounters> counters)
    : plan_(std::move(plan)),
      table_name_(options.table_name),
      name_mapping_(string_property(table.properties, kNameMapping, "")),
      io_(std::move(io)),
      counters_(counters ? std::move(counters) : std::make_shared<ScanCounters>()) {
  ParquetReadOptions read;
  read.schema = plan_.schema;
  read.projection = plan_.projection;
  read.filter = plan_.filter;
  read.keys = plan_.keys;
  read.batch_rows = std::max<int64_t>(options.batch_rows, 1);
  read.batch_bytes = std::max<int64_t>(options.read_ahead_bytes / 2, 1 << 20);
  read.stop = options.stop;
  if (options.limit && unfiltered()) read.batch_rows = std::clamp<int64_t>(*options.limit, 1, read.batch_rows);
  options_ = std::make_shared<const ParquetReadOptions>(std::move(read));
  for (const Field& field : plan_.projection.fields) {
    if (field.id == kPartitionId) partition_type_ = field.type;
  }
  if (plan_.deletes) loader_ = std::make_unique<DeleteLoader>(table, plan_, options, io_);
  choose(options);
}

DeleteLoader::Needs ScanFiles::needs_of(const Manifest& manifest, uint32_t entry, DeleteFinder& finder) {
  return {finder.find(entry), manifest.file_path[entry], manifest.record_count[entry], {}};
}

// Lists the files, or of an unfiltered scan as many as surely have the rows
// asked for; and what deletes they need.
void ScanFiles::choose(const ScanOptions& options) {
  int64_t rows = 0;
  for (size_t p = 0; p < plan_.parts.size(); ++p) {
    check(options.stop.Poll(), "the scan was stopped");
    const ScanPlan::Part& part = plan_.parts[p];
    const Manifest& manifest = *part.manifest;
    std::optional<DeleteFinder> finder;
    if (loader_) finder.emplace(*plan_.deletes, *part.reader, part.manifest);
    for (size_t i = 0; i < part.entries.size(); ++i) {
      const uint32_t entry = part.entries[i];
      if (options.limit && (*options.limit <= 0 || (unfiltered() && rows >= *options.limit))) return;
      AppliedDeletes deletes;
      if (finder) {
        DeleteLoader::Needs needs = needs_of(manifest, entry, *finder);
        has_deletes_.push_back(!needs.deletes.empty());
        if (!needs.deletes.empty()) loader_->expect(needs);
        deletes = std::move(needs.deletes);
      }
      places_.push_back({p, i});
      rows += std::max<int64_t>(live_rows(plan_, part, i, deletes), 0);
    }
  }
}

namespace {

// Whether the manifest counts values of the field that are not null.
bool has_values(ManifestReader& manifest, uint32_t entry, int32_t field_id) {
  const auto stats = manifest.stats({field_id});
  const ColumnStats* column = stats->column(field_id);
  return column && column->null_counts[entry] >= 0 && column->value_counts[entry] > column->null_counts[entry];
}

}  // namespace

std::optional<std::vector<BatchStream>> ScanFiles::open(size_t i, Opening& opening) {
  const ScanPlan::Part& part = plan_.parts[places_[i].part];
  const size_t index = places_[i].index;
  const uint32_t entry = part.entries[index];
  const Manifest& manifest = *part.manifest;

  FileContext context;
  if (!has_deletes_.empty() && has_deletes_[i]) {
    if (!opening.needs) {
      DeleteFinder finder(*plan_.deletes, *part.reader, part.manifest);
      opening.needs = needs_of(manifest, entry, finder);
    }
    std::optional<RowDeletes> deletes = loader_->load(*opening.needs);
    if (!deletes) return std::nullopt;
    context.deletes = *std::move(deletes);
  }
  if (index < part.without.size() && part.without[index]) leave_out(*part.without[index], context.deletes);

  const std::vector<Value> partition = partition_values(manifest, entry, *plan_.schema);
  context.partition_values = identity_values(manifest, partition);
  if (partition_type_) context.partition = partition_struct(manifest, partition, *partition_type_);
  if (manifest.sequence_number[entry] != kAbsent) context.data_sequence_number = manifest.sequence_number[entry];
  context.has_values = [reader = part.reader, entry](int32_t field_id, bool by_name) {
    return !by_name && has_values(*reader, entry, field_id);
  };
  const DataFile file = data_file(manifest, entry);
  ++counters_->files_read;
  try {
    return open_data_file(*io_, file, options_for(part, index, partition), std::move(context), name_mapping_,
                          counters_);
  } catch (const NotFound& e) {
    throw NotFound(
        fmt::format("table {}, snapshot {}: the data file {} is "
                    "gone ({}). If the snapshot was expired, "
                    "read a later one",
                    table_name_, plan_.snapshot_id.value_or(-1), file.file_path, e.what()));
  }
}

void ScanFiles::leave_out(const Positions& positions, RowDeletes& deletes) {
  auto all = std::make_shared<Positions>(positions);
  if (deletes.positions) all->add(*deletes.positions);
  deletes.positions = std::move(all);
}

// With what the partition's values leave of the filter, and for one split.
std::shared_ptr<const ParquetReadOptions> ScanFiles::options_for(const ScanPlan::Part& part, size_t index,
                                                                 const std::vector<Value>& partition) const {
  const ScanPlan::Split split = index < part.splits.size() ? part.splits[index] : ScanPlan::Split();
  const bool has_residual = !unfiltered() && !partition.empty();
  if (!has_residual && split == ScanPlan::Split()) return options_;
  auto options = std::make_shared<ParquetReadOptions>(*options_);
  options->split_start = split.start;
  options->split_length = split.length;
  if (has_residual) options->filter = residual(plan_.filter, part.manifest->spec, *plan_.schema, partition);
  return options;
}

}  // namespace floe
