// A session with the server of a REST catalog: its configuration, who asks, and what its answers mean. Internal to
// catalog/.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "floe/catalog/catalog.h"
#include "floe/catalog/rest_auth.h"
#include "floe/io/aws_signature.h"
#include "floe/io/http.h"

namespace floe {

inline constexpr std::string_view kRestMetrics = "/v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics";

struct RestCall {
  std::string_view method, path;  // as the specification has them: "/v1/{prefix}/namespaces/{namespace}"
  TableIdentifier about;          // what goes into the path; the name stays empty where there is none
  std::string query;              // encoded, without "?"
  std::string body;
  std::string etag = {};     // of a state that is known: the answer is 304 if there is none newer
  std::string subject = {};  // for messages, where that is not `about`: "tables a.b, a.c"
};

class RestSession {
 public:
  // Asks the server for its configuration.
  RestSession(const std::string& name, const Properties& properties);

  // The server's defaults, the client's own, the server's overrides: later ones win.
  const Properties& properties() const { return properties_; }

  // Whether the server offers it.
  bool has(std::string_view method, std::string_view path) const;

  // A successful answer, or 304. Throws what its status and the server's words mean for a call like this, naming what
  // it is about: CommitStateUnknown if it may be done and no clear answer came, NotSupported if the server does not
  // offer it. What changes something is sent again after a lost answer only to servers that take idempotency keys.
  HttpAnswer call(const RestCall& call);

  // As `call`, but false on 404.
  bool exists(const RestCall& call);

  // Who asks whom, for the keys of caches.
  const std::string& principal() const { return principal_; }

  // Levels in a path or a query.
  std::string encode(const Namespace& ns) const;

 private:
  HttpAnswer send(const RestCall& call);
  std::string url_of(const RestCall& call) const;
  void read_config(const std::string& body);
  [[noreturn]] void fail(const RestCall& call, const HttpAnswer& answer);

  const std::string whose_;  // "catalog prod", for messages
  Properties properties_;
  std::string uri_;
  std::string principal_;
  HttpHeaders headers_;
  std::optional<AwsSigner> signer_;
  std::unique_ptr<HttpClient> http_;
  std::unique_ptr<RestAuth> auth_;
  std::set<std::string, std::less<>> endpoints_;
  std::string separator_ = "%1F";                     // of levels, encoded
  std::optional<std::chrono::seconds> key_lifetime_;  // of idempotency keys; nullopt: the server takes none
};

}  // namespace floe
