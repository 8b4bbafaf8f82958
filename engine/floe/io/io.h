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

  IoCounters& counters() { return counters_; }

 private:
  IoCounters counters_;
};
using IoPtr = std::shared_ptr<Io>;

// The Io for locations of `properties` ("warehouse", "s3.*", ...). Local files only so far: any other scheme throws
// NotSupported by name when a location uses it.
IoPtr make_io(const Properties& properties);

}  // namespace floe
