#include "floe/catalog/sql_catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "floe/catalog/metadata_file.h"
#include "floe/catalog/sql_database.h"
#include "floe/error.h"
#include "floe/spec/utf8.h"

namespace floe {

namespace {

constexpr std::string_view kTablesDdl =
    "CREATE TABLE IF NOT EXISTS iceberg_tables ("
    "catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL, "
    "metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), iceberg_type VARCHAR(5), "
    "PRIMARY KEY (catalog_name, table_namespace, table_name))";
constexpr std::string_view kNamespacesDdl =
    "CREATE TABLE IF NOT EXISTS iceberg_namespace_properties ("
    "catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT NULL, property_key VARCHAR(255) NOT NULL, "
    "property_value VARCHAR(1000) NOT NULL, PRIMARY KEY (catalog_name, namespace, property_key))";

// How the database names a namespace.
std::string key_of(const Namespace& ns) {
  std::string key;
  for (const std::string& level : ns) {
    if (level.find_first_not_of(' ') == std::string::npos) {
      throw NoSuchNamespace(fmt::format("Namespace \"{}\" has an empty level", to_string(ns)));
    }
    key += (key.empty() ? "" : ".") + level;
  }
  if (key.empty()) throw NoSuchNamespace("Namespace does not exist: the empty one");
  return key;
}

// As PyIceberg says it of properties, whose programs compare messages.
[[noreturn]] void throw_no_namespace(const std::string& key) {
  throw NoSuchNamespace(fmt::format("Namespace {} does not exists", key));
}

Namespace levels_of(const std::string& key) {
  Namespace ns;
  size_t start = 0;
  for (size_t dot = 0; dot != std::string::npos; start = dot + 1) {
    dot = key.find('.', start);
    ns.push_back(key.substr(start, dot == std::string::npos ? dot : dot - start));
  }
  return ns;
}

size_t count_code_points(std::string_view text) {
  size_t count = 0;
  for (; !text.empty(); ++count) take_code_point(text);
  return count;
}

size_t pool_size(const Properties& properties) {
  const int64_t size = int_property(properties, "pool_size", 5);
  if (size < 1 || size > 1000) throw InvalidArgument("pool_size: a SQL catalog has from 1 to 1000 connections");
  return static_cast<size_t>(size);
}

// The last few metadata files read or written, which never change: a commit need not read what it just wrote.
class MetadataCache {
 public:
  TableMetadataPtr find(const std::string& location) {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(entries_, location, &Entry::first);
    if (found == entries_.end()) return nullptr;
    std::rotate(found, found + 1, entries_.end());  // the most recent is last
    return entries_.back().second;
  }

  void add(const std::string& location, TableMetadataPtr metadata) {
    const std::lock_guard lock(mutex_);
    std::erase_if(entries_, [&](const Entry& entry) { return entry.first == location; });
    if (entries_.size() >= kEntries) entries_.erase(entries_.begin());
    entries_.emplace_back(location, std::move(metadata));
  }

 private:
  static constexpr size_t kEntries = 8;
  using Entry = std::pair<std::string, TableMetadataPtr>;
  std::mutex mutex_;
  std::vector<Entry> entries_;
};

class SqlCatalog : public Catalog {
 public:
  SqlCatalog(std::string name, const Properties& properties, IoPtr io);

  const std::string& name() const override { return name_; }
  const Properties& properties() const override { return properties_; }

  void create_namespace(const Namespace& ns, const Properties& properties) override;
  void drop_namespace(const Namespace& ns) override;
  bool namespace_exists(const Namespace& ns) override;
  std::vector<Namespace> list_namespaces(const Namespace& parent) override;
  Properties load_namespace_properties(const Namespace& ns) override;
  NamespaceUpdate update_namespace_properties(const Namespace& ns, const std::vector<std::string>& removals,
                                              const Properties& updates) override;

  LoadedTable create_table(const TableIdentifier& table, NewTable definition) override;
  LoadedTable register_table(const TableIdentifier& table, const std::string& metadata_location,
                             bool overwrite) override;
  LoadedTable load_table(const TableIdentifier& table) override;
  bool table_exists(const TableIdentifier& table) override;
  std::vector<TableIdentifier> list_tables(const Namespace& ns) override;
  void drop_table(const TableIdentifier& table) override;
  void rename_table(const TableIdentifier& from, const TableIdentifier& to) override;
  LoadedTable commit(const TableIdentifier& table, const TableCommit& commit) override;
  bool commits_tables() const override { return true; }
  void commit_tables(const std::vector<TableChange>& changes) override;
  IoPtr io(const LoadedTable&) override { return io_; }

