#include "floe/catalog/rest_catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>

#include "floe/catalog/rest_reports.h"
#include "floe/catalog/rest_session.h"
#include "floe/catalog/rest_views.h"
#include "floe/error.h"
#include "floe/spec/json.h"
#include "floe/spec/json_writer.h"
#include "floe/spec/snapshot_json.h"
#include "floe/spec/table_metadata_json.h"

namespace floe {

namespace {

constexpr std::string_view kNamespaces = "/v1/{prefix}/namespaces";
constexpr std::string_view kNamespace = "/v1/{prefix}/namespaces/{namespace}";
constexpr std::string_view kNamespaceProperties = "/v1/{prefix}/namespaces/{namespace}/properties";
constexpr std::string_view kTables = "/v1/{prefix}/namespaces/{namespace}/tables";
constexpr std::string_view kTable = "/v1/{prefix}/namespaces/{namespace}/tables/{table}";
constexpr std::string_view kCredentials = "/v1/{prefix}/namespaces/{namespace}/tables/{table}/credentials";
constexpr std::string_view kRegister = "/v1/{prefix}/namespaces/{namespace}/register";
constexpr std::string_view kRename = "/v1/{prefix}/tables/rename";
constexpr std::string_view kRenameView = "/v1/{prefix}/views/rename";
constexpr std::string_view kTransaction = "/v1/{prefix}/transactions/commit";

using json::Node;

void require_levels(const Namespace& ns) {
  if (ns.empty()) throw NoSuchNamespace("Namespace does not exist: the empty one");
  if (std::ranges::find(ns, "") != ns.end()) {
    throw NoSuchNamespace(fmt::format("Namespace \"{}\" has an empty level", to_string(ns)));
  }
}

void require_name(const TableIdentifier& table) {
  require_levels(table.ns);
  if (table.name.empty()) throw InvalidArgument("a table needs a name");
}

std::vector<std::string> strings_of(const Node& root, std::string_view key) {
  std::vector<std::string> items;
  if (const auto array = root.find(key)) {
    array->for_each([&](const Node& item) { items.emplace_back(item.string()); });
  }
  return items;
}

template <typename List>
void write_strings(json::Writer& out, std::string_view key, const List& items) {
  out.key(key);
  out.begin_array();
  for (const std::string& item : items) out.value(item);
  out.end_array();
}

void write_properties(json::Writer& out, std::string_view key, const Properties& properties) {
  out.key(key);
  json::write(out, properties);
}

void write_identifier(json::Writer& out, std::string_view key, const TableIdentifier& table) {
  out.key(key);
  out.begin_object();
  write_strings(out, "namespace", table.ns);
  out.member("name", table.name);
  out.end_object();
}

// What the answer lets its client do with the table's files: what is said for all, and with it what is said for each
// part of the store.
std::vector<VendedCredential> credentials_of(const Node& root, const Properties& config) {
  std::vector<VendedCredential> credentials = {{.prefix = {}, .properties = config}};
  if (const auto given = root.find("storage-credentials")) {
    given->for_each([&](const Node& item) {
      VendedCredential& credential = credentials.emplace_back();
      credential.prefix = item.at("prefix").string();
      credential.properties = json::properties_from_node(item.at("config"));
      for (const auto& [key, value] : config) credential.properties.emplace(key, value);
    });
  }
  return credentials;
}

// Of the credentials, that for the longest prefix of the table's location.
Properties access_of(const std::vector<VendedCredential>& credentials, const std::string& location) {
  const VendedCredential* longest = nullptr;
  for (const VendedCredential& credential : credentials) {
    if (!location.starts_with(credential.prefix)) continue;
    if (longest == nullptr || credential.prefix.size() >= longest->prefix.size()) longest = &credential;
  }
  return longest->properties;
}

// What the server lends now, asked for without the table's metadata where it offers that.
std::vector<VendedCredential> ask_credentials(RestSession& session, const TableIdentifier& table,
                                              const Properties& config) {
  const bool alone = session.has("GET", kCredentials);
  const HttpAnswer answer = session.call({.method = "GET",
                                          .path = alone ? kCredentials : kTable,
                                          .about = table,
                                          .query = alone ? "" : "snapshots=refs",
                                          .body = {}});
  const json::Document document(answer.body, fmt::format("the credentials of table {}", to_string(table)));
  const Node root = document.root();
  const auto given = root.find("config");
  return credentials_of(root, given ? json::properties_from_node(*given) : config);
}

// What cannot be a table, whatever the server would let pass.
void refuse_impossible(NewTable definition) {
  if (definition.location.empty()) definition.location = "file:/wherever/the/server/puts/it";
  new_table_metadata(definition);
}

// Jetty, before a server, marks the ETag of what it compresses, and does not take the mark away from what comes back.
std::string uncompressed(std::string etag) {
  const size_t mark = etag.rfind("--gzip");
  if (mark != std::string::npos && mark + 7 >= etag.size()) etag.erase(mark, 6);
  return etag;
}

class RestCatalog : public Catalog, public ReportTaker {
 public:
  RestCatalog(std::string name, const Properties& properties)
      : name_(std::move(name)),
        session_ptr_(std::make_shared<RestSession>(name_, properties)),
        session_(*session_ptr_),
        reports_(session_ptr_) {
    page_size_ = int_property(session_.properties(), "rest-page-size", 0);
    if (page_size_ < 0) throw InvalidArgument("rest-page-size is a number of entries");
  }

