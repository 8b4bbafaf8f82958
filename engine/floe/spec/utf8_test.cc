#include "floe/spec/utf8.h"

#include <gtest/gtest.h>

namespace floe {
namespace {

std::string rebuilt(std::string_view text) {
  std::string out;
  while (!text.empty()) append_code_point(out, take_code_point(text));
  return out;
}

TEST(Utf8, EveryCodePointComesBack) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    append_code_point(text, c);
    std::string_view rest = text;
    ASSERT_EQ(take_code_point(rest), c);
    ASSERT_TRUE(rest.empty());
  }
}

TEST(Utf8, InvalidBytesAreTakenOneByOneAndComeBack) {
  for (const char* text : {"\x80", "\xC0\x80", "\xC3", "\xE2\x82", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
                           "\xF4\x90\x80\x80", "\xF8\x88\x80\x80", "a\xFFz"}) {
    EXPECT_EQ(rebuilt(text), text);
    EXPECT_EQ(fold_case(text), text);
  }
  std::string_view surrogate = "\xED\xA0\x80";
  EXPECT_EQ(take_code_point(surrogate), kInvalidByte + 0xED);
  EXPECT_EQ(surrogate.size(), 2u);
}

TEST(Utf8, CutsBetweenCodePoints) {
  EXPECT_EQ(first_code_points("a\u00E9\U0001F600b", 3), "a\u00E9\U0001F600");
  EXPECT_EQ(first_code_points("a\u00E9", 5), "a\u00E9");
  EXPECT_EQ(first_code_points("\u00E9", 0), "");
  EXPECT_EQ(first_code_points("\u00E9\u00E9\xC3", 2), "\u00E9\u00E9") << "a cut sequence at the end";
}

TEST(Utf8, FoldsCaseBeyondAscii) {
  EXPECT_EQ(fold_case("ABCxyz019_"), "abcxyz019_");
  EXPECT_EQ(fold_case("\u00C4\u0416\u03A9"), "\u00E4\u0436\u03C9");
  EXPECT_EQ(fold_case("\u5317\U0001F600"), "\u5317\U0001F600");
}

}  // namespace
}  // namespace floe
