#include "floe/scan/delete_loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "floe/error.h"
#include "floe/file/deletion_vector.h"
#include "floe/file/name_mapping.h"

namespace floe {
namespace {

std::vector<SchemaPtr> newest_first(const SchemaPtr& first, const std::vector<SchemaPtr>& schemas) {
  std::vector<SchemaPtr> all = {first};
  all.insert(all.end(), schemas.rbegin(), schemas.rend());
  return all;
}

bool has_all(const Schema& schema, const std::vector<int32_t>& ids) {
  return std::all_of(ids.begin(), ids.end(), [&](int32_t id) { return find_field(schema, id) != nullptr; });
}

// A schema that has all these fields, though they were never together in one:
// whole columns, each of the newest schema that has the field.
Schema assembled(const std::vector<SchemaPtr>& schemas, const std::vector<int32_t>& ids) {
  Schema schema;
  for (const int32_t id : ids) {
    if (find_field(schema, id)) continue;
    for (const SchemaPtr& from : schemas) {
      const auto path = path_to(*from, id);
      if (path.empty()) continue;
      std::erase_if(schema.fields, [&](const Field& field) { return field.id == path.front()->id; });
      schema.fields.push_back(*path.front());
      break;
    }
  }
  return schema;
}

size_t memory_of(const DeleteLoader::Loaded& loaded) {
  size_t bytes = loaded.equality ? loaded.equality->memory_use() : 0;
  for (const auto& [path, positions] : loaded.positions) bytes += path.capacity() + positions.memory_use();
  return bytes;
}

}  // namespace

DeleteLoader::DeleteLoader(const TableMetadata& table, const ScanPlan& plan, const ScanOptions& options, IoPtr io)
    : schemas_(newest_first(plan.schema, table.schemas)),
      plan_(plan),
      table_name_(options.table_name),
      name_mapping_(string_property(table.properties, kNameMapping, "")),
      io_(std::move(io)),
      limit_(static_cast<size_t>(std::max<int64_t>(options.delete_bytes, 0))),
      stop_(options.stop) {}

std::vector<DeleteLoader::Key> DeleteLoader::keys_of(const AppliedDeletes& deletes) {
  std::vector<Key> keys;
  for (const DeleteEntry& file : deletes.positions) keys.push_back({.is_set = false, .file = file});
  for (const auto& each : deletes.equality) keys.push_back({.is_set = true, .file = {.part = 0, .entry = each.set}});
  return keys;
}

void DeleteLoader::expect(const Needs& needs) {
  for (const Key& key : keys_of(needs.deletes)) {
    Slot& slot = slots_[key];
    ++slot.uses;
    if (!key.is_set) slot.wanted.push_back(needs.path);
  }
  if (!needs.deletes.positions.empty()) ++expected_[needs.path];
  for (const auto& [set, files] : needs.deletes.equality) {
    std::vector<DeleteEntry>& known = slots_[{.is_set = true, .file = {.part = 0, .entry = set}}].files;
    for (const DeleteEntry& file : files) {
      const auto place = std::lower_bound(known.begin(), known.end(), file);
      if (place == known.end() || *place != file) known.insert(place, file);
    }
  }
}

std::optional<RowDeletes> DeleteLoader::load(Needs& needs) {
  const std::vector<Key> keys = keys_of(needs.deletes);
  needs.held.resize(keys.size());
  bool all = true;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!needs.held[i]) needs.held[i] = acquire(keys[i]);
    all = all && needs.held[i];
  }
  if (!all) return std::nullopt;

  RowDeletes deletes;
  if (needs.deletes.vector) {
    deletes.positions = std::make_shared<const Positions>(read_vector(*needs.deletes.vector, needs.rows));
  }
  std::lock_guard lock(mutex_);
  if (!needs.deletes.positions.empty()) deletes.positions = take_positions(needs);
  for (const auto& loaded : needs.held) {
    if (loaded->equality) deletes.equality.push_back(loaded->equality);
  }
  for (const Key& key : keys) {
    Slot& slot = slots_.at(key);
    if (--slot.uses == 0) let_go(slot);
  }
  needs.held.clear();
  return deletes;
}

