#include "floe/catalog/catalog.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>
#include <utility>

#include "floe/catalog/rest_catalog.h"
#include "floe/catalog/sql_catalog.h"
#include "floe/error.h"

namespace floe {

namespace {

// What the URI says where "type" does not.
std::string type_of(const std::string& name, const Properties& properties) {
  std::string type = string_property(properties, "type", "");
  if (!type.empty()) return type;
  const std::string uri = string_property(properties, "uri", "");
  const std::string scheme = uri.substr(0, uri.find(':'));
  for (const char* database : {"sqlite", "postgresql", "mysql", "mariadb"}) {
    if (scheme.starts_with(database)) return "sql";
  }
  if (scheme == "http" || scheme == "https") return "rest";
  if (scheme == "thrift") return "hive";
  throw InvalidArgument(fmt::format(
      "catalog {}: neither the property \"type\" nor the scheme of \"uri\" says what kind of catalog it is", name));
}

[[noreturn]] void refuse_views(const Catalog& catalog, const std::string& what) {
  throw NotSupported(fmt::format("catalog {} keeps no views ({}): those of type rest do", catalog.name(), what));
}

}  // namespace

std::string to_string(const Namespace& ns) { return fmt::format("{}", fmt::join(ns, ".")); }

std::string to_string(const TableIdentifier& table) {
  return table.ns.empty() ? table.name : fmt::format("{}.{}", to_string(table.ns), table.name);
}

std::string to_string(const std::vector<TableChange>& changes) {
  std::vector<std::string> names;
  for (const TableChange& change : changes) names.push_back(to_string(change.table));
  return fmt::format("tables {}", fmt::join(names, ", "));
}

void check_distinct(const std::vector<TableChange>& changes) {
  std::set<std::pair<Namespace, std::string>> seen;
  for (const TableChange& change : changes) {
    if (seen.emplace(change.table.ns, change.table.name).second) continue;
    throw InvalidArgument(
        fmt::format("table {} stands twice in one commit of several tables", to_string(change.table)));
  }
}

LoadedTable Catalog::stage_table(const TableIdentifier& table, const NewTable&) {
  throw NotSupported(fmt::format("catalog {} cannot stage a new table: {}", name(), to_string(table)));
}

void Catalog::purge_table(const TableIdentifier& table) {
  throw NotSupported(fmt::format("catalog {} removes no files: drop table {} instead", name(), to_string(table)));
}

void Catalog::commit_tables(const std::vector<TableChange>& changes) {
  throw NotSupported(
      fmt::format("catalog {} cannot change several tables in one commit ({}): commit to each of them by itself",
                  name(), to_string(changes)));
}

LoadedView Catalog::create_view(const TableIdentifier& view, const NewView&) { refuse_views(*this, to_string(view)); }
LoadedView Catalog::replace_view(const TableIdentifier& view, const NewView&) { refuse_views(*this, to_string(view)); }
LoadedView Catalog::register_view(const TableIdentifier& view, const std::string&) {
  refuse_views(*this, to_string(view));
}
LoadedView Catalog::load_view(const TableIdentifier& view) { refuse_views(*this, to_string(view)); }
bool Catalog::view_exists(const TableIdentifier& view) { refuse_views(*this, to_string(view)); }
std::vector<TableIdentifier> Catalog::list_views(const Namespace& ns) { refuse_views(*this, to_string(ns)); }
void Catalog::drop_view(const TableIdentifier& view) { refuse_views(*this, to_string(view)); }
void Catalog::rename_view(const TableIdentifier& from, const TableIdentifier&) { refuse_views(*this, to_string(from)); }

CatalogPtr open_catalog(const std::string& name, const Properties& properties) {
  const std::string type = type_of(name, properties);
  if (type == "sql") return open_sql_catalog(name, properties);
  if (type == "rest") return open_rest_catalog(name, properties);
  if (type == "in-memory") {
    // As PyIceberg has it: a SQLite database that lives and dies with the catalog.
    Properties in_memory = properties;
    in_memory.emplace("uri", "sqlite:///:memory:");
    in_memory.emplace("warehouse", "file:///tmp/iceberg/warehouse");
    return open_sql_catalog(name, in_memory);
  }
  throw NotSupported(
      fmt::format("catalog {}: type \"{}\" is not supported, only \"sql\", \"rest\" and \"in-memory\"", name, type));
}

}  // namespace floe
