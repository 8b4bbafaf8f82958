#include "floe/file/deletion_vector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "floe/file/test_files.h"

namespace floe {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kKey = int64_t{1} << 32;

class DeletionVectorTest : public FileTest {
 protected:
  template <typename F>
  static std::string refusal(F&& work) {
    try {
      work();
    } catch (const CorruptFile& e) {
      return e.what();
    }
    return "none";
  }
};

std::string bytes(std::initializer_list<int> list) {
  std::string out;
  for (const int byte : list) out.push_back(static_cast<char>(byte));
  return out;
}

// CRC-32 as zlib has it, bit by bit.
uint32_t crc32(std::string_view data) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char byte : data) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320U : 0);
  }
  return ~crc;
}

std::string big_endian(uint32_t value) {
  return bytes({static_cast<int>(value >> 24), static_cast<int>(value >> 16 & 0xFF),
                static_cast<int>(value >> 8 & 0xFF), static_cast<int>(value & 0xFF)});
}

// Of two keys: an array and a run in the first, a bitmap in the second.
Positions every_container() {
  Positions positions{1, 3};
  positions.add_range(65536 + 10, 65536 + 1010);
  for (int64_t i = 0; i < 10'000; i += 2) positions.add(kKey + i);
  return positions;
}

std::string every_container_blob() {
  std::string vector = bytes({2, 0, 0, 0, 0, 0, 0, 0});  // bitmaps
  vector += bytes({0,    0,    0,    0,                  // key 0
                   0x3B, 0x30, 1,    0,                  // cookie 12347, containers - 1
                   2,                                    // the second is runs
                   0,    0,    1,    0,                  // container 0, cardinality - 1
                   1,    0,    0xE7, 3,                  // container 1, cardinality - 1
                   1,    0,    3,    0,                  // 1, 3
                   1,    0,    10,   0, 0xE7, 3});       // one run: 10, length - 1
  vector += bytes({1,    0,    0,    0,                  // key 1
                   0x3A, 0x30, 0,    0,    1, 0, 0, 0,   // cookie 12346, containers
                   0,    0,    0x87, 0x13,               // container 0, cardinality - 1
                   16,   0,    0,    0});                // where it begins
  vector += std::string(10'000 / 8, 0x55) + std::string(8192 - 10'000 / 8, 0);
  const std::string content = bytes({0xD1, 0xD3, 0x39, 0x64}) + vector;
  return big_endian(static_cast<uint32_t>(content.size())) + content + big_endian(crc32(content));
}

TEST_F(DeletionVectorTest, Trap17BlobsAreFramedAsTheFormatSays) {
  EXPECT_EQ(to_deletion_vector_blob(every_container()), every_container_blob());
  EXPECT_EQ(parse_deletion_vector_blob(every_container_blob(), "x"), every_container());
}

TEST_F(DeletionVectorTest, Trap17FilesArePuffinFilesWhoseFooterAgreesWithTheManifest) {
  const std::string path = new_path(".puffin");
  DeletionVectorWriter writer(*io_, path);
  const std::vector<Value> partition = {Value(std::string("p"))};
  writer.add("s3://b/one.parquet", 3, partition, every_container());
  writer.add("s3://b/two.parquet", 0, {}, {5});
  EXPECT_THROW(writer.add("s3://b/two.parquet", 0, {}, {6}), InvalidArgument);
  EXPECT_THROW(writer.add("s3://b/three.parquet", 0, {}, {}), InvalidArgument);
  const std::vector<DataFile> files = writer.finish();
  ASSERT_EQ(files.size(), 2);

  const PuffinFile puffin(*io_, path);
  ASSERT_EQ(puffin.footer().blobs.size(), 2);
  for (size_t i = 0; i < 2; ++i) {
    const PuffinBlob& blob = puffin.footer().blobs[i];
    const DataFile& file = files[i];
    EXPECT_EQ(blob.type, "deletion-vector-v1");
    EXPECT_EQ(blob.fields, std::vector<int32_t>{2147483645});
    EXPECT_EQ(blob.snapshot_id, -1);
    EXPECT_EQ(blob.sequence_number, -1);
    EXPECT_FALSE(blob.compression_codec);
    EXPECT_EQ(blob.properties.at("referenced-data-file"), file.referenced_data_file);
    EXPECT_EQ(blob.properties.at("cardinality"), std::to_string(file.record_count));
    EXPECT_EQ(blob.offset, file.content_offset);
    EXPECT_EQ(blob.length, file.content_size_in_bytes);
    EXPECT_EQ(file.content, FileContent::kPositionDeletes);
    EXPECT_EQ(file.file_format, FileFormat::kPuffin);
    EXPECT_EQ(file.file_path, path);
    EXPECT_EQ(file.file_size_in_bytes, static_cast<int64_t>(bytes_of(path).size()));
  }
  EXPECT_EQ(puffin.read(puffin.footer().blobs[0]), every_container_blob());
  EXPECT_EQ(files[0].spec_id, 3);
  EXPECT_EQ(files[0].partition, partition);
  EXPECT_EQ(files[1].record_count, 1);
  EXPECT_EQ(read_deletion_vector(*io_, files[0], 2 * kKey), every_container());
  EXPECT_EQ(read_deletion_vector(*io_, files[1], 6), Positions{5});
}

TEST_F(DeletionVectorTest, OnlyItsOwnBytesAreRead) {
  DeletionVectorWriter writer(*io_, new_path(".puffin"));
  Positions large;
  for (int64_t i = 0; i < 1'000'000; i += 2) large.add(i);
  writer.add("large", 0, {}, large);
  writer.add("small", 0, {}, {1});
  const std::vector<DataFile> files = writer.finish();
  const int64_t before = io_->counters().bytes_read;
  EXPECT_EQ(read_deletion_vector(*io_, files[1], 2), Positions{1});
  EXPECT_LT(io_->counters().bytes_read - before, 100);
}

TEST_F(DeletionVectorTest, WhatDoesNotFitItsManifestIsRefused) {
  DeletionVectorWriter writer(*io_, new_path(".puffin"));
  writer.add("data.parquet", 0, {}, {2, 4});
  const DataFile good = writer.finish()[0];
  const auto changed = [&](auto&& change, int64_t rows = -1) {
    DataFile file = good;
    change(file);
    return refusal([&] { read_deletion_vector(*io_, file, rows); });
  };
  EXPECT_EQ(changed([](DataFile&) {}), "none");
  EXPECT_EQ(changed([](DataFile&) {}, 5), "none");
  EXPECT_THAT(changed([](DataFile&) {}, 4), HasSubstr("deletes row 4 of a file of 4 rows"));
  EXPECT_THAT(changed([](DataFile& f) { f.record_count = 3; }), HasSubstr("2 positions, and its manifest says 3"));
  EXPECT_THAT(changed([](DataFile& f) { f.content_offset.reset(); }), HasSubstr("does not say where"));
  EXPECT_THAT(changed([](DataFile& f) { f.content_offset = -1; }), HasSubstr("not within the file"));
  EXPECT_THAT(changed([](DataFile& f) { f.content_offset = INT64_MAX; }), HasSubstr("not within the file"));
  EXPECT_THAT(changed([](DataFile& f) { f.content_size_in_bytes = INT64_MAX; }), HasSubstr("not within the file"));
  EXPECT_THAT(changed([](DataFile& f) { f.content_size_in_bytes = 3; }), HasSubstr("too short"));
  EXPECT_THAT(changed([](DataFile& f) { ++*f.content_offset; }), HasSubstr(good.file_path));
  EXPECT_THAT(changed([](DataFile& f) { --*f.content_size_in_bytes; }), HasSubstr("data.parquet"));
}

TEST_F(DeletionVectorTest, DamagedBlobsAreRefused) {
  const std::string good = every_container_blob();
  const auto parse = [](const std::string& blob) { return refusal([&] { parse_deletion_vector_blob(blob, "x"); }); };
  EXPECT_EQ(parse(good), "none");
  for (size_t n = 0; n < good.size(); n += 1 + n / 32) EXPECT_NE(parse(good.substr(0, n)), "none") << n;
  std::mt19937_64 random(17);
  for (int i = 0; i < 1000; ++i) {
    std::string bad = good;
    bad[random() % bad.size()] ^= static_cast<char>(1 << random() % 8);
    EXPECT_NE(parse(bad), "none");
  }
  EXPECT_THAT(parse(good + "x"), HasSubstr("length"));
  // A checksum that fits proves nothing.
  const std::string content = bytes({0xD1, 0xD3, 0x39, 0x64}) + std::string(8, '\xFF');
  EXPECT_THAT(parse(big_endian(static_cast<uint32_t>(content.size())) + content + big_endian(crc32(content))),
              HasSubstr("too early"));
}

}  // namespace
}  // namespace floe
