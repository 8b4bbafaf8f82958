#include "floe/file/positions.h"

#include <arrow/util/bit_util.h>
#include <fmt/format.h>
#include <roaring/roaring.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "floe/error.h"

namespace floe {
namespace {

static_assert(std::endian::native == std::endian::little, "CRoaring's serialization is the machine's byte order");

constexpr int64_t kKeySize = int64_t{1} << 32;  // positions with the same high word

struct FreeBitmap {
  void operator()(roaring_bitmap_t* bitmap) const { roaring_bitmap_free(bitmap); }
};
using BitmapPtr = std::unique_ptr<roaring_bitmap_t, FreeBitmap>;

BitmapPtr checked(roaring_bitmap_t* bitmap) {
  if (!bitmap) throw std::bad_alloc();
  return BitmapPtr(bitmap);
}

uint32_t key_of(int64_t position) { return static_cast<uint32_t>(position >> 32); }
uint32_t low_word(int64_t position) { return static_cast<uint32_t>(position); }

// Calls `visit(values)` for what is in [begin, end), both within one bitmap, some at a time.
template <typename F>
void visit_range(const roaring_bitmap_t& bitmap, uint64_t begin, uint64_t end, F&& visit) {
  std::array<uint32_t, 1024> values;
  roaring_uint32_iterator_t at;
  roaring_init_iterator(&bitmap, &at);
  if (begin > 0 && !roaring_move_uint32_iterator_equalorlarger(&at, static_cast<uint32_t>(begin))) return;
  while (at.has_value && at.current_value < end) {
    size_t n = roaring_read_uint32_iterator(&at, values.data(), values.size());
    if (n == 0) return;
    while (values[n - 1] >= end) --n;  // the first is not
    visit(std::span<const uint32_t>(values.data(), n));
  }
}

// Checks one 32-bit bitmap in portable form, and tells its length. CRoaring's own reader stays within the buffer, but
// takes containers whose values are out of order or out of range, which then make it write out of its bounds.
class PortableReader {
 public:
  PortableReader(std::string_view bytes, const std::string& what) : bytes_(bytes), what_(what) {}

  template <typename T>
  T take() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  size_t at() const { return at_; }
  size_t left() const { return bytes_.size() - at_; }
  std::string_view since(size_t begin) const { return bytes_.substr(begin, at_ - begin); }

  [[noreturn]] void fail(std::string_view problem) const {
    throw CorruptFile(fmt::format("{}: the positions are damaged: {}", what_, problem));
  }

  // Reads over one bitmap; whether it has any values.
  bool skip_bitmap() {
    constexpr uint32_t kWithoutRuns = 12346, kWithRuns = 12347;
    constexpr size_t kOffsetsFrom = 4;  // with runs, fewer containers have no offsets
    const auto cookie = take<uint32_t>();
    size_t containers = 0;
    std::string_view runs;
    if ((cookie & 0xFFFF) == kWithRuns) {
      containers = (cookie >> 16) + 1;
      runs = take((containers + 7) / 8);
    } else if (cookie == kWithoutRuns) {
      containers = take<uint32_t>();
    } else {
      fail("no Roaring bitmap");
    }
    if (containers > 65536) fail("more containers than there can be");
    const std::string_view headers = take(containers * 4);
    if (runs.empty() || containers >= kOffsetsFrom) take(containers * 4);  // where containers start: implied
    int32_t previous = -1;
    for (size_t i = 0; i < containers; ++i) {
      const int32_t key = word(headers, 2 * i);
      if (key <= previous) fail("containers are out of order");
      previous = key;
      const uint32_t count = word(headers, 2 * i + 1) + 1U;
      if (!runs.empty() && arrow::bit_util::GetBit(reinterpret_cast<const uint8_t*>(runs.data()), i)) {
        skip_runs();
      } else if (count <= 4096) {
        skip_array(count);
      } else {
        skip_bits(count);
      }
    }
    return containers > 0;
  }

 private:
  static uint16_t word(std::string_view bytes, size_t i) {
    uint16_t value;
    std::memcpy(&value, bytes.data() + 2 * i, 2);
    return value;
  }

  std::string_view take(size_t bytes) {
    if (bytes > left()) fail("they end too early");
    at_ += bytes;
    return bytes_.substr(at_ - bytes, bytes);
  }

  void skip_runs() {
    const size_t n = take<uint16_t>();
    const std::string_view runs = take(n * 4);
    if (n == 0) fail("a container of no runs");
    int32_t previous = -1;
    for (size_t i = 0; i < n; ++i) {
      const int32_t begin = word(runs, 2 * i);
      const int32_t last = begin + word(runs, 2 * i + 1);
      if (begin <= previous || last > 65535) fail("runs are out of order");
      previous = last;
    }
  }

