// Loads what delete files hold, once for all the data files of a scan that need
// it. Internal to scan/.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "floe/file/position_delete.h"
#include "floe/file/row_deletes.h"
#include "floe/io/io.h"
#include "floe/scan/scan.h"

namespace floe {

// Nobody waits here: load() reads what nobody else is at, and says so if others
// are at the rest. What is read is kept until the last data file that needs it
// has it, as long as all that is kept is within `ScanOptions::delete_bytes`;
// beyond that the oldest is let go, and read again. Safe from many threads.
class DeleteLoader {
 public:
  struct Loaded {  // one of them
    PositionDeletes positions;
    std::shared_ptr<EqualityDeletes> equality;
  };

  // What one data file needs, and what of it is there already.
  struct Needs {
    AppliedDeletes deletes;
    std::string_view path;  // of the data file: memory of its manifest
    int64_t rows = 0;
    std::vector<std::shared_ptr<Loaded>> held;
  };

  // `plan` has deletes, and outlives this.
  DeleteLoader(const TableMetadata& table, const ScanPlan& plan, const ScanOptions& options, IoPtr io);

  // To be called for every data file of the scan before the first load(): it
  // counts what needs what.
  void expect(const Needs& needs);

  // Everything that is deleted from the data file. nullopt: some of it is being
  // read by another thread; come back when that is through with its load().
  // Throws NotFound or CorruptFile naming the delete file.
  std::optional<RowDeletes> load(Needs& needs);

 private:
  // A position delete file, or a set of equality deletes.
  struct Key {
    bool is_set = false;
    DeleteEntry file;  // of a set: its number as `entry`
    auto operator<=>(const Key&) const = default;
  };
  struct Slot {
    int64_t uses = 0;                      // data files that will need it
    std::vector<std::string_view> wanted;  // data files whose positions are needed
    std::vector<DeleteEntry> files;        // of the set, those that some data file needs; sorted
    bool loading = false;
    std::weak_ptr<Loaded> loaded;
    std::shared_ptr<Loaded> kept;
    size_t bytes = 0;  // of `kept`
    std::list<Slot*>::iterator place;
  };

  static std::vector<Key> keys_of(const AppliedDeletes& deletes);
  std::shared_ptr<Loaded> acquire(const Key& key);
  void keep(Slot& slot, const std::shared_ptr<Loaded>& loaded);
  void let_go(Slot& slot);
  std::shared_ptr<Loaded> read(const Key& key, const Slot& slot) const;
  std::shared_ptr<EqualityDeletes> read_set(uint32_t set, const std::vector<DeleteEntry>& files) const;
  Positions read_vector(const DeleteEntry& file, int64_t rows) const;
  std::shared_ptr<const Positions> take_positions(const Needs& needs);
  template <typename F>
  std::invoke_result_t<F> named(const DeleteEntry& file, const F& read) const;

  const std::vector<SchemaPtr> schemas_;  // the scan's, then the table's from the newest
  const ScanPlan& plan_;
  const std::string table_name_;
  const std::string name_mapping_;
  const IoPtr io_;
  const size_t limit_;
  const arrow::StopToken stop_;

  std::mutex mutex_;  // guards what follows, and the positions within what is loaded
  std::map<Key, Slot> slots_;
  std::map<std::string_view, int64_t> expected_;  // by data file: how many more load() its positions
  std::list<Slot*> kept_;                         // oldest first
  size_t bytes_ = 0;
};

}  // namespace floe
