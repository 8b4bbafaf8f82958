// Changes of a schema, each checked when it is made and all applied at once. Specification: "Schema Evolution".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "floe/spec/table_metadata.h"

namespace floe {

struct SchemaUpdateOptions {
  // Also changes after which what was written before may not be readable: required columns without a default, optional
  // ones made required, types that are no promotion.
  bool allow_incompatible_changes = false;
  bool case_sensitive = true;
};

// Names are full names in the schema as it was (a renamed column keeps its old one here) or of columns that were added
// here; see find_field. Every change throws InvalidArgument, with the reason and the way out, if it cannot be.
class SchemaUpdate {
 public:
  explicit SchemaUpdate(const TableMetadata& table, SchemaUpdateOptions options = {});  // of its current schema
  SchemaUpdate(Schema schema, int32_t last_column_id, int32_t format_version, SchemaUpdateOptions options = {});

  void set_case_sensitive(bool case_sensitive) { options_.case_sensitive = case_sensitive; }  // from now on

  // Adds the field, with new ids at every depth, as the last one of a struct, of a list's elements or of a map's
  // values; `parent` empty: as the last column.
  void add_column(std::string_view parent, Field field);
  void drop_column(std::string_view name);
  void rename_column(std::string_view name, const std::string& new_name);
  void update_type(std::string_view name, const Type& type);
  void update_doc(std::string_view name, const std::string& doc);
  void set_required(std::string_view name, bool required);
  void set_write_default(std::string_view name, Value value);
  void move_first(std::string_view name);
  void move_before(std::string_view name, std::string_view other);
  void move_after(std::string_view name, std::string_view other);
  void set_identifier_fields(std::vector<std::string> names);  // names as they will be

  // Adds what the other schema has more, and widens, makes optional, documents and defaults what is in both; types that
  // are narrower there stay. Ids do not count.
  void union_by_name(const Schema& other);

  // A column as the changes so far leave it. Throws InvalidArgument if there is none.
  const Field& column(std::string_view name) const;

  const Schema& base() const { return base_; }
  int32_t base_last_column_id() const { return base_last_column_id_; }

  // The schema with all changes, valid for the format version; its schema_id is still the base's.
  Schema apply() const;

 private:
  enum class Where { kFirst, kBefore, kAfter };
  struct Move {
    int32_t field_id = 0;
    Where where = Where::kFirst;
    int32_t other_id = 0;
  };

  std::optional<int32_t> find(std::string_view name) const;
  std::optional<int32_t> find_added(std::string_view name) const;
  int32_t id_of(std::string_view name) const;
  int32_t id_for_change(std::string_view name, std::string_view verb = "update") const;
  const Field& field(int32_t id) const;
  void move(std::string_view name, Where where, std::string_view other = {});
  void union_fields(const std::vector<Field>& fields, const std::vector<Field>& existing, std::string_view parent);
  void union_types(const Field& field, const Field& existing);
  void union_field(const Field& field, const Field& existing);
  std::vector<Field> applied(const std::vector<Field>& fields, int32_t parent_id) const;
  Field applied(const Field& field) const;
  std::vector<int32_t> identifiers_of(const Schema& schema) const;
  std::string folded(std::string_view name) const;

  static constexpr int32_t kRoot = -1;

  const Schema base_;
  const int32_t base_last_column_id_;
  const int32_t format_version_;
  SchemaUpdateOptions options_;
  int32_t last_column_id_;
  std::map<int32_t, Field> changed_;  // as they will be, also those that were added
  std::set<int32_t> dropped_;
  std::map<int32_t, std::vector<int32_t>> added_;            // by parent
  std::map<std::string, int32_t, std::less<>> added_names_;  // full names
  std::map<int32_t, int32_t> added_parents_;
  std::map<int32_t, std::vector<Move>> moves_;           // by parent
  std::optional<std::vector<std::string>> identifiers_;  // names, where they were set
};

}  // namespace floe
