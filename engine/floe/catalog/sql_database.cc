#include "floe/catalog/sql_database.h"

#include <fmt/format.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>

namespace floe {

namespace {

using Kind = SqlError::Kind;

constexpr std::string_view kMemory = ":memory:";
constexpr int kBusy = 5;
constexpr int kLocked = 6;
constexpr int kMisuse = 21;  // also what SOCI itself does not like

// Only errors after which SQLite itself may not know what is on disk leave the outcome open.
Kind kind_of(int code) {
  switch (code) {
    case 19:  // CONSTRAINT
      return Kind::kDuplicate;
    case 1:  // ERROR
      return Kind::kNoSuchTable;
    case 3:  // PERM
    case kBusy:
    case kLocked:
    case 8:   // READONLY
    case 11:  // CORRUPT
    case 13:  // FULL
    case 14:  // CANTOPEN
    case 17:  // SCHEMA
    case 18:  // TOOBIG
    case 23:  // AUTH
    case 26:  // NOTADB
      return Kind::kRefused;
    default:
      return Kind::kUnknown;
  }
}

std::string_view advice(int code) {
  switch (code) {
    case kBusy:
    case kLocked:
      return "; another program holds it, try again or raise \"timeout\" in the URL";
    case 14:
      return "; its directory has to exist and be writable";
    case 13:
      return "; make room and try again";
    default:
      return "";
  }
}

int result_of(const soci::soci_error& error) {
  const auto* sqlite = dynamic_cast<const soci::sqlite3_soci_error*>(&error);
  return sqlite == nullptr ? kMisuse : sqlite->result() & 0xff;
}

int parse_timeout(std::string_view value) {
  int seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error != std::errc() || end != value.data() + value.size() || seconds < 0 || seconds > 86400) {
    throw InvalidArgument("the catalog's uri: \"timeout\" is not a number of seconds");
  }
  return seconds;
}

}  // namespace

SqlDatabase::SqlDatabase(const std::string& url) {
  const size_t colon = url.find("://");
  if (colon == std::string::npos)
    throw InvalidArgument("the catalog's uri is not a URL such as sqlite:////path/to/file");
  const std::string scheme = url.substr(0, colon);
  if (scheme != "sqlite" && scheme != "sqlite+pysqlite") {
    throw NotSupported(fmt::format("SQL catalogs in {} databases are not supported, only sqlite", scheme));
  }
  std::string rest = url.substr(colon + 3);
  std::string query;
  if (const size_t mark = rest.find('?'); mark != std::string::npos) {
    query = rest.substr(mark + 1);
    rest.resize(mark);
  }
  if (!rest.empty() && rest.front() != '/') {
    throw InvalidArgument("a sqlite uri has three slashes before a relative path, and four before an absolute one");
  }
  path_ = rest.size() <= 1 ? std::string(kMemory) : rest.substr(1);
  name_ = path_ == kMemory ? "the in-memory catalog" : fmt::format("catalog database {}", path_);
  // SOCI has no way to write a quote in a connection string.
  if (path_.find('"') != std::string::npos) throw NotSupported(name_ + ": the path has a quotation mark");

  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string option = query.substr(0, end);
    const size_t equals = std::min(option.find('='), option.size());
    const std::string key = option.substr(0, equals);
    if (key == "timeout") {
      timeout_s_ = parse_timeout(std::string_view(option).substr(std::min(equals + 1, option.size())));
    } else if (key != "check_same_thread") {  // a guard of Python's module, which has nothing to guard here
      throw NotSupported(fmt::format("{}: the option \"{}\" of the uri is not supported", name_, key));
    }
    query.erase(0, end + 1);
  }
  connection_ = fmt::format("db=\"{}\" timeout={}", path_, timeout_s_);
}

SqlDatabase::Handle& SqlDatabase::handle() {
  return handle_.get([&](Handle* parents) {
    auto* handle = new Handle;
    // SQLite's handle must not be used in a forked child, not even to close it. A database in memory is no file that
    // parent and child could disagree about, and there is no other way to it.
    if (parents != nullptr && path_ == kMemory) handle->session.reset(parents->session.release());
    return handle;
  });
}

void SqlDatabase::attempt(Handle& handle, const std::function<void(soci::session&)>& body) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::seconds(timeout_s_);
  for (auto pause = std::chrono::milliseconds(1);; pause = std::min(pause * 2, std::chrono::milliseconds(50))) {
    try {
      if (handle.session == nullptr) {
        handle.session = std::make_unique<soci::session>(soci::sqlite3, connection_);
      }
      body(*handle.session);
      return;
    } catch (const soci::soci_error& error) {
      const int code = result_of(error);
      // SQLite waits by itself, except where two would wait for each other.
      const bool busy = code == kBusy || code == kLocked;
      if (!busy || Clock::now() >= deadline) {
        if (kind_of(code) == Kind::kUnknown && path_ != kMemory) handle.session.reset();
        throw SqlError(kind_of(code), fmt::format("{}: {}{}", name_, sqlite_api::sqlite3_errstr(code), advice(code)));
      }
    }
    std::this_thread::sleep_for(pause);
  }
}

void SqlDatabase::run(const std::function<void(soci::session&)>& body) {
  Handle& mine = handle();
  const std::lock_guard lock(mine.mutex);
  attempt(mine, body);
}

void SqlDatabase::transaction(const std::function<void(soci::session&)>& body) {
  run([&](soci::session& sql) {
    sql << "BEGIN IMMEDIATE";  // SOCI's own begin() takes the lock too late, when two may hold each other up
    try {
      body(sql);
      sql << "COMMIT";
    } catch (...) {
      try {
        sql << "ROLLBACK";
      } catch (const soci::soci_error&) {  // SQLite has rolled back already
      }
      throw;
    }
  });
}

}  // namespace floe
