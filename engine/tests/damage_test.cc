// Damaged files of a table: errors that name them, and a table that stays as it is.
#include <arrow/buffer.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "floe/arrow_status.h"
#include "floe/error.h"
#include "warehouse.h"

namespace floe {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string contents(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

void overwrite(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

enum class Part { kMetadata, kManifestList, kManifest, kParquet };

std::string to_text(const testing::TestParamInfo<Part>& part) {
  static const char* const kNames[] = {"Metadata", "ManifestList", "Manifest", "Parquet"};
  return kNames[static_cast<int>(part.param)];
}

class Damaged : public testing::TestWithParam<Part> {
 protected:
  Damaged() {
    Table table = warehouse_.create("t", numbered_schema(), {}, {{"format-version", "2"}});
    append_numbered(table, 0, 500);
    path_ = part_of(table);
    good_ = contents(path_);
    // So that damage to data reaches the decoder, and not only the read of a size that metadata has.
    before_ = table.loaded().metadata_location;
  }
  ~Damaged() override { clear_manifest_cache(); }

  std::string part_of(const Table& table) const {
    const Snapshot& snapshot = *current_snapshot(table.metadata());
    const ManifestFile manifest = open_manifest_list(*table.io(), snapshot.manifest_list)->at(0);
    switch (GetParam()) {
      case Part::kMetadata:
        return local_path(table.loaded().metadata_location);
      case Part::kManifestList:
        return local_path(snapshot.manifest_list);
      case Part::kManifest:
        return local_path(manifest.manifest_path);
      case Part::kParquet:
        return local_path(open_manifest(*table.io(), manifest)->data_files().at(0).file_path);
    }
    return {};
  }

  // Loads and reads everything; the error's message, or nothing.
  std::string read_error() {
    clear_manifest_cache();
    try {
      const Table table = warehouse_.load("t");
      read_all(table);
      read_all(table, {.filter = parse_filter("id > 490 and text like 'row%'")});
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  }

  Warehouse warehouse_;
  std::string path_, good_, before_;
};
INSTANTIATE_TEST_SUITE_P(File, Damaged,
                         testing::Values(Part::kMetadata, Part::kManifestList, Part::kManifest, Part::kParquet),
                         to_text);

TEST_P(Damaged, CutAnywhereIsAnErrorThatNamesTheFile) {
  std::vector<size_t> lengths = {0, 1, 3, 4, 8, good_.size() - 1, good_.size() - 8, good_.size() - 9};
  for (size_t i = 1; i < 40; ++i) lengths.push_back(good_.size() * i / 40);
  for (const size_t length : lengths) {
    overwrite(path_, good_.substr(0, length));
    EXPECT_THAT(read_error(), HasSubstr(fs::path(path_).filename().string())) << "cut to " << length;
  }
  overwrite(path_, good_);
  EXPECT_EQ(read_error(), "");
}

TEST_P(Damaged, FlippedBitsAreErrorsOrHarmlessButNeverACrash) {
  std::mt19937 random(7);
  int errors = 0;
  constexpr int kFlips = 300;
  for (int i = 0; i < kFlips; ++i) {
    std::string bytes = good_;
    for (unsigned flips = 1 + random() % 3; flips > 0; --flips) bytes[random() % bytes.size()] ^= 1 << random() % 8;
    overwrite(path_, bytes);
    const std::string error = read_error();
    errors += error.empty() ? 0 : 1;
  }
  EXPECT_GT(errors, 0);
}

TEST_P(Damaged, MissingIsAnErrorThatNamesTheFile) {
  fs::remove(path_);
  EXPECT_THAT(read_error(), HasSubstr(fs::path(path_).filename().string()));
}

TEST_P(Damaged, AnAppendOnTopLeavesTheTableUnchanged) {
  overwrite(path_, good_.substr(0, good_.size() / 2));
  clear_manifest_cache();
  std::set<std::string> before;
  bool failed = false;
  try {
    Table table = warehouse_.load("t");
    before = warehouse_.files(table);
    append_numbered(table, 1000, 10);
  } catch (const Error& e) {
    failed = true;
    EXPECT_THAT(e.what(), HasSubstr(fs::path(path_).filename().string()));
  }
  // A fast append reads the metadata and the manifest list, nothing below.
  EXPECT_EQ(failed, GetParam() == Part::kMetadata || GetParam() == Part::kManifestList);
  overwrite(path_, good_);
  clear_manifest_cache();
  const Table table = warehouse_.load("t");
  if (failed) {
    EXPECT_EQ(table.loaded().metadata_location, before_);
    if (!before.empty()) {
      EXPECT_EQ(warehouse_.files(table), before);
    }
  }
  EXPECT_EQ(read_all(table)->num_rows(), failed ? 500 : 510);
}

TEST(Cancelled, AnAppendCommitsNothingAndLeavesNoFiles) {
  Warehouse warehouse;
  Table table = warehouse.create("t", numbered_schema());
  append_numbered(table, 0, 10);
  const auto before = warehouse.files(table);
  for (const int at : {0, 3, 9}) {
    arrow::StopSource stop;
    auto batches = made_stream(numbered_rows(0, 0)->schema(), 10, [&](int i) {
      if (i == at) stop.RequestStop();
      return numbered_rows(1000 * (i + 1), 1000);
    });
    EXPECT_THROW(table.append(*batches, {}, {.stop = stop.token()}), Cancelled) << at;
    EXPECT_EQ(warehouse.files(table), before);
    EXPECT_EQ(warehouse.load("t").metadata().snapshots.size(), 1);
  }
  append_numbered(table, 10, 10);  // the handle is as good as before
  EXPECT_EQ(read_all(table)->num_rows(), 20);
}

TEST(Broken, AStreamThatFailsCommitsNothingAndLeavesNoFiles) {
  Warehouse warehouse;
  Table table = warehouse.create(
      "t", numbered_schema(),
      {.fields = {
           {.source_ids = {1}, .field_id = 1000, .name = "id_bucket", .transform = parse_transform("bucket[4]")}}});
  const auto before = warehouse.files(table);
  auto batches = made_stream(numbered_rows(0, 0)->schema(), 10, [&](int i) {
    if (i == 7) throw IoError("the source broke");
    return numbered_rows(1000 * i, 1000);
  });
  try {
    table.append(*batches);
    FAIL();
  } catch (const IoError& e) {
    EXPECT_THAT(e.what(), HasSubstr("the source broke"));
  }
  EXPECT_EQ(warehouse.files(table), before);
}

}  // namespace
}  // namespace floe
