// Scanning 5 million rows in 10 files, of which each has nothing deleted (the limit), 1 % deleted by position delete
// files, 1 % by deletion vectors, or 1,000 rows by equality deletes whose keys lie within all files' bounds.
// FLOE_BENCH_ROWS makes another number of rows.
#include <arrow/api.h>
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <map>
#include <random>

#include "floe/file/deletion_vector.h"
#include "floe/file/position_delete.h"
#include "floe/scan/test_table.h"

namespace floe {
namespace {

using scan_test::field;
using scan_test::TestTable;

constexpr int kFiles = 10;
constexpr int64_t kKeys = 1000;
enum Kind { kNone, kPositions, kVectors, kEquality };

Schema bench_schema() {
  return {.fields = {field(1, "id", primitive(TypeKind::kLong)), field(2, "small", primitive(TypeKind::kInt)),
                     field(3, "ratio", primitive(TypeKind::kDouble)),
                     field(4, "category", primitive(TypeKind::kString)), field(5, "text", primitive(TypeKind::kString)),
                     field(6, "other", primitive(TypeKind::kLong))}};
}

// The n-th file's rows: its ids are those that leave n when divided by the number of files.
std::shared_ptr<arrow::RecordBatch> rows_of(int n, int64_t rows, std::mt19937_64& random) {
  arrow::Int64Builder id, other;
  arrow::Int32Builder small;
  arrow::DoubleBuilder ratio;
  arrow::StringBuilder category, text;
  for (int64_t i = 0; i < rows; ++i) {
    check(id.Append(i * kFiles + n), "rows");
    check(small.Append(static_cast<int32_t>(random() % 100'000)), "rows");
    check(ratio.Append(static_cast<double>(random() % 1'000'000) / 1e6), "rows");
    check(category.Append(fmt::format("category_{:02}", random() % 50)), "rows");
    check(text.Append(fmt::format("{:016x}", random())), "rows");
    check(other.Append(static_cast<int64_t>(random())), "rows");
  }
  const Schema schema = bench_schema();
  arrow::ArrayVector columns;
  for (arrow::ArrayBuilder* builder :
       std::initializer_list<arrow::ArrayBuilder*>{&id, &small, &ratio, &category, &text, &other}) {
    columns.push_back(check(builder->Finish(), "rows"));
  }
  const auto arrow_schema = to_arrow_schema(schema);
  for (size_t i = 0; i < columns.size(); ++i) {
    columns[i] = check(columns[i]->View(arrow_schema->field(static_cast<int>(i))->type()), "rows");
  }
  return arrow::RecordBatch::Make(arrow_schema, rows, std::move(columns));
}

struct Data : TestTable {
  explicit Data(Kind kind) : TestTable(bench_schema()) {
    metadata.format_version = 3;
    const char* count = std::getenv("FLOE_BENCH_ROWS");
    const int64_t rows = (count != nullptr ? std::atoll(count) : 5'000'000) / kFiles;
    std::mt19937_64 random(7);
    std::vector<DataFile> data;
    for (int n = 0; n < kFiles; ++n) {
      ParquetWriter writer(*io, path(fmt::format("data-{}.parquet", n)), bench_schema(),
                           parquet_write_options({}, bench_schema()), true);
      writer.write(*rows_of(n, rows, random));
      data.push_back(writer.finish());
    }
    append(data);
    std::vector<DataFile> deletes;
    for (int n = 0; n < kFiles && kind != kNone; ++n) deletes.push_back(delete_from(data[n], n, rows, kind, random));
    if (!deletes.empty()) append(deletes, ManifestContent::kDeletes);
  }

  DataFile delete_from(const DataFile& file, int n, int64_t rows, Kind kind, std::mt19937_64& random) {
    Positions positions;
    for (int64_t i = 0; i < rows / 100; ++i) positions.add(static_cast<int64_t>(random() % rows));
    if (kind == kPositions) {
      return write_position_deletes(*io, path(fmt::format("pos-{}.parquet", n)), {{file.file_path, positions}}, 0, {},
                                    {});
    }
    if (kind == kVectors) {
      DeletionVectorWriter writer(*io, path(fmt::format("dv-{}.puffin", n)));
      writer.add(file.file_path, 0, {}, positions);
      return writer.finish().front();
    }
    std::vector<scan_test::Row> keys;
    for (int64_t i = 0; i < kKeys; ++i) {
      keys.push_back({{1, Value(static_cast<int64_t>(random() % rows) * kFiles + n)}});
    }
    const Schema columns{.fields = {bench_schema().fields[0]}};
    ParquetWriter writer(*io, path(fmt::format("keys-{}.parquet", n)), columns, parquet_write_options({}, columns),
                         false);
    writer.write(*scan_test::to_batch(keys, columns));
    DataFile deletes = writer.finish();
    deletes.content = FileContent::kEqualityDeletes;
    deletes.equality_ids = {1};
    return deletes;
  }
};

// The table of one kind at a time.
Data& data_of(Kind kind) {
  static std::map<Kind, Data> made;
  if (!made.contains(kind)) made.clear();
  return made.try_emplace(kind, kind).first->second;
}

void scan(benchmark::State& state) {
  Data& data = data_of(static_cast<Kind>(state.range(0)));
  const ScanPlan planned = plan(data.metadata, {}, *data.io);
  for (auto _ : state) {
    auto reader = read(data.metadata, planned, {}, data.io);
    int64_t rows = 0;
    std::shared_ptr<arrow::RecordBatch> batch;
    while (true) {
      check(reader->ReadNext(&batch), "scan");
      if (!batch) break;
      rows += batch->num_rows();
    }
    state.counters["rows"] = static_cast<double>(rows);
  }
}

BENCHMARK(scan)
    ->Arg(kNone)
    ->Arg(kPositions)
    ->Arg(kVectors)
    ->Arg(kEquality)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->MeasureProcessCPUTime();

}  // namespace
}  // namespace floe
