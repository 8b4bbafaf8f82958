#include "floe/avro/encoding.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace floe::avro {
namespace {

TEST(Encoding, NumbersOfEveryLength) {
  for (int bits = 0; bits < 64; ++bits) {
    for (const int64_t offset : {-1, 0, 1}) {
      for (const int64_t sign : {-1, 1}) {
        const auto magnitude = static_cast<int64_t>((uint64_t{1} << bits) + static_cast<uint64_t>(offset));
        const auto value = static_cast<int64_t>(static_cast<uint64_t>(magnitude) * static_cast<uint64_t>(sign));
        std::string bytes;
        append_long(bytes, value);
        Cursor in(bytes);
        EXPECT_EQ(in.read_long(), value);
        EXPECT_EQ(in.left(), 0);
      }
    }
  }
  std::string bytes;
  append_long(bytes, -64);
  EXPECT_EQ(bytes, "\x7f");  // of the Avro specification
}

TEST(Encoding, NumbersThatAreCutOrTooLong) {
  EXPECT_THROW(Cursor("").read_long(), CorruptFile);
  EXPECT_THROW(Cursor("\xff\xff").read_long(), CorruptFile);
  EXPECT_THROW(Cursor(std::string(11, '\xff')).read_long(), CorruptFile);
  EXPECT_THROW(Cursor(std::string(9, '\xff') + "\x02").read_long(), CorruptFile);
  EXPECT_EQ(Cursor(std::string(9, '\xff') + "\x01").read_long(), std::numeric_limits<int64_t>::min());
}

TEST(Encoding, AnIntHas32Bits) {
  std::string bytes;
  append_long(bytes, int64_t{1} << 31);
  EXPECT_THROW(Cursor(bytes).read_int(), CorruptFile);
  bytes.clear();
  append_long(bytes, std::numeric_limits<int32_t>::min());
  EXPECT_EQ(Cursor(bytes).read_int(), std::numeric_limits<int32_t>::min());
}

TEST(Encoding, LengthsAreCheckedAgainstWhatIsLeft) {
  EXPECT_THROW(Cursor("\x06"
                      "ab")
                   .read_bytes(),
               CorruptFile);  // three bytes, of which there are two
  EXPECT_THROW(Cursor("\x01"
                      "ab")
                   .read_bytes(),
               CorruptFile);  // minus one
  EXPECT_EQ(Cursor("\x04"
                   "ab")
                .read_bytes(),
            "ab");
  EXPECT_THROW(Cursor("abc").read_fixed(UINT64_MAX), CorruptFile);
  EXPECT_THROW(Cursor("\x02").read_boolean(), CorruptFile);
  EXPECT_THROW(Cursor("abc").read_number<float>(), CorruptFile);
}

TEST(Encoding, SkippingCountsNumbersOfAnyLength) {
  std::string bytes;
  std::vector<size_t> ends;
  for (int i = 0; i < 200; ++i) {
    append_long(bytes, int64_t{1} << (i * 7 % 63));
    ends.push_back(bytes.size());
  }
  for (size_t count = 1; count <= ends.size(); ++count) {
    Cursor in(bytes);
    in.skip_longs(count);
    EXPECT_EQ(bytes.size() - in.left(), ends[count - 1]);
  }
  EXPECT_THROW(Cursor(bytes).skip_longs(ends.size() + 1), CorruptFile);
  EXPECT_THROW(Cursor(bytes).skip_longs(UINT64_MAX), CorruptFile);
}

}  // namespace
}  // namespace floe::avro
