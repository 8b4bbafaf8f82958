// Files by location: reading, and writing so that a file appears whole and durable or not at all.
//
// A location is a URI ("file:///warehouse/t/data/x.parquet") or a plain absolute path. An Io belongs to one table or
// catalog (its properties carry the credentials) and is safe to use from many threads.
#pragma once

#include <arrow/filesystem/filesystem.h>
#include <arrow/io/interfaces.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "floe/spec/snapshot.h"

namespace floe {

// What an Io has done so far.
struct IoCounters {
  std::atomic<int64_t> files_opened{0};
  std::atomic<int64_t> reads{0};
  std::atomic<int64_t> bytes_read{0};
  std::atomic<int64_t> files_written{0};
  std::atomic<int64_t> bytes_written{0};
  std::atomic<int64_t> files_deleted{0};
};

// A file being written. It becomes visible under its location, complete and on disk, when close() returns; until then,
// and after abort() or destruction without close(), nothing is there.
class OutputFile {
 public:
  virtual ~OutputFile() = default;
  virtual const std::shared_ptr<arrow::io::OutputStream>& stream() = 0;
  virtual void close() = 0;  // throws IoError, or AlreadyExists if the location was to be new and is not
  virtual void abort() noexcept = 0;
};

struct FileInfo {
  std::string location;
  int64_t size = 0;
  int64_t modified_ms = 0;
};

class Io {
 public:
  virtual ~Io() = default;

  // Throws NotFound or IoError naming the location. `size` spares a look-up where metadata has it; a file that is
  // shorter than it says is CorruptFile on reading.
  virtual std::shared_ptr<arrow::io::RandomAccessFile> open(const std::string& location, int64_t size = -1) = 0;
  virtual std::shared_ptr<arrow::Buffer> read(const std::string& location, int64_t size = -1) = 0;
  virtual bool exists(const std::string& location) = 0;

  // Refuses to replace an existing file: every file of a table has a name of its own.
  virtual std::unique_ptr<OutputFile> create(const std::string& location) = 0;
  void write(const std::string& location, std::string_view bytes);

  // A file that is not there is no error.
  virtual void remove(const std::string& location) = 0;

  // Every file below a location, recursively, in any order and as they are found; none where nothing is. `take` is
  // called from this thread, and may throw to end it.
  virtual void list(const std::string& prefix, const std::function<void(FileInfo)>& take) = 0;
  std::vector<FileInfo> list(const std::string& prefix);  // the same, by location

  // Gives a file another location of the store, where nothing may be; by copying, if the store knows no better way.
  virtual void move(const std::string& from, const std::string& to);

  // Identifies store and principal, for the keys of caches.
  virtual const std::string& principal() const = 0;

  IoCounters& counters() { return *counters_; }

 protected:
  // What one made of another counts, the other counts too: `counters` are that one's.
  explicit Io(std::shared_ptr<IoCounters> counters = std::make_shared<IoCounters>()) : counters_(std::move(counters)) {}

  // For files that may outlive this.
  const std::shared_ptr<IoCounters>& shared_counters() const { return counters_; }
  static const std::shared_ptr<IoCounters>& shared_counters(const Io& other) { return other.counters_; }

 private:
  const std::shared_ptr<IoCounters> counters_;
};
using IoPtr = std::shared_ptr<Io>;

// What a catalog lets its client do with the files below a location, for a while: properties that replace those of the
// client's own ("s3.access-key-id", ...). An empty prefix means every location.
struct VendedCredential {
  std::string prefix;
  Properties properties;
};

// What a catalog gives out for one table.
struct Vending {
  std::string principal;  // who is given it
  std::vector<VendedCredential> credentials;
  std::function<std::vector<VendedCredential>()> renew;  // asks the catalog again; may throw
};

// The Io for local files, and for the object stores of stores.h, each reached as the properties say when a location of
// it is first used: NotSupported by name for a scheme or a property that cannot be honoured. For a location, the vended
// credential with the longest prefix counts. Credentials are renewed some time before they expire, and when a store
// refuses them.
//
// In object stores, a file appears when close() returns, as everywhere. That its location is free is not checked: no
// request asks for it and writes at once, and names of files are unique. Names are told from folders by their end
// alone.
IoPtr make_io(const Properties& properties, Vending vending = {});

}  // namespace floe
