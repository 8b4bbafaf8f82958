#include "floe/spec/wkt.h"

#include <gtest/gtest.h>

#include "floe/error.h"

namespace floe {
namespace {

std::string from_hex(std::string_view hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return out;
}

TEST(Wkt, EveryClassComesBack) {
  for (const char* text :
       {"POINT (30 10)", "POINT EMPTY", "POINT Z (1 2 3)", "POINT M (1 2 4)", "POINT ZM (1 2 3 4.5)",
        "LINESTRING (30 10, 10 30, 40 40.25)", "LINESTRING EMPTY",
        "POLYGON ((35 10, 45 45, 15 40, 35 10), (20 30, 35 35, 30 20, 20 30))", "MULTIPOINT ((10 40), (40 30))",
        "MULTIPOINT Z ((1 2 3), EMPTY)", "MULTILINESTRING ((10 10, 20 20), (40 40, 30 30))",
        "MULTIPOLYGON (((30 20, 45 40, 10 40, 30 20)), ((15 5, 40 10, 10 20, 15 5)))",
        "GEOMETRYCOLLECTION (POINT (40 10), LINESTRING (10 10, 20 20), GEOMETRYCOLLECTION EMPTY)",
        "GEOMETRYCOLLECTION EMPTY", "POINT (-1.5e-10 1e+300)"}) {
    EXPECT_EQ(wkt_from_wkb(wkb_from_wkt(text)), text);
  }
}

TEST(Wkt, BytesAreIsoWkb) {
  EXPECT_EQ(wkb_from_wkt("POINT (1 2)"), from_hex("0101000000000000000000f03f0000000000000040"));
  EXPECT_EQ(wkb_from_wkt("point z(1 2 3)"), from_hex("01e9030000000000000000f03f00000000000000400000000000000840"));
  EXPECT_EQ(wkt_from_wkb(from_hex("00000000013ff00000000000004000000000000000")), "POINT (1 2)") << "big-endian";
}

TEST(Wkt, PointsOfAMultipointMayBeBare) {
  EXPECT_EQ(wkb_from_wkt("MULTIPOINT (10 40, 40 30)"), wkb_from_wkt("MULTIPOINT((10 40),(40 30))"));
}

TEST(Wkt, BrokenTextIsRefused) {
  for (const char* text :
       {"", "POINT", "POINT (1)", "POINT (1 2", "POINT (1 2) x", "POINT (1 2 3)", "CIRCLE (1 2)", "POINT Z (1 2)",
        "POLYGON (1 2)", "LINESTRING (1 2,)", "MULTIPOINT (10)", "(1 2)", "POINT (a b)"}) {
    EXPECT_THROW(wkb_from_wkt(text), InvalidArgument) << text;
  }
}

TEST(Wkt, BrokenBytesAreRefused) {
  const std::string whole = wkb_from_wkt("GEOMETRYCOLLECTION (POLYGON ((1 2, 3 4, 5 6, 1 2)), POINT (1 2))");
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THROW(wkt_from_wkb(whole.substr(0, length)), InvalidArgument) << length;
  }
  EXPECT_THROW(wkt_from_wkb(whole + "x"), InvalidArgument);
  EXPECT_THROW(wkt_from_wkb(from_hex("0200000001")), InvalidArgument) << "byte order";
  EXPECT_THROW(wkt_from_wkb(from_hex("0109000000")), InvalidArgument) << "class";
  EXPECT_THROW(wkt_from_wkb(from_hex("0102000000ffffffff")), InvalidArgument) << "count beyond the end";
  EXPECT_THROW(wkt_from_wkb(from_hex("0104000000010000000102000000"
                                     "00000000")),
               InvalidArgument)
      << "a line as point";
}

TEST(Wkt, NestingIsBounded) {
  std::string text = "POINT (1 2)";
  std::string bytes;
  for (int i = 0; i < 10000; ++i) bytes += from_hex("010700000001000000");
  for (int i = 0; i < 100; ++i) text = "GEOMETRYCOLLECTION (" + text + ")";
  EXPECT_THROW(wkb_from_wkt(text), InvalidArgument);
  EXPECT_THROW(wkt_from_wkb(bytes), InvalidArgument);
}

}  // namespace
}  // namespace floe