// What nobody else asks for is let go: others are splits of the same data file.
std::shared_ptr<const Positions> DeleteLoader::take_positions(const Needs& needs) {
  const bool is_last = --expected_[needs.path] == 0;
  std::shared_ptr<Positions> all;
  for (const auto& loaded : needs.held) {
    const auto found = loaded->positions.find(needs.path);
    if (found == loaded->positions.end()) continue;
    if (all) {
      all->add(found->second);
    } else {
      all =
          is_last ? std::make_shared<Positions>(std::move(found->second)) : std::make_shared<Positions>(found->second);
    }
    if (is_last) loaded->positions.erase(found);
  }
  return all;
}

std::shared_ptr<DeleteLoader::Loaded> DeleteLoader::acquire(const Key& key) {
  std::unique_lock lock(mutex_);
  Slot& slot = slots_.at(key);
  if (auto loaded = slot.loaded.lock()) return loaded;
  if (slot.loading) return nullptr;
  slot.loading = true;
  lock.unlock();
  std::shared_ptr<Loaded> loaded;
  std::exception_ptr error;
  try {
    loaded = read(key, slot);
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  slot.loading = false;
  if (error) std::rethrow_exception(error);
  slot.loaded = loaded;
  if (slot.uses > 1) keep(slot, loaded);
  return loaded;
}

void DeleteLoader::keep(Slot& slot, const std::shared_ptr<Loaded>& loaded) {
  let_go(slot);
  slot.kept = loaded;
  slot.bytes = memory_of(*loaded);
  slot.place = kept_.insert(kept_.end(), &slot);
  bytes_ += slot.bytes;
  while (bytes_ > limit_) let_go(*kept_.front());
}

void DeleteLoader::let_go(Slot& slot) {
  if (!slot.kept) return;
  bytes_ -= slot.bytes;
  kept_.erase(slot.place);
  slot.kept = nullptr;
}

std::shared_ptr<DeleteLoader::Loaded> DeleteLoader::read(const Key& key, const Slot& slot) const {
  auto loaded = std::make_shared<Loaded>();
  if (key.is_set) {
    loaded->equality = read_set(key.file.entry, slot.files);
  } else {
    const std::vector<std::string> wanted(slot.wanted.begin(), slot.wanted.end());
    const DataFile file = data_file(plan_.deletes->manifest(key.file), key.file.entry);
    loaded->positions = named(key.file, [&] { return read_position_deletes(*io_, file, wanted, stop_); });
  }
  return loaded;
}

std::shared_ptr<EqualityDeletes> DeleteLoader::read_set(uint32_t set, const std::vector<DeleteEntry>& files) const {
  const std::vector<int32_t>& ids = plan_.deletes->equality_set(set).equality_ids;
  const auto schema =
      std::find_if(schemas_.begin(), schemas_.end(), [&](const SchemaPtr& each) { return has_all(*each, ids); });
  const auto made = named(files.front(), [&] {
    return std::make_shared<EqualityDeletes>(schema == schemas_.end() ? assembled(schemas_, ids) : **schema, ids);
  });
  for (const DeleteEntry& file : files) {
    const Manifest& manifest = plan_.deletes->manifest(file);
    named(file, [&] {
      made->add(*io_, data_file(manifest, file.entry), manifest.sequence_number[file.entry], name_mapping_, stop_);
    });
  }
  return made;
}

Positions DeleteLoader::read_vector(const DeleteEntry& file, int64_t rows) const {
  const DataFile vector = data_file(plan_.deletes->manifest(file), file.entry);
  return named(file, [&] { return read_deletion_vector(*io_, vector, rows); });
}

template <typename F>
std::invoke_result_t<F> DeleteLoader::named(const DeleteEntry& file, const F& read) const {
  const auto where = [&] {
    return fmt::format("table {}, snapshot {}: the delete file {}", table_name_, plan_.snapshot_id.value_or(-1),
                       plan_.deletes->manifest(file).file_path[file.entry]);
  };
  try {
    return read();
  } catch (const NotFound& e) {
    throw NotFound(fmt::format("{} is gone ({}). If the snapshot was expired, read a later one", where(), e.what()));
  } catch (const InvalidArgument& e) {  // columns that cannot be compared
    throw CorruptFile(fmt::format("{} cannot be applied: {}", where(), e.what()));
  }
}

}  // namespace floe
