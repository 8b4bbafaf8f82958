#include "floe/scan/delete_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "floe/error.h"
#include "floe/spec/metadata_columns.h"

namespace floe {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

[[noreturn]] void throw_corrupt(const Manifest& manifest, size_t entry, std::string_view what) {
  throw CorruptFile(fmt::format("the manifest's entry of the delete file {} {}", manifest.file_path[entry], what));
}

std::vector<int32_t> equality_ids_of(const Manifest& manifest, size_t entry) {
  const std::string_view bytes = manifest.equality_ids[entry];
  std::vector<int32_t> ids(bytes.size() / sizeof(int32_t));
  if (!ids.empty()) std::memcpy(ids.data(), bytes.data(), ids.size() * sizeof(int32_t));
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

bool is_vector(const Manifest& manifest, size_t entry) {
  return manifest.file_content[entry] == FileContent::kPositionDeletes &&
         manifest.file_format[entry] == FileFormat::kPuffin;
}

// Bounds of one group that are both known, the right way round.
std::optional<std::pair<std::string_view, std::string_view>> path_bounds(const Stats& stats, size_t entry) {
  const ColumnStats* paths = stats.column(kDeleteFilePathId);
  if (!paths || !paths->lower_bounds.has(entry) || !paths->upper_bounds.has(entry)) return std::nullopt;
  const std::string_view lower = paths->lower_bounds[entry], upper = paths->upper_bounds[entry];
  if (lower > upper) return std::nullopt;
  return std::pair(lower, upper);
}

// Whether values within bounds are surely ordered as `compare` has it. Of floats NaN is not in the bounds, and some
// writers ordered uuids by signed halves.
bool bounds_decide(const Type& type) {
  switch (type.kind) {
    case TypeKind::kBoolean:
    case TypeKind::kInt:
    case TypeKind::kLong:
    case TypeKind::kDecimal:
    case TypeKind::kDate:
    case TypeKind::kTime:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
    case TypeKind::kString:
    case TypeKind::kFixed:
    case TypeKind::kBinary:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool deletes_globally(const PartitionSpec& spec) {
  return std::all_of(spec.fields.begin(), spec.fields.end(),
                     [](const PartitionField& field) { return field.transform.kind == TransformKind::kVoid; });
}

std::vector<DeleteEntry> AppliedDeletes::files() const {
  std::vector<DeleteEntry> all = positions;
  if (vector) all.push_back(*vector);
  for (const Equality& set : equality) all.insert(all.end(), set.files.begin(), set.files.end());
  return all;
}

std::shared_ptr<const Stats> delete_stats(const ManifestPart& part) {
  std::vector<int32_t> ids = {kDeleteFilePathId};
  for (const uint32_t entry : part.entries) {
    if (part.manifest->file_content[entry] != FileContent::kEqualityDeletes) continue;
    for (const int32_t id : equality_ids_of(*part.manifest, entry)) {
      if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
    }
  }
  return part.reader->stats(ids);
}

// --- the index -------------------------------------------------------------------------------------------------------

DeleteIndex::DeleteIndex(const TableMetadata& table, SchemaPtr schema, std::vector<ManifestPart> parts)
    : schema_(std::move(schema)), schemas_(table.schemas), specs_(table.partition_specs), parts_(std::move(parts)) {
  for (const ManifestPart& part : parts_) {
    keys_.emplace_back(*part.manifest, spec_of(*part.manifest), *schema_);
    stats_.push_back(delete_stats(part));
    size_ += part.entries.size();
  }
  for (uint32_t part = 0; part < parts_.size(); ++part) {
    for (const uint32_t entry : parts_[part].entries) add({part, entry});
  }
  const auto by_sequence_number = [&](const DeleteEntry& a, const DeleteEntry& b) {
    return sequence_number(a) < sequence_number(b);
  };
  for (auto& [key, scope] : partitions_) {
    std::stable_sort(scope.positions.begin(), scope.positions.end(), by_sequence_number);
  }
  std::sort(equality_ids_.begin(), equality_ids_.end());
  for (const int32_t id : equality_ids_) equality_types_.push_back(equality_type(id));
  for (EqualitySet& set : sets_) {
    std::stable_sort(set.files.begin(), set.files.end(), by_sequence_number);
    std::vector<KeyBounds>& bounds = set_bounds_.emplace_back();
    bounds.reserve(set.files.size() * set.equality_ids.size());
    for (const DeleteEntry& file : set.files) {
      for (const int32_t id : set.equality_ids) {
        bounds.push_back(key_bounds(*stats_[file.part], id, equality_type(id), file.entry));
      }
    }
  }
}

const PartitionSpec& DeleteIndex::spec_of(const Manifest& manifest) const {
  for (const PartitionSpec& spec : specs_) {
    if (spec.spec_id == manifest.spec_id) return spec;
  }
  return manifest.spec;
}

Type DeleteIndex::equality_type(int32_t field_id) const {
  if (const Field* field = find_field(*schema_, field_id)) return field->type;
  for (auto schema = schemas_.rbegin(); schema != schemas_.rend(); ++schema) {
    if (const Field* field = find_field(**schema, field_id)) return field->type;
  }
  return {};
}

DeleteIndex::KeyBounds DeleteIndex::key_bounds(const Stats& stats, int32_t field_id, const Type& type, size_t entry) {
  KeyBounds bounds;
  const ColumnStats* column = stats.column(field_id);
  if (!column) return bounds;
  bounds.may_be_null = column->null_counts[entry] != 0;
  bounds.only_nulls = column->value_counts[entry] > 0 && column->null_counts[entry] == column->value_counts[entry];
  if (!bounds_decide(type) || !column->lower_bounds.has(entry) || !column->upper_bounds.has(entry)) return bounds;
  try {
    bounds.lower = from_bytes(column->lower_bounds[entry], type);
    bounds.upper = from_bytes(column->upper_bounds[entry], type);
    bounds.has_bounds = compare(bounds.lower, bounds.upper, type) <= 0;
  } catch (const CorruptFile&) {  // of another type
  }
  return bounds;
}

// Whether surely no value of the one, nulls among them, equals one of the other.
bool DeleteIndex::never_equal(const KeyBounds& a, const KeyBounds& b, const Type& type) {
  if (a.may_be_null && b.may_be_null) return false;
  if (a.only_nulls || b.only_nulls) return true;
  if (!a.has_bounds || !b.has_bounds) return false;
  return compare(a.upper, b.lower, type) < 0 || compare(b.upper, a.lower, type) < 0;
}

void DeleteIndex::add(const DeleteEntry& file) {
  const Manifest& manifest = *parts_[file.part].manifest;
  if (manifest.sequence_number[file.entry] == kAbsent) throw_corrupt(manifest, file.entry, "has no sequence number");
  if (is_vector(manifest, file.entry)) return add_vector(file);
  switch (manifest.file_content[file.entry]) {
    case FileContent::kPositionDeletes:
      return add_positions(file);
    case FileContent::kEqualityDeletes:
      return add_equality(file);
    case FileContent::kData:
      throw_corrupt(manifest, file.entry, "says that it is a data file");
  }
}

void DeleteIndex::add_vector(const DeleteEntry& file) {
  const Manifest& from = manifest(file);
  if (!from.referenced_data_file.has(file.entry) || from.content_offset[file.entry] == kAbsent ||
      from.content_size_in_bytes[file.entry] == kAbsent) {
    throw_corrupt(from, file.entry, "is of a deletion vector, and does not say of which data file or where it is");
  }
  const auto [found, is_new] = vectors_.emplace(from.referenced_data_file[file.entry], file);
  if (is_new) return;
  const Manifest& other = manifest(found->second);
  throw CorruptFile(fmt::format("the data file {} has two deletion vectors: at {} of {} and at {} of {}", found->first,
                                other.content_offset[found->second.entry], other.file_path[found->second.entry],
                                from.content_offset[file.entry], from.file_path[file.entry]));
}

void DeleteIndex::add_positions(const DeleteEntry& file) {
  const Manifest& from = manifest(file);
  std::optional<std::string_view> path;
  if (from.referenced_data_file.has(file.entry)) {
    path = from.referenced_data_file[file.entry];
  } else if (const auto bounds = path_bounds(*stats_[file.part], file.entry);
             bounds && bounds->first == bounds->second) {
    path = bounds->first;
  }
  if (!path) {
    scope_of(file).positions.push_back(file);
    return;
  }
  const auto [found, is_new] = paths_.emplace(*path, kNone);
  by_path_.push_back({file, found->second});
  found->second = static_cast<uint32_t>(by_path_.size() - 1);
}

void DeleteIndex::add_equality(const DeleteEntry& file) {
  const Manifest& from = manifest(file);
  const std::vector<int32_t> ids = equality_ids_of(from, file.entry);
  if (ids.empty()) throw_corrupt(from, file.entry, "does not say which columns its equality deletes compare");
  Scope& scope = deletes_globally(spec_of(from)) ? global_ : scope_of(file);
  const auto same =
      std::find_if(scope.sets.begin(), scope.sets.end(), [&](uint32_t set) { return sets_[set].equality_ids == ids; });
  if (same != scope.sets.end()) {
    sets_[*same].files.push_back(file);
    return;
  }
  scope.sets.push_back(static_cast<uint32_t>(sets_.size()));
  sets_.push_back({ids, {file}});
  for (const int32_t id : ids) {
    if (std::find(equality_ids_.begin(), equality_ids_.end(), id) == equality_ids_.end()) equality_ids_.push_back(id);
  }
}

DeleteIndex::Scope& DeleteIndex::scope_of(const DeleteEntry& file) {
  std::string key;
  keys_[file.part].write(file.entry, key);
  return partitions_[std::move(key)];
}

// --- looking up ------------------------------------------------------------------------------------------------------

DeleteFinder::DeleteFinder(const DeleteIndex& index, ManifestReader& reader, ManifestPtr manifest)
    : index_(index),
      manifest_(std::move(manifest)),
      keys_(*manifest_, index.spec_of(*manifest_), *index.schema_),
      stats_(index.sets_.empty() ? nullptr : reader.stats(index.equality_ids_)) {}

AppliedDeletes DeleteFinder::find(size_t entry) {
  if (manifest_->sequence_number[entry] == kAbsent) {
    throw CorruptFile(
        fmt::format("the manifest's entry of the data file {} has no sequence number, so that it is not known which "
                    "deletes apply to it",
                    manifest_->file_path[entry]));
  }
  AppliedDeletes found;
  keys_.write(entry, key_);
  if (!scope_ || key_ != scope_key_) {
    static const DeleteIndex::Scope none;
    const auto scope = index_.partitions_.find(key_);
    scope_ = scope == index_.partitions_.end() ? &none : &scope->second;
    scope_key_ = key_;
  }
  const std::string_view path = manifest_->file_path[entry];
  find_vector(entry, path, found);
  if (!found.vector) find_positions(entry, path, found);
  find_equality(index_.global_, entry, found);
  find_equality(*scope_, entry, found);
  return found;
}

void DeleteFinder::find_vector(size_t entry, std::string_view path, AppliedDeletes& found) {
  const auto vector = index_.vectors_.find(path);
  if (vector == index_.vectors_.end()) return;
  const DeleteEntry& file = vector->second;
  check_partition(file, entry);
  if (index_.sequence_number(file) < manifest_->sequence_number[entry]) {
    throw CorruptFile(fmt::format("the deletion vector in {} is of sequence number {}, and its data file {} of {}",
                                  index_.manifest(file).file_path[file.entry], index_.sequence_number(file), path,
                                  manifest_->sequence_number[entry]));
  }
  found.vector = file;
}

void DeleteFinder::find_positions(size_t entry, std::string_view path, AppliedDeletes& found) {
  const int64_t since = manifest_->sequence_number[entry];
  const auto chain = index_.paths_.find(path);
  for (uint32_t i = chain == index_.paths_.end() ? kNone : chain->second; i != kNone; i = index_.by_path_[i].next) {
    const DeleteEntry& file = index_.by_path_[i].file;
    if (index_.sequence_number(file) < since) continue;
    check_partition(file, entry);
    found.positions.push_back(file);
  }
  const auto& files = scope_->positions;
  auto first = std::lower_bound(files.begin(), files.end(), since, [&](const DeleteEntry& file, int64_t number) {
    return index_.sequence_number(file) < number;
  });
  for (; first != files.end(); ++first) {
    const auto bounds = path_bounds(*index_.stats_[first->part], first->entry);
    if (!bounds || (bounds->first <= path && path <= bounds->second)) found.positions.push_back(*first);
  }
  std::sort(found.positions.begin(), found.positions.end());
}

void DeleteFinder::find_equality(const DeleteIndex::Scope& scope, size_t entry, AppliedDeletes& found) {
  const int64_t since = manifest_->sequence_number[entry];
  for (const uint32_t id : scope.sets) {
    const std::vector<DeleteEntry>& files = index_.sets_[id].files;
    const auto first = std::upper_bound(
        files.begin(), files.end(), since,
        [&](int64_t number, const DeleteEntry& file) { return number < index_.sequence_number(file); });
    AppliedDeletes::Equality applied{.set = id, .files = {}};
    for (size_t i = first - files.begin(); i < files.size(); ++i) {
      if (may_delete(id, i, entry)) applied.files.push_back(files[i]);
    }
    if (!applied.files.empty()) found.equality.push_back(std::move(applied));
  }
}

// Whether the i-th file of a set may delete rows of the entry's.
bool DeleteFinder::may_delete(uint32_t set, size_t file, size_t entry) {
  const std::vector<int32_t>& all = index_.equality_ids_;
  if (bounds_entry_ != entry) {
    bounds_.clear();
    for (size_t i = 0; i < all.size(); ++i) {
      bounds_.push_back(DeleteIndex::key_bounds(*stats_, all[i], index_.equality_types_[i], entry));
    }
    bounds_entry_ = entry;
  }
  const std::vector<int32_t>& ids = index_.sets_[set].equality_ids;
  for (size_t k = 0; k < ids.size(); ++k) {
    const size_t i = std::lower_bound(all.begin(), all.end(), ids[k]) - all.begin();
    const DeleteIndex::KeyBounds& keys = index_.set_bounds_[set][file * ids.size() + k];
    if (DeleteIndex::never_equal(bounds_[i], keys, index_.equality_types_[i])) return false;
  }
  return true;
}

void DeleteFinder::check_partition(const DeleteEntry& file, size_t entry) {
  index_.keys_[file.part].write(file.entry, other_key_);
  if (other_key_ == key_) return;
  throw CorruptFile(fmt::format(
      "the delete file {} names the data file {}, and is of another partition (specs {} and {}): deletes apply only "
      "within one",
      index_.manifest(file).file_path[file.entry], manifest_->file_path[entry], index_.manifest(file).spec_id,
      manifest_->spec_id));
}

std::vector<ManifestPart> applied_deletes(const DeleteIndex& index, const std::vector<const ManifestPart*>& data) {
  std::set<DeleteEntry> applied;
  for (const ManifestPart* part : data) {
    DeleteFinder finder(index, *part->reader, part->manifest);
    for (const uint32_t entry : part->entries) {
      for (const DeleteEntry& file : finder.find(entry).files()) applied.insert(file);
    }
  }
  std::vector<ManifestPart> parts;
  uint32_t previous = 0;
  for (const DeleteEntry& file : applied) {
    const ManifestPart& from = index.parts()[file.part];
    if (parts.empty() || file.part != previous) parts.push_back({from.reader, from.manifest, {}});
    previous = file.part;
    parts.back().entries.push_back(file.entry);
  }
  return parts;
}

}  // namespace floe
