#include "floe/catalog/metadata_file.h"

#include <arrow/buffer.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>

#include "floe/catalog/test_folder.h"
#include "floe/error.h"

namespace floe {
namespace {

TableMetadata table_at(const std::string& location, Properties properties = {}) {
  NewTable definition;
  definition.schema.fields = {{.id = 1, .name = "id", .type = primitive(TypeKind::kLong)}};
  definition.location = location;
  definition.properties = std::move(properties);
  return new_table_metadata(definition);
}

std::string next(const std::string& previous, Properties properties = {}) {
  return next_metadata_location(table_at("s3://b/t", std::move(properties)), previous);
}

bool matches(const std::string& text, const std::string& pattern) {
  return std::regex_match(text, std::regex(pattern));
}

TEST(MetadataFile, NamesCountUpFromThePreviousOne) {
  const std::string uuid = "[0-9a-f-]{36}";
  EXPECT_TRUE(matches(next(""), "s3://b/t/metadata/00000-" + uuid + "\\.metadata\\.json"));
  for (const char* previous : {"s3://b/t/metadata/00041-9c12d441-03fe-4693-9a96-a0705ddf69c1.metadata.json",
                               "s3://b/t/metadata/00041-9c12d441-03fe-4693-9a96-a0705ddf69c1.gz.metadata.json",
                               "41-9c12d441-03fe-4693-9a96-a0705ddf69c1.metadata.json.gz"}) {
    EXPECT_TRUE(matches(next(previous), "s3://b/t/metadata/00042-" + uuid + "\\.metadata\\.json")) << previous;
  }
  for (const char* other : {"s3://b/t/metadata/v3.metadata.json", "x", "s3://b/t/99999999999-x.metadata.json",
                            "s3://b/t/metadata/00041-not-a-uuid.metadata.json"}) {
    EXPECT_TRUE(matches(next(other), "s3://b/t/metadata/00000-" + uuid + "\\.metadata\\.json")) << other;
  }
}

// Trap 20: other engines know compressed metadata by this name only.
TEST(Trap20, GzipHasItsName) {
  EXPECT_TRUE(next("", {{"write.metadata.compression-codec", "gzip"}}).ends_with(".gz.metadata.json"));
  EXPECT_TRUE(next("", {{"write.metadata.compression-codec", "GZIP"}}).ends_with(".gz.metadata.json"));
  EXPECT_FALSE(next("", {{"write.metadata.compression-codec", "none"}}).ends_with(".gz.metadata.json"));
  EXPECT_THROW(next("", {{"write.metadata.compression-codec", "zstd"}}), InvalidArgument);
}

TEST(MetadataFile, GoesWhereThePropertySays) {
  EXPECT_TRUE(next("", {{"write.metadata.path", "s3://other/m//"}}).starts_with("s3://other/m/00000-"));
}

TEST(MetadataFile, ComesBackPlainAndCompressed) {
  const TestFolder folder;
  const IoPtr io = make_io({});
  for (const char* codec : {"none", "gzip"}) {
    const TableMetadata metadata = table_at(folder.uri() + "/t", {{"write.metadata.compression-codec", codec}});
    const std::string location = next_metadata_location(metadata, "");
    EXPECT_EQ(*write_metadata(*io, metadata, location, nullptr, ""), metadata);
    EXPECT_EQ(*read_metadata(*io, location), metadata);
  }
}

TEST(MetadataFile, LogIsCutToTheLatest) {
  const TestFolder folder;
  const IoPtr io = make_io({});
  TableMetadata metadata = table_at(folder.uri() + "/t", {{"write.metadata.previous-versions-max", "2"}});
  metadata.metadata_log = {{1, "a"}, {2, "b"}, {3, "c"}};
  TableMetadata previous = metadata;
  previous.last_updated_ms = 4;
  const auto written = write_metadata(*io, metadata, folder.uri() + "/m.json", &previous, "d");
  EXPECT_THAT(written->metadata_log, testing::ElementsAre(MetadataLogEntry{3, "c"}, MetadataLogEntry{4, "d"}));
  metadata.properties["write.metadata.previous-versions-max"] = "0";  // at least one is kept
  const auto one = write_metadata(*io, metadata, folder.uri() + "/m1.json", &previous, "d");
  EXPECT_THAT(one->metadata_log, testing::ElementsAre(MetadataLogEntry{4, "d"}));
}

TEST(MetadataFile, OldOnesAreRemovedOnlyOnDemand) {
  const TestFolder folder;
  const IoPtr io = make_io({});
  TableMetadata previous = table_at(folder.uri() + "/t");
  for (const char* name : {"/a", "/b"}) {
    io->write(folder.uri() + name, "x");
    previous.metadata_log.push_back({1, folder.uri() + name});
  }
  previous.metadata_log.push_back({1, "s3://not/reachable"});
  TableMetadata current = previous;
  current.metadata_log = {{1, folder.uri() + "/b"}};
  remove_old_metadata(*io, previous, current);
  EXPECT_TRUE(io->exists(folder.uri() + "/a"));
  current.properties["write.metadata.delete-after-commit.enabled"] = "true";
  remove_old_metadata(*io, previous, current);
  EXPECT_FALSE(io->exists(folder.uri() + "/a"));
  EXPECT_TRUE(io->exists(folder.uri() + "/b"));
}

TEST(MetadataFile, ErrorsNameTheFile) {
  const TestFolder folder;
  const IoPtr io = make_io({});
  EXPECT_THROW(read_metadata(*io, folder.uri() + "/none.metadata.json"), NotFound);
  io->write(folder.uri() + "/bad.metadata.json", "{\"format-version\": 2");
  try {
    read_metadata(*io, folder.uri() + "/bad.metadata.json");
    FAIL();
  } catch (const CorruptFile& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("/bad.metadata.json"));
  }
}

std::string found(Io& io, const std::string& location) {
  const std::string file = find_metadata(io, location);
  return file.substr(file.rfind('/') + 1);
}

TEST(FindMetadata, TheHintDecides) {
  const TestFolder folder;
  const IoPtr io = make_io({});
  const std::string metadata = folder.uri() + "/metadata/";
  for (const char* name : {"v1.metadata.json", "v2.gz.metadata.json", "v3.metadata.json.gz", "v5.metadata.json",
                           "00009-a.metadata.json", "custom.metadata.json"}) {
    io->write(metadata + name, "{}");
  }
  const auto with_hint = [&](std::string_view hint) {
    io->remove(metadata + "version-hint.text");
    io->write(metadata + "version-hint.text", hint);
    return found(*io, folder.uri());
  };
  EXPECT_EQ(with_hint("1"), "v3.metadata.json.gz");  // the hint is late
  EXPECT_EQ(with_hint("3\n"), "v3.metadata.json.gz");
  EXPECT_EQ(with_hint("5"), "v5.metadata.json");
  EXPECT_EQ(with_hint("00009-a.metadata.json"), "00009-a.metadata.json");
  EXPECT_EQ(with_hint("00009-a"), "00009-a.metadata.json");
  EXPECT_EQ(with_hint("custom"), "custom.metadata.json");
  for (const char* gone : {"4", "v", "x.metadata.json", "99999999999999999999"}) {
    EXPECT_THROW(with_hint(gone), NotFound) << gone;
  }
  for (const std::string& bad : {std::string(), std::string("../../etc/x"), std::string(5000, '1')}) {
    EXPECT_THROW(with_hint(bad), CorruptFile) << bad.substr(0, 20);
  }
}

TEST(FindMetadata, WithoutAHintItIsTheNewest) {
  const TestFolder folder;
  const IoPtr io = make_io({});
  const std::string metadata = folder.uri() + "/metadata/";
  EXPECT_THROW(find_metadata(*io, folder.uri()), NotFound);
  for (const char* name :
       {"snap-9.avro", "x.metadata.json", "99.avro", "v-1.metadata.json", ".00099-a.metadata.json"}) {
    io->write(metadata + name, "{}");
    EXPECT_THROW(find_metadata(*io, folder.uri()), NotFound) << name;
  }
  for (const char* name :
       {"00009-a.metadata.json", "00010-b.gz.metadata.json", "v11.metadata.json", "100000-a.metadata.json.gz"}) {
    io->write(metadata + name, "{}");
    EXPECT_EQ(found(*io, folder.uri() + "//"), name);
  }
  // Two of one number: one of a commit that failed, or of two that raced.
  io->write(metadata + "100000-0.metadata.json", "{}");
  const auto later = std::filesystem::last_write_time(folder.path() + "/metadata/100000-a.metadata.json.gz");
  std::filesystem::last_write_time(folder.path() + "/metadata/100000-0.metadata.json", later + std::chrono::hours(1));
  EXPECT_EQ(found(*io, folder.uri()), "100000-0.metadata.json");
  EXPECT_EQ(find_metadata(*io, "s3://b/t/v1.metadata.json"), "s3://b/t/v1.metadata.json");
}

}  // namespace
}  // namespace floe