  const std::string& name() const override { return name_; }
  const Properties& properties() const override { return session_.properties(); }

  void create_namespace(const Namespace& ns, const Properties& properties) override;
  void drop_namespace(const Namespace& ns) override;
  bool namespace_exists(const Namespace& ns) override;
  std::vector<Namespace> list_namespaces(const Namespace& parent) override;
  Properties load_namespace_properties(const Namespace& ns) override;
  NamespaceUpdate update_namespace_properties(const Namespace& ns, const std::vector<std::string>& removals,
                                              const Properties& updates) override;

  LoadedTable create_table(const TableIdentifier& table, NewTable definition) override;
  LoadedTable stage_table(const TableIdentifier& table, const NewTable& definition) override;
  LoadedTable register_table(const TableIdentifier& table, const std::string& metadata_location,
                             bool overwrite) override;
  LoadedTable load_table(const TableIdentifier& table) override;
  bool table_exists(const TableIdentifier& table) override;
  std::vector<TableIdentifier> list_tables(const Namespace& ns) override { return list(kTables, ns); }
  void drop_table(const TableIdentifier& table) override { drop(table, false); }
  void purge_table(const TableIdentifier& table) override { drop(table, true); }
  void rename_table(const TableIdentifier& from, const TableIdentifier& to) override;
  LoadedTable commit(const TableIdentifier& table, const TableCommit& commit) override;
  bool commits_tables() const override { return session_.has("POST", kTransaction); }
  void commit_tables(const std::vector<TableChange>& changes) override;
  IoPtr io(const LoadedTable& table) override;
  bool takes_reports() const override { return reports_.wanted(); }
  void report(const TableIdentifier& table, const std::string& json) override { reports_.send(table, json); }
  std::optional<std::string> report_trouble() override { return reports_.trouble(); }

  LoadedView create_view(const TableIdentifier& view, const NewView& definition) override {
    return rest_views::create_view(session_, view, definition);
  }
  LoadedView replace_view(const TableIdentifier& view, const NewView& definition) override {
    return rest_views::replace_view(session_, view, definition);
  }
  LoadedView register_view(const TableIdentifier& view, const std::string& metadata_location) override {
    return rest_views::register_view(session_, view, metadata_location);
  }
  LoadedView load_view(const TableIdentifier& view) override { return rest_views::load_view(session_, view); }
  bool view_exists(const TableIdentifier& view) override { return rest_views::view_exists(session_, view); }
  std::vector<TableIdentifier> list_views(const Namespace& ns) override {
    return session_.has("GET", rest_views::kViews) ? list(rest_views::kViews, ns) : std::vector<TableIdentifier>();
  }
  void drop_view(const TableIdentifier& view) override { rest_views::drop_view(session_, view); }
  void rename_view(const TableIdentifier& from, const TableIdentifier& to) override;

 private:
  std::vector<TableIdentifier> list(std::string_view path, const Namespace& ns);
  void rename(std::string_view path, const std::string& subject, const TableIdentifier& from,
              const TableIdentifier& to);
  LoadedTable create(const TableIdentifier& table, const NewTable& definition, bool staged);
  void drop(const TableIdentifier& table, bool purge);
  LoadedTable table_of(const TableIdentifier& table, const HttpAnswer& answer);
  // Calls `visit(root)` with each answer that is one page of a list.
  template <typename F>
  void for_each_page(std::string_view path, const Namespace& ns, const std::string& query, F&& visit);
  json::Document parse(const HttpAnswer& answer, const std::string& what) const {
    return {answer.body, fmt::format("catalog {}: the server's answer about {}", name_, what)};
  }
  void remember(const LoadedTable& table, const HttpAnswer& answer);
  void recall(LoadedTable& table);