  void skip_array(size_t count) {
    const std::string_view values = take(count * 2);
    for (size_t i = 1; i < count; ++i) {
      if (word(values, i) <= word(values, i - 1)) fail("values are out of order");
    }
  }

  void skip_bits(size_t count) {
    const std::string_view bits = take(8192);
    size_t set = 0;
    for (size_t i = 0; i < bits.size(); i += 8) {
      uint64_t eight;
      std::memcpy(&eight, bits.data() + i, 8);
      set += static_cast<size_t>(std::popcount(eight));
    }
    if (set != count) fail("a container has not as many values as it says");
  }

  const std::string_view bytes_;
  const std::string& what_;
  size_t at_ = 0;
};

}  // namespace

// Ascending by key; none is empty.
struct Positions::State {
  struct Part {
    uint32_t key;
    BitmapPtr bitmap;
  };
  std::vector<Part> parts;

  std::vector<Part>::const_iterator lower_bound(uint32_t key) const {
    return std::lower_bound(parts.begin(), parts.end(), key, [](const Part& part, uint32_t k) { return part.key < k; });
  }

  const roaring_bitmap_t* find(uint32_t key) const {
    const auto at = lower_bound(key);
    return at != parts.end() && at->key == key ? at->bitmap.get() : nullptr;
  }

  roaring_bitmap_t& find_or_add(uint32_t key) {
    const auto at = lower_bound(key);
    if (at != parts.end() && at->key == key) return *at->bitmap;
    return *parts.insert(at, {key, checked(roaring_bitmap_create())})->bitmap;
  }

