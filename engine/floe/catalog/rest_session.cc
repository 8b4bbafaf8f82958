#include "floe/catalog/rest_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "floe/catalog/rest_idempotency.h"
#include "floe/error.h"
#include "floe/spec/json.h"
#include "floe/spec/snapshot_json.h"
#include "floe/spec/utf8.h"

namespace floe {

namespace {

constexpr std::string_view kConfig = "/v1/config";
constexpr std::string_view kTable = "/v1/{prefix}/namespaces/{namespace}/tables/{table}";
constexpr std::string_view kTransaction = "/v1/{prefix}/transactions/commit";
constexpr std::string_view kView = "/v1/{prefix}/namespaces/{namespace}/views/{view}";
constexpr size_t kMaxMessage = 4000;  // code points of a server's words

// What servers offer that do not say.
const std::set<std::string, std::less<>> kDefaultEndpoints = {
    "GET /v1/{prefix}/namespaces",
    "POST /v1/{prefix}/namespaces",
    "GET /v1/{prefix}/namespaces/{namespace}",
    "DELETE /v1/{prefix}/namespaces/{namespace}",
    "POST /v1/{prefix}/namespaces/{namespace}/properties",
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "POST /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/register",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics",
    "POST /v1/{prefix}/tables/rename",
    "POST /v1/{prefix}/transactions/commit",
};

// What they offer beside that if "view-endpoints-supported" says so.
const std::set<std::string, std::less<>> kViewEndpoints = {
    "GET /v1/{prefix}/namespaces/{namespace}/views",           "POST /v1/{prefix}/namespaces/{namespace}/views",
    "GET /v1/{prefix}/namespaces/{namespace}/views/{view}",    "POST /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/views/{view}", "POST /v1/{prefix}/views/rename",
};

std::string uri_of(const std::string& whose, const Properties& properties) {
  std::string uri = string_property(properties, "uri", "");
  if (!uri.starts_with("http://") && !uri.starts_with("https://")) {
    throw InvalidArgument(
        fmt::format("{}: a REST catalog needs the property \"uri\", an http:// or https:// address "
                    "(without \"/v1\")",
                    whose));
  }
  while (uri.ends_with('/')) uri.pop_back();
  return uri;
}

void refuse_unknown_ways(const std::string& whose, const Properties& properties) {
  const std::string auth = string_property(properties, "rest.auth.type", "");
  if (!auth.empty() && auth != "none" && auth != "oauth2") {
    throw NotSupported(fmt::format("{}: rest.auth.type={} cannot be used, only none and oauth2", whose, auth));
  }
  const std::string mode = string_property(properties, "snapshot-loading-mode", "all");
  if (mode != "all") {
    throw NotSupported(fmt::format("{}: snapshot-loading-mode={} cannot be used yet, only all", whose, mode));
  }
}

// "header.NAME" = VALUE. Vended credentials are asked for unless the properties say otherwise, as PyIceberg does.
HttpHeaders headers_of(const Properties& properties) {
  constexpr std::string_view kPrefix = "header.";
  constexpr std::string_view kDelegation = "X-Iceberg-Access-Delegation";
  const auto same = [](std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b,
                              [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
  };
  HttpHeaders headers = {{"User-Agent", "floe-engine/0.1"}};
  bool delegates = false;
  for (const auto& [key, value] : properties) {
    if (!key.starts_with(kPrefix)) continue;
    const std::string name = key.substr(kPrefix.size());
    if (name.empty() || name.find_first_of(": \t\r\n") != std::string::npos) {
      throw InvalidArgument(fmt::format("the property {} names no HTTP header", key));
    }
    if (same(name, "User-Agent")) headers.clear();
    if (same(name, kDelegation)) delegates = true;
    if (same(name, kDelegation) && value.empty()) continue;
    headers.emplace_back(name, value);
  }
  if (!delegates) headers.emplace_back(kDelegation, "vended-credentials");
  return headers;
}

void replace(std::string& text, std::string_view what, std::string_view by) {
  const size_t at = text.find(what);
  if (at != std::string::npos) text.replace(at, what.size(), by);
}

// What messages name.
std::string subject_of(const RestCall& call) {
  if (!call.subject.empty()) return call.subject + ": ";
  if (!call.about.name.empty()) return fmt::format("table {}: ", to_string(call.about));
  if (!call.about.ns.empty()) return fmt::format("namespace {}: ", to_string(call.about.ns));
  return "";
}

bool is_read(const RestCall& call) { return call.method == "GET" || call.method == "HEAD"; }

// What a server says went wrong (the specification's ErrorModel). Other servers' words are left out: they are pages of
// HTML, mostly.
struct Complaint {
  std::string type, message;

  explicit Complaint(const std::string& body) {
    try {
      const json::Document document(body, "answer");
      const auto error = document.root().find("error");
      if (!error || !error->is_object()) return;
      if (const auto text = error->find("type"); text && text->is_string()) type = text->string();
      if (const auto text = error->find("message"); text && text->is_string()) message = text->string();
    } catch (const Error&) {  // no such thing
    }
    message = first_code_points(message, kMaxMessage);
  }
};

}  // namespace

RestSession::RestSession(const std::string& name, const Properties& properties)
    : whose_("catalog " + name), properties_(properties), uri_(uri_of(whose_, properties)) {
  const auto connect = [&] {
    refuse_unknown_ways(whose_, properties_);
    headers_ = headers_of(properties_);
    signer_ = aws_signer(properties_);
    auto http = std::make_unique<HttpClient>(http_options(properties_));
    auto auth = std::make_unique<RestAuth>(properties_, uri_, headers_, whose_, *http);
    if (auth_ != nullptr && auth_->is_as(*auth) && http_->options() == http->options()) return;
    auth_ = std::move(auth);
    http_ = std::move(http);
  };
  connect();
  const std::string warehouse = string_property(properties, "warehouse", "");
  const std::string query = warehouse.empty() ? "" : "warehouse=" + url_encode(warehouse);
  read_config(call({.method = "GET", .path = kConfig, .about = {}, .query = query, .body = {}}).body);
  uri_ = uri_of(whose_, properties_);
  connect();
  std::string who;
  for (const auto& [key, value] : properties) who += fmt::format("{}={}\n", key, value);
  principal_ = fmt::format("{}|{:016x}", printable_url(uri_), std::hash<std::string>{}(who));
}

void RestSession::read_config(const std::string& body) {
  const json::Document document(body, fmt::format("{}: the answer of {}{}", whose_, printable_url(uri_), kConfig));
  const json::Node root = document.root();
  if (const auto defaults = root.find("defaults")) properties_.merge(json::properties_from_node(*defaults));
  Properties overrides;
  if (const auto given = root.find("overrides")) overrides = json::properties_from_node(*given);
  for (auto& [key, value] : overrides) properties_.insert_or_assign(key, value);

  endpoints_ = kDefaultEndpoints;
  if (bool_property(properties_, "view-endpoints-supported", false)) {
    endpoints_.insert(kViewEndpoints.begin(), kViewEndpoints.end());
  }
  if (const auto given = root.find("endpoints")) {
    endpoints_.clear();
    given->for_each([&](const json::Node& item) {
      if (item.is_string()) endpoints_.emplace(item.string());
    });
  }
  if (const auto lifetime = root.find("idempotency-key-lifetime"); lifetime && lifetime->is_string()) {
    key_lifetime_ = duration_from_iso(lifetime->string());
  }
  const std::string separator = string_property(properties_, "namespace-separator", "");
  if (!separator.empty()) separator_ = separator.find('%') == std::string::npos ? url_encode(separator) : separator;
}

bool RestSession::has(std::string_view method, std::string_view path) const {
  return path == kConfig || endpoints_.contains(fmt::format("{} {}", method, path));
}

// A level with the server's own separator in it is told from two levels by the one that all servers must know.
std::string RestSession::encode(const Namespace& ns) const {
  const std::string separator = url_decode(separator_);
  const bool ambiguous =
      std::ranges::any_of(ns, [&](const std::string& level) { return level.find(separator) != std::string::npos; });
  std::string text;
  for (const std::string& level : ns) {
    if (!text.empty()) text += ambiguous ? "%1F" : separator_;
    text += url_encode(level);
  }
  return text;
}

std::string RestSession::url_of(const RestCall& call) const {
  std::string path(call.path);
  const std::string prefix = string_property(properties_, "prefix", "");
  replace(path, "/{prefix}", prefix.empty() ? "" : "/" + prefix);
  replace(path, "{namespace}", encode(call.about.ns));
  replace(path, "{table}", url_encode(call.about.name));
  replace(path, "{view}", url_encode(call.about.name));
  return fmt::format("{}{}{}{}", uri_, path, call.query.empty() ? "" : "?", call.query);
}

HttpAnswer RestSession::send(const RestCall& call) {
  if (!has(call.method, call.path)) {
    throw NotSupported(
        fmt::format("{}: {}the server does not offer {} {}", whose_, subject_of(call), call.method, call.path));
  }
  HttpRequest request{.method = std::string(call.method),
                      .url = url_of(call),
                      .headers = headers_,
                      .body = call.body,
                      .repeatable = is_read(call)};
  request.headers.emplace_back("Accept", "application/json");
  if (!call.body.empty()) request.headers.emplace_back("Content-Type", "application/json");
  if (!call.etag.empty()) request.headers.emplace_back("If-None-Match", call.etag);
  if (!is_read(call) && key_lifetime_ && call.path != kRestMetrics) {  // which takes no key
    request.headers.emplace_back("Idempotency-Key", new_idempotency_key());
    request.known_until = std::chrono::steady_clock::now() + *key_lifetime_;
  }
  const size_t own = request.headers.size();
  for (bool again = true;; again = false) {
    const Secret token = auth_->token();
    request.headers.resize(own);
    if (!token.empty()) request.headers.emplace_back("Authorization", "Bearer " + token.reveal());
    if (signer_) sign(request, *signer_);
    HttpAnswer answer;
    try {
      answer = http_->send(request);
    } catch (const HttpError& error) {
      const std::string message = fmt::format("{}: {}{}", whose_, subject_of(call), error.what());
      if (is_read(call) || !error.may_be_done) throw IoError(message);
      throw CommitStateUnknown(message + "; it may be done nevertheless: look");
    }
    const bool refused = answer.status == 401 || answer.status == 419;
    if (!refused || !again || answer.left_open || !auth_->renew(token)) return answer;
  }
}

HttpAnswer RestSession::call(const RestCall& call) {
  HttpAnswer answer = send(call);
  if (answer.status == 304 && !call.etag.empty()) return answer;
  if (answer.status < 200 || answer.status > 299) fail(call, answer);
  return answer;
}

bool RestSession::exists(const RestCall& call) {
  const HttpAnswer answer = send(call);
  if (answer.status == 404) return false;
  if (answer.status < 200 || answer.status > 299) fail(call, answer);
  return true;
}

void RestSession::fail(const RestCall& call, const HttpAnswer& answer) {
  const Complaint complaint(answer.body);
  const std::string& type = complaint.type;
  const int status = answer.status;
  const std::string message = auth_->without_secrets(fmt::format(
      "{}: {}{} (HTTP {}{}{})", whose_, subject_of(call),
      complaint.message.empty() ? fmt::format("{} answers without a reason", printable_url(uri_)) : complaint.message,
      status, type.empty() ? "" : ", ", type));
  const bool commits = call.path == kTable || call.path == kTransaction || call.path == kView;
  const bool about_view = call.path.find("view") != std::string_view::npos && !call.about.name.empty();
  const bool about_table = !call.about.name.empty() || commits;

  // Servers keep no 5xx under a request's key: what they answer to its repetition may be about what the first one did.
  if (answer.left_open) throw CommitStateUnknown(message + "; an earlier try got no answer and may be done: look");
  if (status == 401 || status == 419) throw Unauthorized(message);
  if (status == 403) throw Forbidden(message);
  if (status == 405 || status == 406 || status == 501) throw NotSupported(message);
  if (status == 404) {
    if (call.path == kConfig) throw NotFound(message);
    if (type == "NoSuchNamespaceException" || (type != "NoSuchTableException" && !about_table)) {
      throw NoSuchNamespace(message);
    }
    if (about_view) throw NoSuchView(message);
    throw NoSuchTable(message);
  }
  if (status == 409) {
    if (type == "NamespaceNotEmptyException" || (call.method == "DELETE" && !about_table))
      throw NamespaceNotEmpty(message);
    if (commits && type != "AlreadyExistsException") throw CommitFailed(message);
    if (about_view) throw ViewAlreadyExists(message);
    if (about_table) throw TableAlreadyExists(message);
    throw NamespaceAlreadyExists(message);
  }
  if (type == "NamespaceNotEmptyException") throw NamespaceNotEmpty(message);
  if (status == 400 || status == 422) throw InvalidArgument(message);
  const bool clear = status >= 300 && status < 500 && status != 408 && status != 499;  // it was not done
  if (!is_read(call) && !clear) throw CommitStateUnknown(message + "; it may be done nevertheless: look");
  if (status >= 300 && status < 400) {
    throw IoError(message + ": the server is somewhere else; redirections are not followed, set \"uri\" to it");
  }
  throw IoError(message);
}

}  // namespace floe
