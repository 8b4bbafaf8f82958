// Tasks and results as bytes: Avro's encoding of the members in their order, files as manifests.
#include <arrow/buffer.h>
#include <fmt/format.h>

#include <utility>

#include "floe/avro/encoding.h"
#include "floe/error.h"
#include "floe/maintenance/rewrite_data_files.h"
#include "floe/transaction/entries.h"

namespace floe {
namespace {

constexpr std::string_view kTaskMagic = "floe rewrite task 2", kResultMagic = "floe rewrite result 1";
constexpr int64_t kSnapshotId = 1;  // of entries, where it does not matter

class Writer {
 public:
  void add(std::string_view bytes) { avro::append_bytes(out_, bytes); }
  void add(int64_t number) { avro::append_long(out_, number); }
  void add(bool flag) { avro::append_long(out_, flag ? 1 : 0); }
  template <typename T>
  void add(const std::optional<T>& value) {
    add(value.has_value());
    if (value) add(*value);
  }
  template <typename Items, typename Add>
  void add_all(const Items& items, const Add& add_item) {
    add(static_cast<int64_t>(items.size()));
    for (const auto& item : items) add_item(item);
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : cursor_(bytes) {}

  std::string text() { return std::string(cursor_.read_bytes()); }
  int64_t number() { return cursor_.read_long(); }
  int32_t small_number() { return cursor_.read_int(); }
  bool flag() {
    const int64_t value = number();
    if (value != 0 && value != 1) avro::corrupt("a flag is neither 0 nor 1");
    return value == 1;
  }
  template <typename Read>
  auto optional(const Read& read) -> std::optional<decltype(read())> {
    if (!flag()) return std::nullopt;
    return read();
  }
  template <typename Read>
  void each(const Read& read) {
    const int64_t size = number();
    if (size < 0 || static_cast<uint64_t>(size) > cursor_.left()) avro::corrupt("a count is out of range");
    for (int64_t i = 0; i < size; ++i) read();
  }
  void finish() const {
    if (cursor_.left() != 0) avro::corrupt("there is more than there should be");
  }

 private:
  avro::Cursor cursor_;
};

// --- jobs ------------------------------------------------------------------------------------------------------------

void add(Writer& out, const RewriteJob& job) {
  out.add(job.id);
  out.add(job.table_name);
  out.add(to_json(job.table));
  out.add(static_cast<int64_t>(job.order.order_id));
  out.add(to_json(SortOrder{.order_id = job.order.fields.empty() ? 0 : 1, .fields = job.order.fields}));
  out.add(job.branch);
  out.add(job.starting_snapshot);
  out.add(job.data_sequence_number);
  out.add(job.partial_progress);
  out.add_all(job.snapshot_properties, [&](const auto& property) {
    out.add(property.first);
    out.add(property.second);
  });
}

RewriteJobPtr read_job(Reader& in) {
  auto job = std::make_shared<RewriteJob>();
  job->id = in.text();
  job->table_name = in.text();
  job->table = parse_table_metadata(in.text(), "the table of a rewrite");
  const int32_t order_id = in.small_number();
  job->order = sort_order_from_json(in.text());
  job->order.order_id = order_id;
  job->branch = in.text();
  job->starting_snapshot = in.number();
  job->data_sequence_number = in.optional([&] { return in.number(); });
  job->partial_progress = in.flag();
  in.each([&] {
    std::string key = in.text();
    job->snapshot_properties.insert_or_assign(std::move(key), in.text());
  });
  return job;
}

// --- files, as manifests -------------------------------------------------------------------------------------------

void add_manifest(Writer& out, std::string_view name, const std::pair<std::string, ManifestFile>& written) {
  out.add(name);
  out.add(static_cast<int64_t>(written.second.partition_spec_id));
  out.add(static_cast<int64_t>(written.second.content));
  out.add(written.first);
}

// `entries` of a manifest, with what reading them needs.
void add_part(Writer& out, const RewriteJob& job, const ManifestPart& part) {
  const Manifest& manifest = *part.manifest;
  const Schema& schema = manifest.schema ? *manifest.schema : *current_schema(job.table);
  const Type partition = partition_type(manifest.spec, schema);
  const bool deletes = manifest.content == ManifestContent::kDeletes;
  const auto stats = deletes ? part.reader->stats({kDeleteFilePathId}) : nullptr;
  const ColumnStats* paths = deletes ? stats->column(kDeleteFilePathId) : nullptr;
  ManifestWriter writer(job.table.format_version, schema, manifest.spec, manifest.content, kSnapshotId, "zstd");
  const auto known = [](int64_t number) { return number == kAbsent ? std::nullopt : std::optional(number); };
  for (const uint32_t i : part.entries) {
    ManifestEntry entry{.status = EntryStatus::kExisting,
                        .snapshot_id = kSnapshotId,
                        .sequence_number = known(manifest.sequence_number[i]),
                        .file_sequence_number = known(manifest.file_sequence_number[i]),
                        .file = data_file(manifest, i)};
    if (!entry.file_sequence_number) entry.file_sequence_number = entry.sequence_number;
    entry.file.partition = partition_of(manifest, i, partition);
    if (paths && paths->lower_bounds.has(i) && paths->upper_bounds.has(i)) {
      entry.file.lower_bounds = {{kDeleteFilePathId, std::string(paths->lower_bounds[i])}};
      entry.file.upper_bounds = {{kDeleteFilePathId, std::string(paths->upper_bounds[i])}};
    }
    writer.add(entry);
  }
  add_manifest(out, "files of a rewrite", writer.finish("files of a rewrite", 0));
}

ManifestPart read_part(Reader& in) {
  ManifestFile line;
  line.manifest_path = in.text();
  line.partition_spec_id = in.small_number();
  line.content = in.flag() ? ManifestContent::kDeletes : ManifestContent::kData;
  line.added_snapshot_id = kSnapshotId;
  const std::string bytes = in.text();
  line.manifest_length = static_cast<int64_t>(bytes.size());
  ManifestPart part{.reader = std::make_shared<ManifestReader>(arrow::Buffer::FromString(bytes), line)};
  if (line.content == ManifestContent::kDeletes) part.reader->stats({kDeleteFilePathId});
  part.manifest = part.reader->entries();
  for (uint32_t i = 0; i < part.manifest->size; ++i) part.entries.push_back(i);
  return part;
}

const Type& type_of(const RewriteJob& job, int32_t field_id) {
  const Field* field = find_field(*current_schema(job.table), field_id);
  if (!field) avro::corrupt("a column of the Z-order is not in the table");
  return field->type;
}

template <typename Read>
auto reading(std::string_view bytes, std::string_view magic, const Read& read) {
  try {
    Reader in(bytes);
    if (in.text() != magic) avro::corrupt("it begins differently");
    auto value = read(in);
    in.finish();
    return value;
  } catch (const CorruptFile& e) {
    throw CorruptFile(fmt::format("these bytes are no {}: {}", magic, e.what()));
  }
}

}  // namespace

std::string to_bytes(const RewriteTask& task) {
  Writer out;
  out.add(kTaskMagic);
  add(out, *task.job);
  out.add(task.group);
  out.add(task.input_files);
  out.add(task.input_bytes);
  out.add(task.file_bytes);
  out.add_all(task.z_order, [&](const ZOrderColumn& column) {
    const Type& type = type_of(*task.job, column.field_id);
    out.add(static_cast<int64_t>(column.field_id));
    for (const std::optional<Value>& bound : {column.lower, column.upper}) {
      out.add(bound ? std::optional(to_bytes(*bound, type)) : std::nullopt);
    }
  });
  out.add(static_cast<int64_t>(task.curve));
  out.add_all(task.files, [&](const ManifestPart& part) { add_part(out, *task.job, part); });
  std::vector<const ManifestPart*> data;
  for (const ManifestPart& part : task.files) data.push_back(&part);
  const auto deletes = task.deletes ? applied_deletes(*task.deletes, data) : std::vector<ManifestPart>();
  out.add_all(deletes, [&](const ManifestPart& part) { add_part(out, *task.job, part); });
  return out.take();
}

RewriteTask rewrite_task_from_bytes(std::string_view bytes) {
  return reading(bytes, kTaskMagic, [](Reader& in) {
    RewriteTask task{.job = read_job(in)};
    task.group = in.number();
    task.input_files = in.number();
    task.input_bytes = in.number();
    task.file_bytes = in.number();
    in.each([&] {
      ZOrderColumn column{.field_id = in.small_number()};
      const Type& type = type_of(*task.job, column.field_id);
      for (std::optional<Value>* bound : {&column.lower, &column.upper}) {
        *bound = in.optional([&] { return from_bytes(in.text(), type); });
      }
      task.z_order.push_back(std::move(column));
    });
    task.curve = in.number() == static_cast<int64_t>(Curve::kHilbert) ? Curve::kHilbert : Curve::kZOrder;
    in.each([&] { task.files.push_back(read_part(in)); });
    std::vector<ManifestPart> deletes;
    in.each([&] { deletes.push_back(read_part(in)); });
    if (!deletes.empty()) {
      task.deletes =
          std::make_shared<const DeleteIndex>(task.job->table, current_schema(task.job->table), std::move(deletes));
    }
    return task;
  });
}

std::string to_bytes(const RewriteResult& result) {
  Writer out;
  out.add(kResultMagic);
  add(out, *result.job);
  out.add(result.group);
  out.add(result.removed_bytes);
  out.add_all(result.removed, [&](const Removal& removal) {
    out.add(removal.id.path);
    out.add(static_cast<int64_t>(removal.spec_id));
    out.add_all(removal.partition, [&](const std::optional<std::string>& value) { out.add(value); });
  });
  const TableMetadata& table = result.job->table;
  ManifestWriter writer(table.format_version, *current_schema(table), default_spec(table), ManifestContent::kData,
                        kSnapshotId, "zstd");
  for (const DataFile& file : result.added) writer.add({.file = file});
  add_manifest(out, "files of a rewrite", writer.finish("files of a rewrite", 0));
  return out.take();
}

RewriteResult rewrite_result_from_bytes(std::string_view bytes) {
  return reading(bytes, kResultMagic, [](Reader& in) {
    RewriteResult result{.job = read_job(in)};
    result.group = in.number();
    result.removed_bytes = in.number();
    in.each([&] {
      Removal removal{.id = {.path = in.text(), .content_offset = {}}};
      removal.spec_id = in.small_number();
      in.each([&] { removal.partition.push_back(in.optional([&] { return in.text(); })); });
      result.removed.push_back(std::move(removal));
    });
    const ManifestPart part = read_part(in);
    const TableMetadata& table = result.job->table;
    const Type partition = partition_type(default_spec(table), *current_schema(table));
    result.added = part.reader->data_files();
    for (size_t i = 0; i < result.added.size(); ++i) {
      result.added[i].spec_id = table.default_spec_id;
      result.added[i].partition = partition_of(*part.manifest, i, partition);
    }
    return result;
  });
}

}  // namespace floe