  // Calls `visit(part, first position of its key, begin, end)` for each part with the range of its low words that
  // [begin, end) takes in.
  template <typename F>
  void each_part(int64_t begin, int64_t end, F&& visit) const {
    begin = std::max<int64_t>(begin, 0);
    if (begin >= end) return;
    for (auto part = lower_bound(key_of(begin)); part != parts.end(); ++part) {
      const int64_t base = int64_t{part->key} << 32;
      if (base >= end) return;
      visit(*part->bitmap, base, static_cast<uint64_t>(std::max<int64_t>(begin - base, 0)),
            static_cast<uint64_t>(std::min(end - base, kKeySize)));
    }
  }
};

Positions::Positions() : state_(new State) {}
Positions::Positions(std::initializer_list<int64_t> positions) : Positions() {
  add(std::span(positions.begin(), positions.size()));
}
Positions::Positions(const Positions& other) : Positions() {
  for (const auto& [key, bitmap] : other.state_->parts) {
    state_->parts.push_back({key, checked(roaring_bitmap_copy(bitmap.get()))});
  }
}
Positions::Positions(Positions&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
Positions& Positions::operator=(Positions other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}
Positions::~Positions() = default;

void Positions::add(std::span<const int64_t> positions) {
  std::array<uint32_t, 1024> values;
  for (size_t i = 0; i < positions.size();) {
    if (positions[i] < 0) throw InvalidArgument(fmt::format("{} is no position: it is negative", positions[i]));
    const uint32_t key = key_of(positions[i]);
    size_t n = 0;
    for (; i < positions.size() && n < values.size() && positions[i] >= 0 && key_of(positions[i]) == key; ++i) {
      values[n++] = low_word(positions[i]);
    }
    roaring_bitmap_add_many(&state_->find_or_add(key), n, values.data());
  }
}

void Positions::add_range(int64_t begin, int64_t end) {
  if (begin < 0 && begin < end) throw InvalidArgument(fmt::format("{} is no position: it is negative", begin));
  while (begin < end) {
    const int64_t last = std::min(end - 1, begin | (kKeySize - 1));
    roaring_bitmap_add_range_closed(&state_->find_or_add(key_of(begin)), low_word(begin), low_word(last));
    begin = last + 1;
  }
}

void Positions::add(const Positions& other) {
  for (const auto& [key, bitmap] : other.state_->parts) {
    roaring_bitmap_or_inplace(&state_->find_or_add(key), bitmap.get());
  }
}

bool Positions::contains(int64_t position) const {
  const roaring_bitmap_t* bitmap = position < 0 ? nullptr : state_->find(key_of(position));
  return bitmap && roaring_bitmap_contains(bitmap, low_word(position));
}

bool Positions::empty() const { return state_->parts.empty(); }

int64_t Positions::count() const {
  uint64_t n = 0;
  for (const auto& [key, bitmap] : state_->parts) n += roaring_bitmap_get_cardinality(bitmap.get());
  return static_cast<int64_t>(n);
}

int64_t Positions::count(int64_t begin, int64_t end) const {
  uint64_t n = 0;
  state_->each_part(begin, end, [&](const roaring_bitmap_t& bitmap, int64_t, uint64_t from, uint64_t to) {
    n += roaring_bitmap_rank(&bitmap, static_cast<uint32_t>(to - 1));
    if (from > 0) n -= roaring_bitmap_rank(&bitmap, static_cast<uint32_t>(from - 1));
  });
  return static_cast<int64_t>(n);
}

int64_t Positions::greatest() const {
  if (empty()) return -1;
  const State::Part& last = state_->parts.back();
  return (int64_t{last.key} << 32) | roaring_bitmap_maximum(last.bitmap.get());
}

void Positions::for_each(const std::function<void(std::span<const int64_t>)>& visit) const {
  std::vector<int64_t> positions;
  state_->each_part(0, std::numeric_limits<int64_t>::max(),
                    [&](const roaring_bitmap_t& bitmap, int64_t base, uint64_t from, uint64_t to) {
                      visit_range(bitmap, from, to, [&](std::span<const uint32_t> values) {
                        positions.clear();
                        for (const uint32_t value : values) positions.push_back(base + value);
                        visit(positions);
                      });
                    });
}

void Positions::clear_bits(int64_t begin, int64_t rows, uint8_t* bits, int64_t offset) const {
  state_->each_part(begin, begin + rows, [&](const roaring_bitmap_t& bitmap, int64_t base, uint64_t from, uint64_t to) {
    const int64_t shift = offset + base - begin;
    visit_range(bitmap, from, to, [&](std::span<const uint32_t> values) {
      for (const uint32_t value : values) arrow::bit_util::ClearBit(bits, shift + value);
    });
  });
}

void Positions::shrink() {
  for (const auto& [key, bitmap] : state_->parts) {
    roaring_bitmap_run_optimize(bitmap.get());
    roaring_bitmap_shrink_to_fit(bitmap.get());
  }
}

size_t Positions::memory_use() const {
  constexpr size_t kPerContainer = 64;  // pointers and allocations
  size_t bytes = sizeof(State);
  for (const auto& [key, bitmap] : state_->parts) {
    bytes += sizeof(State::Part) + sizeof(roaring_bitmap_t) + roaring_bitmap_portable_size_in_bytes(bitmap.get()) +
             kPerContainer * static_cast<size_t>(bitmap->high_low_container.size);
  }
  return bytes;
}

bool operator==(const Positions& a, const Positions& b) {
  return std::equal(a.state_->parts.begin(), a.state_->parts.end(), b.state_->parts.begin(), b.state_->parts.end(),
                    [](const Positions::State::Part& x, const Positions::State::Part& y) {
                      return x.key == y.key && roaring_bitmap_equals(x.bitmap.get(), y.bitmap.get());
                    });
}

std::string Positions::to_bytes() const {
  size_t size = sizeof(uint64_t);
  for (const auto& [key, bitmap] : state_->parts) {
    size += sizeof(uint32_t) + roaring_bitmap_portable_size_in_bytes(bitmap.get());
  }
  std::string bytes(size, '\0');
  char* out = bytes.data();
  const auto append = [&out](const auto& value) {
    std::memcpy(out, &value, sizeof(value));
    out += sizeof(value);
  };
  append(uint64_t{state_->parts.size()});
  for (const auto& [key, bitmap] : state_->parts) {
    append(key);
    out += roaring_bitmap_portable_serialize(bitmap.get(), out);
  }
  return bytes;
}

Positions Positions::from_bytes(std::string_view bytes, const std::string& what) {
  PortableReader reader(bytes, what);
  Positions positions;
  int64_t previous = -1;
  const auto bitmaps = reader.take<uint64_t>();
  for (uint64_t i = 0; i < bitmaps; ++i) {
    const auto key = reader.take<uint32_t>();
    if (key <= previous) reader.fail("bitmaps are out of order");
    if (key > std::numeric_limits<int32_t>::max()) reader.fail("positions of more than 63 bits");
    previous = key;
    const size_t begin = reader.at();
    if (!reader.skip_bitmap()) continue;  // some writers fill gaps between keys with empty ones
    const std::string_view part = reader.since(begin);
    BitmapPtr bitmap(roaring_bitmap_portable_deserialize_safe(part.data(), part.size()));
    if (!bitmap) reader.fail("no Roaring bitmap");
    positions.state_->parts.push_back({key, std::move(bitmap)});
  }
  if (reader.left() > 0) reader.fail(fmt::format("{} bytes too many", reader.left()));
  return positions;
}

}  // namespace floe
