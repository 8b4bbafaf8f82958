// Options of maintenance as Spark's procedures name them: texts by name. Internal to maintenance/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "floe/spec/snapshot.h"

namespace floe {

// Takes options out of a map one by one, and refuses what is left. Throws InvalidArgument, naming the option, for a
// value that it cannot have.
class OptionReader {
 public:
  // `what` is for messages: "rewrite_data_files".
  OptionReader(const Properties& options, std::string what) : left_(options), what_(std::move(what)) {}

  void read(std::string_view name, bool& value);
  void read(std::string_view name, int64_t& value, int64_t least = 1);
  void read(std::string_view name, std::optional<int64_t>& value, int64_t least = 1);
  void read(std::string_view name, std::optional<int32_t>& value);
  void read(std::string_view name, double& value);
  // The place of the text among `choices`, of any case and with '-' for '_'.
  void read(std::string_view name, size_t& value, const std::vector<std::string_view>& choices);

  // All options that there are were read: others throw InvalidArgument, which says which there are.
  void finish() const;

 private:
  std::optional<std::string> take(std::string_view name);
  [[noreturn]] void refuse(std::string_view name, const std::string& text, const std::string& is) const;

  Properties left_;
  const std::string what_;
  std::vector<std::string> known_;
};

// What rewriting data files and rewriting delete files have in common: which files, in which groups.
template <typename Options>
void read_grouping(OptionReader& reader, Options& options) {
  reader.read("target-file-size-bytes", options.target_file_size_bytes);
  reader.read("min-file-size-bytes", options.min_file_size_bytes, 0);
  reader.read("max-file-size-bytes", options.max_file_size_bytes);
  reader.read("min-input-files", options.min_input_files);
  reader.read("rewrite-all", options.rewrite_all);
  reader.read("max-file-group-size-bytes", options.max_file_group_size_bytes);
  reader.read("partial-progress.enabled", options.partial_progress);
}

}  // namespace floe