 private:
  void prepare_tables();
  bool has_table(const char* query);
  void make(const std::string& statement);

  template <typename Sql>  // the database, or a session in a transaction
  bool exists(Sql& sql, const std::string& ns);
  template <typename Sql>
  Properties properties_of(Sql& sql, const std::string& ns);
  void insert_property(SqlSession& sql, const std::string& ns, const std::string& key, const std::string& value);
  void require_namespace(const Namespace& ns);

  std::string default_location(const TableIdentifier& table);
  std::optional<std::string> location_of(const TableIdentifier& table);  // of its metadata
  TableMetadataPtr metadata_at(const std::string& location);
  void insert_table(const TableIdentifier& table, const std::string& metadata_location);
  LoadedTable write_new(const TableIdentifier& table, TableMetadata metadata);
  LoadedTable replace(const TableIdentifier& table, const std::string& base_location, const TableMetadata& base,
                      TableMetadata updated);
  template <typename Sql>
  int64_t swap_location(Sql& sql, const TableIdentifier& table, const std::string& from, const std::string& to);
  struct Replacement;
  Replacement replacement_of(const TableChange& change);
  bool put_in_place(SqlSession& sql, const Replacement& replacement);
  void discard(const std::string& metadata_location) noexcept;
  [[noreturn]] void fail_commit(const TableIdentifier& table, const SqlError& error, const std::string& location);

