// Catalogs: which tables there are, and where each one's current metadata is. The only place where a table changes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "floe/error.h"
#include "floe/io/io.h"
#include "floe/spec/table_metadata.h"
#include "floe/spec/table_update.h"
#include "floe/spec/view_metadata.h"

namespace floe {

using Namespace = std::vector<std::string>;  // levels, outermost first; none of them empty

struct TableIdentifier {
  Namespace ns;
  std::string name;
  bool operator==(const TableIdentifier&) const = default;
};
std::string to_string(const Namespace& ns);           // levels joined with "."
std::string to_string(const TableIdentifier& table);  // "a.b.name"

struct LoadedTable {
  TableIdentifier identifier;
  std::string metadata_location;
  TableMetadataPtr metadata;
  Properties config;  // what the catalog says about access to the table's files: for its location, in one
  std::vector<VendedCredential> credentials;  // and for each part of the store
};

struct LoadedView {
  TableIdentifier identifier;
  std::string metadata_location;
  std::shared_ptr<const ViewMetadata> metadata;
};

class NoSuchView : public NotFound {
  using NotFound::NotFound;
};
// Or a table has the name.
class ViewAlreadyExists : public AlreadyExists {
  using AlreadyExists::AlreadyExists;
};

// A catalog's server does not know who asks, or knows and does not let them.
class Unauthorized : public IoError {
  using IoError::IoError;
};
class Forbidden : public IoError {
  using IoError::IoError;
};

struct NamespaceUpdate {
  std::vector<std::string> removed, updated, missing;
};

// One table's part in a commit of several.
struct TableChange {
  TableIdentifier table;
  TableCommit commit;
};
std::string to_string(const std::vector<TableChange>& changes);  // "tables a.b, a.c"
void check_distinct(const std::vector<TableChange>& changes);    // throws InvalidArgument for a table named twice

// Every method throws NoSuchNamespace, NoSuchTable, NamespaceAlreadyExists, TableAlreadyExists or NamespaceNotEmpty
// naming the identifier, InvalidArgument for identifiers that cannot be, IoError when the catalog cannot be reached,
// Unauthorized, Forbidden. What changes something throws CommitStateUnknown when the answer of a REST catalog is lost.
class Catalog {
 public:
  virtual ~Catalog() = default;

  virtual const std::string& name() const = 0;
  virtual const Properties& properties() const = 0;

  virtual void create_namespace(const Namespace& ns, const Properties& properties = {}) = 0;
  virtual void drop_namespace(const Namespace& ns) = 0;
  virtual bool namespace_exists(const Namespace& ns) = 0;
  virtual std::vector<Namespace> list_namespaces(const Namespace& parent = {}) = 0;  // the direct children
  virtual Properties load_namespace_properties(const Namespace& ns) = 0;
  virtual NamespaceUpdate update_namespace_properties(const Namespace& ns, const std::vector<std::string>& removals,
                                                      const Properties& updates) = 0;

  // `table.location` empty: the namespace's "location" property, else below the warehouse.
  virtual LoadedTable create_table(const TableIdentifier& table, NewTable definition) = 0;
  // What create_table would make, without making it; a commit with AssertCreate does. There is no metadata file yet.
  virtual LoadedTable stage_table(const TableIdentifier& table, const NewTable& definition);
  // `overwrite`: a table of that name is replaced. NotSupported where that cannot be.
  virtual LoadedTable register_table(const TableIdentifier& table, const std::string& metadata_location,
                                     bool overwrite = false) = 0;
  virtual LoadedTable load_table(const TableIdentifier& table) = 0;
  virtual bool table_exists(const TableIdentifier& table) = 0;
  virtual std::vector<TableIdentifier> list_tables(const Namespace& ns) = 0;
  virtual void drop_table(const TableIdentifier& table) = 0;  // the files stay
  virtual void purge_table(const TableIdentifier& table);     // and the catalog's server removes the files
  virtual void rename_table(const TableIdentifier& from, const TableIdentifier& to) = 0;

  // One attempt. Checks the requirements against the table as it is now, applies the updates, writes the new metadata
  // file and swaps the pointer. Throws CommitFailed when another writer was first or a requirement does not hold (the
  // written metadata file is removed again), CommitStateUnknown when the outcome could not be learnt. A commit whose
  // requirements have AssertCreate creates the table. Updates that change nothing commit nothing.
  virtual LoadedTable commit(const TableIdentifier& table, const TableCommit& commit) = 0;

  // One attempt at changing several tables that are there: all of them or none. A change without updates is there for
  // its requirements. Throws as `commit` does, of all tables together. Where a catalog cannot, `commits_tables` says
  // so, and it throws NotSupported.
  virtual bool commits_tables() const { return false; }
  virtual void commit_tables(const std::vector<TableChange>& changes);

  // Views: as tables, with NoSuchView and ViewAlreadyExists. NotSupported where a catalog keeps none. Replacing is one
  // attempt, of a definition that view_replacement_to_json (spec/view_metadata.h) takes: CommitFailed if another writer
  // was first. A REST catalog whose server offers no views has none to list.
  virtual LoadedView create_view(const TableIdentifier& view, const NewView& definition);
  virtual LoadedView replace_view(const TableIdentifier& view, const NewView& definition);
  virtual LoadedView register_view(const TableIdentifier& view, const std::string& metadata_location);
  virtual LoadedView load_view(const TableIdentifier& view);
  virtual bool view_exists(const TableIdentifier& view);
  virtual std::vector<TableIdentifier> list_views(const Namespace& ns);
  virtual void drop_view(const TableIdentifier& view);
  virtual void rename_view(const TableIdentifier& from, const TableIdentifier& to);

  // The Io for a table's files.
  virtual IoPtr io(const LoadedTable& table) = 0;
};
using CatalogPtr = std::shared_ptr<Catalog>;

// Opens the catalog that the properties describe: "type" = "sql", "rest" or "in-memory" ("uri" and "warehouse" as in
// PyIceberg; without a type, the scheme of "uri" says it). Throws InvalidArgument for what is missing, NotSupported by
// name for the rest.
CatalogPtr open_catalog(const std::string& name, const Properties& properties);

}  // namespace floe
