#include "floe/catalog/sql_dialect.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/sqlite3/soci-sqlite3.h>
#ifdef FLOE_HAVE_MYSQL
#include <soci/mysql/soci-mysql.h>
#endif

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "floe/error.h"

namespace floe {

namespace {

// --- errors ---

// Only errors after which SQLite itself may not know what is on disk leave the outcome open.
SqlFailure explain_sqlite(const soci::soci_error& error) {
  const auto* sqlite = dynamic_cast<const soci::sqlite3_soci_error*>(&error);
  constexpr int kMisuse = 21;  // also what SOCI itself does not like
  const int code = sqlite == nullptr ? kMisuse : sqlite->result() & 0xff;
  const auto because = [&](SqlTrouble trouble, std::string_view advice = "") {
    return SqlFailure{trouble, fmt::format("{}{}", sqlite_api::sqlite3_errstr(code), advice)};
  };
  switch (code) {
    case 19:  // CONSTRAINT
      return because(SqlTrouble::kDuplicate);
    case 1:  // ERROR
      return because(SqlTrouble::kNoSuchTable);
    case 5:  // BUSY
    case 6:  // LOCKED
      return because(SqlTrouble::kBusy, "; another program holds it, try again or raise \"timeout\" in the URL");
    case 13:  // FULL
      return because(SqlTrouble::kRefused, "; make room and try again");
    case 14:  // CANTOPEN
      return because(SqlTrouble::kRefused, "; its directory has to exist and be writable");
    case 3:   // PERM
    case 8:   // READONLY
    case 11:  // CORRUPT
    case 17:  // SCHEMA
    case 18:  // TOOBIG
    case 23:  // AUTH
    case 26:  // NOTADB
      return because(SqlTrouble::kRefused);
    default:
      return because(SqlTrouble::kUnknown);
  }
}

SqlFailure explain_postgresql(const soci::soci_error& error) {
  const auto* postgresql = dynamic_cast<const soci::postgresql_soci_error*>(&error);
  if (postgresql == nullptr) return {SqlTrouble::kUnknown, "the client library failed"};
  const std::string state = postgresql->sqlstate();
  const auto is = [&](std::string_view prefix) { return state.starts_with(prefix); };
  const auto because = [&](SqlTrouble trouble, std::string_view reason) {
    return SqlFailure{trouble, fmt::format("{} (SQLSTATE {})", reason, state)};
  };
  if (is(" ") || state.empty()) return {SqlTrouble::kLost, "the connection was lost"};
  if (is("08") || is("57P")) return because(SqlTrouble::kLost, "the server ended the connection");
  if (is("23505")) return because(SqlTrouble::kDuplicate, "a row with this key is there already");
  if (is("42P01") || is("42703") || is("3F")) return because(SqlTrouble::kNoSuchTable, "no such table or column");
  if (is("42P07") || is("42701") || is("42710"))
    return because(SqlTrouble::kDuplicate, "the table or column is there already");
  if (is("40")) return because(SqlTrouble::kBusy, "other transactions were in the way, again and again");
  if (is("55P03")) return because(SqlTrouble::kRefused, "another program holds the row; try again");
  if (is("57014")) return because(SqlTrouble::kRefused, "the statement was cancelled");
  if (is("25006")) return because(SqlTrouble::kRefused, "the server only reads; connect to the primary");
  if (is("42501")) return because(SqlTrouble::kRefused, "the user is not allowed to do this");
  if (is("22001")) return because(SqlTrouble::kRefused, "a name or value is longer than its column");
  if (is("53")) return because(SqlTrouble::kRefused, "the server is out of resources");
  return because(SqlTrouble::kRefused, "the server refused the statement");
}

#ifdef FLOE_HAVE_MYSQL
SqlFailure explain_mysql(const soci::soci_error& error) {
  const auto* mysql = dynamic_cast<const soci::mysql_soci_error*>(&error);
  if (mysql == nullptr) return {SqlTrouble::kUnknown, "the client library failed"};
  const auto because = [&](SqlTrouble trouble, std::string_view reason) {
    return SqlFailure{trouble, fmt::format("{} (error {})", reason, mysql->err_num_)};
  };
  switch (mysql->err_num_) {
    case 1062:  // ER_DUP_ENTRY
    case 1050:  // ER_TABLE_EXISTS_ERROR
    case 1060:  // ER_DUP_FIELDNAME
      return because(SqlTrouble::kDuplicate, "the row, table or column is there already");
    case 1146:  // ER_NO_SUCH_TABLE
    case 1054:  // ER_BAD_FIELD_ERROR
      return because(SqlTrouble::kNoSuchTable, "no such table or column");
    case 1205:  // ER_LOCK_WAIT_TIMEOUT
    case 1213:  // ER_LOCK_DEADLOCK
    case 1020:  // ER_CHECKREAD: MariaDB's snapshot isolation
      return because(SqlTrouble::kBusy, "other transactions were in the way, again and again");
    case 1053:  // ER_SERVER_SHUTDOWN
    case 1927:  // ER_CONNECTION_KILLED
      return because(SqlTrouble::kLost, "the server ended the connection");
    case 1406:  // ER_DATA_TOO_LONG
      return because(SqlTrouble::kRefused, "a name or value is longer than its column");
    case 1142:  // ER_TABLEACCESS_DENIED_ERROR
      return because(SqlTrouble::kRefused, "the user is not allowed to do this");
    case 1290:  // ER_OPTION_PREVENTS_STATEMENT
      return because(SqlTrouble::kRefused, "the server only reads; connect to the primary");
    default:
      // The client library's own errors: of the connection.
      return mysql->err_num_ >= 2000 && mysql->err_num_ < 3000
                 ? because(SqlTrouble::kLost, "the connection was lost")
                 : because(SqlTrouble::kRefused, "the server refused the statement");
  }
}
#endif

// --- dialects ---

const SqlDialect kSqlite = {
    .backend = &soci::sqlite3,
    .begin = "BEGIN IMMEDIATE",  // SOCI's own begin() takes the lock too late, when two may hold each other up
    .on_connect = {},
    .table_options = "",
    .explain = explain_sqlite,
};

const SqlDialect kPostgresql = {
    .backend = &soci::postgresql,
    .begin = "BEGIN ISOLATION LEVEL SERIALIZABLE",
    // Nobody waits for ever for a transaction that hangs, and the client library prints no notices.
    .on_connect = {"SET lock_timeout = '30s'", "SET client_min_messages = warning"},
    .table_options = "",
    .explain = explain_postgresql,
};

#ifdef FLOE_HAVE_MYSQL
const SqlDialect kMysql = {
    .backend = &soci::mysql,
    .begin = "BEGIN",
    // Otherwise a location that is too long might be cut without a word.
    .on_connect = {"SET SESSION sql_mode = 'STRICT_ALL_TABLES'",
                   "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"},
    .table_options = " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",  // names differ where one byte does
    .explain = explain_mysql,
};
#endif

// --- URLs ---

struct Url {
  std::string database, driver;  // "postgresql", "psycopg2"
  std::string user, password, host, port;
  std::optional<std::string> path;  // after the slash
  std::vector<std::pair<std::string, std::string>> options;
};

std::string percent_decoded(std::string_view text, bool plus_is_space = false) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr == text.data() + i + 3) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

// Takes `text` up to `end` off its front, and `end` with it; all of it if there is none.
std::string_view take_until(std::string_view& text, char end) {
  const size_t at = std::min(text.find(end), text.size());
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return taken;
}

Url parse(std::string_view text) {
  const size_t colon = text.find("://");
  if (colon == std::string_view::npos) {
    throw InvalidArgument(
        "the catalog's uri is not a URL such as sqlite:////path/to/file or postgresql://user@host/database");
  }
  Url url;
  std::string_view scheme = text.substr(0, colon);
  url.database = take_until(scheme, '+');
  url.driver = scheme;
  std::string_view rest = text.substr(colon + 3);
  // Up to the first "@": a password may have slashes and question marks in it, a user's name has none.
  if (const size_t at = rest.find('@'); at != std::string_view::npos) {
    std::string_view login = rest.substr(0, at);
    const std::string_view user = take_until(login, ':');
    if (user.find_first_of("/?") == std::string_view::npos) {
      url.user = percent_decoded(user);
      url.password = percent_decoded(login);
      rest.remove_prefix(at + 1);
    }
  }
  std::string_view place = take_until(rest, '?');
  std::string_view options = rest;
  const size_t slash = place.find('/');
  if (slash != std::string_view::npos) {
    url.path = place.substr(slash + 1);
    place = place.substr(0, slash);
  }
  if (place.starts_with('[')) {
    place.remove_prefix(1);
    url.host = take_until(place, ']');
    take_until(place, ':');
  } else {
    url.host = take_until(place, ':');
  }
  url.port = place;
  if (url.port.find_first_not_of("0123456789") != std::string::npos) {
    throw InvalidArgument("the catalog's uri: what follows the host's colon is no port");
  }
  while (!options.empty()) {
    std::string_view value = take_until(options, '&');
    const std::string key = percent_decoded(take_until(value, '='), true);
    if (!key.empty()) url.options.emplace_back(key, percent_decoded(value, true));
  }
  return url;
}

[[noreturn]] void refuse_option(const SqlLocation& location, const std::string& option) {
  throw NotSupported(fmt::format("{}: the option \"{}\" of the uri is not supported", location.name, option));
}

void check_driver(const Url& url, const std::set<std::string_view>& known) {
  if (!url.driver.empty() && !known.contains(url.driver)) {
    throw NotSupported(
        fmt::format("SQL catalogs by the driver {}+{} are not supported; leave the driver out, the engine has its own",
                    url.database, url.driver));
  }
}

int parse_timeout(std::string_view value) {
  int seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error != std::errc() || end != value.data() + value.size() || seconds < 0 || seconds > 86400) {
    throw InvalidArgument("the catalog's uri: \"timeout\" is not a number of seconds");
  }
  return seconds;
}

