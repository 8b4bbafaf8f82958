// For tests: a database for a catalog, of each kind that a SQL catalog may be in, and another program's view of it.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <soci/soci.h>
#include <sqlite3.h>

#include <memory>
#include <string>
#include <vector>

#include "floe/catalog/sql_dialect.h"
#include "floe/spec/table_metadata.h"
#include "floe/test_service.h"

namespace floe {

enum class Database { kSqlite, kPostgresql, kMysql };

inline std::string name_of(Database database) {
  return database == Database::kSqlite ? "sqlite" : database == Database::kPostgresql ? "postgresql" : "mysql";
}

constexpr Database kAllDatabases[] = {Database::kSqlite, Database::kPostgresql, Database::kMysql};

// Runs statements as another program would.
class Stranger {
 public:
  virtual ~Stranger() = default;
  // The rows, each with its columns separated by "|".
  virtual std::vector<std::string> run(const std::string& statement) = 0;
};

class SqliteStranger : public Stranger {
 public:
  explicit SqliteStranger(const std::string& path) { EXPECT_EQ(sqlite3_open(path.c_str(), &db_), SQLITE_OK); }
  SqliteStranger(const SqliteStranger&) = delete;
  SqliteStranger& operator=(const SqliteStranger&) = delete;
  ~SqliteStranger() override { sqlite3_close(db_); }

  std::vector<std::string> run(const std::string& statement) override {
    std::vector<std::string> rows;
    const auto add = [](void* all, int columns, char** values, char**) {
      std::string row;
      for (int i = 0; i < columns; ++i) row += (i == 0 ? "" : "|") + std::string(values[i] ? values[i] : "NULL");
      static_cast<std::vector<std::string>*>(all)->push_back(row);
      return 0;
    };
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(db_, statement.c_str(), add, &rows, &error), SQLITE_OK) << error;
    return rows;
  }

 private:
  sqlite3* db_ = nullptr;
};

class PostgresqlStranger : public Stranger {
 public:
  explicit PostgresqlStranger(const std::string& url) : connection_(PQconnectdb(url.c_str()), PQfinish) {
    EXPECT_EQ(PQstatus(connection_.get()), CONNECTION_OK) << PQerrorMessage(connection_.get());
    run("SET client_min_messages = warning");
  }

  std::vector<std::string> run(const std::string& statement) override {
    const std::unique_ptr<PGresult, void (*)(PGresult*)> result(PQexec(connection_.get(), statement.c_str()), PQclear);
    const ExecStatusType status = PQresultStatus(result.get());
    EXPECT_TRUE(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) << PQerrorMessage(connection_.get());
    std::vector<std::string> rows(PQntuples(result.get()));
    for (int i = 0; i < PQntuples(result.get()); ++i) {
      for (int k = 0; k < PQnfields(result.get()); ++k) {
        rows[i] += (k == 0 ? "" : "|");
        rows[i] += PQgetisnull(result.get(), i, k) ? "NULL" : PQgetvalue(result.get(), i, k);
      }
    }
    return rows;
  }

 private:
  std::unique_ptr<PGconn, void (*)(PGconn*)> connection_;
};

class MysqlStranger : public Stranger {
 public:
  explicit MysqlStranger(const std::string& url) {
    const SqlLocation location = parse_sql_url(url);
    session_.open(*location.dialect->backend, location.connection);
  }

  std::vector<std::string> run(const std::string& statement) override {
    std::vector<std::string> rows;
    if (!statement.starts_with("SELECT")) {
      session_ << statement;
      return rows;
    }
    for (const soci::row& row : soci::rowset<soci::row>(session_.prepare << statement)) {
      std::string& text = rows.emplace_back();
      for (size_t i = 0; i < row.size(); ++i) {
        text += i == 0 ? "" : "|";
        const bool is_text = row.get_properties(i).get_data_type() == soci::dt_string;
        text += row.get_indicator(i) == soci::i_null ? "NULL"
                : is_text                            ? row.get<std::string>(i)
                                                     : std::to_string(row.get<long long>(i));
      }
    }
    return rows;
  }

 private:
  soci::session session_;
};

// An empty database: a file in `folder` that does not exist yet, or a schema of a server, which goes with this.
class TestDatabase {
 public:
  TestDatabase(Database kind, const std::string& folder) : kind_(kind) {
    if (kind == Database::kSqlite) {
      path_ = folder + "/cat alog=1.db";
      url_ = "sqlite:///" + path_;
      return;
    }
    schema_ = "s" + new_uuid();
    std::erase(schema_, '-');
    if (kind == Database::kPostgresql) {
      server()->run("CREATE SCHEMA " + schema_);
      url_ = postgresql_url() + "?options=-csearch_path%3D" + schema_;
    } else {
      server()->run("CREATE SCHEMA " + schema_ + " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
      url_ = mysql_url().substr(0, mysql_url().rfind('/') + 1) + schema_;
    }
  }
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;
  ~TestDatabase() {
    if (kind_ == Database::kPostgresql) server()->run("DROP SCHEMA " + schema_ + " CASCADE");
    if (kind_ == Database::kMysql) server()->run("DROP SCHEMA " + schema_);
  }

  Database kind() const { return kind_; }
  const std::string& url() const { return url_; }  // as SQLAlchemy has it

  std::unique_ptr<Stranger> stranger() const {
    if (kind_ == Database::kSqlite) return std::make_unique<SqliteStranger>(path_);
    if (kind_ == Database::kMysql) return std::make_unique<MysqlStranger>(url_);
    return std::make_unique<PostgresqlStranger>(url_);
  }

 private:
  std::unique_ptr<Stranger> server() const {
    if (kind_ == Database::kMysql) return std::make_unique<MysqlStranger>(mysql_url());
    return std::make_unique<PostgresqlStranger>(postgresql_url());
  }

  Database kind_;
  std::string path_, schema_, url_;
};

}  // namespace floe
