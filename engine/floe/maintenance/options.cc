#include "floe/maintenance/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>

#include "floe/error.h"

namespace floe {
namespace {

// The whole text as a number.
template <typename T>
std::optional<T> parse(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string normal(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return c == '_' ? '-' : std::tolower(c); });
  return out;
}

}  // namespace

std::optional<std::string> OptionReader::take(std::string_view name) {
  known_.emplace_back(name);
  const auto found = left_.find(name);
  if (found == left_.end()) return std::nullopt;
  std::string text = std::move(found->second);
  left_.erase(found);
  return text;
}

void OptionReader::refuse(std::string_view name, const std::string& text, const std::string& is) const {
  throw InvalidArgument(fmt::format("{}: option '{}' is '{}'; it is {}", what_, name, text, is));
}

void OptionReader::read(std::string_view name, bool& value) {
  const std::optional<std::string> text = take(name);
  if (!text) return;
  const std::string lower = normal(*text);
  if (lower != "true" && lower != "false") refuse(name, *text, "true or false");
  value = lower == "true";
}

void OptionReader::read(std::string_view name, int64_t& value, int64_t least) {
  std::optional<int64_t> number;
  read(name, number, least);
  value = number.value_or(value);
}

void OptionReader::read(std::string_view name, std::optional<int64_t>& value, int64_t least) {
  const std::optional<std::string> text = take(name);
  if (!text) return;
  const std::optional<int64_t> number = parse<int64_t>(*text);
  if (!number || *number < least) refuse(name, *text, fmt::format("a whole number of at least {}", least));
  value = number;
}

void OptionReader::read(std::string_view name, std::optional<int32_t>& value) {
  std::optional<int64_t> number;
  read(name, number, 0);
  if (!number) return;
  if (*number > std::numeric_limits<int32_t>::max()) refuse(name, std::to_string(*number), "a number of 32 bits");
  value = static_cast<int32_t>(*number);
}

void OptionReader::read(std::string_view name, double& value) {
  const std::optional<std::string> text = take(name);
  if (!text) return;
  const std::optional<double> number = parse<double>(*text);
  if (!number || !(*number > 0 && *number <= 1)) refuse(name, *text, "a number above 0 and of at most 1");
  value = *number;
}

void OptionReader::read(std::string_view name, size_t& value, const std::vector<std::string_view>& choices) {
  const std::optional<std::string> text = take(name);
  if (!text) return;
  const auto found = std::ranges::find(choices, normal(*text));
  if (found == choices.end()) refuse(name, *text, fmt::format("one of {}", fmt::join(choices, ", ")));
  value = static_cast<size_t>(found - choices.begin());
}

void OptionReader::finish() const {
  if (left_.empty()) return;
  std::vector<std::string> unknown;
  for (const auto& [name, text] : left_) unknown.push_back(name);
  throw InvalidArgument(
      fmt::format("{} has no option {}. It has {}", what_, fmt::join(unknown, ", "), fmt::join(known_, ", ")));
}

}  // namespace floe
