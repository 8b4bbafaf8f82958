#include "floe/manifest/whole_entries.h"

#include <limits>
#include <utility>

#include "floe/avro/container.h"
#include "floe/manifest/entry_decoder.h"
#include "floe/manifest/fields.h"

namespace floe {

namespace {

using namespace manifest_fields;

// All items of all maps.
class AllMaps {
 public:
  explicit AllMaps(EntryMaps& maps) : maps_(maps) {}

  static int find(int32_t) { return 0; }

  void put(const MapItem& item, int64_t count) {
    MapColumn& map = column(item.map);
    map.keys.push_back(item.key);
    map.counts.push_back(count);
  }

  void put(const MapItem& item, std::string_view bytes) {
    MapColumn& map = column(item.map);
    map.keys.push_back(item.key);
    map.bytes.append(bytes);
    map.ends.push_back(offset(map.bytes.size()));
  }

  void end(int32_t id, bool present) {
    MapColumn& map = column(id);
    map.offsets.push_back(offset(map.keys.size()));
    map.present.push_back(present);
  }

 private:
  static int32_t offset(size_t at) {
    if (at > std::numeric_limits<int32_t>::max()) avro::corrupt("a block's statistics are more than 2 GiB");
    return static_cast<int32_t>(at);
  }

  MapColumn& column(int32_t id) {
    switch (id) {
      case kColumnSizes:
        return maps_.column_sizes;
      case kValueCounts:
        return maps_.value_counts;
      case kNullValueCounts:
        return maps_.null_value_counts;
      case kNanValueCounts:
        return maps_.nan_value_counts;
      case kLowerBounds:
        return maps_.lower_bounds;
      default:
        return maps_.upper_bounds;
    }
  }

  EntryMaps& maps_;
};

}  // namespace

struct WholeEntryReader::State {
  State(std::shared_ptr<arrow::Buffer> content, ManifestFile line)
      : buffer(std::move(content)),
        file(std::move(line)),
        header(manifest_header(bytes(), file.manifest_path)),
        layout(manifest_layout(header, file.manifest_path)),
        blocks(bytes(), header, file.manifest_path),
        inheritance(file, *layout) {}
  State(const State&) = delete;

  std::string_view bytes() const {
    return {reinterpret_cast<const char*>(buffer->data()), static_cast<size_t>(buffer->size())};
  }

  const std::shared_ptr<arrow::Buffer> buffer;
  const ManifestFile file;
  const avro::Header header;
  const std::shared_ptr<const ManifestLayout> layout;
  avro::Blocks blocks;
  Inheritance inheritance;
};

WholeEntryReader::WholeEntryReader(std::shared_ptr<arrow::Buffer> bytes, ManifestFile file)
    : state_(std::make_unique<State>(std::move(bytes), std::move(file))) {}

WholeEntryReader::~WholeEntryReader() = default;

bool WholeEntryReader::may_follow(const WholeEntries& some) const {
  if (some.size() == 0) return true;
  const ManifestLayout& layout = *state_->layout;  // shared by all manifests with this header, and so is its schema
  return layout.schema == some.manifest->schema &&
         layout.spec_id.value_or(state_->file.partition_spec_id) == some.manifest->spec_id &&
         layout.content.value_or(state_->file.content) == some.manifest->content;
}

bool WholeEntryReader::read(size_t rows, WholeEntries& some) {
  if (some.size() == 0) some.manifest = empty_manifest(*state_->layout, state_->file);
  const size_t begin = some.manifest->size;
  AllMaps maps(some.maps);
  EntryHandler<AllMaps> handler(state_->layout->whole, some.manifest.get(), maps);
  avro::Decoder decoder(state_->layout->whole, handler);
  bool more = true;
  while (more && begin + handler.rows() < rows) {
    more = state_->blocks.next([&](int64_t records, std::string_view data) { decoder.block(records, data); });
  }
  state_->inheritance.complete(*some.manifest, begin, begin + handler.rows());
  return more;
}

}  // namespace floe
