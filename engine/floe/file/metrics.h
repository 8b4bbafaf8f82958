// Column metrics of data files: which columns have which, and the bounds as manifests hold them.
// Specification: "Data File Fields"; table properties `write.metadata.metrics.*` as in Java.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "floe/manifest/data_file.h"
#include "floe/spec/schema.h"
#include "floe/spec/snapshot.h"

namespace floe {

struct MetricsMode {
  enum class Kind : uint8_t { kNone, kCounts, kTruncate, kFull };
  Kind kind = Kind::kTruncate;
  int32_t length = 16;  // kTruncate: code points of a string, bytes of a binary
  bool operator==(const MetricsMode&) const = default;
};

// "none", "counts", "truncate(16)", "full", of any case. Throws InvalidArgument naming `key` on anything else.
MetricsMode parse_metrics_mode(std::string_view text, std::string_view key);

// The mode of every primitive column: `write.metadata.metrics.column.<name>`, else `write.metadata.metrics.default`,
// else truncate(16) for the first `write.metadata.metrics.max-inferred-column-defaults` (100) columns and none for the
// rest, those of a level before those nested in it. Sorted by field id.
ByFieldId<MetricsMode> metrics_modes(const Properties& table_properties, const Schema& schema);

// Whether the field can have bounds and counts of values: not inside a list or map.
std::vector<const Field*> fields_outside_lists(const Schema& schema);

// A bound in binary form, cut as the mode asks. An upper bound that is cut is incremented, so that it is one still;
// nullopt if it cannot be, if the mode has no bounds, or if a string is not UTF-8. Never NaN.
std::optional<std::string> lower_bound(const Value& least, const Type& type, const MetricsMode& mode);
std::optional<std::string> upper_bound(const Value& greatest, const Type& type, const MetricsMode& mode);

}  // namespace floe
