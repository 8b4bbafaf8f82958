#include "floe/manifest/data_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "floe/error.h"

namespace floe {

namespace {
constexpr std::array<std::string_view, 4> kNames = {"PARQUET", "AVRO", "ORC", "PUFFIN"};
}

FileFormat parse_file_format(std::string_view name) {
  const auto same_letter = [](char a, char b) { return a == (b >= 'a' && b <= 'z' ? b - 'a' + 'A' : b); };
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (std::equal(kNames[i].begin(), kNames[i].end(), name.begin(), name.end(), same_letter)) {
      return static_cast<FileFormat>(i);
    }
  }
  throw InvalidArgument(
      fmt::format("unknown file format \"{}\"; it is one of parquet, avro, orc and puffin", name.substr(0, 40)));
}

std::string to_string(FileFormat format) { return std::string(kNames[static_cast<size_t>(format)]); }

}  // namespace floe