  std::string name_;
  Properties properties_;
  SqlDatabase database_;
  IoPtr io_;
  std::string only_tables_;  // the condition that keeps views out, where the database tells them apart
  bool has_types_ = true;
  PerProcess<MetadataCache> cache_;
};

SqlCatalog::SqlCatalog(std::string name, const Properties& properties, IoPtr io)
    : name_(std::move(name)),
      properties_(properties),
      database_(string_property(properties, "uri", ""), pool_size(properties)),
      io_(io ? std::move(io) : make_io(properties)) {
  prepare_tables();
  if (has_types_) only_tables_ = " AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)";
}

// Whether a query that gives no rows can be run at all.
bool SqlCatalog::has_table(const char* query) {
  try {
    database_.query(query, {});
    return true;
  } catch (const SqlError& error) {
    if (error.trouble != SqlTrouble::kNoSuchTable) throw;
    return false;
  }
}

// Runs a statement that makes a table or a column; another process may have been first.
void SqlCatalog::make(const std::string& statement) {
  try {
    database_.execute(statement);
  } catch (const SqlError& error) {
    if (error.trouble != SqlTrouble::kDuplicate) throw;
  }
}

void SqlCatalog::prepare_tables() {
  const std::string version = string_property(properties_, "schema_version", "v0");
  if (version != "v0" && version != "v1") {
    throw InvalidArgument(fmt::format("Invalid schema_version property: \"{}\". Must be \"v0\" or \"v1\".", version));
  }
  if (!has_table("SELECT 1 FROM iceberg_tables WHERE 1 = 0") ||
      !has_table("SELECT 1 FROM iceberg_namespace_properties WHERE 1 = 0")) {
    if (!bool_property(properties_, "init_catalog_tables", true)) {
      throw NotFound(fmt::format("{} has no catalog tables, and init_catalog_tables is false", database_.name()));
    }
    make(fmt::format("{}{}", kTablesDdl, database_.dialect().table_options));
    make(fmt::format("{}{}", kNamespacesDdl, database_.dialect().table_options));
  }
  has_types_ = has_table("SELECT iceberg_type FROM iceberg_tables WHERE 1 = 0");
  if (!has_types_ && version == "v1") {
    make("ALTER TABLE iceberg_tables ADD COLUMN iceberg_type VARCHAR(5)");
    has_types_ = true;
  }
}

template <typename Sql>
bool SqlCatalog::exists(Sql& sql, const std::string& ns) {
  const std::string below = ns + ".";
  // Not LIKE, which knows no case in SQLite and gives "_" and "%" a meaning.
  const std::string length = std::to_string(count_code_points(below));
  const auto any = [&](const std::string& table, const std::string& column) {
    return !sql.query(fmt::format("SELECT 1 FROM {0} WHERE catalog_name = :c AND "
                                  "({1} = :ns OR substr({1}, 1, {2}) = :below) LIMIT 1",
                                  table, column, length),
                      {name_, ns, below})
                .empty();
  };
  return any("iceberg_tables", "table_namespace") || any("iceberg_namespace_properties", "namespace");
}

template <typename Sql>
Properties SqlCatalog::properties_of(Sql& sql, const std::string& ns) {
  Properties properties;
  for (SqlValues& row : sql.query("SELECT property_key, property_value FROM iceberg_namespace_properties "
                                  "WHERE catalog_name = :c AND namespace = :ns",
                                  {name_, ns}, 2)) {
    properties.emplace(std::move(row[0]), std::move(row[1]));
  }
  return properties;
}

void SqlCatalog::insert_property(SqlSession& sql, const std::string& ns, const std::string& key,
                                 const std::string& value) {
  sql.execute(
      "INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value) "
      "VALUES (:c, :ns, :k, :v)",
      {name_, ns, key, value});
}

void SqlCatalog::require_namespace(const Namespace& ns) {
  if (!namespace_exists(ns)) throw NoSuchNamespace(fmt::format("Namespace does not exist: {}", to_string(ns)));
}

void SqlCatalog::create_namespace(const Namespace& ns, const Properties& properties) {
  const std::string key = key_of(ns);
  const Properties bare = {{"exists", "true"}};
  database_.transaction([&](SqlSession& sql) {
    if (exists(sql, key)) throw NamespaceAlreadyExists(fmt::format("Namespace {} already exists", key));
    for (const auto& [name, value] : properties.empty() ? bare : properties) insert_property(sql, key, name, value);
  });
}

void SqlCatalog::drop_namespace(const Namespace& ns) {
  const std::string key = key_of(ns);
  database_.transaction([&](SqlSession& sql) {
    if (!exists(sql, key)) throw NoSuchNamespace(fmt::format("Namespace does not exist: {}", key));
    sql.execute("DELETE FROM iceberg_namespace_properties WHERE catalog_name = :c AND namespace = :ns", {name_, key});
    if (exists(sql, key)) {
      throw NamespaceNotEmpty(fmt::format("Namespace {} is not empty: tables, views or namespaces are in it", key));
    }
  });
}

bool SqlCatalog::namespace_exists(const Namespace& ns) { return exists(database_, key_of(ns)); }

std::vector<Namespace> SqlCatalog::list_namespaces(const Namespace& parent) {
  if (!parent.empty()) require_namespace(parent);
  std::set<Namespace> children;
  for (const SqlValues& row : database_.query("SELECT table_namespace FROM iceberg_tables WHERE catalog_name = :c1 "
                                              "UNION SELECT namespace FROM iceberg_namespace_properties "
                                              "WHERE catalog_name = :c2",
                                              {name_, name_})) {
    if (row[0].empty()) continue;  // a table of Java's without a namespace
    Namespace ns = levels_of(row[0]);
    if (ns.size() <= parent.size() || !std::equal(parent.begin(), parent.end(), ns.begin())) continue;
    ns.resize(parent.size() + 1);
    children.insert(std::move(ns));
  }
  return {children.begin(), children.end()};
}

Properties SqlCatalog::load_namespace_properties(const Namespace& ns) {
  const std::string key = key_of(ns);
  if (!namespace_exists(ns)) throw_no_namespace(key);
  return properties_of(database_, key);
}

NamespaceUpdate SqlCatalog::update_namespace_properties(const Namespace& ns, const std::vector<std::string>& removals,
                                                        const Properties& updates) {
  const std::string key = key_of(ns);
  for (const std::string& name : removals) {
    if (updates.contains(name)) throw InvalidArgument(fmt::format("property {} is to be set and removed", name));
  }
  NamespaceUpdate done;
  database_.transaction([&](SqlSession& sql) {
    done = {};
    if (!exists(sql, key)) throw_no_namespace(key);
    const Properties before = properties_of(sql, key);
    const auto remove = [&](const std::string& name) {
      sql.execute(
          "DELETE FROM iceberg_namespace_properties WHERE catalog_name = :c AND namespace = :ns AND property_key = :k",
          {name_, key, name});
    };
    for (const std::string& name : removals) {
      (before.contains(name) ? done.removed : done.missing).push_back(name);
      remove(name);
    }
    for (const auto& [name, value] : updates) {
      remove(name);
      insert_property(sql, key, name, value);
      done.updated.push_back(name);
    }
    if (!exists(sql, key)) insert_property(sql, key, "exists", "true");  // without its last property it stays
  });
  return done;
}

std::string SqlCatalog::default_location(const TableIdentifier& table) {
  const auto beside = [&](std::string folder, const std::string& path) {
    while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
    return fmt::format("{}/{}", folder, path);
  };
  std::vector<std::string> names = table.ns;
  names.push_back(table.name);
  for (const std::string& name : names) {
    if (name == "." || name == ".." || name.find('/') != std::string::npos) {
      throw InvalidArgument(
          fmt::format("table {} needs a location of its own: its name cannot be a folder's", to_string(table)));
    }
  }
  const Properties of_namespace = load_namespace_properties(table.ns);
  const std::string folder = string_property(of_namespace, "location", "");
  if (!folder.empty()) return beside(folder, table.name);
  const std::string warehouse = string_property(properties_, "warehouse", "");
  if (!warehouse.empty()) return beside(warehouse, fmt::format("{}/{}", key_of(table.ns), table.name));
  throw InvalidArgument(fmt::format(
      "table {} needs a location: neither its namespace has the property \"location\" nor catalog {} a \"warehouse\"",
      to_string(table), name_));
}

std::optional<std::string> SqlCatalog::location_of(const TableIdentifier& table) {
  if (table.ns.empty()) return std::nullopt;
  const auto rows = database_.query(
      "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = :c AND table_namespace = :ns AND "
      "table_name = :t" +
          only_tables_,
      {name_, key_of(table.ns), table.name});
  if (rows.empty() || rows[0][0].empty()) return std::nullopt;
  return rows[0][0];
}

TableMetadataPtr SqlCatalog::metadata_at(const std::string& location) {
  if (TableMetadataPtr known = cache_.get().find(location)) return known;
  TableMetadataPtr metadata = read_metadata(*io_, location);
  cache_.get().add(location, metadata);
  return metadata;
}

void SqlCatalog::insert_table(const TableIdentifier& table, const std::string& metadata_location) {
  const char* statement =
      has_types_ ? "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location, "
                   "iceberg_type) VALUES (:c, :ns, :t, :m, 'TABLE')"
                 : "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location) "
                   "VALUES (:c, :ns, :t, :m)";
  database_.execute(statement, {name_, key_of(table.ns), table.name, metadata_location});
}

void SqlCatalog::discard(const std::string& metadata_location) noexcept {
  try {
    io_->remove(metadata_location);
  } catch (const std::exception&) {  // an orphan file is left, which does no harm
  }
}

// Nothing that may be the table's metadata is deleted: only what was surely refused.
void SqlCatalog::fail_commit(const TableIdentifier& table, const SqlError& error, const std::string& location) {
  if (error.trouble == SqlTrouble::kUnknown) {
    throw CommitStateUnknown(fmt::format("table {}: it is not known whether the commit of {} happened: {}",
                                         to_string(table), location, error.what()));
  }
  discard(location);
  if (error.trouble == SqlTrouble::kDuplicate) {
    throw TableAlreadyExists(fmt::format("Table {} already exists", to_string(table)));
  }
  throw CommitFailed(fmt::format("table {}: {}", to_string(table), error.what()));
}

LoadedTable SqlCatalog::write_new(const TableIdentifier& table, TableMetadata metadata) {
  const std::string location = next_metadata_location(metadata, "");
  const TableMetadataPtr written = write_metadata(*io_, std::move(metadata), location, nullptr, "");
  try {
    insert_table(table, location);
  } catch (const SqlError& error) {
    fail_commit(table, error, location);
  }
  cache_.get().add(location, written);
  return {table, location, written, {}};
}

LoadedTable SqlCatalog::create_table(const TableIdentifier& table, NewTable definition) {
  require_namespace(table.ns);
  if (table.name.empty()) throw InvalidArgument("a table needs a name");
  if (table_exists(table)) throw TableAlreadyExists(fmt::format("Table {} already exists", to_string(table)));
  if (definition.location.empty()) definition.location = default_location(table);
  return write_new(table, new_table_metadata(definition));
}

LoadedTable SqlCatalog::register_table(const TableIdentifier& table, const std::string& metadata_location,
                                       bool overwrite) {
  if (overwrite) {
    throw NotSupported(fmt::format("catalog {} does not replace a table by registering: drop table {} before", name_,
                                   to_string(table)));
  }
  require_namespace(table.ns);
  if (table.name.empty()) throw InvalidArgument("a table needs a name");
  if (table_exists(table)) throw TableAlreadyExists(fmt::format("Table {} already exists", to_string(table)));
  const TableMetadataPtr metadata = read_metadata(*io_, metadata_location);
  try {
    insert_table(table, metadata_location);
  } catch (const SqlError& error) {
    if (error.trouble != SqlTrouble::kDuplicate) throw;
    throw TableAlreadyExists(fmt::format("Table {} already exists", to_string(table)));
  }
  cache_.get().add(metadata_location, metadata);
  return {table, metadata_location, metadata, {}};
}

LoadedTable SqlCatalog::load_table(const TableIdentifier& table) {
  const auto location = location_of(table);
  if (!location) throw NoSuchTable(fmt::format("Table does not exist: {}", to_string(table)));
  return {table, *location, metadata_at(*location), {}};
}

bool SqlCatalog::table_exists(const TableIdentifier& table) { return location_of(table).has_value(); }

std::vector<TableIdentifier> SqlCatalog::list_tables(const Namespace& ns) {
  require_namespace(ns);
  const std::string key = key_of(ns);
  std::vector<TableIdentifier> tables;
  for (SqlValues& row : database_.query("SELECT table_name FROM iceberg_tables WHERE catalog_name = :c AND "
                                        "table_namespace = :ns" +
                                            only_tables_ + " ORDER BY table_name",
                                        {name_, key})) {
    tables.push_back({ns, std::move(row[0])});
  }
  return tables;
}

void SqlCatalog::drop_table(const TableIdentifier& table) {
  int64_t dropped = 0;
  if (!table.ns.empty()) {
    dropped = database_.execute(
        "DELETE FROM iceberg_tables WHERE catalog_name = :c AND table_namespace = :ns AND table_name = :t" +
            only_tables_,
        {name_, key_of(table.ns), table.name});
  }
  if (dropped < 1) throw NoSuchTable(fmt::format("Table does not exist: {}", to_string(table)));
}

void SqlCatalog::rename_table(const TableIdentifier& from, const TableIdentifier& to) {
  require_namespace(to.ns);
  if (to.name.empty()) throw InvalidArgument("a table needs a name");
  const std::string from_ns = from.ns.empty() ? "" : key_of(from.ns);
  const std::string to_ns = key_of(to.ns);
  int64_t renamed = 0;
  try {
    renamed = database_.execute(
        "UPDATE iceberg_tables SET table_namespace = :ns2, table_name = :t2 WHERE catalog_name = :c AND "
        "table_namespace = :ns1 AND table_name = :t1" +
            only_tables_,
        {to_ns, to.name, name_, from_ns, from.name});
  } catch (const SqlError& error) {
    if (error.trouble != SqlTrouble::kDuplicate) throw;
    throw TableAlreadyExists(fmt::format("Table {} already exists", to_string(to)));
  }
  if (renamed < 1) throw NoSuchTable(fmt::format("Table does not exist: {}", to_string(from)));
}

// One statement, atomic by itself: the rows changed are 1, or 0 if another writer was first.
template <typename Sql>
int64_t SqlCatalog::swap_location(Sql& sql, const TableIdentifier& table, const std::string& from,
                                  const std::string& to) {
  return sql.execute(
      "UPDATE iceberg_tables SET metadata_location = :m, previous_metadata_location = :p1 WHERE catalog_name = :c AND "
      "table_namespace = :ns AND table_name = :t AND metadata_location = :p2" +
          only_tables_,
      {to, from, name_, key_of(table.ns), table.name, from});
}

LoadedTable SqlCatalog::replace(const TableIdentifier& table, const std::string& base_location,
                                const TableMetadata& base, TableMetadata updated) {
  const std::string location = next_metadata_location(updated, base_location);
  const TableMetadataPtr written = write_metadata(*io_, std::move(updated), location, &base, base_location);
  int64_t swapped = 0;
  try {
    swapped = swap_location(database_, table, base_location, location);
  } catch (const SqlError& error) {
    fail_commit(table, error, location);
  }
  if (swapped < 1) {
    discard(location);
    throw CommitFailed(fmt::format("Table has been updated by another process: {}", to_string(table)));
  }
  cache_.get().add(location, written);
  remove_old_metadata(*io_, base, *written);
  return {table, location, written, {}};
}

LoadedTable SqlCatalog::commit(const TableIdentifier& table, const TableCommit& commit) {
  const auto location = location_of(table);
  const bool creates = std::ranges::any_of(commit.requirements, [](const TableRequirement& requirement) {
    return std::holds_alternative<AssertCreate>(requirement);
  });
  if (!location && !creates) throw NoSuchTable(fmt::format("Table does not exist: {}", to_string(table)));
  const TableMetadataPtr base = location ? metadata_at(*location) : nullptr;
  for (const TableRequirement& requirement : commit.requirements) check(requirement, base.get());
  if (base == nullptr) {
    require_namespace(table.ns);
    if (table.name.empty()) throw InvalidArgument("a table needs a name");
    const bool placed = std::ranges::any_of(
        commit.updates, [](const TableUpdate& update) { return std::holds_alternative<SetLocation>(update); });
    return write_new(table, create_from(commit.updates, placed ? "" : default_location(table)));
  }
  TableMetadata updated = apply(*base, commit.updates);
  if (updated == *base) return {table, *location, base, {}};
  return replace(table, *location, *base, std::move(updated));
}

// One table's way to its next metadata file, in a commit of several.
struct SqlCatalog::Replacement {
  TableIdentifier table;
  std::string base_location;
  TableMetadataPtr base;
  TableMetadata updated;
  std::string location;      // empty: nothing changes
  TableMetadataPtr written;  // null: not yet
};

SqlCatalog::Replacement SqlCatalog::replacement_of(const TableChange& change) {
  const auto location = location_of(change.table);
  if (!location) throw NoSuchTable(fmt::format("Table does not exist: {}", to_string(change.table)));
  const TableMetadataPtr base = metadata_at(*location);
  for (const TableRequirement& requirement : change.commit.requirements) check(requirement, base.get());
  Replacement replacement{
      .table = change.table, .base_location = *location, .base = base, .updated = apply(*base, change.commit.updates)};
  if (replacement.updated != *base) replacement.location = next_metadata_location(replacement.updated, *location);
  return replacement;
}

// False if another writer was first, also at a table whose requirements are all that there is of it.
bool SqlCatalog::put_in_place(SqlSession& sql, const Replacement& replacement) {
  const auto& [table, base_location, base, updated, location, written] = replacement;
  if (written) return swap_location(sql, table, base_location, location) == 1;
  return !sql.query(
                 "SELECT 1 FROM iceberg_tables WHERE catalog_name = :c AND table_namespace = :ns AND "
                 "table_name = :t AND metadata_location = :m" +
                     only_tables_,
                 {name_, key_of(table.ns), table.name, base_location})
              .empty();
}

// The swaps are one transaction of the database, each of them the statement that is a commit by itself elsewhere.
void SqlCatalog::commit_tables(const std::vector<TableChange>& changes) {
  check_distinct(changes);
  std::vector<Replacement> replacements;
  for (const TableChange& change : changes) replacements.push_back(replacement_of(change));
  // In one order, so that no two programs hold what the other one waits for.
  std::sort(replacements.begin(), replacements.end(), [](const Replacement& a, const Replacement& b) {
    return std::tie(a.table.ns, a.table.name) < std::tie(b.table.ns, b.table.name);
  });
  const auto discard_all = [&] {
    for (const Replacement& replacement : replacements) {
      if (replacement.written) discard(replacement.location);
    }
  };
  try {
    for (Replacement& each : replacements) {
      if (each.location.empty()) continue;
      each.written = write_metadata(*io_, std::move(each.updated), each.location, each.base.get(), each.base_location);
    }
    database_.transaction([&](SqlSession& sql) {
      for (const Replacement& each : replacements) {
        if (put_in_place(sql, each)) continue;
        throw CommitFailed(fmt::format("Table has been updated by another process: {}", to_string(each.table)));
      }
    });
  } catch (const SqlError& error) {
    if (error.trouble == SqlTrouble::kUnknown) {
      throw CommitStateUnknown(
          fmt::format("{}: it is not known whether the commit happened: {}", to_string(changes), error.what()));
    }
    discard_all();
    throw CommitFailed(fmt::format("{}: {}", to_string(changes), error.what()));
  } catch (...) {
    discard_all();
    throw;
  }
  for (const Replacement& each : replacements) {
    if (!each.written) continue;
    cache_.get().add(each.location, each.written);
    remove_old_metadata(*io_, *each.base, *each.written);
  }
}

}  // namespace

CatalogPtr open_sql_catalog(const std::string& name, const Properties& properties, IoPtr io) {
  if (string_property(properties, "uri", "").empty()) {
    throw InvalidArgument(fmt::format("catalog {}: a SQL catalog needs the property \"uri\"", name));
  }
  return std::make_shared<SqlCatalog>(name, properties, std::move(io));
}

}  // namespace floe
