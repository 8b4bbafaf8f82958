#include "floe/file/deletion_vector.h"

#include <arrow/buffer.h>
#include <fmt/format.h>
#include <libdeflate.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/spec/metadata_columns.h"

namespace floe {
namespace {

constexpr std::string_view kMagic = "\xD1\xD3\x39\x64";
constexpr size_t kFraming = 12;  // length, magic, checksum

void append_big_endian(std::string& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

uint32_t big_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = (value << 8) | static_cast<uint8_t>(bytes[i]);
  return value;
}

uint32_t crc32(std::string_view bytes) { return libdeflate_crc32(0, bytes.data(), bytes.size()); }

}  // namespace

std::string to_deletion_vector_blob(const Positions& positions) {
  Positions shrunk = positions;
  shrunk.shrink();
  const std::string bytes = shrunk.to_bytes();
  if (bytes.size() > std::numeric_limits<int32_t>::max() - kFraming) {
    throw InvalidArgument(fmt::format("{} deleted positions do not fit into one deletion vector", positions.count()));
  }
  std::string blob;
  blob.reserve(bytes.size() + kFraming);
  append_big_endian(blob, static_cast<uint32_t>(kMagic.size() + bytes.size()));
  blob.append(kMagic).append(bytes);
  append_big_endian(blob, crc32(std::string_view(blob).substr(4)));
  return blob;
}

Positions parse_deletion_vector_blob(std::string_view blob, const std::string& what) {
  const auto fail = [&](std::string_view problem) { throw CorruptFile(fmt::format("{}: {}", what, problem)); };
  if (blob.size() < kFraming) fail("the deletion vector is too short");
  const std::string_view content = blob.substr(4, blob.size() - 8);
  if (big_endian(blob) != content.size()) fail("the deletion vector has not the length that it says");
  if (!content.starts_with(kMagic)) fail("this is no deletion vector");
  if (big_endian(blob.substr(blob.size() - 4)) != crc32(content)) fail("the deletion vector has a wrong checksum");
  return Positions::from_bytes(content.substr(kMagic.size()), what);
}

Positions read_deletion_vector(Io& io, const DataFile& vector, int64_t data_file_rows) {
  const std::string what = fmt::format("{}, deletion vector of {}", vector.file_path,
                                       vector.referenced_data_file.value_or("an unknown data file"));
  const auto fail = [&](const std::string& problem) { throw CorruptFile(fmt::format("{}: {}", what, problem)); };
  if (!vector.content_offset || !vector.content_size_in_bytes) fail("its manifest does not say where it is");
  const int64_t offset = *vector.content_offset, size = *vector.content_size_in_bytes;
  const auto file = io.open(vector.file_path, vector.file_size_in_bytes > 0 ? vector.file_size_in_bytes : -1);
  const int64_t file_size = check(file->GetSize(), vector.file_path);
  if (offset < 0 || size < 0 || offset > file_size || size > file_size - offset) {
    fail(fmt::format("{} bytes at {} are not within the file", size, offset));
  }
  const auto bytes = check(file->ReadAt(offset, size), vector.file_path);
  Positions positions = parse_deletion_vector_blob(
      {reinterpret_cast<const char*>(bytes->data()), static_cast<size_t>(bytes->size())}, what);
  if (positions.count() != vector.record_count) {
    fail(fmt::format("it has {} positions, and its manifest says {}", positions.count(), vector.record_count));
  }
  if (data_file_rows >= 0 && positions.greatest() >= data_file_rows) {
    fail(fmt::format("it deletes row {} of a file of {} rows", positions.greatest(), data_file_rows));
  }
  return positions;
}

DeletionVectorWriter::DeletionVectorWriter(Io& io, std::string location)
    : location_(std::move(location)), puffin_(io, location_) {}

void DeletionVectorWriter::add(const std::string& data_file_path, int32_t spec_id, std::vector<Value> partition,
                               const Positions& positions) {
  if (positions.empty()) throw InvalidArgument(fmt::format("nothing is deleted from {}", data_file_path));
  if (!data_files_.insert(data_file_path).second) {
    throw InvalidArgument(fmt::format("{} would get two deletion vectors", data_file_path));
  }
  const int64_t cardinality = positions.count();
  PuffinBlob blob;
  blob.type = "deletion-vector-v1";
  blob.fields = {kPosId};
  blob.properties = {{"referenced-data-file", data_file_path}, {"cardinality", std::to_string(cardinality)}};
  const PuffinBlob& written = puffin_.add(std::move(blob), to_deletion_vector_blob(positions));

  DataFile& file = files_.emplace_back();
  file.content = FileContent::kPositionDeletes;
  file.file_path = location_;
  file.file_format = FileFormat::kPuffin;
  file.spec_id = spec_id;
  file.partition = std::move(partition);
  file.record_count = cardinality;
  file.referenced_data_file = data_file_path;
  file.content_offset = written.offset;
  file.content_size_in_bytes = written.length;
}

std::vector<DataFile> DeletionVectorWriter::finish() {
  const int64_t size = puffin_.finish();
  for (DataFile& file : files_) file.file_size_in_bytes = size;
  return std::move(files_);
}

}  // namespace floe
