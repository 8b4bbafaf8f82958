#include "floe/file/positions.h"

#include <arrow/util/bit_util.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <set>
#include <vector>

#include "floe/error.h"

namespace floe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kKey = int64_t{1} << 32;

std::vector<int64_t> values(const Positions& positions) {
  std::vector<int64_t> all;
  positions.for_each([&](std::span<const int64_t> some) { all.insert(all.end(), some.begin(), some.end()); });
  return all;
}

std::string bytes(std::initializer_list<int> list) {
  std::string out;
  for (const int byte : list) out.push_back(static_cast<char>(byte));
  return out;
}

std::string refusal(const std::string& serialized) {
  try {
    Positions::from_bytes(serialized, "x.puffin");
  } catch (const CorruptFile& e) {
    EXPECT_THAT(e.what(), HasSubstr("x.puffin"));
    return e.what();
  }
  return "none";
}

TEST(PositionsTest, HoldsWhatIsAddedOnceAndInOrder) {
  Positions positions{7, 3, 3, 5 * kKey + 1, 0};
  EXPECT_THAT(values(positions), ElementsAre(0, 3, 7, 5 * kKey + 1));
  EXPECT_EQ(positions.count(), 4);
  EXPECT_EQ(positions.greatest(), 5 * kKey + 1);
  EXPECT_TRUE(positions.contains(5 * kKey + 1));
  EXPECT_FALSE(positions.contains(kKey + 1));
  EXPECT_FALSE(positions.contains(1));
  EXPECT_FALSE(positions.contains(-1));
}

TEST(PositionsTest, NothingIsEmptyInEveryWay) {
  const Positions none;
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.count(), 0);
  EXPECT_EQ(none.count(0, 100), 0);
  EXPECT_EQ(none.greatest(), -1);
  EXPECT_THAT(values(none), IsEmpty());
  EXPECT_EQ(Positions::from_bytes(none.to_bytes(), "x"), none);
  Positions some;
  some.add_range(5, 5);
  some.add(none);
  EXPECT_TRUE(some.empty());
}

TEST(PositionsTest, NegativePositionsAreRefused) {
  Positions positions;
  EXPECT_THROW(positions.add(-1), InvalidArgument);
  EXPECT_THROW(positions.add(std::vector<int64_t>{1, 2, -3}), InvalidArgument);
  EXPECT_THROW(positions.add_range(-2, 3), InvalidArgument);
}

TEST(PositionsTest, RangesCrossKeys) {
  Positions positions;
  positions.add_range(kKey - 2, kKey + 2);
  EXPECT_THAT(values(positions), ElementsAre(kKey - 2, kKey - 1, kKey, kKey + 1));
  EXPECT_EQ(positions.count(kKey - 1, kKey + 1), 2);
  positions.add_range(3 * kKey, 5 * kKey);
  EXPECT_EQ(positions.count(), 4 + 2 * kKey);
  EXPECT_EQ(positions.count(3 * kKey + 5, 5 * kKey - 5), 2 * kKey - 10);
  EXPECT_EQ(positions.greatest(), 5 * kKey - 1);
}

TEST(PositionsTest, CopiesAreTheirOwn) {
  Positions a{1};
  Positions b = a;
  b.add(2);
  EXPECT_THAT(values(a), ElementsAre(1));
  EXPECT_NE(a, b);
  a = b;
  EXPECT_EQ(a, b);
}

