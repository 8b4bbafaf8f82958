#include "floe/catalog/sql_catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "floe/catalog/metadata_file.h"
#include "floe/catalog/sql_database.h"
#include "floe/error.h"

namespace floe {

namespace {

using soci::into, soci::use;

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

Namespace levels_of(const std::string& key) {
  Namespace ns;
  size_t start = 0;
  for (size_t dot = 0; dot != std::string::npos; start = dot + 1) {
    dot = key.find('.', start);
    ns.push_back(key.substr(start, dot == std::string::npos ? dot : dot - start));
  }
  return ns;
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
  SqlCatalog(std::string name, const Properties& properties);

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
  LoadedTable register_table(const TableIdentifier& table, const std::string& metadata_location) override;
  LoadedTable load_table(const TableIdentifier& table) override;
  bool table_exists(const TableIdentifier& table) override;
  std::vector<TableIdentifier> list_tables(const Namespace& ns) override;
  void drop_table(const TableIdentifier& table) override;
  void rename_table(const TableIdentifier& from, const TableIdentifier& to) override;
  LoadedTable commit(const TableIdentifier& table, const TableCommit& commit) override;
  IoPtr io(const LoadedTable&) override { return io_; }

 private:
  void prepare_tables();
  bool has_table(const char* query);

  bool exists(soci::session& sql, const std::string& ns);
  Properties properties_of(soci::session& sql, const std::string& ns);
  void insert_property(soci::session& sql, const std::string& ns, const std::string& key, const std::string& value);
  void require_namespace(const Namespace& ns);

  std::string default_location(const TableIdentifier& table);
  std::optional<std::string> location_of(const TableIdentifier& table);  // of its metadata
  TableMetadataPtr metadata_at(const std::string& location);
  void insert_table(const TableIdentifier& table, const std::string& metadata_location);
  LoadedTable write_new(const TableIdentifier& table, TableMetadata metadata);
  LoadedTable replace(const TableIdentifier& table, const std::string& base_location, const TableMetadata& base,
                      TableMetadata updated);
  int64_t swap_location(const TableIdentifier& table, const std::string& from, const std::string& to);
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

SqlCatalog::SqlCatalog(std::string name, const Properties& properties)
    : name_(std::move(name)),
      properties_(properties),
      database_(string_property(properties, "uri", "")),
      io_(make_io(properties)) {
  prepare_tables();
  if (has_types_) only_tables_ = " AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)";
}

// Whether a query that gives no rows can be run at all.
bool SqlCatalog::has_table(const char* query) {
  try {
    database_.run([&](soci::session& sql) { sql << query; });
    return true;
  } catch (const SqlError& error) {
    if (error.kind != SqlError::Kind::kNoSuchTable) throw;
    return false;
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
    database_.run([](soci::session& sql) { sql << kTablesDdl; });
    database_.run([](soci::session& sql) { sql << kNamespacesDdl; });
  }
  has_types_ = has_table("SELECT iceberg_type FROM iceberg_tables WHERE 1 = 0");
  if (!has_types_ && version == "v1") {
    database_.run([](soci::session& sql) { sql << "ALTER TABLE iceberg_tables ADD COLUMN iceberg_type VARCHAR(5)"; });
    has_types_ = true;
  }
}

bool SqlCatalog::exists(soci::session& sql, const std::string& ns) {
  const std::string below = ns + ".";
  int found = 0;
  // Not LIKE, which knows no case in SQLite and gives "_" and "%" a meaning.
  sql << "SELECT 1 FROM iceberg_tables WHERE catalog_name = :c AND "
         "(table_namespace = :ns OR substr(table_namespace, 1, length(:b1)) = :b2) LIMIT 1",
      use(name_), use(ns), use(below), use(below), into(found);
  if (sql.got_data()) return true;
  sql << "SELECT 1 FROM iceberg_namespace_properties WHERE catalog_name = :c AND "
         "(namespace = :ns OR substr(namespace, 1, length(:b1)) = :b2) LIMIT 1",
      use(name_), use(ns), use(below), use(below), into(found);
  return sql.got_data();
}

Properties SqlCatalog::properties_of(soci::session& sql, const std::string& ns) {
  Properties properties;
  std::string key, value;
  soci::statement rows = (sql.prepare << "SELECT property_key, property_value FROM iceberg_namespace_properties "
                                         "WHERE catalog_name = :c AND namespace = :ns",
                          use(name_), use(ns), into(key), into(value));
  rows.execute();
  while (rows.fetch()) properties.emplace(key, value);
  return properties;
}

void SqlCatalog::insert_property(soci::session& sql, const std::string& ns, const std::string& key,
                                 const std::string& value) {
  sql << "INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value) "
         "VALUES (:c, :ns, :k, :v)",
      use(name_), use(ns), use(key), use(value);
}

void SqlCatalog::require_namespace(const Namespace& ns) {
  if (!namespace_exists(ns)) throw NoSuchNamespace(fmt::format("Namespace does not exist: {}", to_string(ns)));
}

void SqlCatalog::create_namespace(const Namespace& ns, const Properties& properties) {
  const std::string key = key_of(ns);
  const Properties bare = {{"exists", "true"}};
  database_.transaction([&](soci::session& sql) {
    if (exists(sql, key)) throw NamespaceAlreadyExists(fmt::format("Namespace {} already exists", key));
    for (const auto& [name, value] : properties.empty() ? bare : properties) insert_property(sql, key, name, value);
  });
}

void SqlCatalog::drop_namespace(const Namespace& ns) {
  const std::string key = key_of(ns);
  database_.transaction([&](soci::session& sql) {
    if (!exists(sql, key)) throw NoSuchNamespace(fmt::format("Namespace does not exist: {}", key));
    sql << "DELETE FROM iceberg_namespace_properties WHERE catalog_name = :c AND namespace = :ns", use(name_), use(key);
    if (exists(sql, key)) {
      throw NamespaceNotEmpty(fmt::format("Namespace {} is not empty: tables, views or namespaces are in it", key));
    }
  });
}

bool SqlCatalog::namespace_exists(const Namespace& ns) {
  const std::string key = key_of(ns);
  bool found = false;
  database_.run([&](soci::session& sql) { found = exists(sql, key); });
  return found;
}

std::vector<Namespace> SqlCatalog::list_namespaces(const Namespace& parent) {
  if (!parent.empty()) require_namespace(parent);
  std::set<Namespace> children;
  database_.run([&](soci::session& sql) {
    const soci::rowset<std::string> keys =
        (sql.prepare << "SELECT table_namespace FROM iceberg_tables WHERE catalog_name = :c1 UNION "
                        "SELECT namespace FROM iceberg_namespace_properties WHERE catalog_name = :c2",
         use(name_), use(name_));
    for (const std::string& key : keys) {
      if (key.empty()) continue;  // a table of Java's without a namespace
      Namespace ns = levels_of(key);
      if (ns.size() <= parent.size() || !std::equal(parent.begin(), parent.end(), ns.begin())) continue;
      ns.resize(parent.size() + 1);
      children.insert(std::move(ns));
    }
  });
  return {children.begin(), children.end()};
}

Properties SqlCatalog::load_namespace_properties(const Namespace& ns) {
  require_namespace(ns);
  Properties properties;
  database_.run([&](soci::session& sql) { properties = properties_of(sql, key_of(ns)); });
  return properties;
}

NamespaceUpdate SqlCatalog::update_namespace_properties(const Namespace& ns, const std::vector<std::string>& removals,
                                                        const Properties& updates) {
  const std::string key = key_of(ns);
  for (const std::string& name : removals) {
    if (updates.contains(name)) throw InvalidArgument(fmt::format("property {} is to be set and removed", name));
  }
  NamespaceUpdate done;
  database_.transaction([&](soci::session& sql) {
    done = {};
    if (!exists(sql, key)) throw NoSuchNamespace(fmt::format("Namespace does not exist: {}", key));
    const Properties before = properties_of(sql, key);
    const auto remove = [&](const std::string& name) {
      sql << "DELETE FROM iceberg_namespace_properties WHERE catalog_name = :c AND namespace = :ns AND "
             "property_key = :k",
          use(name_), use(key), use(name);
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
  const std::string ns = key_of(table.ns);
  std::optional<std::string> found;
  database_.run([&](soci::session& sql) {
    std::string location;
    soci::indicator is_null = soci::i_null;
    sql << "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = :c AND table_namespace = :ns AND "
           "table_name = :t" +
               only_tables_,
        use(name_), use(ns), use(table.name), into(location, is_null);
    found.reset();
    if (sql.got_data() && is_null == soci::i_ok) found = location;
  });
  return found;
}

TableMetadataPtr SqlCatalog::metadata_at(const std::string& location) {
  if (TableMetadataPtr known = cache_.get().find(location)) return known;
  TableMetadataPtr metadata = read_metadata(*io_, location);
  cache_.get().add(location, metadata);
  return metadata;
}

void SqlCatalog::insert_table(const TableIdentifier& table, const std::string& metadata_location) {
  const std::string ns = key_of(table.ns);
  database_.run([&](soci::session& sql) {
    const char* statement =
        has_types_ ? "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location, "
                     "iceberg_type) VALUES (:c, :ns, :t, :m, 'TABLE')"
                   : "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location) "
                     "VALUES (:c, :ns, :t, :m)";
    sql << statement, use(name_), use(ns), use(table.name), use(metadata_location);
  });
}

void SqlCatalog::discard(const std::string& metadata_location) noexcept {
  try {
    io_->remove(metadata_location);
  } catch (const std::exception&) {  // an orphan file is left, which does no harm
  }
}

// Nothing that may be the table's metadata is deleted: only what was surely refused.
void SqlCatalog::fail_commit(const TableIdentifier& table, const SqlError& error, const std::string& location) {
  if (error.kind == SqlError::Kind::kUnknown) {
    throw CommitStateUnknown(fmt::format("table {}: it is not known whether the commit of {} happened: {}",
                                         to_string(table), location, error.what()));
  }
  discard(location);
  if (error.kind == SqlError::Kind::kDuplicate) {
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

LoadedTable SqlCatalog::register_table(const TableIdentifier& table, const std::string& metadata_location) {
  require_namespace(table.ns);
  if (table.name.empty()) throw InvalidArgument("a table needs a name");
  if (table_exists(table)) throw TableAlreadyExists(fmt::format("Table {} already exists", to_string(table)));
  const TableMetadataPtr metadata = read_metadata(*io_, metadata_location);
  try {
    insert_table(table, metadata_location);
  } catch (const SqlError& error) {
    if (error.kind != SqlError::Kind::kDuplicate) throw;
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
  database_.run([&](soci::session& sql) {
    tables.clear();
    const soci::rowset<std::string> names =
        (sql.prepare << "SELECT table_name FROM iceberg_tables WHERE catalog_name = :c AND table_namespace = :ns" +
                            only_tables_ + " ORDER BY table_name",
         use(name_), use(key));
    for (const std::string& name : names) tables.push_back({ns, name});
  });
  return tables;
}

void SqlCatalog::drop_table(const TableIdentifier& table) {
  int64_t dropped = 0;
  if (!table.ns.empty()) {
    const std::string ns = key_of(table.ns);
    database_.run([&](soci::session& sql) {
      soci::statement statement =
          (sql.prepare << "DELETE FROM iceberg_tables WHERE catalog_name = :c AND table_namespace = :ns AND "
                          "table_name = :t" +
                              only_tables_,
           use(name_), use(ns), use(table.name));
      statement.execute(true);
      dropped = statement.get_affected_rows();
    });
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
    database_.run([&](soci::session& sql) {
      soci::statement statement = (sql.prepare << "UPDATE iceberg_tables SET table_namespace = :ns2, table_name = :t2 "
                                                  "WHERE catalog_name = :c AND table_namespace = :ns1 AND "
                                                  "table_name = :t1" +
                                                      only_tables_,
                                   use(to_ns), use(to.name), use(name_), use(from_ns), use(from.name));
      statement.execute(true);
      renamed = statement.get_affected_rows();
    });
  } catch (const SqlError& error) {
    if (error.kind != SqlError::Kind::kDuplicate) throw;
    throw TableAlreadyExists(fmt::format("Table {} already exists", to_string(to)));
  }
  if (renamed < 1) throw NoSuchTable(fmt::format("Table does not exist: {}", to_string(from)));
}

// One statement, atomic by itself: the rows changed are 1, or 0 if another writer was first.
int64_t SqlCatalog::swap_location(const TableIdentifier& table, const std::string& from, const std::string& to) {
  const std::string ns = key_of(table.ns);
  int64_t swapped = 0;
  database_.run([&](soci::session& sql) {
    soci::statement statement =
        (sql.prepare << "UPDATE iceberg_tables SET metadata_location = :m, previous_metadata_location = :p1 "
                        "WHERE catalog_name = :c AND table_namespace = :ns AND table_name = :t AND "
                        "metadata_location = :p2" +
                            only_tables_,
         use(to), use(from), use(name_), use(ns), use(table.name), use(from));
    statement.execute(true);
    swapped = statement.get_affected_rows();
  });
  return swapped;
}

LoadedTable SqlCatalog::replace(const TableIdentifier& table, const std::string& base_location,
                                const TableMetadata& base, TableMetadata updated) {
  const std::string location = next_metadata_location(updated, base_location);
  const TableMetadataPtr written = write_metadata(*io_, std::move(updated), location, &base, base_location);
  int64_t swapped = 0;
  try {
    swapped = swap_location(table, base_location, location);
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

}  // namespace

CatalogPtr open_sql_catalog(const std::string& name, const Properties& properties) {
  if (string_property(properties, "uri", "").empty()) {
    throw InvalidArgument(fmt::format("catalog {}: a SQL catalog needs the property \"uri\"", name));
  }
  return std::make_shared<SqlCatalog>(name, properties);
}

}  // namespace floe
