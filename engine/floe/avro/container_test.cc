#include "floe/avro/container.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include <random>

#include "floe/avro/encoding.h"
#include "floe/error.h"

namespace floe::avro {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

const std::vector<Codec> kCodecs = {Codec::kNull, Codec::kDeflate, Codec::kSnappy, Codec::kZstd};
constexpr size_t kNoLimit = size_t{1} << 30;

std::string noise(size_t size) {
  std::mt19937 random(1);
  std::string bytes;
  while (bytes.size() < size) bytes.push_back(static_cast<char>(random()));
  return bytes;
}

TEST(Codec, NamesOfFilesAndOfTableProperties) {
  EXPECT_EQ(parse_codec("null"), Codec::kNull);
  EXPECT_EQ(parse_codec("uncompressed"), Codec::kNull);
  EXPECT_EQ(parse_codec("gzip"), Codec::kDeflate);
  EXPECT_EQ(parse_codec("zstd"), Codec::kZstd);
  EXPECT_THROW(parse_codec("bzip2"), NotSupported);
  for (const Codec codec : kCodecs) EXPECT_EQ(parse_codec(avro_name(codec)), codec);
}

TEST(Codec, WhatIsCompressedIsDecompressed) {
  Scratch scratch;
  for (const Codec codec : kCodecs) {
    for (const std::string& block : {std::string(), std::string("a"), std::string(3'000'000, 'x'), noise(200'000)}) {
      EXPECT_EQ(decompress(codec, compress(codec, block), kNoLimit, scratch), block) << avro_name(codec);
    }
  }
}

TEST(Codec, BlocksThatAreTooLongAreRefused) {
  Scratch scratch;
  for (const Codec codec : kCodecs) {
    const std::string block = compress(codec, std::string(1 << 20, 'x'));
    EXPECT_THROW(decompress(codec, block, (1 << 20) - 1, scratch), CorruptFile) << avro_name(codec);
    EXPECT_EQ(decompress(codec, block, 1 << 20, scratch).size(), 1 << 20);
  }
  EXPECT_LE(scratch.capacity(), size_t{2} << 20);
}

TEST(Codec, CutBlocksAndNoiseAreRefused) {
  Scratch scratch;
  for (const Codec codec : {Codec::kDeflate, Codec::kSnappy, Codec::kZstd}) {
    const std::string block = compress(codec, noise(1000));
    for (size_t size = 0; size < block.size(); ++size) {
      EXPECT_THROW(decompress(codec, block.substr(0, size), kNoLimit, scratch), CorruptFile)
          << avro_name(codec) << size;
    }
    EXPECT_THROW(decompress(codec, "\xff\xff\xff\xff\xff\xff\xff\xff", kNoLimit, scratch), CorruptFile);
  }
}

TEST(Codec, TheChecksumOfSnappyIsChecked) {
  Scratch scratch;
  std::string block = compress(Codec::kSnappy, "some text");
  block.back() ^= 1;
  EXPECT_THAT(([&] { decompress(Codec::kSnappy, block, kNoLimit, scratch); }),
              ThrowsMessage<CorruptFile>(HasSubstr("checksum")));
}

TEST(Codec, BytesBehindADeflateStreamAreIgnored) {  // PyIceberg leaves three of zlib's checksum
  Scratch scratch;
  EXPECT_EQ(decompress(Codec::kDeflate, compress(Codec::kDeflate, "some text") + "xyz", kNoLimit, scratch),
            "some text");
}

TEST(Codec, ZstdFramesWithoutTheirSize) {
  const std::string text(100'000, 'x');
  ZSTD_CCtx* context = ZSTD_createCCtx();
  std::string block(ZSTD_compressBound(text.size()), '\0');
  ZSTD_outBuffer out{block.data(), block.size(), 0};
  ZSTD_inBuffer in{text.data(), text.size(), 0};
  ZSTD_compressStream2(context, &out, &in, ZSTD_e_continue);  // the size is not known yet
  ZSTD_compressStream2(context, &out, &in, ZSTD_e_end);
  ZSTD_freeCCtx(context);
  block.resize(out.pos);
  ASSERT_EQ(ZSTD_getFrameContentSize(block.data(), block.size()), ZSTD_CONTENTSIZE_UNKNOWN);
  Scratch scratch;
  EXPECT_EQ(decompress(Codec::kZstd, block, kNoLimit, scratch), text);
}

// A file of `records` numbers, each in `size` bytes.
std::string test_file(Codec codec, int records, size_t size) {
  Writer writer(R"({"type": "record", "name": "r", "fields": []})", {{"key", "value"}}, codec);
  for (int i = 0; i < records; ++i) {
    writer.record().append(size, static_cast<char>(i));
    writer.end_record();
  }
  return writer.finish();
}

TEST(Container, WhatIsWrittenIsRead) {
  for (const Codec codec : kCodecs) {
    const std::string bytes = test_file(codec, 100, 2000);
    const Header header = read_header(bytes, "f");
    EXPECT_EQ(header.values.at("key"), "value");
    EXPECT_EQ(header.codec, codec);
    EXPECT_EQ(header.schema, R"({"type": "record", "name": "r", "fields": []})");
    int64_t total = 0;
    std::string all;
    std::vector<size_t> sizes;
    for_each_block(bytes, header, "f", [&](int64_t records, std::string_view data) {
      total += records;
      all += data;
      sizes.push_back(data.size());
    });
    EXPECT_EQ(total, 100);
    ASSERT_EQ(all.size(), 200'000);
    EXPECT_EQ(all[199'999], 99);
    EXPECT_THAT(sizes, ElementsAre(66'000, 66'000, 66'000, 2'000));  // whole records, 64 KiB or a bit more
  }
}

TEST(Container, AWriterOfNothingMakesAFileWithoutBlocks) {
  const std::string bytes = test_file(Codec::kDeflate, 0, 0);
  for_each_block(bytes, read_header(bytes, "f"), "f", [](int64_t, std::string_view) { FAIL(); });
}

TEST(Container, AWriterGivesItsFileAwayInParts) {
  Writer writer(R"({"type": "record", "name": "r", "fields": []})", {}, Codec::kDeflate);
  std::string bytes;
  for (int i = 0; i < 100; ++i) {
    writer.record().append(2'000, static_cast<char>(i));
    writer.end_record();
    if (i % 30 == 0) bytes += writer.take();
    EXPECT_GE(writer.bytes(), bytes.size());
  }
  bytes += writer.finish();
  int64_t total = 0;
  for_each_block(bytes, read_header(bytes, "f"), "f", [&](int64_t records, std::string_view) { total += records; });
  EXPECT_EQ(total, 100);
}

TEST(Container, AFileWithoutACodecIsNotCompressed) {
  std::string bytes("Obj\x01", 4);
  append_long(bytes, -1);  // a run of entries with its size
  append_long(bytes, 17);
  append_bytes(bytes, "avro.schema");
  append_bytes(bytes, "\"int\"");
  append_long(bytes, 0);
  bytes.append(16, 's');
  const Header header = read_header(bytes, "f");
  EXPECT_EQ(header.codec, Codec::kNull);
  EXPECT_EQ(header.size, bytes.size());
}

TEST(Container, WrongMarkersAreNoticed) {
  std::string bytes = test_file(Codec::kNull, 3, 10);
  bytes.back() ^= 1;
  const Header header = read_header(bytes, "s3://b/f.avro");
  EXPECT_THAT(([&] { for_each_block(bytes, header, "s3://b/f.avro", [](int64_t, std::string_view) {}); }),
              ThrowsMessage<CorruptFile>(testing::AllOf(HasSubstr("s3://b/f.avro"), HasSubstr("sync marker"))));
}

TEST(Container, HeadersThatAreCutOrForeign) {
  const std::string bytes = test_file(Codec::kNull, 1, 10);
  const size_t size = read_header(bytes, "f").size;
  for (size_t length = 0; length < size; ++length) {
    EXPECT_THROW(read_header(std::string_view(bytes).substr(0, length), "f"), CorruptFile);
  }
  EXPECT_THAT(([] { read_header("PAR1", "s3://b/f.avro"); }), ThrowsMessage<CorruptFile>(HasSubstr("s3://b/f.avro")));
  std::string other("Obj\x01", 4);
  append_long(other, 2);
  for (const char* text : {"avro.schema", "\"int\"", "avro.codec", "bzip2"}) append_bytes(other, text);
  append_long(other, 0);
  other.append(16, 's');
  EXPECT_THAT(([&] { read_header(other, "s3://b/f.avro"); }),
              ThrowsMessage<NotSupported>(testing::AllOf(HasSubstr("s3://b/f.avro"), HasSubstr("bzip2"))));
}

}  // namespace
}  // namespace floe::avro
