// What tests of files in a folder of their own need.
#pragma once

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"
#include "floe/file/parquet_reader.h"
#include "floe/file/parquet_writer.h"

namespace floe {

inline Field test_field(int32_t id, std::string name, Type type, bool required = false) {
  return Field{.id = id, .name = std::move(name), .required = required, .type = std::move(type)};
}

// Rows as a batch of the schema: each row has a value for each of its fields.
inline std::shared_ptr<arrow::RecordBatch> batch_of(const Schema& schema, const std::vector<std::vector<Value>>& rows) {
  const auto arrow_schema = to_arrow_schema(schema);
  arrow::ArrayVector columns;
  for (size_t i = 0; i < schema.fields.size(); ++i) {
    std::vector<Value> values;
    for (const std::vector<Value>& row : rows) values.push_back(row[i]);
    columns.push_back(to_array(values, schema.fields[i].type, arrow_schema->field(static_cast<int>(i))->type()));
  }
  return arrow::RecordBatch::Make(arrow_schema, static_cast<int64_t>(rows.size()), columns);
}

class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    std::string name = (std::filesystem::temp_directory_path() / "floe_file_XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~FileTest() override { std::filesystem::remove_all(folder_); }

  std::string new_path(const std::string& suffix = ".parquet") {
    return (folder_ / (std::to_string(++files_) + suffix)).string();
  }

  DataFile write(const Schema& schema, const std::vector<std::vector<Value>>& rows, const Properties& properties = {}) {
    ParquetWriter writer(*io_, new_path(), schema, parquet_write_options(properties, schema), false);
    writer.write(*batch_of(schema, rows));
    return writer.finish();
  }

  std::shared_ptr<arrow::Table> read(const DataFile& file, const ParquetReadOptions& options,
                                     const FileContext& context = {}) {
    counters_ = std::make_shared<ParquetScanCounters>();
    auto table = check(read_parquet(*io_, file, options, context, "", counters_)->ToTable(), "read");
    check(table->ValidateFull(), "read");
    return check(table->CombineChunks(), "read");
  }

  static std::string bytes_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::filesystem::path folder_;
  int files_ = 0;
  IoPtr io_ = make_io({});
  std::shared_ptr<ParquetScanCounters> counters_;
};

}  // namespace floe
