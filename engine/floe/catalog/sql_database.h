// The database of a SQL catalog: its sessions, and its errors as this engine's. Internal to catalog/.
#pragma once

#include <soci/soci.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "floe/catalog/sql_dialect.h"
#include "floe/error.h"
#include "floe/per_process.h"

namespace floe {

// Messages name the database and the kind of trouble, never a statement or a value.
class SqlError : public IoError {
 public:
  SqlError(SqlTrouble t, const std::string& message) : IoError(message), trouble(t) {}
  SqlTrouble trouble;  // kBusy and kLost are dealt with before: what is thrown is one of the others
};

using SqlValues = std::vector<std::string>;  // for a statement's parameters, in order

// A connection, used by one thread at a time. Errors are SOCI's.
class SqlSession {
 public:
  explicit SqlSession(const SqlLocation& location);

  // The rows, each with `columns` values; NULL is the empty text.
  std::vector<SqlValues> query(const std::string& statement, const SqlValues& values, size_t columns = 1);

  // Gives the number of rows that the statement changed.
  int64_t execute(const std::string& statement, const SqlValues& values = {});

  // Asks the server.
  bool is_alive() const { return soci_.is_connected(); }

 private:
  soci::session soci_;
};

// One database and a bounded pool of sessions with it, which are opened when they are needed. Safe to use from many
// threads. After a fork the child opens sessions of its own (a private in-memory database stays as the parent had it).
//
// What was stopped by a lock, a deadlock or another transaction is run again until the database's timeout. When a
// connection is lost, the same is done once more on a new one, unless it may have been done already: SqlError with
// kUnknown.
class SqlDatabase {
 public:
  // At most `pool_size` sessions at a time; further threads wait. Of SQLite there is one. Throws as parse_sql_url.
  SqlDatabase(const std::string& url, size_t pool_size);

  std::vector<SqlValues> query(const std::string& statement, const SqlValues& values, size_t columns = 1);
  int64_t execute(const std::string& statement, const SqlValues& values = {});  // a transaction by itself
  void transaction(const std::function<void(SqlSession&)>& body);               // of several statements

  const std::string& name() const { return location_.name; }  // for messages
  const SqlDialect& dialect() const { return *location_.dialect; }

 private:
  struct Pool {
    std::mutex mutex;
    std::condition_variable returned;
    std::vector<std::unique_ptr<SqlSession>> idle;
    size_t in_use = 0;
  };
  class Lease;

  Pool& pool();
  std::unique_ptr<SqlSession> connect() const;
  // `body` sets its argument before what may be done even if no answer comes.
  void run(const std::function<void(SqlSession&, bool& may_be_done)>& body);

  SqlLocation location_;
  size_t pool_size_;
  PerProcess<Pool> pool_;
};

}  // namespace floe
