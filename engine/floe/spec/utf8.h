// Strings as code points, where the specification counts or compares those.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace floe {

// Takes the first code point off `text`, which is not empty. A byte that starts no valid sequence is taken alone and
// given as kInvalidByte plus its value, so that append_code_point restores it.
inline constexpr char32_t kInvalidByte = 0x80000000;
char32_t take_code_point(std::string_view& text);

void append_code_point(std::string& out, char32_t code_point);

// The first `count` code points at most.
std::string_view first_code_points(std::string_view text, size_t count);

// Lower case by Unicode's simple mapping, for comparing names without case.
std::string fold_case(std::string_view text);

}  // namespace floe