SqlLocation sqlite_location(const Url& url) {
  check_driver(url, {"pysqlite"});
  if (!url.host.empty() || !url.port.empty() || !url.user.empty()) {
    throw InvalidArgument("a sqlite uri has three slashes before a relative path, and four before an absolute one");
  }
  constexpr std::string_view kMemory = ":memory:";
  const std::string path = url.path.value_or("").empty() ? std::string(kMemory) : *url.path;
  SqlLocation location{.dialect = &kSqlite, .in_memory = path == kMemory, .in_file = true};
  location.name = location.in_memory ? "the in-memory catalog" : fmt::format("catalog database {}", path);
  // SOCI has no way to write a quote in a connection string.
  if (path.find('"') != std::string::npos) throw NotSupported(location.name + ": the path has a quotation mark");
  for (const auto& [key, value] : url.options) {
    if (key == "timeout") {
      location.timeout = std::chrono::seconds(parse_timeout(value));
    } else if (key != "check_same_thread") {  // a guard of Python's module, which has nothing to guard here
      refuse_option(location, key);
    }
  }
  location.connection = fmt::format("db=\"{}\" timeout={}", path, location.timeout.count());
  return location;
}

std::string server_name(const Url& url, std::string_view database) {
  return fmt::format("catalog database {} on {}{}{}", database.empty() ? "(default)" : database,
                     url.host.empty() ? "this machine" : url.host, url.port.empty() ? "" : ":", url.port);
}

