#include "floe/write/external_sort.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "floe/arrow_status.h"
#include "floe/error.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"

namespace floe {
namespace {

using Row = std::vector<Value>;

// A key to sort by, something of every kind that has to travel through a temporary file, and where the row came.
Schema schema() {
  return {.fields = {{.id = 1, .name = "key", .type = primitive(TypeKind::kString)},
                     {.id = 2, .name = "uuid", .type = primitive(TypeKind::kUuid)},
                     {.id = 3, .name = "list", .type = list_type(4, primitive(TypeKind::kInt), false)},
                     {.id = 5,
                      .name = "map",
                      .type = map_type(6, primitive(TypeKind::kString), 7, primitive(TypeKind::kDouble), false)},
                     {.id = 8, .name = "nothing", .type = primitive(TypeKind::kUnknown)},
                     {.id = 9, .name = "number", .type = primitive(TypeKind::kInt)}}};
}

std::shared_ptr<arrow::RecordBatch> random_rows(int first, int n, std::mt19937& random) {
  std::vector<std::vector<Value>> columns(6);
  for (int i = first; i < first + n; ++i) {
    const auto key = random() % 300;
    columns[0].push_back(key < 10 ? Value() : Value(std::to_string(key)));
    columns[1].emplace_back(std::string(16, static_cast<char>('a' + i % 26)));
    columns[2].push_back(i % 3 == 0 ? Value() : Value(Row{Value(i), Value()}));
    columns[3].emplace_back(Row{Value(std::string("k")), Value(i * 0.5)});
    columns[4].emplace_back();
    columns[5].emplace_back(i);
  }
  const Schema table = schema();
  arrow::ArrayVector arrays;
  for (size_t i = 0; i < columns.size(); ++i) {
    arrays.push_back(to_array(columns[i], table.fields[i].type, to_arrow_type(table.fields[i].type)));
  }
  return arrow::RecordBatch::Make(to_arrow_schema(table), n, std::move(arrays));
}

std::string text(const arrow::RecordBatch& batch) { return batch.Validate().ok() ? batch.ToString() : "invalid"; }

// Every row once, by partition, in order, whole; whatever fits into memory.
void expect_sorted(int64_t memory, bool ordered, int batches) {
  std::mt19937 random(3);
  const RowOrder order({.order_id = 1, .fields = {{.source_ids = {1}}}}, schema());
  ExternalSort sort(to_arrow_schema(schema()), ordered ? &order : nullptr, {.memory = memory});
  std::vector<std::shared_ptr<arrow::RecordBatch>> given;
  struct Expected {
    std::string key;
    int row;
  };
  std::map<int32_t, std::vector<Expected>> expected;
  for (int b = 0; b < batches; ++b) {
    const auto batch = random_rows(b * 100, 100, random);
    std::vector<int32_t> partitions;
    RowKeys keys;
    order.append_keys(*batch, keys);
    for (int i = 0; i < 100; ++i) {
      partitions.push_back(static_cast<int32_t>(random() % 5 * 10));
      expected[partitions.back()].push_back({std::string(keys[i]), b * 100 + i});
    }
    sort.add(batch, partitions);
    given.push_back(batch);
  }
  const auto all = check(arrow::ConcatenateRecordBatches(given), "test");
  const auto partitions = sort.finish();
  ASSERT_EQ(partitions.size(), expected.size());
  for (const auto& partition : partitions) {
    auto& rows = expected.at(partition.number);
    ASSERT_EQ(partition.rows, static_cast<int64_t>(rows.size()));
    EXPECT_GT(partition.bytes, 0);
    if (ordered) {
      std::stable_sort(rows.begin(), rows.end(), [](const Expected& a, const Expected& b) { return a.key < b.key; });
    }
    size_t at = 0;
    const auto stream = sort.read(partition);
    while (const auto batch = stream()) {
      ASSERT_TRUE(batch->schema()->Equals(*to_arrow_schema(schema()), true));
      for (int64_t i = 0; i < batch->num_rows(); ++i, ++at) {
        ASSERT_LT(at, rows.size());
        ASSERT_EQ(text(*batch->Slice(i, 1)), text(*all->Slice(rows[at].row, 1))) << "row " << at;
      }
    }
    EXPECT_EQ(at, rows.size());
  }
}

TEST(ExternalSort, InMemory) {
  expect_sorted(1 << 30, true, 20);
  expect_sorted(1 << 30, false, 20);
}

TEST(ExternalSort, WithRunsOnDisk) {
  expect_sorted(60'000, true, 40);
  expect_sorted(60'000, false, 40);
}

TEST(ExternalSort, WithMoreRunsThanAreMergedAtOnce) { expect_sorted(1, true, 300); }

TEST(ExternalSort, NothingIsNoPartition) {
  ExternalSort sort(to_arrow_schema(schema()), nullptr, {});
  EXPECT_TRUE(sort.finish().empty());
}

TEST(ExternalSort, StopsWhileItSpills) {
  std::mt19937 random(3);
  arrow::StopSource stop;
  ExternalSort sort(to_arrow_schema(schema()), nullptr, {.memory = 1, .table_name = "db.t", .stop = stop.token()});
  sort.add(random_rows(0, 10, random), std::vector<int32_t>(10, 0));
  stop.RequestStop();
  EXPECT_THROW(sort.add(random_rows(0, 10, random), std::vector<int32_t>(10, 0)), Cancelled);
}

}  // namespace
}  // namespace floe
