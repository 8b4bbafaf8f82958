#include "floe/maintenance/orphan_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cstring>
#include <functional>
#include <mutex>
#include <set>
#include <utility>

#include "floe/error.h"
#include "floe/io/temporary_file.h"
#include "floe/maintenance/garbage.h"
#include "floe/maintenance/location.h"
#include "floe/maintenance/mentioned_files.h"
#include "floe/parallel.h"

namespace floe {
namespace {

constexpr int64_t kDay = int64_t{24} * 60 * 60 * 1000;
constexpr std::string_view kOwnTemporary = ".floe-tmp-";

struct Orphan {
  std::string location;
  int64_t size = 0;
};

// Orphans in the order in which they were found, in memory up to a few MiB.
class OrphanList {
 public:
  void add(const Orphan& orphan) {
    const int64_t length = static_cast<int64_t>(orphan.location.size());
    append(&length, sizeof length);
    append(&orphan.size, sizeof orphan.size);
    text_ += orphan.location;
    if (text_.size() < kInMemory) return;
    if (!file_) file_ = std::make_unique<TemporaryFile>("");
    blocks_.emplace_back(file_->append(text_), static_cast<int64_t>(text_.size()));
    text_.clear();
  }

  void for_each_block(const std::function<void(std::vector<Orphan>)>& take) const {
    for (const auto& [offset, size] : blocks_) {
      const auto bytes = file_->read(offset, size);
      take(parse({reinterpret_cast<const char*>(bytes->data()), static_cast<size_t>(bytes->size())}));
    }
    if (!text_.empty()) take(parse(text_));
  }

 private:
  static constexpr size_t kInMemory = 4 << 20;

  void append(const void* data, size_t size) { text_.append(static_cast<const char*>(data), size); }

  static std::vector<Orphan> parse(std::string_view text) {
    std::vector<Orphan> orphans;
    while (!text.empty()) {
      int64_t length = 0;
      Orphan orphan;
      std::memcpy(&length, text.data(), sizeof length);
      std::memcpy(&orphan.size, text.data() + sizeof length, sizeof orphan.size);
      orphan.location = text.substr(2 * sizeof length, static_cast<size_t>(length));
      text.remove_prefix(2 * sizeof length + static_cast<size_t>(length));
      orphans.push_back(std::move(orphan));
    }
    return orphans;
  }

  std::string text_;
  std::unique_ptr<TemporaryFile> file_;
  std::vector<std::pair<int64_t, int64_t>> blocks_;
};

std::string_view without_slashes(std::string_view location) {
  while (location.size() > 1 && location.ends_with('/')) location.remove_suffix(1);
  return location;
}

// Whether a location is another one, or below it.
bool is_within(std::string_view location, std::string_view other, const Equivalences& equal) {
  if (equal.prefix_of(location) != equal.prefix_of(other)) return false;
  const std::string_view path = without_slashes(parts_of(location).path);
  const std::string_view above = without_slashes(parts_of(other).path);
  return path == above || (path.starts_with(above) && (above.ends_with('/') || path[above.size()] == '/'));
}

class OrphanSearch {
 public:
  OrphanSearch(Catalog& catalog, LoadedTable table, const OrphanFilesOptions& options)
      : catalog_(catalog),
        table_(std::move(table)),
        name_(to_string(table_.identifier)),
        options_(options),
        older_than_(options.older_than_ms.value_or(now_ms() - 3 * kDay)),
        equal_(options.equal_schemes, options.equal_authorities),
        io_(catalog.io(table_)),
        mentioned_(equal_) {}

  OrphanFilesResult run() {
    check_garbage_collection(table_, "delete orphan files");
    check_age();
    const std::vector<std::string> roots = places();
    find_partition_names();
    mentioned_.add(*io_, table_, options_.progress, options_.stop);
    ProgressMeter progress(options_.progress, "files", -1);
    for (const std::string& root : roots) look_below(root, progress);
    check_conflicts();
    check_found_any();
    mention_what_came();
    remove();
    return std::move(result_);
  }

