#include "floe/catalog/rest_idempotency.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "floe/spec/table_metadata.h"

namespace floe {

std::string new_idempotency_key() {
  std::string key = new_uuid();
  const std::string time = fmt::format("{:012x}", now_ms());
  key.replace(0, 8, time, 0, 8);
  key.replace(9, 4, time, 8, 4);
  key[14] = '7';
  return key;
}

std::optional<std::chrono::seconds> duration_from_iso(std::string_view text) {
  constexpr int64_t kMost = int64_t{366} * 86'400;
  if (!text.starts_with('P')) return std::nullopt;
  text.remove_prefix(1);
  int64_t seconds = 0;
  bool of_time = false, any = false;
  while (!text.empty()) {
    if (text.front() == 'T' && !of_time) {
      of_time = true;
      any = false;
      text.remove_prefix(1);
      continue;
    }
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || number < 0 || end == text.data() + text.size()) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (of_time && text.front() == '.') {  // a fraction of a second: less than that is known
      text.remove_prefix(std::min(text.find_first_not_of("0123456789", 1), text.size()));
      if (text != "S") return std::nullopt;
    }
    int64_t unit = 0;
    switch (text.front()) {
      case 'W':
        unit = of_time ? 0 : 7 * 86'400;
        break;
      case 'D':
        unit = of_time ? 0 : 86'400;
        break;
      case 'H':
        unit = of_time ? 3600 : 0;
        break;
      case 'M':
        unit = of_time ? 60 : 0;
        break;
      case 'S':
        unit = of_time ? 1 : 0;
        break;
      default:
        break;
    }
    if (unit == 0) return std::nullopt;
    seconds = std::min(kMost, seconds + std::min(number, kMost) * unit);
    any = true;
    text.remove_prefix(1);
  }
  if (!any) return std::nullopt;
  return std::chrono::seconds(seconds);
}

}  // namespace floe
