#include "floe/manifest/layout.h"

#include <fmt/format.h>

#include <charconv>
#include <list>
#include <mutex>

#include "floe/manifest/fields.h"

namespace floe {

namespace {

using namespace manifest_fields;

const std::vector<int32_t> kStatsIds = {kValueCounts, kNullValueCounts, kNanValueCounts, kLowerBounds, kUpperBounds};

const std::vector<int32_t> kFileIds = {
    kContent,      kFilePath,    kFileFormat,  kPartition,  kRecordCount,        kFileSizeInBytes, kKeyMetadata,
    kSplitOffsets, kEqualityIds, kSortOrderId, kFirstRowId, kReferencedDataFile, kContentOffset,   kContentSizeInBytes};

std::optional<std::string_view> find(const avro::Header& header, std::string_view key) {
  const auto found = header.values.find(key);
  return found == header.values.end() ? std::nullopt : std::optional(found->second);
}

std::string_view require(const avro::Header& header, std::string_view key) {
  const auto value = find(header, key);
  if (!value) throw CorruptFile(fmt::format("the manifest's header has no \"{}\"", key));
  return *value;
}

std::optional<int32_t> find_int(const avro::Header& header, std::string_view key) {
  const auto text = find(header, key);
  if (!text) return std::nullopt;
  int32_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size()) {
    throw CorruptFile(fmt::format("the manifest's \"{}\" is no number", key));
  }
  return number;
}

const avro::AvroField* field_by_id(const avro::AvroType& record, int32_t id, std::string_view name) {
  for (const avro::AvroField& field : record.fields) {
    if (field.id ? *field.id == id : field.name == name) return &field;
  }
  return nullptr;
}

// A field of the partition struct as the file stores it, or null.
const avro::AvroType* stored_partition_value(const avro::AvroType& entry, const Field& field) {
  const avro::AvroField* file = field_by_id(entry, kDataFile, "data_file");
  const avro::AvroField* partition = file == nullptr ? nullptr : field_by_id(*file->type, kPartition, "partition");
  const avro::AvroField* value = partition == nullptr ? nullptr : field_by_id(*partition->type, field.id, field.name);
  return value == nullptr ? nullptr : value->type.get();
}

// The types of partition values follow from the spec and the schema, but for transforms that this version does not know
// and columns that are gone: then the file's own types are what there is. Types that no transform takes are read past.
Type partition_struct(const PartitionSpec& spec, const Schema& schema, const avro::AvroType& entry) {
  std::vector<Field> fields = *partition_type(spec, schema).children;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].type.is_nested() || fields[i].type.kind == TypeKind::kVariant) {
      fields[i].type = primitive(TypeKind::kUnknown);
      continue;
    }
    if (fields[i].type.kind != TypeKind::kUnknown && spec.fields[i].transform.kind != TransformKind::kUnknown) continue;
    const avro::AvroType* stored = stored_partition_value(entry, fields[i]);
    fields[i].type = primitive(TypeKind::kUnknown);
    if (stored == nullptr) continue;
    try {
      fields[i].type = avro::to_iceberg_primitive(*stored);
    } catch (const NotSupported&) {
      // A record or the like: read past.
    }
  }
  return struct_type(std::move(fields));
}

std::shared_ptr<const ManifestLayout> read_layout(const avro::Header& header) {
  const avro::AvroTypePtr entry = avro::parse_schema(header.schema);
  auto layout = std::make_shared<ManifestLayout>();
  layout->schema = std::make_shared<Schema>(schema_from_json(require(header, "schema")));
  layout->spec.fields = partition_fields_from_json(require(header, "partition-spec"));
  layout->spec_id = find_int(header, "partition-spec-id");
  layout->spec.spec_id = layout->spec_id.value_or(0);
  if (const auto content = find(header, "content")) {
    if (*content != "data" && *content != "deletes") throw CorruptFile("the manifest's \"content\" is unknown");
    layout->content = *content == "data" ? ManifestContent::kData : ManifestContent::kDeletes;
  }
  const bool v1 = find_int(header, "format-version").value_or(1) < 2;
  layout->has_sequence_numbers = !v1 || field_by_id(*entry, kSequenceNumber, "sequence_number") != nullptr;

  const Type partition = partition_struct(layout->spec, *layout->schema, *entry);
  for (const Field& field : *partition.children) layout->partition_types.push_back(field.type);

  const auto compile = [&](const std::vector<int32_t>& file_ids, bool entry_too) {
    const auto matching = v1 ? avro::Matching::kByIdOrName : avro::Matching::kById;
    return avro::compile(*entry, wanted_entry_fields(partition, file_ids, entry_too), matching);
  };
  std::vector<int32_t> file_ids = kFileIds;
  if (layout->spec.is_unpartitioned()) std::erase(file_ids, kPartition);
  layout->entries = compile(file_ids, true);
  layout->stats = compile(kStatsIds, false);
  std::vector<int32_t> both = file_ids;
  both.insert(both.end(), kStatsIds.begin(), kStatsIds.end());
  layout->entries_and_stats = compile(both, true);
  std::vector<int32_t> maps = kStatsIds;
  maps.push_back(kColumnSizes);
  layout->all_maps = compile(maps, false);
  both.push_back(kColumnSizes);
  layout->whole = compile(both, true);
  return layout;
}

// The layouts last used, the latest first.
class Layouts {
 public:
  std::shared_ptr<const ManifestLayout> find(std::string_view key) {
    std::lock_guard lock(mutex_);
    for (auto item = items_.begin(); item != items_.end(); ++item) {
      if (item->first != key) continue;
      items_.splice(items_.begin(), items_, item);
      return items_.front().second;
    }
    return nullptr;
  }

  void add(std::string_view key, std::shared_ptr<const ManifestLayout> layout) {
    if (key.size() > kLongestKey) return;
    std::lock_guard lock(mutex_);
    items_.emplace_front(key, std::move(layout));
    if (items_.size() > kMost) items_.pop_back();
  }

 private:
  static constexpr size_t kMost = 16;
  static constexpr size_t kLongestKey = 1 << 20;
  std::mutex mutex_;
  std::list<std::pair<std::string, std::shared_ptr<const ManifestLayout>>> items_;
};

}  // namespace

avro::Header manifest_header(std::string_view bytes, const std::string& file) {
  if (bytes.starts_with("AGS1")) throw NotSupported(fmt::format("{}: encrypted manifests are not supported", file));
  return avro::read_header(bytes, file);
}

std::shared_ptr<const ManifestLayout> manifest_layout(const avro::Header& header, const std::string& file) {
  static auto& layouts = *new Layouts();  // never destroyed: threads may still read at exit
  if (auto known = layouts.find(header.raw)) return known;
  try {
    auto layout = read_layout(header);
    layouts.add(header.raw, layout);
    return layout;
  } catch (const NotSupported& e) {
    throw NotSupported(fmt::format("{}: {}", file, e.what()));
  } catch (const Error& e) {  // JSON and types report what they are given in several ways
    throw CorruptFile(fmt::format("{}: {}", file, e.what()));
  }
}

}  // namespace floe
