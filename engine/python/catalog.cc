#include "catalog.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "floe/catalog/catalog.h"
#include "floe/catalog/metadata_file.h"
#include "floe/error.h"
#include "floe/table.h"
#include "interrupt.h"

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

// Catalogs may be at the other end of a network: Ctrl-C reaches whoever waits for one.
template <typename F>
auto waiting(F&& ask) {
  arrow::StopSource stop;
  if constexpr (std::is_void_v<decltype(ask())>) {
    Call(stop).run(ask);
  } else {
    return interruptible(stop, ask);
  }
}

NewTable new_table(const std::string& schema_json, const std::string& spec_json, const std::string& sort_order_json,
                   std::string location, Properties properties) {
  return {.schema = schema_from_json(schema_json),
          .spec = partition_spec_from_json(spec_json),
          .sort_order = sort_order_from_json(sort_order_json),
          .location = std::move(location),
          .properties = std::move(properties)};
}

Table create_table(const CatalogPtr& catalog, Levels identifier, const std::string& schema_json,
                   const std::string& spec_json, const std::string& sort_order_json, std::string location,
                   Properties properties) {
  return waiting([&] {
    return Table::create(
        catalog, to_identifier(std::move(identifier)),
        new_table(schema_json, spec_json, sort_order_json, std::move(location), std::move(properties)));
  });
}

Table stage_table(const CatalogPtr& catalog, Levels identifier, const std::string& schema_json,
                  const std::string& spec_json, const std::string& sort_order_json, std::string location,
                  Properties properties) {
  return waiting([&] {
    return Table(catalog, catalog->stage_table(to_identifier(std::move(identifier)),
                                               new_table(schema_json, spec_json, sort_order_json, std::move(location),
                                                         std::move(properties))));
  });
}

Table commit(const CatalogPtr& catalog, Levels identifier, const std::string& requirements_json,
             const std::string& updates_json) {
  return waiting([&] {
    const TableCommit changes{.requirements = requirements_from_json(requirements_json),
                              .updates = updates_from_json(updates_json)};
    return Table(catalog, catalog->commit(to_identifier(std::move(identifier)), changes));
  });
}

// A table at a state that the caller describes: for metadata that PyIceberg staged and no catalog has. Empty: what is
// at the location.
Table table_from_metadata(const CatalogPtr& catalog, Levels identifier, std::string metadata_location,
                          const std::string& metadata_json, Properties config) {
  LoadedTable loaded{.identifier = to_identifier(std::move(identifier)),
                     .metadata_location = std::move(metadata_location),
                     .config = std::move(config)};
  loaded.metadata =
      metadata_json.empty()
          ? read_metadata(*catalog->io(loaded), loaded.metadata_location)
          : std::make_shared<const TableMetadata>(parse_table_metadata(metadata_json, loaded.metadata_location));
  return {catalog, std::move(loaded)};
}

// --- views: their metadata crosses as the JSON of the specification ---

std::string metadata_of(const LoadedView& view) { return to_json(*view.metadata); }

NewView new_view(const std::string& schema_json, const std::string& version_json, std::string location,
                 Properties properties) {
  return {.schema = schema_from_json(schema_json),
          .version = view_version_from_json(version_json),
          .location = std::move(location),
          .properties = std::move(properties)};
}

std::string create_view(Catalog& catalog, Levels identifier, const std::string& schema_json,
                        const std::string& version_json, std::string location, Properties properties) {
  return waiting([&] {
    return metadata_of(
        catalog.create_view(to_identifier(std::move(identifier)),
                            new_view(schema_json, version_json, std::move(location), std::move(properties))));
  });
}

std::string replace_view(Catalog& catalog, Levels identifier, const std::string& schema_json,
                         const std::string& version_json, std::string location, Properties properties) {
  return waiting([&] {
    return metadata_of(
        catalog.replace_view(to_identifier(std::move(identifier)),
                             new_view(schema_json, version_json, std::move(location), std::move(properties))));
  });
}

}  // namespace

