#include "floe/file/puffin.h"

#include <arrow/util/compression.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "floe/file/test_files.h"

namespace floe {
namespace {

using ::testing::HasSubstr;

std::string little_endian(uint32_t value) { return {reinterpret_cast<const char*>(&value), sizeof(value)}; }

std::string compress(arrow::Compression::type type, const std::string& text) {
  const auto codec = check(arrow::util::Codec::Create(type), "test");
  const auto* data = reinterpret_cast<const uint8_t*>(text.data());
  const auto size = static_cast<int64_t>(text.size());
  std::string out(codec->MaxCompressedLen(size, data), '\0');
  out.resize(check(
      codec->Compress(size, data, static_cast<int64_t>(out.size()), reinterpret_cast<uint8_t*>(out.data())), "test"));
  return out;
}

class PuffinTest : public FileTest {
 protected:
  std::string put(const std::string& bytes) {
    const std::string path = new_path(".puffin");
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  // A file of these blobs and this payload.
  std::string file_of(const std::string& blobs, const std::string& payload, uint32_t flags = 0) {
    return put("PFA1" + blobs + "PFA1" + payload + little_endian(static_cast<uint32_t>(payload.size())) +
               little_endian(flags) + "PFA1");
  }

  static std::string blob(int64_t offset, int64_t length, const std::string& more = "") {
    return fmt::format(R"({{"type":"t","fields":[1],"snapshot-id":2,"sequence-number":3,"offset":{},"length":{}{}}})",
                       offset, length, more);
  }
  static std::string payload_of(const std::string& blobs) { return R"({"blobs":[)" + blobs + "]}"; }

  std::string refusal(const std::string& path) {
    try {
      const PuffinFile file(*io_, path);
      for (const PuffinBlob& each : file.footer().blobs) file.read(each);
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), HasSubstr(path));
      return e.what();
    }
    return "none";
  }
};

TEST_F(PuffinTest, WhatIsWrittenIsRead) {
  const std::string path = new_path(".puffin");
  PuffinWriter writer(*io_, path);
  PuffinBlob first;
  first.type = "a";
  first.fields = {1, 2};
  first.snapshot_id = INT64_MAX;
  first.properties = {{"k", "v \"quoted\""}};
  writer.add(first, "first content");
  PuffinBlob second;
  second.type = "b";
  writer.add(second, "");
  const std::string large(100'000, 'z');
  writer.add(second, large);
  const int64_t size = writer.finish();
  const std::string bytes = bytes_of(path);
  EXPECT_EQ(size, static_cast<int64_t>(bytes.size()));
  EXPECT_EQ(bytes.substr(bytes.size() - static_cast<size_t>(writer.footer_size()), 4), "PFA1");
  EXPECT_EQ(writer.footer_size(), size - 4 - 13 - 100'000);

  for (const int64_t told : {size, int64_t{-1}}) {
    const PuffinFile file(*io_, path, told);
    ASSERT_EQ(file.footer().blobs.size(), 3);
    EXPECT_EQ(file.footer().properties.at("created-by"), "floe storage");
    const PuffinBlob& a = file.footer().blobs[0];
    EXPECT_EQ(a.type, "a");
    EXPECT_EQ(a.fields, first.fields);
    EXPECT_EQ(a.snapshot_id, INT64_MAX);
    EXPECT_EQ(a.sequence_number, -1);
    EXPECT_EQ(a.offset, 4);
    EXPECT_EQ(a.properties, first.properties);
    EXPECT_EQ(file.read(a), "first content");
    EXPECT_EQ(file.read(file.footer().blobs[1]), "");
    EXPECT_EQ(file.read(file.footer().blobs[2]), large);
  }
}

TEST_F(PuffinTest, NothingIsLeftOfAFileThatIsNotFinished) {
  const std::string path = new_path(".puffin");
  {
    PuffinWriter(*io_, path).add({}, "content");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(PuffinTest, CompressedFootersAndBlobsAreRead) {
  const std::string content(50'000, 'c');
  const std::string lz4 = compress(arrow::Compression::LZ4_FRAME, content);
  const std::string zstd = compress(arrow::Compression::ZSTD, content);
  const auto offset = static_cast<int64_t>(4 + lz4.size());
  const std::string payload =
      payload_of(blob(4, static_cast<int64_t>(lz4.size()), R"(,"compression-codec":"lz4")") + "," +
                 blob(offset, static_cast<int64_t>(zstd.size()), R"(,"compression-codec":"zstd")"));
  const std::string path = file_of(lz4 + zstd, compress(arrow::Compression::LZ4_FRAME, payload), 1);
  const PuffinFile file(*io_, path);
  EXPECT_EQ(file.read(file.footer().blobs.at(0)), content);
  EXPECT_EQ(file.read(file.footer().blobs.at(1)), content);
  EXPECT_EQ(file.footer().blobs[0].sequence_number, 3);
}

TEST_F(PuffinTest, FootersLargerThanTheFirstReadAreRead) {
  std::string blobs = blob(4, 1);
  for (int i = 0; i < 1000; ++i) blobs += "," + blob(4, 1);
  const PuffinFile file(*io_, file_of("x", payload_of(blobs)));
  EXPECT_EQ(file.footer().blobs.size(), 1001);
  EXPECT_EQ(file.read(file.footer().blobs.back()), "x");
}

TEST_F(PuffinTest, FilesThatAreNoneAreRefused) {
  EXPECT_EQ(refusal(file_of("x", payload_of(blob(4, 1)))), "none");
  EXPECT_THAT(refusal(put("PFA1")), HasSubstr("too short"));
  EXPECT_THAT(refusal(put(std::string(100, 'x'))), HasSubstr("does not end in PFA1"));
  EXPECT_THAT(refusal(put("PFA1xxxx{}" + little_endian(2) + little_endian(0) + "PFA1")),
              HasSubstr("does not begin with PFA1"));
  for (const uint32_t size : {3U, 1000U, 0x7FFFFFFFU, 0xFFFFFFFFU}) {
    EXPECT_THAT(refusal(put("PFA1PFA1{}" + little_endian(size) + little_endian(0) + "PFA1")), HasSubstr("cannot have"));
  }
  EXPECT_THAT(refusal(file_of("", payload_of(""), 2)), HasSubstr("flags"));
  EXPECT_THAT(refusal(file_of("", "{}")), HasSubstr("blobs"));
  EXPECT_THAT(refusal(file_of("", "no json")), HasSubstr("puffin"));
  EXPECT_THAT(refusal(file_of("", payload_of(""), 1)), HasSubstr("compressed"));
  EXPECT_THAT(refusal(file_of("x", payload_of(blob(4, 2)))), HasSubstr("not within the file"));
  EXPECT_THAT(refusal(file_of("x", payload_of(blob(3, 1)))), HasSubstr("not within the file"));
  EXPECT_THAT(refusal(file_of("x", payload_of(blob(INT64_MAX, INT64_MAX)))), HasSubstr("not within the file"));
  EXPECT_THAT(refusal(file_of("x", payload_of(blob(4, -1)))), HasSubstr("not within the file"));
  EXPECT_THAT(refusal(file_of("x", payload_of(blob(4, 1, R"(,"compression-codec":"snappy")")))), HasSubstr("snappy"));
}

TEST_F(PuffinTest, CompressedDataThatIsDamagedOrTooLargeIsRefused) {
  const auto with = [&](const std::string& bytes, const char* codec) {
    return refusal(file_of(bytes, payload_of(blob(4, static_cast<int64_t>(bytes.size()),
                                                  fmt::format(R"(,"compression-codec":"{}")", codec)))));
  };
  const std::string content(10'000, 'c');
  const std::string lz4 = compress(arrow::Compression::LZ4_FRAME, content);
  const std::string zstd = compress(arrow::Compression::ZSTD, content);
  EXPECT_EQ(with(lz4, "lz4"), "none");
  EXPECT_EQ(with(zstd, "zstd"), "none");
  for (const auto& [bytes, codec] : {std::pair(lz4, "lz4"), std::pair(zstd, "zstd")}) {
    EXPECT_THAT(with(bytes + "x", codec), HasSubstr("other bytes"));
    EXPECT_THAT(with(bytes.substr(0, bytes.size() - 3), codec), HasSubstr("cut"));
    EXPECT_THAT(with("x" + bytes, codec), HasSubstr("damaged"));
    EXPECT_THAT(with("", codec), HasSubstr("cut"));
  }
  // A footer that would fill the memory.
  const std::string bomb = compress(arrow::Compression::LZ4_FRAME, std::string(70 << 20, ' '));
  EXPECT_THAT(refusal(file_of("", bomb, 1)), HasSubstr("once decompressed"));
}

TEST_F(PuffinTest, DamagedBytesAreRefusedOrHarmless) {
  std::mt19937_64 random(11);
  const std::string zstd = compress(arrow::Compression::ZSTD, "some content");
  const std::string good = bytes_of(
      file_of(zstd + "more", payload_of(blob(4, static_cast<int64_t>(zstd.size()), R"(,"compression-codec":"zstd")"))));
  for (size_t n = 0; n < good.size(); ++n) EXPECT_NE(refusal(put(good.substr(0, n))), "none");
  for (int i = 0; i < 500; ++i) {
    std::string bad = good;
    bad[random() % bad.size()] ^= static_cast<char>(1 << random() % 8);
    refusal(put(bad));
  }
}

}  // namespace
}  // namespace floe
