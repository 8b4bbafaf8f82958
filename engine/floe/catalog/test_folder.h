// A folder for one test, removed with it.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

#include "floe/spec/table_metadata.h"

namespace floe {

class TestFolder {
 public:
  TestFolder() : path_(std::filesystem::temp_directory_path() / ("floe-catalog-" + new_uuid())) {
    std::filesystem::create_directories(path_);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string path() const { return path_.string(); }
  std::string uri() const { return "file://" + path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace floe
