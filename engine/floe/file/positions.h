// A set of row positions of one data file, as 32-bit Roaring bitmaps by the position's high word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace floe {

// Positions count from 0. Reading is safe from many threads.
class Positions {
 public:
  Positions();
  Positions(std::initializer_list<int64_t> positions);
  Positions(const Positions& other);
  Positions(Positions&& other) noexcept;
  Positions& operator=(Positions other) noexcept;
  ~Positions();

  // Adding throws InvalidArgument for negative positions. Ascending ones are added fastest.
  void add(int64_t position) { add({&position, 1}); }
  void add(std::span<const int64_t> positions);
  void add_range(int64_t begin, int64_t end);  // [begin, end)
  void add(const Positions& other);

  bool contains(int64_t position) const;
  bool empty() const;
  int64_t count() const;
  int64_t count(int64_t begin, int64_t end) const;  // of [begin, end)
  int64_t greatest() const;                         // -1 if there is none

  // Calls `visit` with all of them in ascending order, some at a time.
  void for_each(const std::function<void(std::span<const int64_t>)>& visit) const;

  // Clears in `bits` (least significant first, as Arrow's), from bit `offset` on, those of the positions that are in
  // [begin, begin + rows): bit `offset` is that of position `begin`.
  void clear_bits(int64_t begin, int64_t rows, uint8_t* bits, int64_t offset) const;

  // Stores runs as runs, and gives back memory that is not needed. To be called when all positions are in.
  void shrink();

  size_t memory_use() const;  // about, in bytes

  friend bool operator==(const Positions& a, const Positions& b);

  // The "portable" form of 64-bit Roaring bitmaps, as deletion vectors hold it. Reading checks every byte (CRoaring
  // does not), and throws CorruptFile that begins with `what` if `bytes` are not exactly one bitmap in it.
  std::string to_bytes() const;
  static Positions from_bytes(std::string_view bytes, const std::string& what);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace floe
