#include "catalog.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "floe/catalog/catalog.h"
#include "floe/error.h"
#include "floe/table.h"

namespace nb = nanobind;

namespace floe::python {
namespace {

using Levels = std::vector<std::string>;  // of a table: its namespace's, and last its name

TableIdentifier to_identifier(Levels levels) {
  if (levels.empty()) throw InvalidArgument("an empty table identifier");
  std::string name = std::move(levels.back());
  levels.pop_back();
  return {std::move(levels), std::move(name)};
}

Levels to_levels(const TableIdentifier& table) {
  Levels levels = table.ns;
  levels.push_back(table.name);
  return levels;
}

Table create_table(const CatalogPtr& catalog, Levels identifier, const std::string& schema_json,
                   const std::string& spec_json, const std::string& sort_order_json, std::string location,
                   Properties properties) {
  NewTable definition{.schema = schema_from_json(schema_json),
                      .spec = partition_spec_from_json(spec_json),
                      .sort_order = sort_order_from_json(sort_order_json),
                      .location = std::move(location),
                      .properties = std::move(properties)};
  return Table::create(catalog, to_identifier(std::move(identifier)), std::move(definition));
}

Table commit(const CatalogPtr& catalog, Levels identifier, const std::string& requirements_json,
             const std::string& updates_json) {
  const TableCommit changes{.requirements = requirements_from_json(requirements_json),
                            .updates = updates_from_json(updates_json)};
  return {catalog, catalog->commit(to_identifier(std::move(identifier)), changes)};
}

// A table at a state that the caller describes: for metadata that PyIceberg staged and no catalog has.
Table table_from_metadata(const CatalogPtr& catalog, Levels identifier, std::string metadata_location,
                          const std::string& metadata_json, Properties config) {
  auto metadata = std::make_shared<const TableMetadata>(parse_table_metadata(metadata_json, metadata_location));
  return {catalog, LoadedTable{.identifier = to_identifier(std::move(identifier)),
                               .metadata_location = std::move(metadata_location),
                               .metadata = std::move(metadata),
                               .config = std::move(config)}};
}

}  // namespace

void bind_catalog(nb::module_& m) {
  using nogil = nb::call_guard<nb::gil_scoped_release>;

  m.def("open_catalog", &open_catalog, nb::arg("name"), nb::arg("properties"), nogil(),
        "Opens the catalog that the properties describe.");

  m.def("open_table", &Table::open, nb::arg("location"), nb::arg("properties"), nogil(),
        "Opens a table without its catalog, for reading, by its metadata file or its folder.");

  nb::class_<Catalog>(m, "Catalog", "Which tables there are. Safe to use from many threads.")
      .def_prop_ro("name", [](const Catalog& self) { return self.name(); })
      .def("create_namespace", &Catalog::create_namespace, nb::arg("namespace"), nb::arg("properties"), nogil())
      .def("drop_namespace", &Catalog::drop_namespace, nb::arg("namespace"), nogil())
      .def("namespace_exists", &Catalog::namespace_exists, nb::arg("namespace"), nogil())
      .def("list_namespaces", &Catalog::list_namespaces, nb::arg("parent"), nogil())
      .def("load_namespace_properties", &Catalog::load_namespace_properties, nb::arg("namespace"), nogil())
      .def(
          "update_namespace_properties",
          [](Catalog& self, const Namespace& ns, const Levels& removals, const Properties& updates) {
            NamespaceUpdate done = self.update_namespace_properties(ns, removals, updates);
            return std::make_tuple(std::move(done.removed), std::move(done.updated), std::move(done.missing));
          },
          nb::arg("namespace"), nb::arg("removals"), nb::arg("updates"), nogil())
      .def("create_table", &create_table, nb::arg("identifier"), nb::arg("schema_json"), nb::arg("spec_json"),
           nb::arg("sort_order_json"), nb::arg("location"), nb::arg("properties"), nogil())
      .def(
          "register_table",
          [](const CatalogPtr& self, Levels identifier, const std::string& metadata_location) {
            return Table(self, self->register_table(to_identifier(std::move(identifier)), metadata_location));
          },
          nb::arg("identifier"), nb::arg("metadata_location"), nogil())
      .def(
          "load_table",
          [](const CatalogPtr& self, Levels identifier) {
            return Table::load(self, to_identifier(std::move(identifier)));
          },
          nb::arg("identifier"), nogil())
      .def("table_from_metadata", &table_from_metadata, nb::arg("identifier"), nb::arg("metadata_location"),
           nb::arg("metadata_json"), nb::arg("config"), nogil())
      .def(
          "table_exists",
          [](Catalog& self, Levels identifier) { return self.table_exists(to_identifier(std::move(identifier))); },
          nb::arg("identifier"), nogil())
      .def(
          "list_tables",
          [](Catalog& self, const Namespace& ns) {
            std::vector<Levels> tables;
            for (const TableIdentifier& table : self.list_tables(ns)) tables.push_back(to_levels(table));
            return tables;
          },
          nb::arg("namespace"), nogil())
      .def(
          "drop_table", [](Catalog& self, Levels identifier) { self.drop_table(to_identifier(std::move(identifier))); },
          nb::arg("identifier"), nogil())
      .def(
          "rename_table",
          [](Catalog& self, Levels from, Levels to) {
            self.rename_table(to_identifier(std::move(from)), to_identifier(std::move(to)));
          },
          nb::arg("from_identifier"), nb::arg("to_identifier"), nogil())
      .def("commit", &commit, nb::arg("identifier"), nb::arg("requirements_json"), nb::arg("updates_json"), nogil());
}

}  // namespace floe::python
