// Theta sketches: about how many distinct values there were, in 32 KiB at most. Specification: puffin-spec,
// "apache-datasketches-theta-v1"; Apache DataSketches says what its hashes and bytes are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace floe {

// What a sketch comes to: the hashes below theta of all values that it was given.
struct CompactThetaSketch {
  static constexpr uint64_t kMaxTheta = INT64_MAX;

  uint64_t theta = kMaxTheta;    // this: every hash, so that what is estimated is exact
  std::vector<uint64_t> hashes;  // ascending, positive

  // The number of distinct values: within 3 % in 19 cases of 20.
  double estimate() const;

  // As DataSketches has a compact, ordered sketch of the default seed, in its uncompressed serial version.
  std::string to_bytes() const;
};

// Keeps the least 4,096 hashes: which they are does not depend on the order of the values. In memory 64 KiB, less for
// few values.
class ThetaSketch {
 public:
  static constexpr size_t kNominal = 4096;

  // A value's bytes, as single-value serialization has them. Of none it takes no notice, as DataSketches does: neither
  // empty strings nor nulls count.
  void update(std::string_view value);

  CompactThetaSketch compact() const;

 private:
  static constexpr size_t kFirstSlots = 64, kMostSlots = 2 * kNominal;

  void insert(uint64_t hash);
  void make_room();

  uint64_t theta_ = CompactThetaSketch::kMaxTheta;                    // only hashes below it can be among the least
  std::vector<uint64_t> slots_ = std::vector<uint64_t>(kFirstSlots);  // a hash table of powers of two; 0: free
  size_t count_ = 0;
};

}  // namespace floe
