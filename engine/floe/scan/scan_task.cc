#include "floe/scan/scan_task.h"

#include <arrow/buffer.h>
#include <arrow/util/endian.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "floe/error.h"
#include "floe/file/name_mapping.h"
#include "floe/scan/plan_head.h"
#include "floe/spec/json.h"
#include "floe/spec/json_writer.h"

namespace floe {
namespace {

using json::Node;

constexpr std::string_view kMagic = "FLST";
constexpr char kVersion = 1;
constexpr size_t kPrefix = kMagic.size() + 1 + sizeof(uint64_t);
const std::string kWhat = "a scan task";

// --- writing ---------------------------------------------------------------------------------------------------------

// The table without what only its history and its changes need.
TableMetadata for_reading(const TableMetadata& table, const ScanPlan& plan) {
  TableMetadata small;
  small.format_version = table.format_version;
  small.table_uuid = table.table_uuid;
  small.location = table.location;
  small.last_column_id = table.last_column_id;
  const bool by_key = plan.deletes && !plan.deletes->equality_ids().empty();
  small.schemas = by_key ? table.schemas : std::vector<SchemaPtr>{plan.schema};
  small.current_schema_id = plan.schema->schema_id;
  small.partition_specs = table.partition_specs;
  small.default_spec_id = table.default_spec_id;
  small.last_partition_id = table.last_partition_id;
  small.sort_orders.emplace_back();
  if (const auto mapping = table.properties.find(std::string(kNameMapping)); mapping != table.properties.end()) {
    small.properties.insert(*mapping);
  }
  return small;
}

// What the statistics say of one file. Bounds only of the columns that are compared.
void add_stats(const Stats& stats, size_t entry, const std::set<int32_t>& compared, DataFile& file) {
  const auto add_count = [&](ByFieldId<int64_t>& counts, int32_t id, int64_t count) {
    if (count != kNotKnown) counts.emplace_back(id, count);
  };
  const auto add_bound = [&](ByFieldId<std::string>& bounds, int32_t id, const BytesColumn& column) {
    if (column.has(entry)) bounds.emplace_back(id, column[entry]);
  };
  for (const ColumnStats& column : stats.columns) {
    add_count(file.value_counts, column.field_id, column.value_counts[entry]);
    add_count(file.null_value_counts, column.field_id, column.null_counts[entry]);
    add_count(file.nan_value_counts, column.field_id, column.nan_counts[entry]);
    if (!compared.contains(column.field_id)) continue;
    add_bound(file.lower_bounds, column.field_id, column.lower_bounds);
    add_bound(file.upper_bounds, column.field_id, column.upper_bounds);
  }
  const auto by_id = [](const auto& a, const auto& b) { return a.first < b.first; };
  for (auto* counts : {&file.value_counts, &file.null_value_counts, &file.nan_value_counts}) {
    std::sort(counts->begin(), counts->end(), by_id);
  }
  for (auto* bounds : {&file.lower_bounds, &file.upper_bounds}) std::sort(bounds->begin(), bounds->end(), by_id);
}

// Some entries of a manifest as a manifest of their own, with everything that they inherited.
std::string write_part(const TableMetadata& table, const ManifestPart& part, const Stats& stats,
                       const std::set<int32_t>& compared) {
  const Manifest& manifest = *part.manifest;
  const auto known = [](int64_t number) { return number == kAbsent ? 0 : number; };
  ManifestWriter writer(std::max(table.format_version, 2), *manifest.schema, manifest.spec, manifest.content, 1);
  for (const uint32_t i : part.entries) {
    ManifestEntry entry{.status = EntryStatus::kExisting,
                        .snapshot_id = known(manifest.snapshot_id[i]),
                        .sequence_number = known(manifest.sequence_number[i]),
                        .file_sequence_number = known(manifest.file_sequence_number[i]),
                        .file = data_file(manifest, i)};
    if (entry.snapshot_id == 0) entry.snapshot_id = 1;
    add_stats(stats, i, compared, entry.file);
    writer.add(entry);
  }
  return writer.finish("task", 0).first;
}

void write_splits(const ScanPlan::Part& part, json::Writer& header) {
  if (part.splits.empty()) return;
  header.key("splits");
  header.begin_array();
  for (const ScanPlan::Split& split : part.splits) {
    header.begin_array();
    header.value(split.start);
    header.value(split.length);
    header.end_array();
  }
  header.end_array();
}

// The manifests, and what the header says of them.
std::string write_parts(const TableMetadata& table, const ScanPlan& plan, json::Writer& header) {
  std::vector<int32_t> read = field_ids(plan.filter);
  if (plan.deletes) {
    read.insert(read.end(), plan.deletes->equality_ids().begin(), plan.deletes->equality_ids().end());
  }
  const std::set<int32_t> compared(read.begin(), read.end());
  for_each_field(plan.projection.fields, [&](const Field& field) { read.push_back(field.id); });

  std::string manifests;
  header.key("data");
  header.begin_array();
  for (const ScanPlan::Part& part : plan.parts) {
    const std::string bytes = write_part(table, part, *part.reader->stats(read), compared);
    header.begin_object();
    header.member("length", bytes.size());
    write_splits(part, header);
    header.end_object();
    manifests += bytes;
  }
  header.end_array();
  header.key("deletes");
  header.begin_array();
  std::vector<const ManifestPart*> data;
  for (const ScanPlan::Part& part : plan.parts) data.push_back(&part);
  for (const ManifestPart& part : plan.deletes ? applied_deletes(*plan.deletes, data) : std::vector<ManifestPart>()) {
    const auto stats = delete_stats(part);
    std::set<int32_t> all;
    for (const ColumnStats& column : stats->columns) all.insert(column.field_id);
    const std::string bytes = write_part(table, part, *stats, all);
    header.begin_object();
    header.member("length", bytes.size());
    header.end_object();
    manifests += bytes;
  }
  header.end_array();
  return manifests;
}

// --- reading ---------------------------------------------------------------------------------------------------------

[[noreturn]] void throw_corrupt(std::string_view problem) { throw CorruptFile(fmt::format("{} {}", kWhat, problem)); }

// Takes one manifest after the other from the end of the bytes.
class Manifests {
 public:
  explicit Manifests(std::string_view bytes) : bytes_(bytes) {}

