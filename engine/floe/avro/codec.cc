#include "floe/avro/codec.h"

#include <fmt/format.h>
#include <libdeflate.h>
#include <snappy.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "floe/avro/encoding.h"

namespace floe::avro {

namespace {

// No deflate stream expands further than 1032 times, no snappy block further than 64 bytes from three.
constexpr size_t kDeflateRatio = 1032;
constexpr size_t kSnappyRatio = 22;
constexpr int kDeflateLevel = 6;
constexpr int kZstdLevel = 3;

template <auto free_function>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    free_function(object);
  }
};

// One of each for a thread: making them costs more than a small block.
libdeflate_decompressor* decompressor() {
  thread_local std::unique_ptr<libdeflate_decompressor, Free<libdeflate_free_decompressor>> own(
      libdeflate_alloc_decompressor());
  if (own == nullptr) throw std::bad_alloc();
  return own.get();
}

libdeflate_compressor* compressor() {
  thread_local std::unique_ptr<libdeflate_compressor, Free<libdeflate_free_compressor>> own(
      libdeflate_alloc_compressor(kDeflateLevel));
  if (own == nullptr) throw std::bad_alloc();
  return own.get();
}

ZSTD_DCtx* zstd_decompressor() {
  thread_local std::unique_ptr<ZSTD_DCtx, Free<ZSTD_freeDCtx>> own(ZSTD_createDCtx());
  if (own == nullptr) throw std::bad_alloc();
  return own.get();
}

[[noreturn]] void too_long() { throw CorruptFile("a block is longer, uncompressed, than the file's size can explain"); }

std::string_view inflate(std::string_view block, size_t limit, Scratch& scratch) {
  limit = std::min(limit, block.size() * kDeflateRatio + 64);
  size_t capacity = std::min(limit, std::max(scratch.capacity(), block.size() * 4));
  for (;;) {
    char* out = scratch.reserve(capacity);
    size_t size = 0;
    switch (libdeflate_deflate_decompress(decompressor(), block.data(), block.size(), out, capacity, &size)) {
      case LIBDEFLATE_SUCCESS:
        return {out, size};
      case LIBDEFLATE_INSUFFICIENT_SPACE:
        if (capacity >= limit) too_long();
        capacity = std::min(limit, capacity * 2);
        break;
      default:
        throw CorruptFile("a block is no deflate stream");
    }
  }
}

std::string_view unsnappy(std::string_view block, size_t limit, Scratch& scratch) {
  if (block.size() < 4) throw CorruptFile("a snappy block is too short for its checksum");
  const std::string_view data = block.substr(0, block.size() - 4);
  size_t size = 0;
  if (!snappy::GetUncompressedLength(data.data(), data.size(), &size)) {
    throw CorruptFile("a block is not compressed by snappy");
  }
  if (size > std::min(limit, data.size() * kSnappyRatio + 64)) too_long();
  char* out = scratch.reserve(size);
  if (!snappy::RawUncompress(data.data(), data.size(), out)) {
    throw CorruptFile("a block is not compressed by snappy");
  }
  uint32_t expected = 0;
  for (const char byte : block.substr(data.size())) expected = expected << 8 | static_cast<uint8_t>(byte);
  if (libdeflate_crc32(0, out, size) != expected) throw CorruptFile("the checksum of a snappy block does not match");
  return {out, size};
}

// Frames may lack their content's size, so the output grows as it comes.
std::string_view unzstd(std::string_view block, size_t limit, Scratch& scratch) {
  size_t capacity = std::min(limit, std::max({scratch.capacity(), block.size() * 4, size_t{4096}}));
  for (;;) {
    ZSTD_DCtx* context = zstd_decompressor();
    ZSTD_DCtx_reset(context, ZSTD_reset_session_only);
    ZSTD_outBuffer out{scratch.reserve(capacity), capacity, 0};
    ZSTD_inBuffer in{block.data(), block.size(), 0};
    size_t expected = 1;
    while (in.pos < in.size || expected != 0) {
      const size_t in_before = in.pos, out_before = out.pos;
      expected = ZSTD_decompressStream(context, &out, &in);
      if (ZSTD_isError(expected)) throw CorruptFile("a block is not compressed by zstd");
      if (in.pos == in_before && out.pos == out_before) break;  // no way on without more input or room
    }
    if (in.pos == in.size && expected == 0) return {static_cast<char*>(out.dst), out.pos};
    if (out.pos < out.size) throw CorruptFile("a zstd block is cut");
    if (capacity >= limit) too_long();
    capacity = std::min(limit, capacity * 2);
  }
}

}  // namespace

Codec parse_codec(std::string_view name) {
  if (name == "null" || name == "uncompressed" || name == "none") return Codec::kNull;
  if (name == "deflate" || name == "gzip") return Codec::kDeflate;
  if (name == "snappy") return Codec::kSnappy;
  if (name == "zstandard" || name == "zstd") return Codec::kZstd;
  throw NotSupported(
      fmt::format("Avro codec \"{}\" is not supported; use null, deflate, snappy or zstd", name.substr(0, 40)));
}

std::string_view avro_name(Codec codec) {
  static constexpr std::array<std::string_view, 4> names = {"null", "deflate", "snappy", "zstandard"};
  return names[static_cast<size_t>(codec)];
}

char* Scratch::reserve(size_t size) {
  if (bytes_.size() < size) {
    bytes_ = std::string();  // the old content is not copied
    bytes_.resize(size);
  }
  return bytes_.data();
}

std::string_view decompress(Codec codec, std::string_view block, size_t limit, Scratch& scratch) {
  switch (codec) {
    case Codec::kNull:
      if (block.size() > limit) too_long();
      return block;
    case Codec::kDeflate:
      return inflate(block, limit, scratch);
    case Codec::kSnappy:
      return unsnappy(block, limit, scratch);
    case Codec::kZstd:
      return unzstd(block, limit, scratch);
  }
  return {};
}

std::string compress(Codec codec, std::string_view block) {
  std::string out;
  switch (codec) {
    case Codec::kNull:
      return std::string(block);
    case Codec::kDeflate:
      out.resize(libdeflate_deflate_compress_bound(compressor(), block.size()));
      out.resize(libdeflate_deflate_compress(compressor(), block.data(), block.size(), out.data(), out.size()));
      return out;
    case Codec::kSnappy: {
      snappy::Compress(block.data(), block.size(), &out);
      const uint32_t checksum = libdeflate_crc32(0, block.data(), block.size());
      for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(checksum >> shift));
      return out;
    }
    case Codec::kZstd: {
      out.resize(ZSTD_compressBound(block.size()));
      const size_t size = ZSTD_compress(out.data(), out.size(), block.data(), block.size(), kZstdLevel);
      if (ZSTD_isError(size)) throw Error("zstd cannot compress a block");
      out.resize(size);
      return out;
    }
  }
  return out;
}

}  // namespace floe::avro
