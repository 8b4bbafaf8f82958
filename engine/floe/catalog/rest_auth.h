// Who a REST catalog's client is: bearer tokens, given or fetched by OAuth2 (RFC 6749, RFC 8693). Internal to catalog/.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>

#include "floe/io/http.h"
#include "floe/secret.h"
#include "floe/spec/snapshot.h"

namespace floe {

// Properties, as PyIceberg and Java have them: "token"; "credential" = "<client id>:<client secret>" or a secret alone,
// with "scope" ("catalog"), "audience", "resource"; "oauth2-server-uri" (absolute, or below the catalog's; else
// "v1/oauth/tokens" there). Without a token and a credential nobody is anybody. Safe to use from many threads.
//
// A token that is known to expire is replaced a while before: by another one for the credential, else by exchanging it,
// unless "token-refresh-enabled" is false. If that fails, it is used for as long as it lasts.
class RestAuth {
 public:
  // `headers` go with every request for a token. Messages begin with `whose`.
  RestAuth(const Properties& properties, const std::string& uri, HttpHeaders headers, std::string whose,
           HttpClient& http);

  // The token for a request now; empty if there is none to be had. Throws Unauthorized if the credential is refused.
  Secret token();

  // The server has refused a token. Whether there is another one now.
  bool renew(const Secret& refused);

  // The text without the secrets known here.
  std::string without_secrets(std::string text);

  // Whether the other one would be given the same tokens.
  bool is_as(const RestAuth& other) const;

 private:
  using Clock = std::chrono::system_clock;
  void fetch();
  void exchange();
  void request_token(const std::string& form, bool with_token);
  void keep(Secret token, std::optional<std::chrono::seconds> lifetime);
  void renew_if_due();

  const Secret given_token_;
  const std::string client_id_;
  const Secret client_secret_;
  const std::string server_;
  const std::string form_;  // scope, audience, resource
  const bool refreshes_;
  const HttpHeaders headers_;
  const std::string whose_;
  HttpClient& http_;

  std::mutex mutex_;
  Secret token_;
  std::optional<Clock::time_point> due_, expiry_;
};

}  // namespace floe