  ManifestPart take(const Node& item, ManifestContent content) {
    const Node length = item.at("length");
    if (length.int64() < 0 || static_cast<uint64_t>(length.int64()) > bytes_.size()) {
      length.fail("is longer than what there is");
    }
    const auto bytes = arrow::Buffer::FromString(std::string(bytes_.substr(0, static_cast<size_t>(length.int64()))));
    bytes_.remove_prefix(static_cast<size_t>(bytes->size()));
    ManifestFile file;
    file.manifest_path = fmt::format("{}, manifest {}", kWhat, ++taken_);
    file.manifest_length = bytes->size();
    file.partition_spec_id = kNotKnown;
    file.content = content;
    ManifestPart part;
    part.reader = std::make_shared<ManifestReader>(bytes, file);
    part.manifest = part.reader->entries();
    const Manifest& manifest = *part.manifest;
    for (size_t i = 0; i < manifest.size; ++i) {
      const bool is_data = manifest.file_content[i] == FileContent::kData;
      if (is_data != (content == ManifestContent::kData) || manifest.status[i] == EntryStatus::kDeleted) {
        throw_corrupt(fmt::format("has the entry of {}, which is not to be read so", manifest.file_path[i]));
      }
    }
    part.entries.resize(manifest.size);
    std::iota(part.entries.begin(), part.entries.end(), 0);
    return part;
  }

  void finish() const {
    if (!bytes_.empty()) throw_corrupt(fmt::format("has {} bytes too many", bytes_.size()));
  }

