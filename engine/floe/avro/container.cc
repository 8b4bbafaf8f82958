#include "floe/avro/container.h"

#include <fmt/format.h>

#include <random>
#include <utility>

#include "floe/avro/encoding.h"

namespace floe::avro {

namespace {

constexpr std::string_view kMagic("Obj\x01", 4);
constexpr size_t kSyncSize = 16;
constexpr size_t kBlockSize = 64 << 10;

Header::Values read_values(Cursor& in) {
  Header::Values values;
  for (;;) {
    int64_t count = in.read_long();
    if (count == 0) return values;
    if (count < 0) {
      if (count == INT64_MIN) corrupt("a count is out of range");
      count = -count;
      in.read_long();  // the bytes of these entries
    }
    for (; count > 0; --count) {
      const std::string_view key = in.read_bytes();
      values[key] = in.read_bytes();
    }
  }
}

std::string random_sync() {
  std::random_device random;
  std::string sync;
  while (sync.size() < kSyncSize) append_number(sync, random());
  return sync;
}

// A buffer of this thread, kept for the next file unless it has grown large. Taken out while it is used, so that
// reading one file within another is safe.
class ThreadScratch {
 public:
  ThreadScratch() : scratch_(std::exchange(kept(), {})) {}
  ~ThreadScratch() {
    if (scratch_.capacity() <= kKeep) kept() = std::move(scratch_);
  }
  Scratch& operator*() { return scratch_; }

 private:
  static constexpr size_t kKeep = 1 << 20;
  static Scratch& kept() {
    thread_local Scratch kept;
    return kept;
  }
  Scratch scratch_;
};

}  // namespace

Header read_header(std::string_view bytes, const std::string& file) {
  try {
    if (!bytes.starts_with(kMagic)) corrupt("it does not start as an Avro file does");
    Header header;
    Cursor in(bytes.substr(kMagic.size()));
    header.values = read_values(in);
    header.raw = bytes.substr(0, bytes.size() - in.left());
    header.sync = in.read_fixed(kSyncSize);
    header.size = bytes.size() - in.left();
    if (!header.values.contains("avro.schema")) corrupt("its header has no avro.schema");
    header.schema = header.values["avro.schema"];
    if (const auto codec = header.values.find("avro.codec"); codec != header.values.end()) {
      header.codec = parse_codec(codec->second);
    }
    return header;
  } catch (const CorruptFile& e) {
    throw CorruptFile(fmt::format("{}: {}", file, e.what()));
  } catch (const NotSupported& e) {
    throw NotSupported(fmt::format("{}: {}", file, e.what()));
  }
}

Blocks::Blocks(std::string_view bytes, const Header& header, const std::string& file)
    : bytes_(bytes),
      header_(header),
      file_(file),
      at_(header.size),
      budget_(kUncompressedBase + kUncompressedRatio * bytes.size()) {}

bool Blocks::next(const VisitBlock& visit) {
  if (at_ >= bytes_.size()) return false;
  ThreadScratch scratch;
  Cursor in(bytes_.substr(at_));
  try {
    const int64_t records = in.read_long();
    if (records < 0) corrupt("a block's count of records is negative");
    const std::string_view block = in.read_bytes();
    if (in.read_fixed(kSyncSize) != header_.sync) corrupt("a block's sync marker is wrong");
    const std::string_view data = decompress(header_.codec, block, budget_, *scratch);
    budget_ -= data.size();
    visit(records, data);
  } catch (const CorruptFile& e) {
    throw CorruptFile(fmt::format("{}: {} (in the block at byte {})", file_, e.what(), at_));
  }
  at_ = bytes_.size() - in.left();
  return true;
}

void for_each_block(std::string_view bytes, const Header& header, const std::string& file, const VisitBlock& visit) {
  Blocks blocks(bytes, header, file);
  while (blocks.next(visit)) {
  }
}

Writer::Writer(std::string_view schema_json, const Metadata& metadata, Codec codec)
    : sync_(random_sync()), codec_(codec) {
  Metadata all = metadata;
  all["avro.schema"] = schema_json;
  all["avro.codec"] = avro_name(codec);
  file_ = kMagic;
  append_long(file_, static_cast<int64_t>(all.size()));
  for (const auto& [key, value] : all) {
    append_bytes(file_, key);
    append_bytes(file_, value);
  }
  append_long(file_, 0);
  file_ += sync_;
}

void Writer::end_record() {
  ++records_;
  if (block_.size() >= kBlockSize) flush();
}

std::string Writer::take() {
  taken_ += file_.size();
  return std::exchange(file_, {});
}

std::string Writer::finish() {
  flush();
  return std::move(file_);
}

void Writer::flush() {
  if (records_ == 0) return;
  append_long(file_, records_);
  append_bytes(file_, compress(codec_, block_));
  file_ += sync_;
  block_.clear();
  records_ = 0;
}

}  // namespace floe::avro
