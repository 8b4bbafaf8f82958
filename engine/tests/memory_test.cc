// What work takes of memory does not depend on how much is in the table.
#include <arrow/api.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "floe/arrow_status.h"
#include "process.h"
#include "warehouse.h"

namespace floe {
namespace {

constexpr int64_t kRowsOfAFile = 50'000;

// In each of so many files are ids from the first to the last, so that none can be left out by its bounds.
void create(const Warehouse& warehouse, const std::string& name, int64_t files) {
  Table table = warehouse.create(name, numbered_schema());
  const auto texts = numbered_rows(0, kRowsOfAFile);
  for (int64_t file = 0; file < files; ++file) {
    arrow::Int64Builder ids;
    for (int64_t i = 0; i < kRowsOfAFile; ++i) check(ids.Append(i * files + file), "append");
    table.append(*stream_of(
        {arrow::RecordBatch::Make(texts->schema(), kRowsOfAFile, {check(ids.Finish(), "finish"), texts->column(1)})}));
  }
}

int64_t peak(const Warehouse& warehouse, const std::string& table, const std::string& what, const std::string& mode) {
  Process process({WORK_PROGRAM, warehouse.uri(), warehouse.location(), table, what, mode});
  EXPECT_EQ(process.wait(), 0) << process.errors();
  return std::stoll("0" + process.output());
}

TEST(Memory, DoesNotGrowWithTheTable) {
  const Warehouse warehouse;
  create(warehouse, "few", 4);
  create(warehouse, "many", 40);
  for (const auto& [what, mode] : {std::pair{"scan", "merge-on-read"}, std::pair{"delete", "merge-on-read"},
                                   std::pair{"upsert", "merge-on-read"}, std::pair{"scan", "merge-on-read"},
                                   std::pair{"delete", "copy-on-write"}, std::pair{"upsert", "copy-on-write"}}) {
    const int64_t few = peak(warehouse, "few", what, mode), many = peak(warehouse, "many", what, mode);
    RecordProperty(std::string(what) + " " + mode, std::to_string(few) + " " + std::to_string(many));
    EXPECT_GT(few, 0);
    EXPECT_LT(many, 2 * few + (8 << 20)) << what << ", " << mode << ": " << few << " in a tenth of it";
  }
}

}  // namespace
}  // namespace floe