 private:
  void check_age() const {
    if (options_.allow_recent || now_ms() - older_than_ >= kDay) return;
    throw InvalidArgument(
        fmt::format("table {}: Cannot remove orphan files with an interval less than 24 hours: files that others have "
                    "written and not committed yet would go. Say so if surely nobody writes",
                    name_));
  }

  std::vector<std::string> places() const {
    const TableMetadata& table = *table_.metadata;
    std::vector<std::string> wanted;
    if (options_.location) {
      if (is_within(table.location, *options_.location, equal_) &&
          !is_within(*options_.location, table.location, equal_)) {
        throw InvalidArgument(
            fmt::format("table {}: {} is above the table's location {}: files of other tables would go", name_,
                        *options_.location, table.location));
      }
      return {*options_.location};
    }
    wanted.push_back(table.location);
    if (options_.outside) {
      wanted.push_back(resolve_path(table, string_property(table.properties, "write.data.path", table.location)));
      wanted.push_back(metadata_folder(table));
    }
    std::vector<std::string> places;
    for (size_t i = 0; i < wanted.size(); ++i) {
      bool listed = false;  // as a part of another
      for (size_t j = 0; j < wanted.size(); ++j) {
        listed |=
            j != i && is_within(wanted[i], wanted[j], equal_) && (j < i || !is_within(wanted[j], wanted[i], equal_));
      }
      if (!listed) places.push_back(wanted[i]);
    }
    return places;
  }

  void find_partition_names() {
    for (const PartitionSpec& spec : table_.metadata->partition_specs) {
      for (const PartitionField& field : spec.fields) partition_folders_.insert(field.name + "=");
    }
  }

  bool is_hidden(std::string_view below) const {
    while (!below.empty()) {
      const size_t slash = below.find('/');
      const std::string_view name = below.substr(0, slash);
      const bool is_file = slash == std::string_view::npos;
      if (name.starts_with('_') || name.starts_with('.')) {
        const bool is_partition = !is_file && std::ranges::any_of(partition_folders_, [&](const std::string& folder) {
          return name.starts_with(folder);
        });
        if (!is_partition && !(is_file && name.starts_with(kOwnTemporary))) return true;
      }
      if (is_file) break;
      below.remove_prefix(slash + 1);
    }
    return false;
  }

  void look_below(const std::string& root, ProgressMeter& progress) {
    const size_t root_size = without_slashes(root).size();
    const Prefix prefix = equal_.prefix_of(root);
    io_->list(root, [&](const FileInfo& file) {
      check(options_.stop.Poll(), "stopped");
      ++result_.looked_at;
      progress.add(1);
      Prefix other;
      const MentionedFiles::Found found = mentioned_.find(file.location, prefix, &other);
      if (found == MentionedFiles::Found::kSame) ++found_;
      if (found == MentionedFiles::Found::kSame || file.modified_ms >= older_than_) return;
      if (is_hidden(std::string_view(file.location).substr(std::min(root_size, file.location.size())))) return;
      if (options_.trash && is_within(file.location, *options_.trash, equal_)) return;
      if (found == MentionedFiles::Found::kOtherPrefix && options_.prefix_mismatch != PrefixMismatch::kDelete) {
        if (conflicts_.size() < kMostConflicts) conflicts_.insert({other, prefix});
        return;
      }
      orphans_.add({.location = file.location, .size = file.size});
      ++orphan_count_;
    });
  }

  void check_conflicts() const {
    if (conflicts_.empty() || options_.prefix_mismatch == PrefixMismatch::kIgnore) return;
    std::vector<std::string> texts;
    for (const auto& [mentioned, there] : conflicts_) {
      texts.push_back(fmt::format("{}://{} and {}://{}", mentioned.first, mentioned.second, there.first, there.second));
    }
    throw InvalidArgument(fmt::format(
        "table {}: Unable to determine whether certain files are orphan: metadata mentions their paths under another "
        "scheme or authority ({}). Say which are equal (equal_schemes, equal_authorities), or ignore such files",
        name_, fmt::join(texts, "; ")));
  }