 private:
  std::string_view bytes_;
  int taken_ = 0;
};

std::vector<ScanPlan::Split> read_splits(const Node& item, size_t entries) {
  std::vector<ScanPlan::Split> splits;
  const auto list = item.find("splits");
  if (!list) return splits;
  list->for_each([&](const Node& pair) {
    std::vector<int64_t> numbers;
    pair.for_each([&](const Node& number) { numbers.push_back(number.int64()); });
    if (numbers.size() != 2 || numbers[0] < 0 || numbers[1] < 0) pair.fail("is no start and length");
    splits.push_back({numbers[0], numbers[1]});
  });
  if (splits.size() != entries) list->fail("has not one for each file");
  return splits;
}

ScanTask read_task(const Node& root, std::string_view rest) {
  ScanTask task;
  task.table = parse_table_metadata(root.at("metadata").raw(), kWhat + "'s metadata");
  task.options.table_name = root.at("table").string();
  task.options.select.clear();
  root.at("select").for_each([&](const Node& name) { task.options.select.emplace_back(name.string()); });
  try {
    task.options.filter = expression_from_json(root.at("filter").raw());
  } catch (const InvalidArgument& e) {
    root.at("filter").fail(e.what());
  }
  task.options.case_sensitive = root.at("case-sensitive").boolean();
  if (const auto limit = root.find("limit")) task.options.limit = limit->int64();
  root.at("io").for_each_member([&](std::string_view key, const Node& value) {
    task.io.insert_or_assign(std::string(key), std::string(value.string()));
  });

  const Node schema_id = root.at("schema-id");
  const SchemaPtr schema = schema_by_id(task.table, schema_id.int32());
  if (!schema) schema_id.fail("names no schema");
  try {
    task.plan = plan_head(task.table, schema, task.options);
  } catch (const InvalidArgument& e) {
    throw_corrupt(fmt::format("does not fit its schema: {}", e.what()));
  }
  if (const auto id = root.find("snapshot-id")) task.plan.snapshot_id = id->int64();

  Manifests manifests(rest);
  root.at("data").for_each([&](const Node& item) {
    ScanPlan::Part part{manifests.take(item, ManifestContent::kData), {}, {}};
    part.splits = read_splits(item, part.entries.size());
    task.plan.parts.push_back(std::move(part));
  });
  std::vector<ManifestPart> deletes;
  root.at("deletes").for_each(
      [&](const Node& item) { deletes.push_back(manifests.take(item, ManifestContent::kDeletes)); });
  manifests.finish();
  if (!deletes.empty()) {
    task.plan.deletes = std::make_shared<const DeleteIndex>(task.table, task.plan.schema, std::move(deletes));
  }
  return task;
}

}  // namespace

std::string to_bytes(const TableMetadata& table, const ScanPlan& plan, const ScanOptions& options,
                     const Properties& io) {
  for (const ScanPlan::Part& part : plan.parts) {
    if (!part.without.empty()) {
      throw NotSupported("a scan of changes that are not committed is read where it was planned");
    }
  }
  json::Writer header;
  header.begin_object();
  header.member("table", options.table_name);
  header.key("metadata");
  header.raw(to_json(for_reading(table, plan)));
  header.member("schema-id", plan.schema->schema_id);
  if (plan.snapshot_id) header.member("snapshot-id", *plan.snapshot_id);
  header.key("select");
  header.begin_array();
  for (const std::string& name : options.select) header.value(name);
  header.end_array();
  header.key("filter");
  header.raw(to_json(options.filter));
  header.member("case-sensitive", options.case_sensitive);
  if (options.limit) header.member("limit", *options.limit);
  header.key("io");
  header.begin_object();
  for (const auto& [key, value] : io) header.member(key, value);
  header.end_object();
  const std::string manifests = write_parts(table, plan, header);
  header.end_object();
  const std::string text = header.take();

  std::string bytes(kMagic);
  bytes.push_back(kVersion);
  const uint64_t length = arrow::bit_util::ToLittleEndian(uint64_t{text.size()});
  bytes.append(reinterpret_cast<const char*>(&length), sizeof(length));
  return bytes + text + manifests;
}

ScanTask scan_task_from_bytes(std::string_view bytes) {
  if (bytes.size() < kPrefix || !bytes.starts_with(kMagic)) throw_corrupt("begins with other bytes");
  if (bytes[kMagic.size()] != kVersion) {
    throw NotSupported(fmt::format("{} is of version {}, and {} is the last one known here", kWhat,
                                   static_cast<uint8_t>(bytes[kMagic.size()]), static_cast<int>(kVersion)));
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data() + kMagic.size() + 1, sizeof(length));
  length = arrow::bit_util::FromLittleEndian(length);
  bytes.remove_prefix(kPrefix);
  if (length > bytes.size()) throw_corrupt("ends within its header");
  const json::Document document(bytes.substr(0, length), kWhat);
  return read_task(document.root(), bytes.substr(length));
}

}  // namespace floe
