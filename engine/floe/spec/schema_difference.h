// What became of a schema: column by column, for people and for conflicts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "floe/spec/schema.h"

namespace floe {

enum class ColumnChangeKind : uint8_t {
  kAdded,
  kDropped,
  kRenamed,
  kType,
  kRequired,
  kDoc,
  kInitialDefault,
  kWriteDefault,
  kMoved,
  kIdentifier,
};
std::string_view to_string(ColumnChangeKind kind);  // "added", "initial-default", ...

struct ColumnChange {
  ColumnChangeKind kind = ColumnChangeKind::kAdded;
  int32_t field_id = 0;
  std::string name;           // full, in the later schema; of a dropped column in the earlier one
  std::string before, after;  // as text: types, names, "required" or "optional", comments, defaults as JSON
};
std::string to_string(const ColumnChange& change);  // "renamed column a.b to c"

// By field id, in the order of the later schema, dropped columns first. What comes or goes with its parent is not
// named.
std::vector<ColumnChange> difference(const Schema& before, const Schema& after);

}  // namespace floe
