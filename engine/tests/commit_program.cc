// A process that commits to a table again and again, for tests that run several at once.
//
//   commit_program <catalog uri> <warehouse> <table> <first commit> <commits>
//
// Prints how each commit went (history.h), and why it failed to stderr.
#include <cstdio>
#include <exception>
#include <string>

#include "history.h"
#include "warehouse.h"

namespace floe {
namespace {

Reported commit(Table& table, int64_t id) {
  try {
    table.append(*stream_of({numbered_rows(first_row(id), kRowsOfCommit)}),
                 {.snapshot_properties = {{"commit", std::to_string(id)}}});
    return Reported::kSucceeded;
  } catch (const CommitFailed& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return Reported::kFailed;
  } catch (const CommitStateUnknown& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return Reported::kUnknown;
  }
}

}  // namespace
}  // namespace floe

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  try {
    auto catalog = floe::open_catalog("test", {{"uri", argv[1]}, {"warehouse", argv[2]}});
    auto table = floe::Table::load(catalog, {{"db"}, argv[3]});
    const int64_t first = std::stoll(argv[4]), commits = std::stoll(argv[5]);
    for (int64_t id = first; id < first + commits; ++id) {
      std::fputs(floe::line_of(id, floe::commit(table, id)).c_str(), stdout);
    }
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
