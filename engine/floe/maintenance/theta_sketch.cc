#include "floe/maintenance/theta_sketch.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>

namespace floe {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint64_t kSeed = 9001;

// --- MurmurHash3 (A. Appleby), x64, 128 bits ---

uint64_t word_at(const char* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

constexpr uint64_t kFirst = 0x87c37b91114253d5, kSecond = 0x4cf5ad432745937f;
uint64_t mix_first(uint64_t word) { return std::rotl(word * kFirst, 31) * kSecond; }
uint64_t mix_second(uint64_t word) { return std::rotl(word * kSecond, 33) * kFirst; }

uint64_t mix_last(uint64_t h) {
  h = (h ^ h >> 33) * 0xff51afd7ed558ccd;
  h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53;
  return h ^ h >> 33;
}

// The first 64 bits of the hash.
uint64_t murmur3(std::string_view bytes, uint64_t seed) {
  constexpr size_t kBlock = 16;
  uint64_t first = seed, second = seed;
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= kBlock; at += kBlock, left -= kBlock) {
    first = (std::rotl(first ^ mix_first(word_at(at)), 27) + second) * 5 + 0x52dce729;
    second = (std::rotl(second ^ mix_second(word_at(at + 8)), 31) + first) * 5 + 0x38495ab5;
  }
  char rest[kBlock] = {};  // a word of zeros mixes to zero
  std::memcpy(rest, at, left);
  first ^= mix_first(word_at(rest)) ^ bytes.size();
  second ^= mix_second(word_at(rest + 8)) ^ bytes.size();
  first += second;
  second += first;
  return mix_last(first) + mix_last(second);
}

// Says of a sketch which seed its hashes have.
uint16_t seed_hash() {
  char bytes[sizeof(kSeed)];
  std::memcpy(bytes, &kSeed, sizeof(kSeed));
  return static_cast<uint16_t>(murmur3({bytes, sizeof(bytes)}, 0));
}

// --- the serialized form ---

enum Flag : uint8_t { kReadOnly = 2, kEmpty = 4, kCompact = 8, kOrdered = 16, kSingle = 32 };

template <typename T>
void put(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

// What every sketch begins with, `words` of eight bytes before the hashes.
std::string preamble(uint8_t words, int flags, uint16_t seed) {
  constexpr uint8_t kSerialVersion = 3, kCompactFamily = 3;
  std::string out;
  put(out, words);
  put(out, kSerialVersion);
  put(out, kCompactFamily);
  put(out, uint16_t{0});
  put(out, static_cast<uint8_t>(kReadOnly | kCompact | kOrdered | flags));
  put(out, seed);
  return out;
}

}  // namespace

double CompactThetaSketch::estimate() const {
  return static_cast<double>(hashes.size()) * (static_cast<double>(kMaxTheta) / static_cast<double>(theta));
}

std::string CompactThetaSketch::to_bytes() const {
  static const uint16_t kSeedHash = seed_hash();
  const bool exact = theta == kMaxTheta;
  if (exact && hashes.empty()) return preamble(1, kEmpty, 0);
  std::string out;
  if (exact && hashes.size() == 1) {
    out = preamble(1, kSingle, kSeedHash);
  } else {
    out = preamble(exact ? 2 : 3, 0, kSeedHash);
    put(out, static_cast<uint32_t>(hashes.size()));
    put(out, uint32_t{0});
    if (!exact) put(out, theta);
  }
  for (const uint64_t hash : hashes) put(out, hash);
  return out;
}

void ThetaSketch::update(std::string_view value) {
  if (value.empty()) return;
  const uint64_t hash = murmur3(value, kSeed) >> 1;
  if (hash != 0 && hash < theta_) insert(hash);
}

void ThetaSketch::insert(uint64_t hash) {
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    if (slots_[slot] == hash) return;
  }
  slots_[slot] = hash;
  if (++count_ > slots_.size() / 4 * 3) make_room();
}

// More slots, or, where there are enough of them, only the least hashes.
void ThetaSketch::make_room() {
  CompactThetaSketch kept{.theta = theta_, .hashes = {}};
  if (slots_.size() < kMostSlots) {
    kept.hashes = slots_;
    slots_.resize(slots_.size() * 4 < kMostSlots ? slots_.size() * 4 : kMostSlots);
  } else {
    kept = compact();
  }
  std::ranges::fill(slots_, 0);
  theta_ = kept.theta;
  count_ = 0;
  for (const uint64_t hash : kept.hashes) {
    if (hash != 0) insert(hash);
  }
}

CompactThetaSketch ThetaSketch::compact() const {
  CompactThetaSketch out{.theta = theta_, .hashes = {}};
  out.hashes.reserve(count_);
  std::ranges::copy_if(slots_, std::back_inserter(out.hashes), [](uint64_t hash) { return hash != 0; });
  std::ranges::sort(out.hashes);
  if (out.hashes.size() > kNominal) {
    out.theta = out.hashes[kNominal];
    out.hashes.resize(kNominal);
  }
  return out;
}

}  // namespace floe
