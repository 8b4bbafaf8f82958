// Every file that a table's metadata mentions, by the hash of its path. Internal to maintenance/.
#pragma once

#include <arrow/util/cancel.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "floe/catalog/catalog.h"
#include "floe/maintenance/progress.h"
#include "floe/manifest/manifest_list.h"

namespace floe {

// Scheme and authority of a location, both in their one spelling.
using Prefix = std::pair<std::string, std::string>;

// Which schemes and authorities are the same.
class Equivalences {
 public:
  Equivalences(const std::map<std::string, std::string>& schemes,
               const std::map<std::string, std::string>& authorities);
  Prefix prefix_of(std::string_view location) const;

 private:
  std::map<std::string, std::string> schemes_, authorities_;
};

class MentionedFiles {
 public:
  explicit MentionedFiles(const Equivalences& equal) : equal_(equal) {}

  // Adds what a table mentions; of a table that was added before, in another state, only what is new is read. Throws
  // CorruptFile, NotFound or IoError where something cannot be read, and Cancelled.
  void add(Io& io, const LoadedTable& table, const Progress& progress, const arrow::StopToken& stop);

  enum class Found { kNot, kSame, kOtherPrefix };
  // `other` is set to the prefix that the path is mentioned under.
  Found find(std::string_view location, const Prefix& prefix, Prefix* other) const;

  size_t size() const { return files_.size(); }

 private:
  struct File {
    uint64_t hash;
    uint32_t prefix;
    auto operator<=>(const File&) const = default;
  };

  File file_of(std::string_view location);
  void mention(std::string_view location);
  void take(std::vector<File> files);
  void sort();

  const Equivalences& equal_;
  std::mutex mutex_;
  std::vector<File> files_;  // sorted after add()
  size_t sorted_ = 0;        // the first so many are, and each is there once
  std::map<Prefix, uint32_t> prefix_numbers_;
  std::vector<Prefix> prefixes_;
  std::set<int64_t> snapshots_;             // that were read
  std::unordered_set<uint64_t> manifests_;  // that were read
};

}  // namespace floe
