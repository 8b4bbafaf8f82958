// From the events of Avro records to the columns of a Manifest, and what entries inherit. Internal to manifest/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "floe/avro/encoding.h"
#include "floe/avro/program.h"
#include "floe/error.h"
#include "floe/manifest/layout.h"
#include "floe/manifest/manifest.h"

namespace floe {

// Where the value of a slot goes.
enum class Sink : uint8_t {
  kNone,
  kEntry,  // the record itself
  kStatus,
  kFileContent,
  kFileFormat,
  kLong,
  kBytes,
  kLongs,  // a list of longs, as bytes side by side
  kInts,
  kPartition,  // in the binary single-value form
  kMap,        // a map itself
  kMapKey,
  kMapLong,
  kMapBytes,
};

struct SlotSink {
  Sink kind = Sink::kNone;
  std::vector<int64_t>* longs = nullptr;
  BytesColumn* bytes = nullptr;
  TypeKind type = TypeKind::kUnknown;  // kPartition
  int32_t map = 0;                     // kMap, kMapLong, kMapBytes: which of the maps
};

// The sink of every slot of a program; those of the entry's columns go to `manifest`, which may be null if the program
// has none of them.
std::vector<SlotSink> sinks_of(const avro::Program& program, Manifest* manifest);

// The fewest bytes of two's complement, which the single-value form of decimals asks for.
std::string_view minimal_decimal(std::string_view bytes);

template <typename T>
std::string_view bytes_of(const T& number) {
  return {reinterpret_cast<const char*>(&number), sizeof(number)};
}

inline bool is_32_bits(TypeKind type) { return type == TypeKind::kInt || type == TypeKind::kDate; }

// One entry's value of one map, for a column that is wanted.
struct MapItem {
  int32_t map;
  size_t row;
  int32_t key;
  size_t column;  // the position of the key among the wanted ones
};

// Fills a manifest's columns, and hands the items of maps to `Maps`:
//   int find(int32_t key);  // the wanted column, or -1
//   void put(const MapItem& item, int64_t value);
//   void put(const MapItem& item, std::string_view value);
//   void end(int32_t map, bool present);  // of one entry's map; not present: it is null
template <typename Maps>
class EntryHandler {
 public:
  EntryHandler(const avro::Program& program, Manifest* manifest, Maps& maps)
      : sinks_(sinks_of(program, manifest)), manifest_(manifest), maps_(maps) {}

  size_t rows() const { return row_; }

  void null(int slot) {
    const SlotSink& sink = sinks_[slot];
    if (sink.kind == Sink::kLong) {
      sink.longs->push_back(kAbsent);
    } else if (sink.bytes != nullptr) {
      sink.bytes->append_absent();
    } else if (sink.kind == Sink::kMap) {
      maps_.end(sink.map, false);
    }
  }

  void boolean(int slot, bool value) { sinks_[slot].bytes->append(value ? "\x01" : std::string_view("\0", 1)); }
  void real(int slot, float value) { sinks_[slot].bytes->append(bytes_of(value)); }
  void real(int slot, double value) { sinks_[slot].bytes->append(bytes_of(value)); }

  void integer(int slot, int64_t value) {
    const SlotSink& sink = sinks_[slot];
    switch (sink.kind) {
      case Sink::kLong:
        sink.longs->push_back(value);
        break;
      case Sink::kMapKey:
        key(slot, static_cast<int32_t>(value));
        break;
      case Sink::kMapLong:
        if (column_ >= 0) maps_.put(item(sink), value);
        break;
      case Sink::kStatus:
        if (value < 0 || value > 2) avro::corrupt("an entry's status is unknown");
        manifest_->status.push_back(static_cast<EntryStatus>(value));
        break;
      case Sink::kFileContent:
        if (value < 0 || value > 2) avro::corrupt("the content of a file is unknown");
        manifest_->file_content.push_back(static_cast<FileContent>(value));
        break;
      case Sink::kLongs:
        sink.bytes->data.append(bytes_of(value));
        break;
      case Sink::kInts:
        sink.bytes->data.append(bytes_of(static_cast<int32_t>(value)));
        break;
      case Sink::kPartition:
        sink.bytes->append(is_32_bits(sink.type) ? bytes_of(static_cast<int32_t>(value)) : bytes_of(value));
        break;
      default:
        break;
    }
  }

  void bytes(int slot, std::string_view value) {
    const SlotSink& sink = sinks_[slot];
    if (sink.kind == Sink::kMapBytes) {
      if (column_ >= 0) maps_.put(item(sink), value);
    } else if (sink.kind == Sink::kFileFormat) {
      manifest_->file_format.push_back(format_of(value));
    } else if (sink.type == TypeKind::kDecimal) {
      sink.bytes->append(minimal_decimal(value));
    } else {
      sink.bytes->append(value);
    }
  }

  void begin(int) {}

  bool key(int, int32_t key) {
    key_ = key;
    column_ = maps_.find(key);
    return column_ >= 0;
  }

  void end(int slot) {
    const SlotSink& sink = sinks_[slot];
    if (sink.kind == Sink::kEntry) {
      ++row_;
    } else if (sink.kind == Sink::kMap) {
      maps_.end(sink.map, true);
    } else if (sink.kind == Sink::kLongs || sink.kind == Sink::kInts) {
      sink.bytes->append({});
    }
  }

 private:
  MapItem item(const SlotSink& sink) const {
    return {.map = sink.map, .row = row_, .key = key_, .column = static_cast<size_t>(column_)};
  }

  FileFormat format_of(std::string_view name) {  // the same as before, almost always
    if (name == last_format_name_) return last_format_;
    try {
      last_format_ = parse_file_format(name);
    } catch (const InvalidArgument& e) {
      throw CorruptFile(e.what());
    }
    last_format_name_ = name;
    return last_format_;
  }

  std::vector<SlotSink> sinks_;
  Manifest* manifest_;
  Maps& maps_;
  size_t row_ = 0;
  int32_t key_ = 0;
  int column_ = -1;
  std::string last_format_name_;
  FileFormat last_format_ = FileFormat::kParquet;
};

// No maps at all.
struct NoMaps {
  static int find(int32_t) { return -1; }
  static void put(const MapItem&, int64_t) {}
  static void put(const MapItem&, std::string_view) {}
  static void end(int32_t, bool) {}
};

// A manifest without entries: what its layout and its line in the list say.
std::shared_ptr<Manifest> empty_manifest(const ManifestLayout& layout, const ManifestFile& file);

// Completes the entries of one manifest, all at once or some after the others.
class Inheritance {
 public:
  Inheritance(const ManifestFile& file, const ManifestLayout& layout);
  // Those from `begin` on; then `manifest` has `end`.
  void complete(Manifest& manifest, size_t begin, size_t end);

 private:
  void inherit_sequence_numbers(const Manifest& manifest, size_t begin, std::vector<int64_t>& numbers) const;
  void inherit_first_row_ids(Manifest& manifest, size_t begin);

  const ManifestFile& file_;
  bool has_sequence_numbers_;
  int64_t next_row_id_;
};

}  // namespace floe