std::set<std::string> libpq_options() {
  std::set<std::string> names;
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> all(PQconndefaults(), PQconninfoFree);
  for (const PQconninfoOption* option = all.get(); option != nullptr && option->keyword != nullptr; ++option) {
    names.emplace(option->keyword);
  }
  return names;
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

// The connection is again a URL, in libpq's form: what SOCI does with others changes white space in values.
SqlLocation postgresql_location(const Url& url) {
  check_driver(url, {"psycopg2", "psycopg", "pg8000"});
  SqlLocation location{.dialect = &kPostgresql, .password = url.password};
  location.name = server_name(url, url.path.value_or(""));
  std::map<std::string, std::string> options = {{"client_encoding", "UTF8"}, {"connect_timeout", "10"}};
  const auto set_unless_empty = [&](const char* key, const std::string& value) {
    if (!value.empty()) options.insert_or_assign(key, value);
  };
  set_unless_empty("user", url.user);
  set_unless_empty("password", url.password);
  set_unless_empty("host", url.host);
  set_unless_empty("port", url.port);
  set_unless_empty("dbname", url.path.value_or(""));
  const std::set<std::string> known = libpq_options();
  std::set<std::string_view> given;
  for (const auto& [key, value] : url.options) {
    // libpq's own, but that it is another kind of connection, and several hosts as SQLAlchemy writes them.
    if (!known.contains(key) || key == "replication" || !given.insert(key).second) refuse_option(location, key);
    if (key == "client_encoding") {
      if (value != "utf8" && value != "UTF8" && value != "utf-8" && value != "UTF-8") refuse_option(location, key);
      continue;
    }
    if (key == "password") location.password = value;
    options.insert_or_assign(key, value);
  }
  location.connection = "postgresql:///?";
  for (const auto& [key, value] : options) {
    if (value.find('\0') != std::string::npos) throw InvalidArgument(location.name + ": the uri has a NUL in it");
    location.connection += fmt::format("{}={}&", key, percent_encoded(value));
  }
  location.connection.pop_back();
  return location;
}

#ifdef FLOE_HAVE_MYSQL
SqlLocation mysql_location(const Url& url) {
  check_driver(url, {"pymysql", "mysqldb", "mysqlconnector", "mariadbconnector"});
  SqlLocation location{.dialect = &kMysql, .password = url.password};
  location.name = server_name(url, url.path.value_or(""));
  std::map<std::string, std::string> options = {{"charset", "utf8mb4"}};
  const auto set_unless_empty = [&](const char* key, const std::string& value) {
    if (!value.empty()) options.insert_or_assign(key, value);
  };
  set_unless_empty("user", url.user);
  set_unless_empty("password", url.password);
  set_unless_empty("host", url.host);
  set_unless_empty("port", url.port);
  set_unless_empty("dbname", url.path.value_or(""));
  const std::map<std::string_view, const char*> known = {
      {"unix_socket", "unix_socket"}, {"ssl_ca", "sslca"}, {"ssl_cert", "sslcert"}, {"ssl_key", "sslkey"}};
  for (const auto& [key, value] : url.options) {
    if (key == "charset" && value == "utf8mb4") continue;
    if (!known.contains(key)) refuse_option(location, key);
    options.insert_or_assign(known.at(key), value);
  }
  for (const auto& [key, value] : options) {
    // SOCI has no way to write both kinds of quotes in a connection string.
    const char quote = value.find('\'') == std::string::npos ? '\'' : '"';
    if (value.find(quote) != std::string::npos || value.find('\0') != std::string::npos) {
      throw NotSupported(fmt::format("{}: the {} of the uri has quotation marks of both kinds", location.name, key));
    }
    location.connection += fmt::format("{}={}{}{} ", key, quote, value, quote);
  }
  return location;
}
#endif

}  // namespace

SqlLocation parse_sql_url(const std::string& text) {
  const Url url = parse(text);
  if (url.database == "sqlite") return sqlite_location(url);
  if (url.database == "postgresql") return postgresql_location(url);
  if (url.database == "mysql" || url.database == "mariadb") {
#ifdef FLOE_HAVE_MYSQL
    return mysql_location(url);
#else
    throw NotSupported("SQL catalogs in MySQL databases: this engine was built without MySQL's client library");
#endif
  }
  throw NotSupported(
      fmt::format("SQL catalogs in {} databases are not supported, only sqlite, postgresql and mysql", url.database));
}

}  // namespace floe
