#include <arrow/buffer.h>

#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "floe/manifest/manifest.h"

namespace floe {

namespace {

constexpr size_t kDefaultBytes = size_t{256} << 20;

using ManifestList = std::shared_ptr<const std::vector<ManifestFile>>;

struct CacheItem {
  std::string key;
  ManifestReaderPtr manifest;  // this, or
  ManifestList list;           // that
  size_t bytes = 0;
};

// Least recently used items last. Items that are dropped are destroyed after the lock is given back.
class Cache {
 public:
  // Null if there is none; counts a hit or a miss.
  std::optional<CacheItem> find(const std::string& key) {
    std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) {
      ++stats_.misses;
      return std::nullopt;
    }
    ++stats_.hits;
    items_.splice(items_.begin(), items_, found->second);
    return items_.front();
  }

  // The item that is kept: another thread may have been first.
  CacheItem add(CacheItem item) {
    std::list<CacheItem> dropped;
    std::lock_guard lock(mutex_);
    if (const auto found = by_key_.find(item.key); found != by_key_.end()) return *found->second;
    if (item.bytes > limit_) return item;
    items_.push_front(item);
    by_key_[item.key] = items_.begin();
    stats_.bytes += item.bytes;
    trim(dropped);
    return item;
  }

  // A manifest decoded more of itself. It may have been dropped, or replaced, in the meantime.
  void grew(const std::string& key, const ManifestReader* manifest, size_t bytes) {
    std::list<CacheItem> dropped;
    std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    if (found == by_key_.end() || found->second->manifest.get() != manifest) return;
    found->second->bytes += bytes;
    stats_.bytes += bytes;
    trim(dropped);
  }

  void set_limit(size_t bytes) {
    std::list<CacheItem> dropped;
    std::lock_guard lock(mutex_);
    limit_ = bytes;
    trim(dropped);
  }

  void clear() {
    std::list<CacheItem> dropped;
    std::lock_guard lock(mutex_);
    dropped.swap(items_);
    by_key_.clear();
    stats_.bytes = 0;
  }

  CacheStats stats() {
    std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  void trim(std::list<CacheItem>& dropped) {
    while (stats_.bytes > limit_ && !items_.empty()) {
      stats_.bytes -= items_.back().bytes;
      by_key_.erase(items_.back().key);
      dropped.splice(dropped.begin(), items_, std::prev(items_.end()));
      ++stats_.evictions;
    }
  }

  std::mutex mutex_;
  size_t limit_ = kDefaultBytes;
  std::list<CacheItem> items_;
  std::unordered_map<std::string, std::list<CacheItem>::iterator> by_key_;
  CacheStats stats_;
};

Cache& cache() {
  static auto& cache = *new Cache();  // never destroyed: threads may still read at exit
  return cache;
}

// A file of the same path and length is the same file. What its entries inherit is part of the key too: branches of an
// upgraded table may give one manifest different first row ids.
std::string key_of(Io& io, const ManifestFile& file) {
  std::string key = io.principal();
  const int64_t inherited[] = {file.manifest_length,   file.sequence_number,
                               file.added_snapshot_id, file.first_row_id.value_or(kAbsent),
                               file.partition_spec_id, static_cast<int64_t>(file.content)};
  key.push_back('\0');
  key.append(reinterpret_cast<const char*>(inherited), sizeof(inherited));
  return key += file.manifest_path;
}

size_t memory_of(const std::vector<ManifestFile>& list) {
  size_t bytes = list.capacity() * sizeof(ManifestFile);
  for (const ManifestFile& file : list) {
    bytes += file.manifest_path.capacity();
    if (file.key_metadata) bytes += file.key_metadata->capacity();
    if (!file.partitions) continue;
    bytes += file.partitions->capacity() * sizeof(FieldSummary);
    for (const FieldSummary& summary : *file.partitions) {
      bytes += summary.lower_bound.value_or("").size() + summary.upper_bound.value_or("").size();
    }
  }
  return bytes;
}

}  // namespace

ManifestReaderPtr open_manifest(Io& io, const ManifestFile& file) {
  const std::string key = key_of(io, file);
  if (auto found = cache().find(key)) return found->manifest;
  const auto buffer = io.read(file.manifest_path, file.manifest_length > 0 ? file.manifest_length : -1);
  // The reader outlives no call of this: it is what calls it.
  auto self = std::make_shared<const ManifestReader*>(nullptr);
  auto reader =
      std::make_shared<ManifestReader>(buffer, file, [key, self](size_t bytes) { cache().grew(key, *self, bytes); });
  *self = reader.get();
  return cache().add({.key = key, .manifest = reader, .bytes = reader->memory_use() + key.size()}).manifest;
}

std::shared_ptr<const std::vector<ManifestFile>> open_manifest_list(Io& io, const std::string& location) {
  const std::string key = io.principal() + '\0' + location;
  if (auto found = cache().find(key)) return found->list;
  const auto buffer = io.read(location);
  auto list = std::make_shared<const std::vector<ManifestFile>>(read_manifest_list(buffer->ToString(), location));
  return cache().add({.key = key, .list = list, .bytes = memory_of(*list) + key.size()}).list;
}

void keep_manifest_list(Io& io, const std::string& location, std::vector<ManifestFile> manifests) {
  const std::string key = io.principal() + '\0' + location;
  auto list = std::make_shared<const std::vector<ManifestFile>>(std::move(manifests));
  cache().add({.key = key, .list = list, .bytes = memory_of(*list) + key.size()});
}

void set_manifest_cache_bytes(size_t bytes) { cache().set_limit(bytes); }
CacheStats manifest_cache_stats() { return cache().stats(); }
void clear_manifest_cache() { cache().clear(); }

}  // namespace floe
