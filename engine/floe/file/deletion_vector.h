// Deletion vectors: the deleted positions of one data file, as a blob of a Puffin file.
// Specification: "Deletion Vectors", and "deletion-vector-v1" in puffin-spec.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "floe/file/positions.h"
#include "floe/file/puffin.h"
#include "floe/io/io.h"
#include "floe/manifest/data_file.h"

namespace floe {

// Reads one, by the path, content_offset and content_size_in_bytes of its entry, and no other part of the file.
// `data_file_rows`: the record_count of the data file, -1 if not known. Throws CorruptFile naming the Puffin file and
// the data file if the blob is damaged, its positions are not as many as the entry's record_count, or one is not below
// `data_file_rows`.
Positions read_deletion_vector(Io& io, const DataFile& vector, int64_t data_file_rows);

// Writes one Puffin file with many of them; without finish() nothing is left.
class DeletionVectorWriter {
 public:
  DeletionVectorWriter(Io& io, std::string location);

  // At most one for a data file, and not empty; otherwise throws InvalidArgument. What the data file had as deletes
  // before must be among the positions. spec_id and partition are the data file's.
  void add(const std::string& data_file_path, int32_t spec_id, std::vector<Value> partition,
           const Positions& positions);

  // Closes the file durably. One delete file for each vector, in the order that they were added.
  std::vector<DataFile> finish();

 private:
  std::string location_;
  PuffinWriter puffin_;
  std::unordered_set<std::string> data_files_;
  std::vector<DataFile> files_;
};

// The blob: length, magic, positions, checksum. Reading throws CorruptFile that begins with `what`.
std::string to_deletion_vector_blob(const Positions& positions);
Positions parse_deletion_vector_blob(std::string_view blob, const std::string& what);

}  // namespace floe
