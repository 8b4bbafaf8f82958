// Deletion vectors and Puffin files of any content. Positions that can be read come out of their own bytes again.
#include <arrow/buffer.h>
#include <arrow/io/memory.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "floe/error.h"
#include "floe/file/deletion_vector.h"

namespace floe {
namespace {

template <typename F>
void attempt(F&& work) {
  try {
    work();
  } catch (const Error&) {
  }
}

void check(bool condition) {
  if (!condition) __builtin_trap();
}

// One file that is these bytes.
class BytesIo final : public Io {
 public:
  explicit BytesIo(std::string_view bytes) : bytes_(bytes) {}
  std::shared_ptr<arrow::io::RandomAccessFile> open(const std::string&, int64_t) override {
    return std::make_shared<arrow::io::BufferReader>(buffer());
  }
  std::shared_ptr<arrow::Buffer> read(const std::string&, int64_t) override { return buffer(); }
  bool exists(const std::string&) override { return true; }
  std::unique_ptr<OutputFile> create(const std::string&) override { throw NotSupported("writing"); }
  void remove(const std::string&) override {}
  void list(const std::string&, const std::function<void(FileInfo)>&) override {}
  const std::string& principal() const override { return principal_; }

 private:
  std::shared_ptr<arrow::Buffer> buffer() const {
    return std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(bytes_.data()),
                                           static_cast<int64_t>(bytes_.size()));
  }
  const std::string_view bytes_;
  const std::string principal_;
};

// Everything that can be done with a set: none of it may leave its bounds.
void use(const Positions& positions) {
  int64_t counted = 0, previous = -1;
  if (positions.count() > 1 << 20) return;  // a few bytes of runs are many positions
  positions.for_each([&](std::span<const int64_t> some) {
    for (const int64_t position : some) {
      check(position > previous);
      previous = position;
    }
    counted += static_cast<int64_t>(some.size());
  });
  check(counted == positions.count() && previous == positions.greatest());
  uint8_t bits[128];
  std::fill(std::begin(bits), std::end(bits), 0xFF);
  const int64_t begin = std::max<int64_t>(previous - 500, 0);
  positions.clear_bits(begin, 1000, bits, 3);
  Positions copy = positions;
  copy.add({0, 65536, int64_t{1} << 33});
  copy.add(positions);
  copy.shrink();
  check(Positions::from_bytes(copy.to_bytes(), "copy") == copy);
  check(Positions::from_bytes(positions.to_bytes(), "again") == positions);
}

void fuzz(std::string_view data) {
  if (data.empty()) return;
  const char mode = data[0];
  data.remove_prefix(1);
  switch (mode) {
    case 'p':
      attempt([&] { use(Positions::from_bytes(data, "f")); });
      break;
    case 'b':
      attempt([&] { use(parse_deletion_vector_blob(data, "f")); });
      break;
    default:
      attempt([&] {
        BytesIo io(data);
        const PuffinFile file(io, "f");
        for (const PuffinBlob& blob : file.footer().blobs) {
          attempt([&] { file.read(blob); });
          DataFile vector;
          vector.file_path = "f";
          vector.content_offset = blob.offset;
          vector.content_size_in_bytes = blob.length;
          attempt([&] { use(read_deletion_vector(io, vector, 100)); });
        }
      });
  }
}

}  // namespace
}  // namespace floe

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  floe::fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
