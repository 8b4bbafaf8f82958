// The codecs that compress the blocks of an Avro file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace floe::avro {

enum class Codec : uint8_t { kNull, kDeflate, kSnappy, kZstd };

// By the name in the file ("avro.codec") or in a table property ("gzip", "zstd", "uncompressed"). Throws NotSupported.
Codec parse_codec(std::string_view name);
std::string_view avro_name(Codec codec);  // as it stands in the file

// Bytes that grow without being cleared first, and are used again for the next block.
class Scratch {
 public:
  char* reserve(size_t size);  // keeps nothing; at least `size` bytes
  size_t capacity() const { return bytes_.size(); }

 private:
  std::string bytes_;
};

// The uncompressed block: in `scratch`, or `block` itself where the codec is null. Throws CorruptFile if the block
// cannot be decompressed or would be longer than `limit`; never allocates more than twice that. What follows the end of
// a deflate stream is ignored: PyIceberg leaves three bytes of a checksum there.
std::string_view decompress(Codec codec, std::string_view block, size_t limit, Scratch& scratch);

std::string compress(Codec codec, std::string_view block);

}  // namespace floe::avro