// Against a plain set: every density, so that every kind of container comes up.
TEST(PositionsTest, AgreesWithASet) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 30; ++round) {
    const int64_t base = round % 3 == 0 ? 2 * kKey - 100'000 : round % 3 == 1 ? 0 : (random() % kKey);
    const int64_t span = 1 + static_cast<int64_t>(random() % 300'000);
    std::set<int64_t> model;
    Positions positions;
    for (int step = 0; step < 4; ++step) {
      if (random() % 2 == 0) {
        const int64_t begin = base + random() % span, end = begin + random() % (span / 2 + 1);
        positions.add_range(begin, end);
        for (int64_t i = begin; i < end; ++i) model.insert(i);
      } else {
        std::vector<int64_t> some(random() % 20'000);
        for (int64_t& each : some) each = base + random() % span;
        Positions other;
        other.add(some);
        random() % 2 == 0 ? positions.add(other) : positions.add(some);
        model.insert(some.begin(), some.end());
      }
      if (random() % 3 == 0) positions.shrink();
    }
    EXPECT_EQ(values(positions), std::vector<int64_t>(model.begin(), model.end()));
    EXPECT_EQ(positions.count(), model.size());
    EXPECT_EQ(positions.greatest(), model.empty() ? -1 : *model.rbegin());
    EXPECT_EQ(Positions::from_bytes(positions.to_bytes(), "x"), positions);
    for (int i = 0; i < 20; ++i) {
      const int64_t begin = base + static_cast<int64_t>(random() % (2 * span)) - span / 2;
      const auto rows = static_cast<int64_t>(random() % 5'000), offset = static_cast<int64_t>(random() % 100);
      EXPECT_EQ(positions.count(begin, begin + rows),
                std::distance(model.lower_bound(begin), model.lower_bound(begin + rows)));
      EXPECT_EQ(positions.contains(begin), model.contains(begin));
      std::vector<uint8_t> bits((offset + rows + 71) / 8, 0xFF), expected = bits;
      if (begin >= 0) positions.clear_bits(begin, rows, bits.data(), offset);
      for (auto at = model.lower_bound(begin); begin >= 0 && at != model.end() && *at < begin + rows; ++at) {
        arrow::bit_util::ClearBit(expected.data(), offset + *at - begin);
      }
      EXPECT_EQ(bits, expected);
    }
  }
}

TEST(PositionsTest, MemoryIsInProportionToWhatIsHeld) {
  Positions scattered, run;
  for (int64_t i = 0; i < 100'000; ++i) scattered.add(100 * i);
  run.add_range(0, 10'000'000);
  run.shrink();
  EXPECT_LT(scattered.memory_use(), 300'000);
  EXPECT_GT(scattered.memory_use(), 200'000);
  EXPECT_LT(run.memory_use(), 20'000);
}

// --- bytes -----------------------------------------------------------------------------------------------------------

// One bitmap of key 0 with an array container: {1, 3}.
TEST(PositionsTest, ArrayContainersAreWrittenAsTheFormatSays) {
  const std::string expected = bytes({1,    0,    0, 0, 0, 0, 0, 0,  // bitmaps
                                      0,    0,    0, 0,              // key
                                      0x3A, 0x30, 0, 0,              // cookie 12346: no runs
                                      1,    0,    0, 0,              // containers
                                      0,    0,    1, 0,              // container key, cardinality - 1
                                      16,   0,    0, 0,              // offset of its values
                                      1,    0,    3, 0});
  EXPECT_EQ(Positions({1, 3}).to_bytes(), expected);
  EXPECT_EQ(Positions::from_bytes(expected, "x"), Positions({1, 3}));
}

// A run container, [10, 1010), in the bitmap of key 2.
TEST(PositionsTest, RunContainersAreWrittenAsTheFormatSays) {
  Positions positions;
  positions.add_range(2 * kKey + 10, 2 * kKey + 1010);
  positions.shrink();
  const std::string expected = bytes({1,    0,    0,    0, 0, 0, 0, 0,  //
                                      2,    0,    0,    0,              // key
                                      0x3B, 0x30, 0,    0,              // cookie 12347, containers - 1
                                      1,                                // which containers are runs
                                      0,    0,    0xE7, 3,              // container key, cardinality - 1
                                      1,    0,                          // runs
                                      10,   0,    0xE7, 3});            // begin, length - 1
  EXPECT_EQ(positions.to_bytes(), expected);
  EXPECT_EQ(Positions::from_bytes(expected, "x"), positions);
}

// A bitmap container: every even value of the first 10,000, behind an array container of another key.
TEST(PositionsTest, BitmapContainersAreWrittenAsTheFormatSays) {
  Positions positions{5};
  for (int64_t i = 0; i < 10'000; i += 2) positions.add(kKey + 65536 + i);
  std::string expected = bytes({2, 0, 0, 0, 0,    0,    0, 0,                                                   //
                                0, 0, 0, 0, 0x3A, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 0,    0,    16, 0, 0, 0, 5, 0,  // {5}
                                1, 0, 0, 0, 0x3A, 0x30, 0, 0, 1, 0, 0, 0, 1, 0, 0x87, 0x13, 16, 0, 0, 0});      //
  expected.append(10'000 / 8, 0x55).append(8192 - 10'000 / 8, 0);
  EXPECT_EQ(positions.to_bytes(), expected);
  EXPECT_EQ(Positions::from_bytes(expected, "x"), positions);
}

// Java fills gaps between keys with empty bitmaps.
TEST(PositionsTest, EmptyBitmapsAreRead) {
  const std::string empty = bytes({0x3A, 0x30, 0, 0, 0, 0, 0, 0});
  const std::string two = bytes({2, 0, 0, 0, 0, 0, 0, 0}) + bytes({0, 0, 0, 0}) + empty + bytes({1, 0, 0, 0}) +
                          bytes({0x3A, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 9, 0});
  EXPECT_EQ(Positions::from_bytes(two, "x"), Positions({kKey + 9}));
}

TEST(PositionsTest, BytesThatAreNoBitmapAreRefused) {
  const auto count = [](int n) { return bytes({n, 0, 0, 0, 0, 0, 0, 0}); };
  const auto key = [](int k) { return bytes({k, 0, 0, 0}); };
  const std::string array_header = bytes({0x3A, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 16, 0, 0, 0});
  const std::string array = array_header + bytes({1, 0, 3, 0});
  const std::string run_header = bytes({0x3B, 0x30, 0, 0, 1, 0, 0, 9, 0});
  EXPECT_EQ(refusal(count(1) + key(0) + array), "none");
  EXPECT_THAT(refusal(""), HasSubstr("too early"));
  EXPECT_THAT(refusal(std::string(8, '\xFF')), HasSubstr("too early"));
  EXPECT_THAT(refusal(count(2) + key(0) + array), HasSubstr("too early"));
  EXPECT_THAT(refusal(count(2) + key(1) + array + key(1) + array), HasSubstr("bitmaps are out of order"));
  EXPECT_THAT(refusal(count(2) + key(1) + array + key(0) + array), HasSubstr("bitmaps are out of order"));
  EXPECT_THAT(refusal(count(1) + std::string("\0\0\0\x80", 4) + array), HasSubstr("63 bits"));
  EXPECT_THAT(refusal(count(1) + key(0) + array + "x"), HasSubstr("1 bytes too many"));
  EXPECT_THAT(refusal(count(1) + key(0) + "abcdefgh"), HasSubstr("no Roaring bitmap"));
  EXPECT_THAT(refusal(count(1) + key(0) + bytes({0x3A, 0x30, 0, 0, 255, 255, 255, 255})), HasSubstr("containers"));
  EXPECT_THAT(refusal(count(1) + key(0) + array_header + bytes({3, 0, 1, 0})), HasSubstr("out of order"));
  EXPECT_THAT(refusal(count(1) + key(0) + array_header + bytes({3, 0, 3, 0})), HasSubstr("out of order"));
  EXPECT_THAT(refusal(count(1) + key(0) + run_header + bytes({0, 0})), HasSubstr("no runs"));
  EXPECT_THAT(refusal(count(1) + key(0) + run_header + bytes({1, 0, 255, 255, 1, 0})), HasSubstr("out of order"));
  EXPECT_THAT(refusal(count(1) + key(0) + run_header + bytes({2, 0, 5, 0, 9, 0, 14, 0, 1, 0})),
              HasSubstr("out of order"));
  const std::string bits = bytes({0x3A, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 255, 255, 16, 0, 0, 0});
  EXPECT_THAT(refusal(count(1) + key(0) + bits + std::string(8192, '\x7F')), HasSubstr("as many values"));
  EXPECT_EQ(refusal(count(1) + key(0) + bits + std::string(8192, '\xFF')), "none");
}

// Cut anywhere, or with any byte changed, bytes are refused or are a set that can be used.
TEST(PositionsTest, DamagedBytesAreRefusedOrHarmless) {
  std::mt19937_64 random(3);
  Positions positions{1, 2, 70'000};
  positions.add_range(200'000, 210'000);
  for (int i = 0; i < 5'000; ++i) positions.add(kKey + static_cast<int64_t>(random() % 65536));
  positions.shrink();
  const std::string good = positions.to_bytes();
  for (size_t n = 0; n < good.size(); n += 1 + n / 64) EXPECT_NE(refusal(good.substr(0, n)), "none") << n;
  for (int i = 0; i < 3'000; ++i) {
    std::string bad = good;
    for (uint64_t flips = 1 + random() % 3; flips > 0; --flips) {
      const size_t at = random() % 2 == 0 ? random() % 64 : random() % bad.size();
      bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8));
    }
    try {
      const Positions read = Positions::from_bytes(bad, "x");
      EXPECT_EQ(static_cast<int64_t>(values(read).size()), read.count());
      EXPECT_EQ(Positions::from_bytes(read.to_bytes(), "x"), read);
    } catch (const CorruptFile&) {
    }
  }
}

}  // namespace
}  // namespace floe
