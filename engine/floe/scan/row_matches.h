// Which rows of some files are the same as rows of others. Internal to scan/.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "floe/scan/scan.h"

namespace floe {

// Rows of a plan's files, by part and index of its `entries`; null: none.
using Marks = std::vector<std::vector<std::shared_ptr<Positions>>>;

Marks no_marks(const ScanPlan& plan);
void add(Marks& marks, const Marks& more);

struct RowKey {
  std::vector<Field> fields;  // compared, all of them
  bool nulls_match = true;    // false: a row that has none of the first field is like no other
  bool unique = false;        // whether several rows of one plan with one key are an error, if the other has it
};

struct RowMatches {
  Marks left, right;                        // pairs: as many here as there
  int64_t left_alone = 0, right_alone = 0;  // rows without a partner
};

// Pairs the rows that two plans read by their keys, each with at most one. Memory: some 40 bytes for each row of
// `left`. Throws as reading does, and InvalidArgument where keys are not unique and should be.
RowMatches match_rows(const TableMetadata& table, const ScanPlan& left, const ScanPlan& right, const RowKey& key,
                      const ScanOptions& options, const IoPtr& io);

}  // namespace floe
