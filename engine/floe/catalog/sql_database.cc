#include "floe/catalog/sql_database.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <random>
#include <thread>
#include <utility>

namespace floe {

namespace {

using std::chrono::milliseconds;

// Up to `longest`, so that two who met once do not meet again.
milliseconds random_pause(milliseconds longest) {
  thread_local std::minstd_rand random{std::random_device{}()};
  return milliseconds(std::uniform_int_distribution<int64_t>(1, longest.count())(random));
}

// SOCI hands most values on as C strings, which would end there.
void check_no_nul(const SqlValues& values) {
  for (const std::string& value : values) {
    if (value.find('\0') != std::string::npos) {
      throw InvalidArgument("a name, location or property of a SQL catalog has a NUL character in it");
    }
  }
}

}  // namespace

// --- a session ---

SqlSession::SqlSession(const SqlLocation& location) : soci_(*location.dialect->backend, location.connection) {
  for (const std::string& statement : location.dialect->on_connect) execute(statement);
}

std::vector<SqlValues> SqlSession::query(const std::string& statement, const SqlValues& values, size_t columns) {
  check_no_nul(values);
  SqlValues row(columns);
  std::vector<soci::indicator> nulls(columns);
  soci::statement rows(soci_);
  for (const std::string& value : values) rows.exchange(soci::use(value));
  for (size_t i = 0; i < columns; ++i) rows.exchange(soci::into(row[i], nulls[i]));
  rows.alloc();
  rows.prepare(statement, soci::details::st_one_time_query);
  rows.define_and_bind();
  rows.execute();
  std::vector<SqlValues> all;
  while (rows.fetch()) {
    for (size_t i = 0; i < columns; ++i) {
      if (nulls[i] == soci::i_null) row[i].clear();
    }
    all.push_back(row);
  }
  return all;
}

int64_t SqlSession::execute(const std::string& statement, const SqlValues& values) {
  check_no_nul(values);
  soci::statement change(soci_);
  for (const std::string& value : values) change.exchange(soci::use(value));
  change.alloc();
  change.prepare(statement, soci::details::st_one_time_query);
  change.define_and_bind();
  change.execute(true);
  return change.get_affected_rows();
}

// --- the pool ---

SqlDatabase::SqlDatabase(const std::string& url, size_t pool_size)
    : location_(parse_sql_url(url)), pool_size_(location_.in_file ? 1 : pool_size) {}

SqlDatabase::Pool& SqlDatabase::pool() {
  return pool_.get([&](Pool* parents) {
    auto* pool = new Pool;
    // A forked child must not use its parent's sessions, not even to close them. A database in memory is nothing that
    // parent and child could disagree about, and there is no other way to it.
    if (parents != nullptr && location_.in_memory) pool->idle = std::move(parents->idle);
    return pool;
  });
}

// A session, if there is one yet, for one attempt; then back it goes, unless it is of no more use.
class SqlDatabase::Lease {
 public:
  Lease(Pool& pool, size_t most) : pool_(pool) {
    std::unique_lock lock(pool_.mutex);
    pool_.returned.wait(lock, [&] { return pool_.in_use < most; });
    ++pool_.in_use;
    if (!pool_.idle.empty()) {
      session = std::move(pool_.idle.back());
      pool_.idle.pop_back();
    }
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    {
      const std::lock_guard lock(pool_.mutex);
      --pool_.in_use;
      if (session != nullptr) pool_.idle.push_back(std::move(session));
    }
    pool_.returned.notify_one();
  }

  std::unique_ptr<SqlSession> session;

 private:
  Pool& pool_;
};

std::unique_ptr<SqlSession> SqlDatabase::connect() const {
  try {
    return std::make_unique<SqlSession>(location_);
  } catch (const soci::soci_error& error) {
    if (location_.in_file) throw;  // opening a file is like the rest
    // What the server or the network said: nothing has been bound to a statement yet.
    std::string reason = error.get_error_message();
    if (const size_t line = reason.find('\n'); line != std::string::npos) reason.erase(0, line + 1);
    while (!reason.empty() && reason.back() == '\n') reason.pop_back();
    if (!location_.password.empty() && reason.find(location_.password) != std::string::npos) reason = "refused";
    throw SqlError(SqlTrouble::kRefused, fmt::format("{}: cannot connect: {}", name(), reason));
  }
}

// --- running ---

void SqlDatabase::run(const std::function<void(SqlSession&, bool&)>& body) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + location_.timeout;
  bool reconnected = false;
  for (milliseconds pause(2);; pause = std::min(pause * 2, milliseconds(50))) {
    {
      Lease lease(pool(), pool_size_);
      bool may_be_done = false;
      try {
        if (lease.session == nullptr) lease.session = connect();
        body(*lease.session, may_be_done);
        return;
      } catch (const soci::soci_error& error) {
        auto [trouble, reason] = dialect().explain(error);
        const bool lost =
            trouble == SqlTrouble::kLost || (!location_.in_file && (!lease.session || !lease.session->is_alive()));
        if (!location_.in_memory && (lost || trouble == SqlTrouble::kUnknown)) lease.session.reset();
        if (lost && !may_be_done && !std::exchange(reconnected, true)) {
          const std::lock_guard lock(pool().mutex);
          pool().idle.clear();  // what one of them met, the others will
          continue;
        }
        if (lost) trouble = may_be_done ? SqlTrouble::kUnknown : SqlTrouble::kRefused;
        if (trouble != SqlTrouble::kBusy || Clock::now() >= deadline) {
          if (trouble == SqlTrouble::kBusy) trouble = SqlTrouble::kRefused;
          throw SqlError(trouble, fmt::format("{}: {}", name(), reason));
        }
      }
    }
    std::this_thread::sleep_for(random_pause(pause));
  }
}

std::vector<SqlValues> SqlDatabase::query(const std::string& statement, const SqlValues& values, size_t columns) {
  std::vector<SqlValues> rows;
  run([&](SqlSession& session, bool&) { rows = session.query(statement, values, columns); });
  return rows;
}

int64_t SqlDatabase::execute(const std::string& statement, const SqlValues& values) {
  int64_t changed = 0;
  run([&](SqlSession& session, bool& may_be_done) {
    // A session that has died since it was used is best met before, when nothing is in doubt yet.
    if (!location_.in_file && !session.is_alive()) throw soci::soci_error("lost");
    may_be_done = true;
    changed = session.execute(statement, values);
  });
  return changed;
}

void SqlDatabase::transaction(const std::function<void(SqlSession&)>& body) {
  run([&](SqlSession& session, bool& may_be_done) {
    session.execute(std::string(dialect().begin));
    try {
      body(session);
      may_be_done = true;
      session.execute("COMMIT");
    } catch (...) {
      try {
        session.execute("ROLLBACK");
      } catch (const soci::soci_error&) {  // SQLite has rolled back already, or the session is lost
      }
      throw;
    }
  });
}

}  // namespace floe
