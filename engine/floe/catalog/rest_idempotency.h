// Keys by which a REST catalog's server knows a request again that it was sent before. Internal to catalog/.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace floe {

// For one request that changes something, and its repetitions: a UUID of version 7 (RFC 9562), which begins with the
// time.
std::string new_idempotency_key();

// How long a server knows a key ("idempotency-key-lifetime" of its configuration): an ISO 8601 duration of weeks, days,
// hours, minutes and seconds ("PT30M", "P1DT12H"), at most a year of it. nullopt: it is none.
std::optional<std::chrono::seconds> duration_from_iso(std::string_view text);

}  // namespace floe
