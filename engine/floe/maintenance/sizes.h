// Which files are too small or too large, and what becomes of them. Internal to maintenance/.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "floe/error.h"

namespace floe {

struct Sizes {
  int64_t target = 0, min = 0, max = 0;

  // How many files so many bytes become: a rest that would be too small for a file goes to the others if they do not
  // become much larger.
  int64_t files(int64_t bytes) const {
    const int64_t whole = bytes / target;
    if (whole == 0) return 1;
    const int64_t rest = bytes % target;
    const bool fits = bytes / whole < std::min(target + target / 10, largest());
    return rest > 0 && (rest > min || !fits) ? whole + 1 : whole;
  }

  // How large each of them is.
  int64_t file_bytes(int64_t bytes) const {
    constexpr int64_t kOverhead = 5 << 10;  // of a file, beside its rows
    return std::clamp(bytes / files(bytes) + kOverhead, target, std::max(target, largest()));
  }

 private:
  int64_t largest() const { return target + (max - target) / 2; }
};

// As the options say, which have the members `target_file_size_bytes` and so on; by default the least size is 0.75 of
// the target, and the largest 1.8 of it. Throws InvalidArgument if the target does not lie between them.
template <typename Options>
Sizes sizes_of(const Options& options, int64_t default_target, const std::string& table_name) {
  const auto part = [](int64_t target, double of_it) {
    return static_cast<int64_t>(static_cast<double>(target) * of_it);
  };
  Sizes sizes;
  sizes.target = options.target_file_size_bytes.value_or(default_target);
  sizes.min = options.min_file_size_bytes.value_or(part(sizes.target, 0.75));
  sizes.max = options.max_file_size_bytes.value_or(part(sizes.target, 1.8));
  if (sizes.min < sizes.target && sizes.target < sizes.max) return sizes;
  throw InvalidArgument(
      fmt::format("table {}: target-file-size-bytes is {}, min-file-size-bytes {} and max-file-size-bytes {}; the "
                  "target must lie between the others, or what is written would be rewritten again",
                  table_name, sizes.target, sizes.min, sizes.max));
}

}  // namespace floe
