#include "floe/maintenance/theta_sketch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>

namespace floe {
namespace {

using testing::ElementsAre;

std::string long_bytes(int64_t value) {
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}

CompactThetaSketch of_longs(int64_t n, int64_t step = 1) {
  ThetaSketch sketch;
  for (int64_t i = 0; i < n; ++i) sketch.update(long_bytes(i * step % n));
  return sketch.compact();
}

std::string hex(const std::string& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<uint8_t>(c) >> 4];
    out += kDigits[static_cast<uint8_t>(c) & 0xF];
  }
  return out;
}

// What is expected here DataSketches gave of the same values.

TEST(ThetaSketch, OfNothing) {
  const CompactThetaSketch sketch = ThetaSketch().compact();
  EXPECT_EQ(sketch.estimate(), 0);
  EXPECT_EQ(hex(sketch.to_bytes()), "01030300001e0000");
}

TEST(ThetaSketch, OfOneValue) {
  ThetaSketch sketch;
  for (int i = 0; i < 3; ++i) sketch.update("abc");
  EXPECT_THAT(sketch.compact().hashes, ElementsAre(7326100087833347728U));
  EXPECT_EQ(sketch.compact().estimate(), 1);
  EXPECT_EQ(hex(sketch.compact().to_bytes()), "01030300003acc9390c643ec3689ab65");
}

TEST(ThetaSketch, OfFewValuesHasThemAll) {
  ThetaSketch sketch;
  sketch.update("abc");
  sketch.update(long_bytes(1));
  sketch.update("aaaaaaaaaaaaaaaab");
  EXPECT_EQ(sketch.compact().estimate(), 3);
  EXPECT_EQ(hex(sketch.compact().to_bytes()),
            "02030300001acc93030000000000000015f97dcbbd86a1056241357cd72a372d90c643ec3689ab65");
}

TEST(ThetaSketch, HashesBytesOfEveryLength) {
  ThetaSketch sketch;
  const std::string text = "0123456789abcdefghijklmnopqrstuvwxyz";
  for (size_t n = 1; n <= 33; ++n) sketch.update(std::string_view(text).substr(0, n));
  uint64_t all = 0;
  for (const uint64_t hash : sketch.compact().hashes) all ^= hash;
  EXPECT_EQ(sketch.compact().hashes.size(), 33);
  EXPECT_EQ(all, 6207203212955538903U);
}

TEST(ThetaSketch, TakesNoNoticeOfEmptyValues) {
  ThetaSketch sketch;
  sketch.update("");
  EXPECT_EQ(sketch.compact().estimate(), 0);
}

TEST(ThetaSketch, IsExactUpToItsNominalSize) {
  EXPECT_EQ(of_longs(4096).theta, CompactThetaSketch::kMaxTheta);
  EXPECT_EQ(of_longs(4096).estimate(), 4096);
  EXPECT_EQ(of_longs(4097).theta, 9222685859908818936U);
  EXPECT_EQ(of_longs(4097).hashes.size(), 4096);
  EXPECT_DOUBLE_EQ(of_longs(4097).estimate(), 4096.3047464494975);
}

TEST(ThetaSketch, OfManyValuesHasTheLeastHashes) {
  const CompactThetaSketch sketch = of_longs(100'000);
  EXPECT_EQ(sketch.theta, 385318792299786828U);
  EXPECT_DOUBLE_EQ(sketch.estimate(), 98045.91060164096);
  EXPECT_EQ(sketch.hashes.size(), 4096);
  EXPECT_EQ(std::ranges::adjacent_find(sketch.hashes, std::greater_equal<>()), sketch.hashes.end());
  EXPECT_LT(sketch.hashes.back(), sketch.theta);
  const std::string bytes = sketch.to_bytes();
  EXPECT_EQ(hex(bytes.substr(0, 24)), "03030300001acc9300100000000000004cb24f6c66ed5805");
  EXPECT_EQ(bytes.size(), 24 + 8 * 4096);
}

TEST(ThetaSketch, DoesNotDependOnTheOrderOfTheValues) {
  for (const int64_t n : {100, 5000, 6145, 8193, 100'000}) {
    const CompactThetaSketch up = of_longs(n), mixed = of_longs(n, 7919);
    EXPECT_EQ(up.theta, mixed.theta) << n;
    EXPECT_EQ(up.hashes, mixed.hashes) << n;
  }
}

}  // namespace
}  // namespace floe
