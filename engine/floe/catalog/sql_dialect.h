// What differs between the databases that a SQL catalog may be in: their URLs, their errors, a few words of SQL.
// Internal to catalog/.
#pragma once

#include <soci/soci.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace floe {

// What a database's refusal means for the statement.
enum class SqlTrouble {
  kDuplicate,    // a row with this key is there already
  kNoSuchTable,  // or the statement does not fit the database in another way
  kRefused,      // anything else after which nothing has changed: read-only, full, not allowed
  kUnknown,      // it may have been done or not
  kBusy,         // nothing has changed, and the same may succeed in a moment: locked, deadlock, not serializable
  kLost,         // the connection is gone
};

struct SqlFailure {
  SqlTrouble trouble;
  std::string reason;  // with neither statements nor values in it
};

struct SqlDialect {
  const soci::backend_factory* backend;
  std::string_view begin;               // of a transaction during which nobody else seems to change anything
  std::vector<std::string> on_connect;  // the first statements of a session
  std::string_view table_options;       // what CREATE TABLE ends in
  SqlFailure (*explain)(const soci::soci_error&);
};

// A database, from its URL.
struct SqlLocation {
  const SqlDialect* dialect;
  std::string connection;  // as SOCI has it, with the password
  std::string password;    // which no message may carry
  std::string name;        // for messages
  bool in_memory = false;
  bool in_file = false;  // SQLite's, in memory or not: one session is all there is to share
  std::chrono::seconds timeout{30};
};

// `url` as SQLAlchemy reads it:
//   "sqlite:////absolute/path", "sqlite:///relative/path", "sqlite://" and "sqlite:///:memory:" for a private one in
//     memory; "?timeout=<seconds>" is how long to wait for other writers (default 30)
//   "postgresql://user:p%40ss@host:5432/database?sslmode=require": the options are libpq's, as with psycopg
//   "mysql://user@host:3306/database?ssl_ca=...": where the engine was built with MySQL's client library
// A driver after "+" says nothing here; those that take other options are refused. Throws InvalidArgument for what
// cannot be read, NotSupported naming another database or option.
SqlLocation parse_sql_url(const std::string& url);

}  // namespace floe
