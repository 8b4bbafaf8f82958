#include "floe/catalog/rest_views.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "floe/error.h"
#include "floe/spec/json.h"
#include "floe/spec/json_writer.h"
#include "floe/spec/snapshot_json.h"
#include "floe/spec/view_metadata_json.h"

namespace floe::rest_views {

namespace {

constexpr std::string_view kView = "/v1/{prefix}/namespaces/{namespace}/views/{view}";
constexpr std::string_view kRegister = "/v1/{prefix}/namespaces/{namespace}/register-view";

std::string subject_of(const TableIdentifier& view) { return fmt::format("view {}", to_string(view)); }

bool is_name(const TableIdentifier& view) { return !view.ns.empty() && !view.name.empty(); }

void require_name(const TableIdentifier& view) {
  if (view.ns.empty()) throw NoSuchNamespace("Namespace does not exist: the empty one");
  if (view.name.empty()) throw InvalidArgument("a view needs a name");
}

void require_possible(const TableIdentifier& view) {
  if (!is_name(view)) throw NoSuchView(fmt::format("View does not exist: {}", to_string(view)));
}

HttpAnswer call(RestSession& session, std::string_view method, std::string_view path, const TableIdentifier& view,
                std::string body = {}) {
  return session.call({.method = method,
                       .path = path,
                       .about = view,
                       .query = {},
                       .body = std::move(body),
                       .subject = subject_of(view)});
}

LoadedView view_of(const TableIdentifier& view, const HttpAnswer& answer) {
  const std::string what = subject_of(view);
  const json::Document document(answer.body, what);
  const json::Node root = document.root();
  LoadedView loaded{.identifier = view};
  if (const auto location = root.find("metadata-location")) loaded.metadata_location = location->string();
  const std::string& name = loaded.metadata_location.empty() ? what : loaded.metadata_location;
  loaded.metadata = std::make_shared<const ViewMetadata>(json::view_metadata_from_node(root.at("metadata"), name));
  return loaded;
}

// The view after a change that the server has made.
LoadedView changed(const TableIdentifier& view, const HttpAnswer& answer) {
  try {
    return view_of(view, answer);
  } catch (const Error& error) {  // it is done, but this is not how to learn what the view is now
    throw CommitStateUnknown(error.what());
  }
}

}  // namespace

LoadedView create_view(RestSession& session, const TableIdentifier& view, const NewView& definition) {
  require_name(view);
  validate(definition);
  json::Writer out;
  out.begin_object();
  out.member("name", view.name);
  if (!definition.location.empty()) out.member("location", definition.location);
  out.key("schema");
  out.raw(to_json(definition.schema));
  ViewVersion version = definition.version;
  version.schema_id = definition.schema.schema_id;
  out.key("view-version");
  out.raw(to_json(version));
  out.key("properties");
  json::write(out, definition.properties);
  out.end_object();
  return changed(view, call(session, "POST", kViews, view, json::finish(out, subject_of(view))));
}

LoadedView replace_view(RestSession& session, const TableIdentifier& view, const NewView& definition) {
  const LoadedView now = load_view(session, view);
  return changed(view, call(session, "POST", kView, view, view_replacement_to_json(*now.metadata, definition)));
}

LoadedView register_view(RestSession& session, const TableIdentifier& view, const std::string& metadata_location) {
  require_name(view);
  json::Writer out;
  out.begin_object();
  out.member("name", view.name);
  out.member("metadata-location", metadata_location);
  out.end_object();
  return changed(view, call(session, "POST", kRegister, view, json::finish(out, subject_of(view))));
}

LoadedView load_view(RestSession& session, const TableIdentifier& view) {
  require_possible(view);
  return view_of(view, call(session, "GET", kView, view));
}

bool view_exists(RestSession& session, const TableIdentifier& view) {
  if (!is_name(view)) return false;
  const std::string_view method = session.has("HEAD", kView) ? "HEAD" : "GET";
  return session.exists(
      {.method = method, .path = kView, .about = view, .query = {}, .body = {}, .subject = subject_of(view)});
}

void drop_view(RestSession& session, const TableIdentifier& view) {
  require_possible(view);
  call(session, "DELETE", kView, view);
}

}  // namespace floe::rest_views
