// Which columns of a Parquet file to encode with a dictionary.
//
// Parquet writers usually try on every column and give up where the dictionary grows too large. On columns of many
// distinct values that costs more than the rest of the encoding, and more bytes. A look at some rows tells beforehand.
#pragma once

#include <arrow/record_batch.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace floe {

struct DictionaryLimits {
  int64_t dictionary_bytes = 2 << 20;  // beyond this the writer gives a dictionary up
  int64_t rows = 1 << 20;              // of a row group; one dictionary serves that many
};

// One answer per leaf column in Parquet's order, judged by a sample of the file's rows. `whole_file`: there are no
// more.
std::vector<bool> choose_dictionaries(const std::vector<std::shared_ptr<arrow::RecordBatch>>& sample, int leaf_columns,
                                      bool whole_file, const DictionaryLimits& limits);

}  // namespace floe
