#include "floe/io/stores.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <list>
#include <mutex>
#include <utility>

#include "floe/error.h"
#include "floe/per_process.h"

namespace floe {
namespace {

constexpr size_t kKept = 32;  // file systems, with their connections

struct Scheme {
  std::string_view prefix;
  StoreKind kind;
};
constexpr std::array<Scheme, 9> kSchemes = {{{"s3://", StoreKind::kS3},
                                             {"s3a://", StoreKind::kS3},
                                             {"s3n://", StoreKind::kS3},
                                             {"gs://", StoreKind::kGcs},
                                             {"gcs://", StoreKind::kGcs},
                                             {"abfs://", StoreKind::kAzure},
                                             {"abfss://", StoreKind::kAzure},
                                             {"wasb://", StoreKind::kAzure},
                                             {"wasbs://", StoreKind::kAzure}}};

const Scheme* scheme_of(std::string_view location) {
  const auto* const found =
      std::ranges::find_if(kSchemes, [&](const Scheme& scheme) { return location.starts_with(scheme.prefix); });
  return found == kSchemes.end() ? nullptr : found;
}

// What tells one file system from another. It has secrets in it.
struct Key {
  StoreKind kind;
  std::string account;
  Properties properties;
  bool operator==(const Key&) const = default;
};

struct Kept {
  std::mutex mutex;
  std::list<std::pair<Key, std::shared_ptr<arrow::fs::FileSystem>>> lately;  // the one used last is first
};

Kept& kept() {
  static auto* const all = new PerProcess<Kept>();  // for good: threads may be at work when the process ends
  return all->get();
}

std::shared_ptr<arrow::fs::FileSystem> make_file_system(StoreKind kind, const std::string& location,
                                                        const Properties& properties) {
  switch (kind) {
    case StoreKind::kS3:
      return s3_file_system(properties);
    case StoreKind::kGcs:
      return gcs_file_system(properties);
    case StoreKind::kAzure:
      break;
  }
  return azure_file_system(location, properties);
}

}  // namespace

std::optional<StoreKind> store_of(std::string_view location) {
  const Scheme* const scheme = scheme_of(location);
  return scheme == nullptr ? std::nullopt : std::optional(scheme->kind);
}

std::string object_path(std::string_view location) {
  const Scheme* const scheme = scheme_of(location);
  const auto refuse = [&](std::string_view why) {
    throw InvalidArgument(fmt::format("location '{}' {}", location.substr(0, location.find('\0')), why));
  };
  if (scheme == nullptr) refuse("is in no object store");
  std::string path(location.substr(scheme->prefix.size()));
  if (scheme->kind == StoreKind::kAzure) {  // container@account.host/path
    const size_t slash = std::min(path.find('/'), path.size());
    const size_t at = path.find('@');
    if (at < slash) path.erase(at, slash - at);
  }
  const size_t bucket = std::min(path.find('/'), path.size());
  if (path.find('@') < bucket) {  // not the location: this may be a key
    throw InvalidArgument("a location names a bucket after its scheme, and no user: set keys as properties");
  }
  if (bucket == 0) refuse("names no bucket");
  if (path.find("//") != std::string::npos) refuse("has an empty part in it, which Arrow's stores cannot have");
  if (path.find('\0') != std::string::npos) refuse("has a NUL byte in it");
  return path;
}

std::string azure_account(std::string_view location) {
  const size_t start = location.find("://");
  if (start == std::string_view::npos) return "";
  std::string_view host = location.substr(start + 3);
  host = host.substr(0, host.find('/'));
  const size_t at = host.find('@');
  if (at == std::string_view::npos) return "";
  host.remove_prefix(at + 1);
  return std::string(host.substr(0, host.find('.')));
}

bool is_of_stores(std::string_view property) {
  constexpr std::array<std::string_view, 5> kPrefixes = {"s3.", "client.", "gcs.", "adls.", "ssl."};
  return std::ranges::any_of(kPrefixes, [&](std::string_view prefix) { return property.starts_with(prefix); });
}

std::chrono::system_clock::time_point expiry_from_ms(int64_t ms) {
  using Clock = std::chrono::system_clock;
  using std::chrono::milliseconds;
  constexpr auto kLast = std::chrono::floor<milliseconds>(Clock::time_point::max().time_since_epoch());
  return Clock::time_point(std::clamp(milliseconds(ms), milliseconds(0), kLast));
}

std::shared_ptr<arrow::fs::FileSystem> file_system(StoreKind kind, const std::string& location,
                                                   const Properties& properties) {
  Key key{kind, kind == StoreKind::kAzure ? azure_account(location) : "", {}};
  for (const auto& [name, value] : properties) {
    if (is_of_stores(name)) key.properties.emplace(name, value);
  }
  Kept& all = kept();
  const std::lock_guard lock(all.mutex);
  const auto found = std::ranges::find_if(all.lately, [&](const auto& entry) { return entry.first == key; });
  if (found != all.lately.end()) {
    all.lately.splice(all.lately.begin(), all.lately, found);
  } else {
    auto made = make_file_system(kind, location, key.properties);
    all.lately.emplace_front(std::move(key), std::move(made));
    if (all.lately.size() > kKept) all.lately.pop_back();
  }
  return all.lately.front().second;
}

}  // namespace floe
