#include "floe/spec/schema_difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>

namespace floe {
namespace {

// Of things in a new order, those that have to be moved to get there: all but a longest run that kept its order.
// `positions`: where each was before.
std::vector<bool> moved(const std::vector<size_t>& positions) {
  std::vector<size_t> tails;  // the last one of the best run of each length
  std::vector<size_t> previous(positions.size(), SIZE_MAX);
  for (size_t i = 0; i < positions.size(); ++i) {
    const auto place = std::ranges::lower_bound(tails, positions[i], {}, [&](size_t k) { return positions[k]; });
    if (place != tails.begin()) previous[i] = *(place - 1);
    if (place == tails.end()) {
      tails.push_back(i);
    } else {
      *place = i;
    }
  }
  std::vector<bool> result(positions.size(), true);
  for (size_t i = tails.empty() ? SIZE_MAX : tails.back(); i != SIZE_MAX; i = previous[i]) result[i] = false;
  return result;
}

class Difference {
 public:
  Difference(const Schema& before, const Schema& after)
      : before_(before), after_(after), old_(index_by_id(before)), new_(index_by_id(after)) {}

  std::vector<ColumnChange> find() {
    dropped(before_.fields);
    in_fields(before_.fields, after_.fields);
    identifiers();
    return std::move(changes_);
  }

 private:
  void add(ColumnChangeKind kind, int32_t id, std::string before, std::string after) {
    const Schema& schema = kind == ColumnChangeKind::kDropped ? before_ : after_;
    changes_.push_back({.kind = kind,
                        .field_id = id,
                        .name = full_name(schema, id),
                        .before = std::move(before),
                        .after = std::move(after)});
  }

  void dropped(const std::vector<Field>& fields) {
    for (const Field& field : fields) {
      if (new_.contains(field.id)) {
        dropped(children_of(field.type));
      } else {
        add(ColumnChangeKind::kDropped, field.id, to_string(field.type), "");
      }
    }
  }

  void in_fields(const std::vector<Field>& before, const std::vector<Field>& after) {
    std::unordered_map<int32_t, size_t> position;
    for (size_t i = 0; i < before.size(); ++i) position.emplace(before[i].id, i);
    std::vector<size_t> positions;  // of those that were there
    for (const Field& field : after) {
      if (const auto found = position.find(field.id); found != position.end()) positions.push_back(found->second);
    }
    const std::vector<bool> out_of_order = moved(positions);
    size_t kept = 0;
    for (const Field& field : after) {
      const bool is_moved = position.contains(field.id) && out_of_order[kept++];
      const auto old = old_.find(field.id);
      if (old == old_.end()) {
        add(ColumnChangeKind::kAdded, field.id, "", to_string(field.type));
      } else {
        in_field(*old->second, field);
      }
      if (is_moved) add(ColumnChangeKind::kMoved, field.id, "", "");
    }
  }

  void in_field(const Field& before, const Field& after) {
    const auto text = [](bool required) { return required ? "required" : "optional"; };
    if (before.name != after.name) add(ColumnChangeKind::kRenamed, after.id, full_name(before_, after.id), after.name);
    if (before.type.is_primitive() ? before.type != after.type : before.type.kind != after.type.kind) {
      add(ColumnChangeKind::kType, after.id, to_string(before.type), to_string(after.type));
    }
    if (before.required != after.required) {
      add(ColumnChangeKind::kRequired, after.id, text(before.required), text(after.required));
    }
    if (before.doc != after.doc) {
      add(ColumnChangeKind::kDoc, after.id, before.doc.value_or(""), after.doc.value_or(""));
    }
    in_default(ColumnChangeKind::kInitialDefault, before, after, before.initial_default, after.initial_default);
    in_default(ColumnChangeKind::kWriteDefault, before, after, before.write_default, after.write_default);
    in_fields(children_of(before.type), children_of(after.type));
  }

  // A default that was promoted with its column is the same one.
  void in_default(ColumnChangeKind kind, const Field& before, const Field& after, const Value& old_value,
                  const Value& new_value) {
    const std::string was = to_json(old_value, before.type);
    const std::string is = to_json(new_value, after.type);
    if (was != is) add(kind, after.id, was, is);
  }

  void identifiers() {
    const std::set<int32_t> was(before_.identifier_field_ids.begin(), before_.identifier_field_ids.end());
    const std::set<int32_t> is(after_.identifier_field_ids.begin(), after_.identifier_field_ids.end());
    for (const int32_t id : was) {
      if (!is.contains(id) && new_.contains(id)) add(ColumnChangeKind::kIdentifier, id, "identifier", "");
    }
    for (const int32_t id : is) {
      if (!was.contains(id)) add(ColumnChangeKind::kIdentifier, id, "", "identifier");
    }
  }

  const Schema& before_;
  const Schema& after_;
  const std::unordered_map<int32_t, const Field*> old_, new_;
  std::vector<ColumnChange> changes_;
};

std::string quoted(std::string_view text) { return text.empty() ? "none" : fmt::format("\"{}\"", text); }

}  // namespace

std::string_view to_string(ColumnChangeKind kind) {
  switch (kind) {
    case ColumnChangeKind::kAdded:
      return "added";
    case ColumnChangeKind::kDropped:
      return "dropped";
    case ColumnChangeKind::kRenamed:
      return "renamed";
    case ColumnChangeKind::kType:
      return "type";
    case ColumnChangeKind::kRequired:
      return "required";
    case ColumnChangeKind::kDoc:
      return "doc";
    case ColumnChangeKind::kInitialDefault:
      return "initial-default";
    case ColumnChangeKind::kWriteDefault:
      return "write-default";
    case ColumnChangeKind::kMoved:
      return "moved";
    case ColumnChangeKind::kIdentifier:
      return "identifier";
  }
  return "";
}

std::string to_string(const ColumnChange& change) {
  switch (change.kind) {
    case ColumnChangeKind::kAdded:
      return fmt::format("added column {} ({})", change.name, change.after);
    case ColumnChangeKind::kDropped:
      return fmt::format("dropped column {} ({})", change.name, change.before);
    case ColumnChangeKind::kRenamed:
      return fmt::format("renamed column {} to {}", change.before, change.after);
    case ColumnChangeKind::kType:
      return fmt::format("changed the type of column {} from {} to {}", change.name, change.before, change.after);
    case ColumnChangeKind::kRequired:
      return fmt::format("made column {} {}", change.name, change.after);
    case ColumnChangeKind::kDoc:
      return fmt::format("changed the comment of column {} from {} to {}", change.name, quoted(change.before),
                         quoted(change.after));
    case ColumnChangeKind::kInitialDefault:
    case ColumnChangeKind::kWriteDefault:
      return fmt::format("changed the {} of column {} from {} to {}", to_string(change.kind), change.name,
                         change.before, change.after);
    case ColumnChangeKind::kMoved:
      return fmt::format("moved column {}", change.name);
    case ColumnChangeKind::kIdentifier:
      return fmt::format("{} identifier field {}", change.after.empty() ? "removed" : "added", change.name);
  }
  return "";
}

std::vector<ColumnChange> difference(const Schema& before, const Schema& after) {
  return Difference(before, after).find();
}

}  // namespace floe