  void check_found_any() const {
    if (options_.location || orphan_count_ == 0 || found_ > 0) return;
    throw InvalidArgument(fmt::format(
        "table {}: none of the {} files that its metadata mentions was found below {}, but {} others were: they are "
        "mentioned by another path, such as through a link, and nothing was removed. Name the place by `location`",
        name_, mentioned_.size(), table_.metadata->location, orphan_count_));
  }

  void mention_what_came() {
    LoadedTable now = load_same(catalog_, table_);
    check_garbage_collection(now, "delete orphan files");
    mentioned_.add(*io_, now, options_.progress, options_.stop);
  }

  void remove() {
    ProgressMeter progress(options_.progress, options_.dry_run ? "orphan files" : "orphan files removed",
                           orphan_count_);
    orphans_.for_each_block([&](std::vector<Orphan> block) {
      std::erase_if(block, [&](const Orphan& orphan) {
        Prefix other;
        const auto found = mentioned_.find(orphan.location, equal_.prefix_of(orphan.location), &other);
        const bool stays =
            found == MentionedFiles::Found::kSame ||
            (found == MentionedFiles::Found::kOtherPrefix && options_.prefix_mismatch != PrefixMismatch::kDelete);
        return stays;
      });
      for (const Orphan& orphan : block) {
        ++result_.orphans;
        result_.bytes += orphan.size;
        if (result_.locations.size() < options_.most_listed) result_.locations.push_back(orphan.location);
      }
      if (!options_.dry_run) remove(block, progress);
    });
  }

  void remove(const std::vector<Orphan>& orphans, ProgressMeter& progress) {
    std::mutex mutex;
    std::atomic<size_t> next = 0;
    const auto remove_some = [&](size_t) {
      for (size_t i = next++; i < orphans.size() && !options_.stop.IsStopRequested(); i = next++) {
        const std::string& location = orphans[i].location;
        try {
          if (options_.trash) {
            io_->move(location, fmt::format("{}{}", without_slashes(*options_.trash), parts_of(location).path));
          } else {
            io_->remove(location);
          }
          const std::lock_guard lock(mutex);
          ++result_.removed;
        } catch (const Error& e) {
          constexpr size_t kMost = 100;
          const std::lock_guard lock(mutex);
          ++result_.failed;
          if (result_.problems.size() < kMost) result_.problems.emplace_back(e.what());
        }
        progress.add(1);
      }
    };
    const size_t most =
        options_.max_concurrent_deletes > 0 ? static_cast<size_t>(options_.max_concurrent_deletes) : orphans.size();
    parallel_for(std::min(most, orphans.size()), remove_some, options_.stop);
    check(options_.stop.Poll(), "stopped");
  }

  static constexpr size_t kMostConflicts = 10;

  Catalog& catalog_;
  const LoadedTable table_;
  const std::string name_;
  const OrphanFilesOptions& options_;
  const int64_t older_than_;
  const Equivalences equal_;
  const IoPtr io_;
  MentionedFiles mentioned_;
  std::set<std::string> partition_folders_;  // as their names begin
  std::set<std::pair<Prefix, Prefix>> conflicts_;
  OrphanList orphans_;
  int64_t orphan_count_ = 0;
  int64_t found_ = 0;  // files that are mentioned
  OrphanFilesResult result_;
};

}  // namespace

PrefixMismatch parse_prefix_mismatch(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (lower == "error") return PrefixMismatch::kError;
  if (lower == "ignore") return PrefixMismatch::kIgnore;
  if (lower == "delete") return PrefixMismatch::kDelete;
  throw InvalidArgument(fmt::format("prefix_mismatch_mode is '{}'; it is one of error, ignore and delete", text));
}

OrphanFilesResult remove_orphan_files(Catalog& catalog, const LoadedTable& table, const OrphanFilesOptions& options) {
  return OrphanSearch(catalog, load_same(catalog, table), options).run();
}

}  // namespace floe
