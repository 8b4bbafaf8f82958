// metadata.json of any content, plain or gzip-compressed, and lists of updates: what is read has to come back the same
// from what is written, and updates make a table that can be read again.
//
// An input is metadata, or updates (a JSON array), or metadata and updates with a line "--" between them.
#include <cstdlib>
#include <string>

#include "floe/error.h"
#include "floe/spec/table_metadata.h"
#include "floe/spec/table_update.h"

namespace floe {
namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void look_around(const TableMetadata& table) {
  current_schema(table);
  default_spec(table);
  default_sort_order(table);
  current_snapshot(table);
  snapshot_as_of(table, table.last_updated_ms);
  for (const auto& ref : table.refs) require(snapshot_by_ref(table, ref.first) != nullptr);
  for (const auto& snapshot : table.snapshots) schema_of(table, *snapshot);
}

// What was read or made can be written and read; not even an exception is right here.
void require_round_trip(const TableMetadata& table) noexcept {
  const TableMetadata again = parse_table_metadata(to_json(table), "written");
  require(again == table);
  require(to_json(again) == to_json(table));
}

std::vector<TableUpdate> updates_of(std::string_view text) {
  std::vector<TableUpdate> updates = updates_from_json(text);
  const std::string written = to_json(updates, kLatestFormatVersion);
  require(to_json(updates_from_json(written), kLatestFormatVersion) == written);
  return updates;
}

template <typename F>
void attempt(F&& work) {
  try {
    work();
  } catch (const Error&) {
  }
}

void fuzz(std::string_view data) {
  if (data.starts_with('[')) {
    attempt([&] { require_round_trip(create_from(updates_of(data), "file:///t")); });
    attempt([&] {
      const std::vector<TableRequirement> requirements = requirements_from_json(data);
      require(to_json(requirements_from_json(to_json(requirements))) == to_json(requirements));
    });
    return;
  }
  constexpr std::string_view kBetween = "\n--\n";
  const size_t end = data.find(kBetween);
  attempt([&] {
    const TableMetadata table = parse_table_metadata(data.substr(0, end), "fuzzed");
    look_around(table);
    require_round_trip(table);
    if (end == std::string_view::npos) return;
    const std::vector<TableUpdate> updates = updates_of(data.substr(end + kBetween.size()));
    const TableMetadata updated = floe::apply(table, updates);
    look_around(updated);
    require_round_trip(updated);
  });
}

}  // namespace
}  // namespace floe

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  floe::fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