void bind_catalog(nb::module_& m) {
  using nogil = nb::call_guard<nb::gil_scoped_release>;

  m.def(
      "open_catalog",
      [](const std::string& name, const Properties& properties) {
        return waiting([&] { return open_catalog(name, properties); });
      },
      nb::arg("name"), nb::arg("properties"), "Opens the catalog that the properties describe.");

  m.def("open_table", &Table::open, nb::arg("location"), nb::arg("properties"), nogil(),
        "Opens a table without its catalog, for reading, by its metadata file or its folder.");

  nb::class_<Catalog>(m, "Catalog", "Which tables there are. Safe to use from many threads.")
      .def_prop_ro("name", [](const Catalog& self) { return self.name(); })
      .def_prop_ro("properties", [](const Catalog& self) { return self.properties(); })
      .def_prop_ro(
          "commits_tables", [](const Catalog& self) { return self.commits_tables(); },
          "Whether it commits to several tables at once.")
      .def(
          "create_namespace",
          [](Catalog& self, const Namespace& ns, const Properties& properties) {
            waiting([&] { self.create_namespace(ns, properties); });
          },
          nb::arg("namespace"), nb::arg("properties"))
      .def(
          "drop_namespace", [](Catalog& self, const Namespace& ns) { waiting([&] { self.drop_namespace(ns); }); },
          nb::arg("namespace"))
      .def(
          "namespace_exists",
          [](Catalog& self, const Namespace& ns) { return waiting([&] { return self.namespace_exists(ns); }); },
          nb::arg("namespace"))
      .def(
          "list_namespaces",
          [](Catalog& self, const Namespace& parent) { return waiting([&] { return self.list_namespaces(parent); }); },
          nb::arg("parent"))
      .def(
          "load_namespace_properties",
          [](Catalog& self, const Namespace& ns) {
            return waiting([&] { return self.load_namespace_properties(ns); });
          },
          nb::arg("namespace"))
      .def(
          "update_namespace_properties",
          [](Catalog& self, const Namespace& ns, const Levels& removals, const Properties& updates) {
            NamespaceUpdate done = waiting([&] { return self.update_namespace_properties(ns, removals, updates); });
            return std::make_tuple(std::move(done.removed), std::move(done.updated), std::move(done.missing));
          },
          nb::arg("namespace"), nb::arg("removals"), nb::arg("updates"))
      .def("create_table", &create_table, nb::arg("identifier"), nb::arg("schema_json"), nb::arg("spec_json"),
           nb::arg("sort_order_json"), nb::arg("location"), nb::arg("properties"))
      .def("stage_table", &stage_table, nb::arg("identifier"), nb::arg("schema_json"), nb::arg("spec_json"),
           nb::arg("sort_order_json"), nb::arg("location"), nb::arg("properties"))
      .def(
          "register_table",
          [](const CatalogPtr& self, Levels identifier, const std::string& metadata_location, bool overwrite) {
            return waiting([&] {
              return Table(self,
                           self->register_table(to_identifier(std::move(identifier)), metadata_location, overwrite));
            });
          },
          nb::arg("identifier"), nb::arg("metadata_location"), nb::arg("overwrite") = false)
      .def(
          "load_table",
          [](const CatalogPtr& self, Levels identifier) {
            return waiting([&] { return Table::load(self, to_identifier(std::move(identifier))); });
          },
          nb::arg("identifier"))
      .def("table_from_metadata", &table_from_metadata, nb::arg("identifier"), nb::arg("metadata_location"),
           nb::arg("metadata_json"), nb::arg("config"), nogil())
      .def(
          "table_exists",
          [](Catalog& self, Levels identifier) {
            return waiting([&] { return self.table_exists(to_identifier(std::move(identifier))); });
          },
          nb::arg("identifier"))
      .def(
          "list_tables",
          [](Catalog& self, const Namespace& ns) {
            std::vector<Levels> tables;
            for (const TableIdentifier& table : waiting([&] { return self.list_tables(ns); })) {
              tables.push_back(to_levels(table));
            }
            return tables;
          },
          nb::arg("namespace"))
      .def(
          "drop_table",
          [](Catalog& self, Levels identifier) {
            waiting([&] { self.drop_table(to_identifier(std::move(identifier))); });
          },
          nb::arg("identifier"))
      .def(
          "purge_table",
          [](Catalog& self, Levels identifier) {
            waiting([&] { self.purge_table(to_identifier(std::move(identifier))); });
          },
          nb::arg("identifier"))
      .def(
          "rename_table",
          [](Catalog& self, Levels from, Levels to) {
            waiting([&] { self.rename_table(to_identifier(std::move(from)), to_identifier(std::move(to))); });
          },
          nb::arg("from_identifier"), nb::arg("to_identifier"))
      .def("commit", &commit, nb::arg("identifier"), nb::arg("requirements_json"), nb::arg("updates_json"))
      .def("create_view", &create_view, nb::arg("identifier"), nb::arg("schema_json"), nb::arg("version_json"),
           nb::arg("location"), nb::arg("properties"))
      .def("replace_view", &replace_view, nb::arg("identifier"), nb::arg("schema_json"), nb::arg("version_json"),
           nb::arg("location"), nb::arg("properties"))
      .def(
          "register_view",
          [](Catalog& self, Levels identifier, const std::string& metadata_location) {
            return waiting([&] {
              return metadata_of(self.register_view(to_identifier(std::move(identifier)), metadata_location));
            });
          },
          nb::arg("identifier"), nb::arg("metadata_location"))
      .def(
          "load_view",
          [](Catalog& self, Levels identifier) {
            return waiting([&] { return metadata_of(self.load_view(to_identifier(std::move(identifier)))); });
          },
          nb::arg("identifier"))
      .def(
          "view_exists",
          [](Catalog& self, Levels identifier) {
            return waiting([&] { return self.view_exists(to_identifier(std::move(identifier))); });
          },
          nb::arg("identifier"))
      .def(
          "list_views",
          [](Catalog& self, const Namespace& ns) {
            std::vector<Levels> views;
            for (const TableIdentifier& view : waiting([&] { return self.list_views(ns); })) {
              views.push_back(to_levels(view));
            }
            return views;
          },
          nb::arg("namespace"))
      .def(
          "drop_view",
          [](Catalog& self, Levels identifier) {
            waiting([&] { self.drop_view(to_identifier(std::move(identifier))); });
          },
          nb::arg("identifier"))
      .def(
          "rename_view",
          [](Catalog& self, Levels from, Levels to) {
            waiting([&] { self.rename_view(to_identifier(std::move(from)), to_identifier(std::move(to))); });
          },
          nb::arg("from_identifier"), nb::arg("to_identifier"));
}

}  // namespace floe::python
