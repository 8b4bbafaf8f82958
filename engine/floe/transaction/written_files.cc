#include "floe/transaction/written_files.h"

#include <arrow/buffer.h>
#include <fmt/format.h>

#include <memory>
#include <utility>

#include "floe/avro/encoding.h"
#include "floe/error.h"
#include "floe/manifest/manifest.h"
#include "floe/transaction/entries.h"

namespace floe {
namespace {

constexpr std::string_view kMagic = "floe written files 1";
constexpr int64_t kSnapshotId = 1;  // of entries, where it does not matter

struct Written {
  std::string table_uuid;
  int32_t spec_id;
  std::string manifest;
};

Written read(std::string_view bytes) {
  avro::Cursor in(bytes);
  if (in.read_bytes() != kMagic) avro::corrupt("it begins differently");
  Written written{.table_uuid = std::string(in.read_bytes()), .spec_id = in.read_int(), .manifest = {}};
  written.manifest = in.read_bytes();
  if (in.left() != 0) avro::corrupt("there is more than there should be");
  return written;
}

}  // namespace

std::string written_files_to_bytes(const TableMetadata& table, const std::vector<DataFile>& files) {
  ManifestWriter writer(table.format_version, *current_schema(table), default_spec(table), ManifestContent::kData,
                        kSnapshotId, "zstd");
  for (const DataFile& file : files) writer.add({.file = file});
  std::string out;
  avro::append_bytes(out, kMagic);
  avro::append_bytes(out, table.table_uuid);
  avro::append_long(out, table.default_spec_id);
  avro::append_bytes(out, writer.finish("written files", 0).first);
  return out;
}

std::vector<DataFile> written_files_from_bytes(const TableMetadata& table, std::string_view bytes) {
  try {
    const Written written = read(bytes);
    if (written.table_uuid != table.table_uuid) {
      throw InvalidArgument(fmt::format("the written files are those of another table, whose uuid is {}, not {}",
                                        written.table_uuid, table.table_uuid));
    }
    const PartitionSpec* spec = spec_by_id(table, written.spec_id);
    if (!spec) {
      throw InvalidArgument(
          fmt::format("the written files are of partition spec {}, which the table has no more: write them again",
                      written.spec_id));
    }
    ManifestFile line;
    line.manifest_path = "written files";
    line.manifest_length = static_cast<int64_t>(written.manifest.size());
    line.partition_spec_id = written.spec_id;
    line.added_snapshot_id = kSnapshotId;
    ManifestReader reader(arrow::Buffer::FromString(written.manifest), line);
    const ManifestPtr manifest = reader.entries();
    const Type partition = partition_type(*spec, *current_schema(table));
    std::vector<DataFile> files = reader.data_files();
    for (size_t i = 0; i < files.size(); ++i) {
      files[i].spec_id = written.spec_id;
      files[i].partition = partition_of(*manifest, i, partition);
    }
    return files;
  } catch (const CorruptFile& e) {
    throw CorruptFile(fmt::format("these bytes are no {}: {}", kMagic, e.what()));
  }
}

}  // namespace floe
