// Puffin files: blobs, and a footer that says what they are. Specification: puffin-spec.
#pragma once

#include <arrow/io/interfaces.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "floe/io/io.h"
#include "floe/spec/snapshot.h"

namespace floe {

struct PuffinBlob {
  std::string type;
  std::vector<int32_t> fields;
  int64_t snapshot_id = -1;
  int64_t sequence_number = -1;
  int64_t offset = 0;
  int64_t length = 0;                            // in the file
  std::optional<std::string> compression_codec;  // "lz4" or "zstd"
  Properties properties;
};

struct PuffinFooter {
  std::vector<PuffinBlob> blobs;
  Properties properties;
};

// An open Puffin file with its footer read, and nothing else. Throws CorruptFile naming the file. `size` as Io::open.
class PuffinFile {
 public:
  PuffinFile(Io& io, const std::string& location, int64_t size = -1);

  const PuffinFooter& footer() const { return footer_; }

  // The blob's content, decompressed.
  std::string read(const PuffinBlob& blob) const;

 private:
  std::string location_;
  std::shared_ptr<arrow::io::RandomAccessFile> file_;
  PuffinFooter footer_;
};

// A Puffin file being written; without finish() nothing is left.
class PuffinWriter {
 public:
  PuffinWriter(Io& io, const std::string& location);
  PuffinWriter(const PuffinWriter&) = delete;
  ~PuffinWriter();

  // Writes the content, which is not compressed. Offset and length are filled in, and the blob returned.
  const PuffinBlob& add(PuffinBlob blob, std::string_view content);

  // Writes the footer and closes the file durably. Returns its size.
  int64_t finish();

  // Then: how much of it is the footer, from the magic before it to the end.
  int64_t footer_size() const { return footer_size_; }

 private:
  void append(std::string_view bytes);

  std::unique_ptr<OutputFile> file_;
  std::string location_;
  PuffinFooter footer_;
  int64_t size_ = 0, footer_size_ = 0;
};

}  // namespace floe
