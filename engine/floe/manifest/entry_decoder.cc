#include "floe/manifest/entry_decoder.h"

#include "floe/manifest/fields.h"

namespace floe {

namespace {

using namespace manifest_fields;

std::vector<int64_t>* long_column(Manifest& manifest, int32_t field_id) {
  switch (field_id) {
    case kSnapshotId:
      return &manifest.snapshot_id;
    case kSequenceNumber:
      return &manifest.sequence_number;
    case kFileSequenceNumber:
      return &manifest.file_sequence_number;
    case kRecordCount:
      return &manifest.record_count;
    case kFileSizeInBytes:
      return &manifest.file_size_in_bytes;
    case kSortOrderId:
      return &manifest.sort_order_id;
    case kFirstRowId:
      return &manifest.first_row_id;
    case kContentOffset:
      return &manifest.content_offset;
    case kContentSizeInBytes:
      return &manifest.content_size_in_bytes;
    default:
      return nullptr;
  }
}

BytesColumn* bytes_column(Manifest& manifest, int32_t field_id) {
  switch (field_id) {
    case kFilePath:
      return &manifest.file_path;
    case kKeyMetadata:
      return &manifest.key_metadata;
    case kReferencedDataFile:
      return &manifest.referenced_data_file;
    case kSplitOffsets:
      return &manifest.split_offsets;
    case kEqualityIds:
      return &manifest.equality_ids;
    default:
      return nullptr;
  }
}

bool is_map(int32_t field_id) {
  return field_id == kColumnSizes || field_id == kValueCounts || field_id == kNullValueCounts ||
         field_id == kNanValueCounts || field_id == kLowerBounds || field_id == kUpperBounds;
}

}  // namespace

std::vector<SlotSink> sinks_of(const avro::Program& program, Manifest* manifest) {
  std::vector<SlotSink> sinks(program.slots.size());
  for (size_t i = 0; i < sinks.size(); ++i) {
    const avro::Slot& slot = program.slots[i];
    const int32_t parent = slot.parent < 0 ? -1 : program.slots[slot.parent].field_id;
    SlotSink& sink = sinks[i];
    if (slot.parent < 0) {
      sink.kind = Sink::kEntry;
    } else if (parent == kPartition) {
      sink = {.kind = Sink::kPartition, .bytes = &manifest->partition[slot.position], .type = slot.type.kind};
    } else if (parent == kSplitOffsets) {
      sink = {.kind = Sink::kLongs, .bytes = &manifest->split_offsets};
    } else if (parent == kEqualityIds) {
      sink = {.kind = Sink::kInts, .bytes = &manifest->equality_ids};
    } else if (is_map(parent)) {
      const Sink value = slot.type.kind == TypeKind::kBinary ? Sink::kMapBytes : Sink::kMapLong;
      sink = {.kind = slot.position == 0 ? Sink::kMapKey : value, .map = parent};
    } else if (is_map(slot.field_id)) {
      sink = {.kind = Sink::kMap, .map = slot.field_id};
    } else if (slot.field_id == kStatus) {
      sink.kind = Sink::kStatus;
    } else if (slot.field_id == kContent) {
      sink.kind = Sink::kFileContent;
    } else if (slot.field_id == kFileFormat) {
      sink.kind = Sink::kFileFormat;
    } else if (manifest != nullptr) {
      sink.longs = long_column(*manifest, slot.field_id);
      sink.bytes = bytes_column(*manifest, slot.field_id);
      if (sink.longs) sink.kind = Sink::kLong;
      if (sink.bytes) sink.kind = Sink::kBytes;
      if (slot.field_id == kSplitOffsets) sink.kind = Sink::kLongs;
      if (slot.field_id == kEqualityIds) sink.kind = Sink::kInts;
    }
  }
  return sinks;
}

std::string_view minimal_decimal(std::string_view bytes) {
  if (bytes.empty()) avro::corrupt("a decimal has no bytes");
  while (bytes.size() > 1) {
    const auto first = static_cast<uint8_t>(bytes[0]);
    const bool next_is_negative = (static_cast<uint8_t>(bytes[1]) & 0x80) != 0;
    if (!(first == 0x00 && !next_is_negative) && !(first == 0xff && next_is_negative)) break;
    bytes.remove_prefix(1);
  }
  if (bytes.size() > 16) avro::corrupt("a decimal has more than 38 digits");
  return bytes;
}

std::shared_ptr<Manifest> empty_manifest(const ManifestLayout& layout, const ManifestFile& file) {
  auto manifest = std::make_shared<Manifest>();
  manifest->spec_id = layout.spec_id.value_or(file.partition_spec_id);
  manifest->schema = layout.schema;
  manifest->spec = layout.spec;
  manifest->spec.spec_id = manifest->spec_id;
  manifest->content = layout.content.value_or(file.content);
  manifest->partition_types = layout.partition_types;
  manifest->partition.resize(layout.partition_types.size());
  return manifest;
}

Inheritance::Inheritance(const ManifestFile& file, const ManifestLayout& layout)
    : file_(file),
      has_sequence_numbers_(layout.has_sequence_numbers),
      next_row_id_(file.first_row_id.value_or(kAbsent)) {}

void Inheritance::complete(Manifest& manifest, size_t begin, size_t end) {
  manifest.size = end;
  for (size_t i = begin; i < end; ++i) {
    if (manifest.snapshot_id[i] == kAbsent) manifest.snapshot_id[i] = file_.added_snapshot_id;
  }
  inherit_sequence_numbers(manifest, begin, manifest.sequence_number);
  inherit_sequence_numbers(manifest, begin, manifest.file_sequence_number);
  inherit_first_row_ids(manifest, begin);
}

// "Sequence Number Inheritance": null means the manifest's own for added files; for others nothing is inherited, but
// manifests of version 1 have no sequence numbers, and all of theirs are 0.
void Inheritance::inherit_sequence_numbers(const Manifest& manifest, size_t begin,
                                           std::vector<int64_t>& numbers) const {
  for (size_t i = begin; i < numbers.size(); ++i) {
    if (numbers[i] != kAbsent) continue;
    if (!has_sequence_numbers_) {
      numbers[i] = 0;
    } else if (manifest.status[i] == EntryStatus::kAdded || file_.sequence_number == 0) {
      numbers[i] = file_.sequence_number;
    }
  }
}

// "First Row ID Inheritance": files without one follow one another from the manifest's on. Entries of deleted files get
// none: the range that was set aside for the manifest is as long as its live rows.
void Inheritance::inherit_first_row_ids(Manifest& manifest, size_t begin) {
  std::vector<int64_t>& ids = manifest.first_row_id;
  if (manifest.content == ManifestContent::kDeletes) {
    std::fill(ids.begin() + static_cast<ptrdiff_t>(begin), ids.end(), kAbsent);
    return;
  }
  int64_t& next = next_row_id_;
  for (size_t i = begin; i < manifest.size && next != kAbsent; ++i) {
    if (ids[i] != kAbsent || manifest.status[i] == EntryStatus::kDeleted) continue;
    ids[i] = next;
    // What follows a file of unknown length has no known ids either.
    const int64_t records = manifest.record_count[i];
    if (records < 0 || __builtin_add_overflow(next, records, &next)) next = kAbsent;
  }
}

}  // namespace floe
