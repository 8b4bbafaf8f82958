// Texts that must not be seen: passwords, tokens, keys.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace floe {

// Prints as "***" wherever it is formatted. Who really needs the text asks for it by name.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}

  const std::string& reveal() const { return text_; }
  bool empty() const { return text_.empty(); }
  bool operator==(const Secret&) const = default;

 private:
  std::string text_;
};

// The text with "***" wherever the secret stands in it, for what strangers say.
inline std::string without(std::string text, const Secret& secret) {
  if (secret.empty()) return text;
  const std::string& word = secret.reveal();
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 3)) {
    text.replace(at, word.size(), "***");
  }
  return text;
}

}  // namespace floe

template <>
struct fmt::formatter<floe::Secret> : fmt::formatter<std::string_view> {
  auto format(const floe::Secret&, fmt::format_context& context) const {
    return fmt::formatter<std::string_view>::format("***", context);
  }
};
