// A process that does one piece of work on a table, for tests of what that takes of memory.
//
//   work_program <catalog uri> <warehouse> <table> <scan | delete | upsert> <mode>
//
// Prints the most bytes that Arrow's default memory pool held at a time.
#include <cstdio>
#include <exception>
#include <string>

#include "warehouse.h"

namespace floe {
namespace {

void work(Table& table, const std::string& what, DeleteMode mode) {
  if (what == "scan") {
    const auto batches = table.scan({.read_ahead_bytes = 1 << 20});  // the default would take all of a small table
    for (std::shared_ptr<arrow::RecordBatch> batch;;) {
      if (!batches->ReadNext(&batch).ok() || !batch) return;
    }
  } else if (what == "delete") {
    table.delete_rows({.filter = parse_filter("id < 400"), .mode = mode});
  } else {
    // Of new keys and of old ones, whose texts become those of other rows.
    const auto keys = numbered_rows(500, 1000), texts = numbered_rows(-1500, 1000);
    const auto old = arrow::RecordBatch::Make(keys->schema(), 1000, {keys->column(0), texts->column(1)});
    table.upsert(*stream_of({old, texts}), {.keys = {"id"}, .mode = mode});
  }
}

}  // namespace
}  // namespace floe

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  try {
    auto catalog = floe::open_catalog("test", {{"uri", argv[1]}, {"warehouse", argv[2]}});
    auto table = floe::Table::load(catalog, {{"db"}, argv[3]});
    const bool copies = std::string(argv[5]) == "copy-on-write";
    floe::work(table, argv[4], copies ? floe::DeleteMode::kCopyOnWrite : floe::DeleteMode::kMergeOnRead);
    std::printf("%lld\n", static_cast<long long>(arrow::default_memory_pool()->max_memory()));
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
