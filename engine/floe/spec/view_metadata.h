// Views: queries under names, with the schemas of their rows. Specification: "Iceberg View Spec".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "floe/spec/schema.h"
#include "floe/spec/snapshot.h"

namespace floe {

// A query in one dialect of SQL.
struct SqlRepresentation {
  std::string sql, dialect;
  bool operator==(const SqlRepresentation&) const = default;
};

// A definition. Its representations all say the same, each in a dialect of its own.
struct ViewVersion {
  int32_t version_id = 1;
  int32_t schema_id = 0;
  int64_t timestamp_ms = 0;
  Properties summary;
  std::vector<SqlRepresentation> representations;
  std::optional<std::string> default_catalog;  // of names in the query that say none; nullopt: the view's own
  std::vector<std::string> default_namespace;  // of names that say none
};

struct ViewHistoryEntry {
  int64_t timestamp_ms = 0;
  int32_t version_id = 0;
};

struct ViewMetadata {
  std::string view_uuid;
  int32_t format_version = 1;
  std::string location;
  std::vector<Schema> schemas;
  int32_t current_version_id = 0;
  std::vector<ViewVersion> versions;
  std::vector<ViewHistoryEntry> version_log;
  Properties properties;
};

const ViewVersion& current_version(const ViewMetadata& view);

// `document` is what messages name. Throws CorruptFile for what is no view's metadata, NotSupported for a later format
// version. Representations of other types than SQL, of which the specification has none, are left out.
ViewMetadata parse_view_metadata(std::string_view json, const std::string& document);
std::string to_json(const ViewMetadata& view);

ViewVersion view_version_from_json(std::string_view json);
std::string to_json(const ViewVersion& version);

// What a view is to be. Of the version, ids count for nothing.
struct NewView {
  Schema schema;
  ViewVersion version;
  std::string location;  // empty: the catalog's choice; of a view that is replaced: where it is
  Properties properties;
};

// Throws InvalidArgument for a schema that cannot be, a version without a query, or with two in one dialect.
void validate(const NewView& definition);

// What makes a view one of this definition, as the REST protocol has it (CommitViewRequest): its properties are added
// to those that are there. A schema or version that it had before is taken up again. Throws InvalidArgument if a
// dialect would be lost, unless the property `replace.drop-dialect.allowed` is true.
std::string view_replacement_to_json(const ViewMetadata& view, const NewView& definition);

}  // namespace floe
