// A process that appends to a table, for tests that kill it, starve it or run several.
//
//   append_program <catalog uri> <warehouse> <table> <first id> <appends> <rows of each>
//
// Each append is a batch of numbered rows. Prints one line for each that succeeded: the id of its first row. Exits with
// 1 and the message when one fails.
#include <cstdio>
#include <exception>
#include <string>

#include "warehouse.h"

int main(int argc, char** argv) {
  if (argc != 7) return 2;
  try {
    auto catalog = floe::open_catalog("test", {{"type", "sql"}, {"uri", argv[1]}, {"warehouse", argv[2]}});
    auto table = floe::Table::load(catalog, {{"db"}, argv[3]});
    const int64_t first = std::stoll(argv[4]), appends = std::stoll(argv[5]), rows = std::stoll(argv[6]);
    for (int64_t i = 0; i < appends; ++i) {
      floe::append_numbered(table, first + i * rows, rows);
      std::printf("%lld\n", static_cast<long long>(first + i * rows));
      std::fflush(stdout);
    }
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
