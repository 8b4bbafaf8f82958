// What is deleted from one data file.
#pragma once

#include <memory>
#include <vector>

#include "floe/file/equality_delete.h"
#include "floe/file/positions.h"

namespace floe {

struct RowDeletes {
  // Of the deletion vector if there is one, else of all position delete files that apply; null: none.
  std::shared_ptr<const Positions> positions;
  // At most one for each set of equality fields and partition, with the deletes of all files (equality_delete.h).
  std::vector<std::shared_ptr<const EqualityDeletes>> equality;

  bool empty() const { return (!positions || positions->empty()) && equality.empty(); }
};

}  // namespace floe
