#include "floe/io/temporary_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>

#include "floe/error.h"
#include "floe/spec/table_metadata.h"

namespace floe {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class TemporaryFileTest : public testing::Test {
 protected:
  TemporaryFileTest() : folder_(fs::temp_directory_path() / ("floe-temporary-" + new_uuid())) {
    fs::create_directories(folder_);
  }
  ~TemporaryFileTest() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(TemporaryFileTest, GivesBackWhatWasAppended) {
  TemporaryFile file(folder_);
  EXPECT_EQ(file.append("first"), 0);
  const std::string large(3 << 20, 'x');
  EXPECT_EQ(file.append(large), 5);
  EXPECT_EQ(file.size(), 5 + (3 << 20));
  EXPECT_EQ(std::string_view(*file.read(0, 5)), "first");
  EXPECT_EQ(std::string_view(*file.read(5, 3 << 20)), large);
  EXPECT_THROW(file.read(10, 3 << 20), IoError) << "beyond the end";
}

TEST_F(TemporaryFileTest, HasNoName) {
  TemporaryFile file(folder_);
  file.append("something");
  EXPECT_TRUE(fs::is_empty(folder_)) << "so a killed process leaves nothing";
}

TEST_F(TemporaryFileTest, AFolderThatIsNotThereIsNamed) {
  try {
    TemporaryFile file(folder_ / "missing");
    FAIL();
  } catch (const IoError& e) {
    EXPECT_THAT(e.what(), HasSubstr("missing"));
  }
}

TEST_F(TemporaryFileTest, NoRoomIsAnErrorAndNoSignal) {
  TemporaryFile file(folder_);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small = {.rlim_cur = 1'000, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  try {
    file.append(std::string(2'000, 'x'));
    ADD_FAILURE() << "there was room";
  } catch (const IoError& e) {
    EXPECT_THAT(e.what(), HasSubstr(folder_.string()));
  }
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
}

}  // namespace
}  // namespace floe
