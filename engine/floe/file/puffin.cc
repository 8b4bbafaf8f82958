#include "floe/file/puffin.h"

#include <arrow/buffer.h>
#include <arrow/util/compression.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/spec/json.h"
#include "floe/spec/json_codec.h"

namespace floe {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMagic = "PFA1";
constexpr int64_t kTail = 12;               // the footer's payload size, flags and magic
constexpr int64_t kReadAtEnd = 16 << 10;    // most footers are within
constexpr int64_t kMaxFooter = 64 << 20;    // as JSON
constexpr int64_t kMaxContent = 1LL << 30;  // of a compressed blob
constexpr uint32_t kCompressed = 1;         // the only flag there is

[[noreturn]] void fail(const std::string& location, const std::string& problem) {
  throw CorruptFile(fmt::format("{}: {}", location, problem));
}

std::string_view view(const arrow::Buffer& buffer) {
  return {reinterpret_cast<const char*>(buffer.data()), static_cast<size_t>(buffer.size())};
}

int32_t int32_at(std::string_view bytes, size_t at) {
  int32_t value;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

std::shared_ptr<arrow::Buffer> read_at(arrow::io::RandomAccessFile& file, int64_t offset, int64_t length,
                                       const std::string& location) {
  auto bytes = check(file.ReadAt(offset, length), location);
  if (bytes->size() != length) fail(location, "the file is shorter than it should be");
  return bytes;
}

// One frame, of any size up to `limit`: what it says of its size is not believed.
std::string decompress(arrow::Compression::type compression, std::string_view bytes, int64_t limit,
                       const std::string& location) {
  const auto codec = check(arrow::util::Codec::Create(compression), location);
  const auto decompressor = check(codec->MakeDecompressor(), location);
  std::string out(std::min<size_t>(bytes.size() * 4 + 256, limit), '\0');
  int64_t read = 0, written = 0;
  while (!decompressor->IsFinished()) {
    auto step = decompressor->Decompress(
        static_cast<int64_t>(bytes.size()) - read, reinterpret_cast<const uint8_t*>(bytes.data()) + read,
        static_cast<int64_t>(out.size()) - written, reinterpret_cast<uint8_t*>(out.data()) + written);
    if (!step.ok()) fail(location, fmt::format("compressed data is damaged: {}", step.status().message()));
    read += step->bytes_read;
    written += step->bytes_written;
    if (decompressor->IsFinished()) break;
    if (written == static_cast<int64_t>(out.size())) {
      if (written >= limit) {
        fail(location, fmt::format("compressed data is more than {} bytes once decompressed", limit));
      }
      out.resize(std::min<size_t>(out.size() * 2, limit));
    } else if (step->bytes_read + step->bytes_written == 0) {
      fail(location, "compressed data is cut");
    }
  }
  if (read != static_cast<int64_t>(bytes.size())) fail(location, "compressed data is followed by other bytes");
  out.resize(written);
  return out;
}

Properties properties_of(const json::Node& node) {
  Properties properties;
  if (const auto found = node.find("properties")) {
    found->for_each_member([&](std::string_view key, const json::Node& value) {
      properties.emplace(key, value.is_string() ? std::string(value.string()) : value.raw());
    });
  }
  return properties;
}

PuffinBlob blob_of(const json::Node& node) {
  PuffinBlob blob;
  blob.type = node.at("type").string();
  blob.fields = json::int32s_from_node(node.at("fields"));
  blob.snapshot_id = node.at("snapshot-id").int64();
  blob.sequence_number = node.at("sequence-number").int64();
  blob.offset = node.at("offset").int64();
  blob.length = node.at("length").int64();
  if (const auto codec = node.find("compression-codec")) blob.compression_codec = codec->string();
  blob.properties = properties_of(node);
  return blob;
}

PuffinFooter parse_footer(std::string_view payload, const std::string& location) {
  const json::Document document(payload, location);
  PuffinFooter footer;
  footer.properties = properties_of(document.root());
  document.root().at("blobs").for_each([&](const json::Node& blob) { footer.blobs.push_back(blob_of(blob)); });
  return footer;
}

boost::json::object to_value(const Properties& properties) {
  boost::json::object object;
  for (const auto& [key, value] : properties) object.emplace(key, value);
  return object;
}

std::string to_json(const PuffinFooter& footer) {
  boost::json::array blobs;
  for (const PuffinBlob& blob : footer.blobs) {
    boost::json::object object{{"type", blob.type},
                               {"fields", boost::json::array(blob.fields.begin(), blob.fields.end())},
                               {"snapshot-id", blob.snapshot_id},
                               {"sequence-number", blob.sequence_number},
                               {"offset", blob.offset},
                               {"length", blob.length}};
    if (!blob.properties.empty()) object.emplace("properties", to_value(blob.properties));
    blobs.push_back(std::move(object));
  }
  boost::json::object root;
  root.emplace("blobs", std::move(blobs));
  root.emplace("properties", to_value(footer.properties));
  return json::serialize(root);
}

}  // namespace

PuffinFile::PuffinFile(Io& io, const std::string& location, int64_t size)
    : location_(location), file_(io.open(location, size)) {
  const int64_t file_size = size >= 0 ? size : check(file_->GetSize(), location);
  constexpr auto kMagicSize = static_cast<int64_t>(kMagic.size());
  if (file_size < 2 * kMagicSize + kTail) fail(location, "no Puffin file: it is too short");
  const int64_t tail_size = std::min(file_size, kReadAtEnd);
  const auto tail = read_at(*file_, file_size - tail_size, tail_size, location);
  const std::string_view end = view(*tail).substr(tail_size - kTail);
  if (end.substr(8) != kMagic) fail(location, "no Puffin file: it does not end in PFA1");

  const int64_t payload_size = int32_at(end, 0);
  const auto flags = static_cast<uint32_t>(int32_at(end, 4));
  if ((flags & ~kCompressed) != 0) {
    throw NotSupported(fmt::format("{}: the Puffin footer has flags that are not known: {:#x}", location, flags));
  }
  const int64_t footer_size = kMagicSize + payload_size + kTail;
  if (payload_size < 0 || payload_size > kMaxFooter || footer_size + kMagicSize > file_size) {
    fail(location, fmt::format("the Puffin footer cannot have {} bytes", payload_size));
  }
  auto footer = tail;
  if (footer_size > tail_size) footer = read_at(*file_, file_size - footer_size, footer_size, location);
  const std::string_view bytes = view(*footer).substr(footer->size() - footer_size);
  if (!bytes.starts_with(kMagic)) fail(location, "the Puffin footer does not begin with PFA1");
  const std::string_view payload = bytes.substr(kMagicSize, payload_size);
  footer_ =
      parse_footer((flags & kCompressed) != 0 ? decompress(arrow::Compression::LZ4_FRAME, payload, kMaxFooter, location)
                                              : std::string(payload),
                   location);
  for (const PuffinBlob& blob : footer_.blobs) {
    if (blob.offset < kMagicSize || blob.length < 0 || blob.offset > file_size - footer_size ||
        blob.length > file_size - footer_size - blob.offset) {
      fail(location, fmt::format("a blob of {} bytes at {} is not within the file", blob.length, blob.offset));
    }
  }
}

std::string PuffinFile::read(const PuffinBlob& blob) const {
  const auto bytes = read_at(*file_, blob.offset, blob.length, location_);
  if (!blob.compression_codec) return std::string(view(*bytes));
  if (*blob.compression_codec == "lz4") {
    return decompress(arrow::Compression::LZ4_FRAME, view(*bytes), kMaxContent, location_);
  }
  if (*blob.compression_codec == "zstd") {
    return decompress(arrow::Compression::ZSTD, view(*bytes), kMaxContent, location_);
  }
  throw NotSupported(fmt::format("{}: a blob is compressed with \"{}\"; known are lz4 and zstd", location_,
                                 blob.compression_codec->substr(0, 40)));
}

PuffinWriter::PuffinWriter(Io& io, const std::string& location) : file_(io.create(location)), location_(location) {
  footer_.properties.emplace("created-by", "floe storage");
  append(kMagic);
}

PuffinWriter::~PuffinWriter() {
  if (file_) file_->abort();
}

void PuffinWriter::append(std::string_view bytes) {
  check(file_->stream()->Write(bytes.data(), static_cast<int64_t>(bytes.size())), location_);
  size_ += static_cast<int64_t>(bytes.size());
}

const PuffinBlob& PuffinWriter::add(PuffinBlob blob, std::string_view content) {
  blob.offset = size_;
  blob.length = static_cast<int64_t>(content.size());
  blob.compression_codec.reset();
  append(content);
  return footer_.blobs.emplace_back(std::move(blob));
}

int64_t PuffinWriter::finish() {
  const std::string payload = to_json(footer_);
  if (payload.size() > kMaxFooter) throw InvalidArgument(fmt::format("{}: too many blobs for one file", location_));
  const auto payload_size = static_cast<int32_t>(payload.size());
  const int32_t flags = 0;
  const int64_t begin = size_;
  append(kMagic);
  append(payload);
  append({reinterpret_cast<const char*>(&payload_size), sizeof(payload_size)});
  append({reinterpret_cast<const char*>(&flags), sizeof(flags)});
  append(kMagic);
  footer_size_ = size_ - begin;
  file_->close();
  file_ = nullptr;
  return size_;
}

}  // namespace floe