  const std::string name_;
  const std::shared_ptr<RestSession> session_ptr_;  // also of whoever may have to ask for credentials again
  RestSession& session_;
  const RestReports reports_;
  int64_t page_size_ = 0;

  // The answer to a commit has the new metadata, but not what the one to loading the table says about access.
  struct Access {
    Properties config;
    std::vector<VendedCredential> credentials;
  };
  static constexpr size_t kRemembered = 1000;
  std::mutex mutex_;
  std::map<std::string, Access> access_;  // by the table's uuid

  // Tables whose answers had an ETag: they are not sent again as long as they have not changed.
  struct Known {
    std::string etag;
    LoadedTable table;
  };
  static constexpr size_t kKnown = 64;
  std::map<std::pair<Namespace, std::string>, Known> known_;
};

// --- namespaces ---

void RestCatalog::create_namespace(const Namespace& ns, const Properties& properties) {
  require_levels(ns);
  json::Writer out;
  out.begin_object();
  write_strings(out, "namespace", ns);
  write_properties(out, "properties", properties);
  out.end_object();
  session_.call({.method = "POST",
                 .path = kNamespaces,
                 .about = {ns, ""},
                 .query = {},
                 .body = json::finish(out, "the namespace's properties")});
}

void RestCatalog::drop_namespace(const Namespace& ns) {
  require_levels(ns);
  session_.call({.method = "DELETE", .path = kNamespace, .about = {ns, ""}, .query = {}, .body = {}});
}

bool RestCatalog::namespace_exists(const Namespace& ns) {
  require_levels(ns);
  const std::string_view method = session_.has("HEAD", kNamespace) ? "HEAD" : "GET";
  return session_.exists({.method = method, .path = kNamespace, .about = {ns, ""}, .query = {}, .body = {}});
}

template <typename F>
void RestCatalog::for_each_page(std::string_view path, const Namespace& ns, const std::string& query, F&& visit) {
  std::string token;
  do {
    std::string page = "pageToken=" + url_encode(token);
    if (page_size_ > 0) page += fmt::format("&pageSize={}", page_size_);
    if (!query.empty()) page = query + "&" + page;
    const json::Document document =
        parse(session_.call({.method = "GET", .path = path, .about = {ns, ""}, .query = page, .body = {}}),
              ns.empty() ? "its namespaces" : "namespace " + to_string(ns));
    visit(document.root());
    const auto next = document.root().find("next-page-token");
    std::string following = next ? std::string(next->string()) : "";
    if (!following.empty() && following == token) next->fail("is the page that it follows: the list would never end");
    token = std::move(following);
  } while (!token.empty());
}

std::vector<Namespace> RestCatalog::list_namespaces(const Namespace& parent) {
  if (!parent.empty()) require_levels(parent);
  std::vector<Namespace> children;
  const std::string query = parent.empty() ? "" : "parent=" + session_.encode(parent);
  for_each_page(kNamespaces, parent, query, [&](const Node& root) {
    root.at("namespaces").for_each([&](const Node& item) {
      Namespace ns;
      item.for_each([&](const Node& level) { ns.emplace_back(level.string()); });
      children.push_back(std::move(ns));
    });
  });
  return children;
}

Properties RestCatalog::load_namespace_properties(const Namespace& ns) {
  require_levels(ns);
  const json::Document document =
      parse(session_.call({.method = "GET", .path = kNamespace, .about = {ns, ""}, .query = {}, .body = {}}),
            "namespace " + to_string(ns));
  const auto properties = document.root().find("properties");
  return properties ? json::properties_from_node(*properties) : Properties{};
}

NamespaceUpdate RestCatalog::update_namespace_properties(const Namespace& ns, const std::vector<std::string>& removals,
                                                         const Properties& updates) {
  require_levels(ns);
  for (const std::string& name : removals) {
    if (updates.contains(name)) throw InvalidArgument(fmt::format("property {} is to be set and removed", name));
  }
  json::Writer out;
  out.begin_object();
  write_strings(out, "removals", removals);
  write_properties(out, "updates", updates);
  out.end_object();
  const json::Document document = parse(session_.call({.method = "POST",
                                                       .path = kNamespaceProperties,
                                                       .about = {ns, ""},
                                                       .query = {},
                                                       .body = json::finish(out, "the namespace's properties")}),
                                        "namespace " + to_string(ns));
  const Node root = document.root();
  return {.removed = strings_of(root, "removed"),
          .updated = strings_of(root, "updated"),
          .missing = strings_of(root, "missing")};
}

// --- tables ---

LoadedTable RestCatalog::table_of(const TableIdentifier& table, const HttpAnswer& answer) {
  const std::string what = "table " + to_string(table);
  const json::Document document = parse(answer, what);
  const Node root = document.root();
  LoadedTable loaded{.identifier = table, .metadata_location = {}, .metadata = nullptr, .config = {}};
  if (const auto location = root.find("metadata-location")) loaded.metadata_location = location->string();
  const std::string& name = loaded.metadata_location.empty() ? what : loaded.metadata_location;
  loaded.metadata = std::make_shared<const TableMetadata>(json::table_metadata_from_node(root.at("metadata"), name));
  const auto config = root.find("config");
  loaded.credentials = credentials_of(root, config ? json::properties_from_node(*config) : Properties{});
  loaded.config = access_of(loaded.credentials, loaded.metadata->location);
  return loaded;
}

void RestCatalog::remember(const LoadedTable& table, const HttpAnswer& answer) {
  const std::lock_guard lock(mutex_);
  if (access_.size() >= kRemembered) access_.clear();
  access_.insert_or_assign(table.metadata->table_uuid, Access{table.config, table.credentials});
  const auto etag = answer.headers.find("etag");
  if (etag == answer.headers.end()) return;
  if (known_.size() >= kKnown) known_.clear();
  known_.insert_or_assign({table.identifier.ns, table.identifier.name}, Known{uncompressed(etag->second), table});
}

void RestCatalog::recall(LoadedTable& table) {
  const std::lock_guard lock(mutex_);
  const auto known = access_.find(table.metadata->table_uuid);
  if (known == access_.end()) return;
  table.config = known->second.config;
  table.credentials = known->second.credentials;
}

LoadedTable RestCatalog::create(const TableIdentifier& table, const NewTable& definition, bool staged) {
  require_name(table);
  refuse_impossible(definition);
  json::Writer out;
  out.begin_object();
  out.member("name", table.name);
  if (!definition.location.empty()) out.member("location", definition.location);
  out.key("schema");
  out.raw(to_json(definition.schema));
  out.key("partition-spec");
  out.raw(to_json(definition.spec));
  out.key("write-order");
  out.raw(to_json(definition.sort_order));
  out.member("stage-create", staged);
  write_properties(out, "properties", definition.properties);
  out.end_object();
  const HttpAnswer answer = session_.call({.method = "POST",
                                           .path = kTables,
                                           .about = table,
                                           .query = {},
                                           .body = json::finish(out, "table " + to_string(table))});
  LoadedTable created = table_of(table, answer);
  remember(created, staged ? HttpAnswer{} : answer);
  return created;
}

LoadedTable RestCatalog::create_table(const TableIdentifier& table, NewTable definition) {
  return create(table, definition, false);
}

LoadedTable RestCatalog::stage_table(const TableIdentifier& table, const NewTable& definition) {
  return create(table, definition, true);
}

LoadedTable RestCatalog::register_table(const TableIdentifier& table, const std::string& metadata_location,
                                        bool overwrite) {
  require_name(table);
  json::Writer out;
  out.begin_object();
  out.member("name", table.name);
  out.member("metadata-location", metadata_location);
  if (overwrite) out.member("overwrite", true);
  out.end_object();
  const HttpAnswer answer = session_.call({.method = "POST",
                                           .path = kRegister,
                                           .about = table,
                                           .query = {},
                                           .body = json::finish(out, "table " + to_string(table))});
  LoadedTable registered = table_of(table, answer);
  remember(registered, answer);
  return registered;
}

LoadedTable RestCatalog::load_table(const TableIdentifier& table) {
  if (table.ns.empty() || table.name.empty()) {
    throw NoSuchTable(fmt::format("Table does not exist: {}", to_string(table)));
  }
  std::optional<Known> known;
  {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find({table.ns, table.name});
    if (found != known_.end()) known = found->second;
  }
  const HttpAnswer answer = session_.call({.method = "GET",
                                           .path = kTable,
                                           .about = table,
                                           .query = "snapshots=all",
                                           .body = {},
                                           .etag = known ? known->etag : ""});
  if (answer.status == 304) return std::move(known)->table;
  LoadedTable loaded = table_of(table, answer);
  remember(loaded, answer);
  return loaded;
}

bool RestCatalog::table_exists(const TableIdentifier& table) {
  if (table.ns.empty() || table.name.empty()) return false;
  const std::string_view method = session_.has("HEAD", kTable) ? "HEAD" : "GET";
  return session_.exists({.method = method, .path = kTable, .about = table, .query = {}, .body = {}});
}

std::vector<TableIdentifier> RestCatalog::list(std::string_view path, const Namespace& ns) {
  require_levels(ns);
  std::vector<TableIdentifier> all;
  for_each_page(path, ns, "", [&](const Node& root) {
    root.at("identifiers").for_each([&](const Node& item) {
      TableIdentifier& each = all.emplace_back();
      item.at("namespace").for_each([&](const Node& level) { each.ns.emplace_back(level.string()); });
      each.name = item.at("name").string();
    });
  });
  return all;
}

void RestCatalog::drop(const TableIdentifier& table, bool purge) {
  if (table.ns.empty() || table.name.empty()) {
    throw NoSuchTable(fmt::format("Table does not exist: {}", to_string(table)));
  }
  session_.call({.method = "DELETE",
                 .path = kTable,
                 .about = table,
                 .query = fmt::format("purgeRequested={}", purge),
                 .body = {}});
}

void RestCatalog::rename_table(const TableIdentifier& from, const TableIdentifier& to) {
  require_name(to);
  if (from.ns.empty() || from.name.empty()) {
    throw NoSuchTable(fmt::format("Table does not exist: {}", to_string(from)));
  }
  rename(kRename, "table " + to_string(from), from, to);
}

void RestCatalog::rename_view(const TableIdentifier& from, const TableIdentifier& to) {
  require_name(to);
  if (from.ns.empty() || from.name.empty()) {
    throw NoSuchView(fmt::format("View does not exist: {}", to_string(from)));
  }
  rename(kRenameView, "view " + to_string(from), from, to);
}

void RestCatalog::rename(std::string_view path, const std::string& subject, const TableIdentifier& from,
                         const TableIdentifier& to) {
  json::Writer out;
  out.begin_object();
  write_identifier(out, "source", from);
  write_identifier(out, "destination", to);
  out.end_object();
  session_.call({.method = "POST",
                 .path = path,
                 .about = from,
                 .query = {},
                 .body = json::finish(out, subject),
                 .subject = subject});
}

// The format version in which a snapshot that the commit adds is written: that of an upgrade in it, else the latest,
// whose fields are those that the snapshot has.
int32_t format_version_of(const TableCommit& commit) {
  int32_t version = kLatestFormatVersion;
  for (const TableUpdate& update : commit.updates) {
    if (const auto* upgrade = std::get_if<UpgradeFormatVersion>(&update)) version = upgrade->format_version;
  }
  return version;
}

void write_commit(json::Writer& out, const TableIdentifier& table, const TableCommit& commit) {
  out.begin_object();
  write_identifier(out, "identifier", table);
  out.key("requirements");
  out.raw(to_json(commit.requirements));
  out.key("updates");
  out.raw(to_json(commit.updates, format_version_of(commit)));
  out.end_object();
}

LoadedTable RestCatalog::commit(const TableIdentifier& table, const TableCommit& commit) {
  require_name(table);
  json::Writer out;
  write_commit(out, table, commit);
  const HttpAnswer answer = session_.call(
      {.method = "POST", .path = kTable, .about = table, .query = {}, .body = json::finish(out, to_string(table))});
  LoadedTable committed;
  try {
    committed = table_of(table, answer);
  } catch (const Error& error) {  // it is done, but this is not how to learn what the table is now
    throw CommitStateUnknown(error.what());
  }
  recall(committed);
  if (answer.headers.contains("etag")) remember(committed, answer);
  return committed;
}

void RestCatalog::commit_tables(const std::vector<TableChange>& changes) {
  check_distinct(changes);
  json::Writer out;
  out.begin_object();
  out.key("table-changes");
  out.begin_array();
  for (const TableChange& change : changes) {
    require_name(change.table);
    write_commit(out, change.table, change.commit);
  }
  out.end_array();
  out.end_object();
  const std::string subject = to_string(changes);
  session_.call({.method = "POST",
                 .path = kTransaction,
                 .about = {},
                 .query = {},
                 .body = json::finish(out, subject),
                 .subject = subject});
}

IoPtr RestCatalog::io(const LoadedTable& table) {
  Vending vending{.principal = session_.principal(), .credentials = table.credentials};
  if (vending.credentials.empty()) vending.credentials = {{.prefix = {}, .properties = table.config}};
  vending.renew = [session = session_ptr_, identifier = table.identifier, config = table.config] {
    return ask_credentials(*session, identifier, config);
  };
  return make_io(session_.properties(), std::move(vending));
}

}  // namespace

CatalogPtr open_rest_catalog(const std::string& name, const Properties& properties) {
  return std::make_shared<RestCatalog>(name, properties);
}

}  // namespace floe
