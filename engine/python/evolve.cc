#include "evolve.h"

#include <fmt/format.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <vector>

#include "floe/spec/schema_difference.h"
#include "floe/table.h"

namespace nb = nanobind;

namespace floe::python {
namespace {

// What a caller passes is no file.
Schema schema_of(const std::string& json) {
  try {
    return schema_from_json(json);
  } catch (const CorruptFile& e) {
    throw InvalidArgument(e.what());
  }
}

// One field crosses as the JSON of a struct's field.
Field field_from_json(const std::string& json) {
  return schema_of(fmt::format(R"({{"type":"struct","fields":[{}]}})", json)).fields.at(0);
}

Type type_from_json(const std::string& json) {
  return field_from_json(fmt::format(R"({{"id":0,"name":"type","required":false,"type":{}}})", json)).type;
}

void set_write_default(SchemaUpdate& update, const std::string& name, const std::string& value_json) {
  const Type& type = update.column(name).type;
  Value value;
  try {
    value = value_from_json(value_json, type);
  } catch (const CorruptFile&) {
    throw InvalidArgument(fmt::format("Invalid default value: {} is no {}", value_json, to_string(type)));
  }
  update.set_write_default(name, std::move(value));
}

nb::list schema_difference(const std::string& before, const std::string& after) {
  nb::list out;
  for (const ColumnChange& change : difference(schema_of(before), schema_of(after))) {
    nb::dict entry;
    entry["kind"] = std::string(to_string(change.kind));
    entry["field_id"] = change.field_id;
    entry["name"] = change.name;
    entry["before"] = change.before;
    entry["after"] = change.after;
    entry["text"] = to_string(change);
    out.append(entry);
  }
  return out;
}

}  // namespace

void bind_evolve(nb::module_& m) {
  nb::class_<SchemaUpdate>(m, "SchemaUpdate", "Changes of a schema, each checked when it is made.")
      .def(
          "__init__",
          [](SchemaUpdate* self, const Table& table, bool allow_incompatible_changes, bool case_sensitive) {
            new (self) SchemaUpdate(table.metadata(), {.allow_incompatible_changes = allow_incompatible_changes,
                                                       .case_sensitive = case_sensitive});
          },
          nb::arg("table"), nb::kw_only(), nb::arg("allow_incompatible_changes") = false,
          nb::arg("case_sensitive") = true)
      .def_static(
          "of_schema",
          [](const std::string& schema_json, int32_t last_column_id, int32_t format_version,
             bool allow_incompatible_changes, bool case_sensitive) {
            return SchemaUpdate(
                schema_of(schema_json), last_column_id, format_version,
                {.allow_incompatible_changes = allow_incompatible_changes, .case_sensitive = case_sensitive});
          },
          nb::arg("schema_json"), nb::arg("last_column_id"), nb::arg("format_version"), nb::kw_only(),
          nb::arg("allow_incompatible_changes") = false, nb::arg("case_sensitive") = true,
          "Changes of a schema that is no table's.")
      .def("set_case_sensitive", &SchemaUpdate::set_case_sensitive, nb::arg("case_sensitive"))
      .def(
          "add_column",
          [](SchemaUpdate& self, const std::string& parent, const std::string& field_json) {
            self.add_column(parent, field_from_json(field_json));
          },
          nb::arg("parent"), nb::arg("field_json"))
      .def("drop_column", &SchemaUpdate::drop_column, nb::arg("name"))
      .def("rename_column", &SchemaUpdate::rename_column, nb::arg("name"), nb::arg("new_name"))
      .def(
          "update_type",
          [](SchemaUpdate& self, const std::string& name, const std::string& type_json) {
            self.update_type(name, type_from_json(type_json));
          },
          nb::arg("name"), nb::arg("type_json"))
      .def("update_doc", &SchemaUpdate::update_doc, nb::arg("name"), nb::arg("doc"))
      .def("set_required", &SchemaUpdate::set_required, nb::arg("name"), nb::arg("required"))
      .def("set_write_default", &set_write_default, nb::arg("name"), nb::arg("value_json"))
      .def("move_first", &SchemaUpdate::move_first, nb::arg("name"))
      .def("move_before", &SchemaUpdate::move_before, nb::arg("name"), nb::arg("other"))
      .def("move_after", &SchemaUpdate::move_after, nb::arg("name"), nb::arg("other"))
      .def("set_identifier_fields", &SchemaUpdate::set_identifier_fields, nb::arg("names"))
      .def(
          "union_by_name",
          [](SchemaUpdate& self, const std::string& schema_json) { self.union_by_name(schema_of(schema_json)); },
          nb::arg("schema_json"))
      .def(
          "column_json",
          [](const SchemaUpdate& self, const std::string& name) {
            return to_json(Schema{.fields = {self.column(name)}});
          },
          nb::arg("name"), "A schema of this column alone, as the changes so far leave it.")
      .def("apply", [](const SchemaUpdate& self) { return to_json(self.apply()); }, "The schema with all changes.");

  nb::class_<SpecUpdate>(m, "SpecUpdate", "Changes of a table's partition spec, each checked when it is made.")
      .def(
          "__init__",
          [](SpecUpdate* self, const Table& table, bool case_sensitive) {
            new (self) SpecUpdate(table.loaded().metadata, case_sensitive);
          },
          nb::arg("table"), nb::kw_only(), nb::arg("case_sensitive") = true)
      .def(
          "add_field",
          [](SpecUpdate& self, const std::string& column, const std::string& transform,
             std::optional<std::string> name) { self.add_field(column, parse_transform(transform), std::move(name)); },
          nb::arg("column"), nb::arg("transform"), nb::arg("name") = nb::none())
      .def("remove_field", &SpecUpdate::remove_field, nb::arg("name"))
      .def("rename_field", &SpecUpdate::rename_field, nb::arg("name"), nb::arg("new_name"))
      .def("apply", [](const SpecUpdate& self) { return to_json(self.apply()); }, "The spec with all changes.");

  m.def("schema_difference", &schema_difference, nb::arg("before_json"), nb::arg("after_json"),
        "What became of a schema, column by column.");
}

}  // namespace floe::python
