// Manifests and manifest lists of any content. What can be read keeps its columns aligned, and reads the same when it
// is written again.
#include <arrow/buffer.h>

#include <string>

#include "floe/avro/container.h"
#include "floe/avro/encoding.h"
#include "floe/error.h"
#include "floe/manifest/manifest.h"

namespace floe {
namespace {

Schema fuzz_schema() {
  return {.fields = {{.id = 1, .name = "a", .type = primitive(TypeKind::kLong)},
                     {.id = 2, .name = "b", .type = primitive(TypeKind::kString)},
                     {.id = 3, .name = "c", .type = primitive(TypeKind::kDouble)},
                     {.id = 4, .name = "d", .type = decimal_type(9, 2)}}};
}

PartitionSpec fuzz_spec() {
  PartitionSpec spec{.spec_id = 1, .fields = {}};
  for (int32_t i = 1; i <= 4; ++i) {
    spec.fields.push_back({.source_ids = {i}, .field_id = 999 + i, .name = "p" + std::to_string(i), .transform = {}});
  }
  return spec;
}

// The header of `file`, and `data` as its only block.
std::string with_block(const std::string& file, std::string_view data) {
  const avro::Header header = avro::read_header(file, "f");
  std::string bytes = file.substr(0, header.size);
  avro::append_long(bytes, data.empty() ? 0 : 1 + data[0] % 4);
  avro::append_bytes(bytes, data.substr(std::min<size_t>(1, data.size())));
  return bytes.append(header.sync);
}

void check(bool condition) {
  if (!condition) __builtin_trap();
}

void check_sizes(const Manifest& m) {
  for (const auto* longs :
       {&m.snapshot_id, &m.sequence_number, &m.file_sequence_number, &m.record_count, &m.file_size_in_bytes,
        &m.sort_order_id, &m.first_row_id, &m.content_offset, &m.content_size_in_bytes}) {
    check(longs->size() == m.size);
  }
  for (const auto* bytes :
       {&m.file_path, &m.split_offsets, &m.equality_ids, &m.referenced_data_file, &m.key_metadata}) {
    check(bytes->size() == m.size);
  }
  for (const BytesColumn& column : m.partition) check(column.size() == m.size);
  check(m.status.size() == m.size && m.file_content.size() == m.size && m.file_format.size() == m.size);
}

void check_sizes(const Stats& stats, size_t size) {
  check(stats.size == size);
  for (const ColumnStats& column : stats.columns) {
    check(column.value_counts.size() == size && column.null_counts.size() == size && column.nan_counts.size() == size);
    check(column.lower_bounds.size() == size && column.upper_bounds.size() == size);
  }
}

void write_again(const std::vector<DataFile>& files) {
  for (const DataFile& file : files) {
    std::string bytes;
    ManifestFile line;
    try {
      const auto content = file.content == FileContent::kData ? ManifestContent::kData : ManifestContent::kDeletes;
      ManifestWriter writer(3, fuzz_schema(), fuzz_spec(), content, 7, "null");
      writer.add({.file = file});
      std::tie(bytes, line) = writer.finish("again", 1);
    } catch (const InvalidArgument&) {
      continue;
    }
    DataFile expected = file;
    expected.spec_id = 1;
    if (file.content != FileContent::kData) expected.first_row_id.reset();
    check(ManifestReader(arrow::Buffer::FromString(bytes), line).data_files() == std::vector<DataFile>{expected});
  }
}

void read_manifest(const std::string& bytes, bool ours) {
  const ManifestFile file{.manifest_path = "f", .sequence_number = 3, .added_snapshot_id = 5, .first_row_id = 100};
  try {
    ManifestReader reader(arrow::Buffer::FromString(bytes), file);
    const auto stats = reader.stats({1, 2, 3});
    const ManifestPtr manifest = reader.entries();
    check_sizes(*manifest);
    check_sizes(*stats, manifest->size);
    check_sizes(*reader.stats({4}), manifest->size);
    check_sizes(*reader.partition_stats(), manifest->size);
    const std::vector<DataFile> files = reader.data_files();
    check(files.size() == manifest->size);
    if (ours) write_again(files);
  } catch (const Error&) {
  }
}

void read_list(const std::string& bytes, bool ours) {
  try {
    std::vector<ManifestFile> files = read_manifest_list(bytes, "f");
    std::vector<const ManifestFile*> pointers;
    for (const ManifestFile& file : files) pointers.push_back(&file);
    check_sizes(partition_stats(pointers, fuzz_spec()), files.size());
    if (!ours) return;
    int64_t next_row_id = 0;
    const std::string again = write_manifest_list(3, Snapshot{}, files, &next_row_id);
    check(read_manifest_list(again, "f") == files);
  } catch (const Error&) {
  }
}

void fuzz(std::string_view data) {
  static const std::string manifest = [] {
    return ManifestWriter(3, fuzz_schema(), fuzz_spec(), ManifestContent::kData, 7, "null").finish("f", 1).first;
  }();
  static const std::string list = [] {
    std::vector<ManifestFile> none;
    int64_t next_row_id = 0;
    std::string bytes = write_manifest_list(3, Snapshot{}, none, &next_row_id);
    const size_t codec = bytes.find(
        "\x0e"
        "deflate");  // its length before it
    return bytes.replace(codec, 8, "\x08null");
  }();
  if (data.empty()) return;
  const char mode = data[0];
  data.remove_prefix(1);
  switch (mode) {
    case 'm':
      return read_manifest(std::string(data), false);
    case 'l':
      return read_list(std::string(data), false);
    case 'e':  // the entries of a manifest with a good header
      return read_manifest(with_block(manifest, data), true);
    default:  // the same of a list
      return read_list(with_block(list, data), true);
  }
}

}  // namespace
}  // namespace floe

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  floe::fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
