// HTTP requests over libcurl. Internal to the engine.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "floe/error.h"
#include "floe/per_process.h"
#include "floe/secret.h"
#include "floe/spec/snapshot.h"

namespace floe {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";  // GET, HEAD, POST or DELETE
  std::string url;
  HttpHeaders headers;
  std::string body;  // of a POST
  // Whether it does no harm to send it twice. Anything else is sent again only where the server surely did nothing.
  bool repeatable = true;
  // Until when the server knows it again if it is sent again, by a key among the headers, and does it but once.
  std::optional<std::chrono::steady_clock::time_point> known_until = {};
};

struct HttpAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  // by name in lower case
  std::string body;
  // Whether an earlier sending of a request that is not repeatable may have been acted on and got no clear answer.
  bool left_open = false;
};

// No answer came. The message names the server and the trouble.
class HttpError : public IoError {
 public:
  HttpError(const std::string& message, bool done) : IoError(message), may_be_done(done) {}
  bool may_be_done;  // the server may have acted on the request
};

struct HttpOptions {
  std::chrono::milliseconds connect_timeout{30'000};
  std::chrono::milliseconds idle_timeout{120'000};  // nothing is sent nor received for so long
  int retries = 5;
  std::chrono::milliseconds min_wait{100}, max_wait{10'000};  // before retries, twice as long each time
  std::chrono::milliseconds max_retry_after{60'000};          // who is asked to wait longer gives up at once
  size_t max_answer_bytes = size_t{512} << 20;                // after decompression
  std::string ca_bundle;                                      // a file or folder; empty: the system's
  std::string client_certificate, client_key;                 // files
  std::string proxy;                                          // "host:port"; empty: as http_proxy and its kin say
  std::string proxy_user;
  Secret proxy_password;
  bool operator==(const HttpOptions&) const = default;
};

// From Java's "rest.client.connection-timeout-ms", "rest.client.socket-timeout-ms", "rest.client.max-retries",
// "rest.client.proxy.hostname", ".port", ".username" and ".password", and PyIceberg's "ssl.cabundle" (else
// REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE of the environment), "ssl.client.cert" and "ssl.client.key".
HttpOptions http_options(const Properties& properties);

// Keeps connections for reuse. Safe to use from many threads, and in forked children. TLS is always verified, and
// redirections are not followed.
//
// Where the server cannot be reached, and on 429, the request is sent again after a pause, as the server's Retry-After
// says or longer each time. Repeatable requests are so also on a lost answer, 502, 503 and 504; those that the server
// knows again, as long as it does, on a lost answer and on every 5xx that leaves open whether it was done.
//
// A request ends within a fraction of a second when its thread's StopScope asks for it: Cancelled, or, if it was not
// repeatable and is sent already, HttpError.
class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  ~HttpClient();
  const HttpOptions& options() const { return options_; }

  // The last answer, whatever its status. Throws HttpError if there is none, Cancelled.
  HttpAnswer send(const HttpRequest& request);

 private:
  class Connection;
  struct Pool;
  HttpAnswer send_once(const HttpRequest& request);
  HttpAnswer send_until_clear(const HttpRequest& request, bool& left_open);

  HttpOptions options_;
  PerProcess<Pool> pool_;
};

// As a path segment or a value of a query (RFC 3986): all but unreserved characters become %XX.
std::string url_encode(std::string_view text);
std::string url_decode(std::string_view text);

// "https://host:8181/api" without what may be secret: user, password and query.
std::string printable_url(const std::string& url);

}  // namespace floe
