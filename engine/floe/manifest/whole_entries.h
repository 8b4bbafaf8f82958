// Whole entries of a manifest, with all maps of their files, some at a time: what shows metadata needs them all, once,
// in bounded memory, and not in the cache.
#pragma once

#include <arrow/buffer.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "floe/manifest/manifest.h"

namespace floe {

// A map by field id in each of some entries, as it stands in the file. The items of entry i are
// [offsets[i], offsets[i + 1]).
struct MapColumn {
  std::vector<int32_t> offsets{0};
  std::vector<uint8_t> present;  // 0: null
  std::vector<int32_t> keys;     // of the items
  std::vector<int64_t> counts;   // beside `keys`; empty if the values are bytes
  std::vector<int32_t> ends{0};  // of the bytes: those of item k are [ends[k], ends[k + 1])
  std::string bytes;

  std::string_view value(size_t item) const {
    return std::string_view(bytes).substr(ends[item], ends[item + 1] - ends[item]);
  }
};

struct EntryMaps {
  MapColumn column_sizes, value_counts, null_value_counts, nan_value_counts, lower_bounds, upper_bounds;
};

// Of one manifest, or of several that have their header in common.
struct WholeEntries {
  std::shared_ptr<Manifest> manifest;  // only these entries; inheritance is done. Null: there are none yet
  EntryMaps maps;

  size_t size() const { return manifest ? manifest->size : 0; }
};

class WholeEntryReader {
 public:
  // Throws as ManifestReader's constructor does.
  WholeEntryReader(std::shared_ptr<arrow::Buffer> bytes, ManifestFile file);
  ~WholeEntryReader();

  // Whether its entries may follow these.
  bool may_follow(const WholeEntries& some) const;

  // Adds its next entries, until there are `rows` or some more: blocks of the file are not divided. False: it has no
  // more. Throws CorruptFile.
  bool read(size_t rows, WholeEntries& some);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace floe
