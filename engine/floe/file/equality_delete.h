// Equality delete files: rows that are deleted by the values of some of their columns.
// Specification: "Equality Delete Files".
#pragma once

#include <arrow/array.h>
#include <arrow/util/cancel.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "floe/io/io.h"
#include "floe/manifest/data_file.h"
#include "floe/spec/schema.h"

namespace floe {

// The columns of such files: those of the key, inside their structs. All are optional, since a delete may have null in
// a field that the table requires: no row then matches.
Schema equality_delete_schema(const Schema& schema, const std::vector<int32_t>& equality_ids);

// The keys of any number of equality delete files with the same equality fields, each with the greatest data sequence
// number of the files that delete it. A row is deleted if its file's data sequence number is less: so one set serves
// all data files of a partition (and another one all data files of the table, for the deletes of unpartitioned specs).
//
// Nulls equal nulls, NaNs equal NaNs, and -0.0 is not 0.0, as in Java. Memory is in proportion to the deletes.
// Probing is safe from many threads, once all files are added.
class EqualityDeletes {
 public:
  // `schema`: the table's that has all of `equality_ids` (any order), with the types of the table's current one; fields
  // may be nested in structs. Of fields that were dropped since, give the schema that had them last. Throws
  // InvalidArgument if one is not there, is nested, or is inside a list or map, NotSupported for types that keys cannot
  // have (key_index.h).
  EqualityDeletes(const Schema& schema, std::vector<int32_t> equality_ids);
  ~EqualityDeletes();

  // Reads a delete file's keys, as the schema's types. `sequence_number` is its data sequence number. Throws
  // CorruptFile or NotFound. Several files may be added at once, each by
  // a thread.
  void add(Io& io, const DataFile& file, int64_t sequence_number, const std::string& name_mapping_json = "",
           const arrow::StopToken& stop = arrow::StopToken::Unstoppable());
  // The same with keys that are here: columns as columns() has them.
  void add(const arrow::ArrayVector& columns, int64_t sequence_number);

  const std::vector<int32_t>& equality_ids() const;  // ascending

  // The top-level columns that make up the key, with only the children that do.
  const Schema& columns() const;

  int64_t size() const;       // distinct keys
  size_t memory_use() const;  // about, in bytes

  // Clears in `bits`, from bit `offset` on, those of rows that are deleted from a file with this data sequence number.
  void clear_bits(const arrow::ArrayVector& columns, int64_t data_sequence_number, uint8_t* bits, int64_t offset) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace floe
