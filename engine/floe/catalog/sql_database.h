// The database of a SQL catalog: its URL, its session, and its errors as this engine's. Internal to catalog/.
#pragma once

#include <soci/soci.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "floe/catalog/per_process.h"
#include "floe/error.h"

namespace floe {

// What a database's refusal means for the statement. Messages name the database and the kind of trouble, never a
// statement or a value.
class SqlError : public IoError {
 public:
  enum class Kind {
    kDuplicate,    // a row with this key is there already
    kNoSuchTable,  // or the statement does not fit the database in another way
    kRefused,      // anything else after which nothing has changed: locked for too long, read-only, full
    kUnknown,      // it may have been done or not
  };
  SqlError(Kind k, const std::string& message) : IoError(message), kind(k) {}
  Kind kind;
};

// One SQLite database, opened when first used. Safe to use from many threads, which take turns. After a fork the child
// opens a session of its own (a private in-memory database stays as the parent had it).
class SqlDatabase {
 public:
  // `url` as SQLAlchemy reads it: "sqlite:////absolute/path", "sqlite:///relative/path", "sqlite://" and
  // "sqlite:///:memory:" for a private one in memory; "?timeout=<seconds>" is how long to wait for other writers
  // (default 30). Throws InvalidArgument for what cannot be read, NotSupported naming another database or option.
  explicit SqlDatabase(const std::string& url);

  // Runs `body`, again if another writer is in its way until the timeout. A body has one statement that changes
  // something at most, or is run by `transaction`. Throws SqlError.
  void run(const std::function<void(soci::session&)>& body);
  void transaction(const std::function<void(soci::session&)>& body);

  const std::string& name() const { return name_; }  // for messages

 private:
  struct Handle {
    std::mutex mutex;
    std::unique_ptr<soci::session> session;
  };
  Handle& handle();
  void attempt(Handle& handle, const std::function<void(soci::session&)>& body);

  std::string path_;  // ":memory:", or the file
  std::string name_;
  std::string connection_;  // as SOCI has it
  int timeout_s_ = 30;
  PerProcess<Handle> handle_;
};

}  // namespace floe
