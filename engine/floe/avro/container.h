// Avro object container files: a header with the schema, then blocks of records, each followed by a sync marker.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "floe/avro/codec.h"

namespace floe::avro {

// Views of the file's bytes, which must outlive it.
struct Header {
  using Values = std::map<std::string_view, std::string_view>;
  Values values;            // the key-value metadata
  std::string_view schema;  // that of "avro.schema"
  std::string_view raw;     // the whole header but its sync marker: files of one kind share it
  Codec codec = Codec::kNull;
  std::string_view sync;  // 16 bytes
  size_t size = 0;        // of the header: where the first block starts
};

// Throws CorruptFile naming `file`.
Header read_header(std::string_view bytes, const std::string& file);

using VisitBlock = std::function<void(int64_t records, std::string_view data)>;

// A file's blocks, one after the other. What it is made of must outlive it.
class Blocks {
 public:
  Blocks(std::string_view bytes, const Header& header, const std::string& file);

  // Calls `visit(records, uncompressed bytes)` for the next block; the bytes are valid during the call. False: there is
  // none. Throws CorruptFile naming `file` if a block or its sync marker is cut or wrong, or if what `visit` throws is
  // a CorruptFile, and if the blocks are more than kUncompressedBase + kUncompressedRatio times the file when
  // uncompressed.
  bool next(const VisitBlock& visit);

 private:
  const std::string_view bytes_;
  const Header& header_;
  const std::string& file_;
  size_t at_;      // where the next block starts
  size_t budget_;  // uncompressed bytes that are left to it
};

// All of them.
void for_each_block(std::string_view bytes, const Header& header, const std::string& file, const VisitBlock& visit);

inline constexpr size_t kUncompressedBase = size_t{256} << 20;
inline constexpr size_t kUncompressedRatio = 64;

using Metadata = std::map<std::string, std::string, std::less<>>;

// Writes a file in blocks of about 64 KiB.
//   Writer writer(to_avro_schema(...), {{"format-version", "2"}}, Codec::kDeflate);
//   append_long(writer.record(), 34);  // encode a record ...
//   writer.end_record();               // ... and count it
class Writer {
 public:
  Writer(std::string_view schema_json, const Metadata& metadata, Codec codec);

  std::string& record() { return block_; }
  void end_record();
  size_t bytes() const { return taken_ + file_.size() + block_.size(); }  // so far; the last block not compressed yet

  // Takes what is complete so far out of memory: the file is what all calls give, and finish() in the end.
  std::string take();
  std::string finish();

 private:
  void flush();

  std::string file_;
  size_t taken_ = 0;
  std::string block_;
  int64_t records_ = 0;
  std::string sync_;
  Codec codec_;
};

}  // namespace floe::avro
