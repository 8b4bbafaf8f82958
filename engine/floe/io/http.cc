#include "floe/io/http.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <filesystem>
#include <mutex>
#include <new>
#include <random>
#include <thread>

#include "floe/spec/table_metadata.h"
#include "floe/stop.h"

namespace floe {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kSlice{50};   // between looks at the stop token
constexpr milliseconds kGrace{500};  // for the answer to a request that was sent when the stop came
constexpr size_t kMaxHeaderBytes = 1 << 20;
constexpr size_t kIdleConnections = 16;
constexpr long kMaxIdleSeconds = 50;  // servers close idle connections after a minute or so

milliseconds milliseconds_of(const Properties& properties, std::string_view key, milliseconds otherwise) {
  const int64_t value = int_property(properties, key, otherwise.count());
  if (value < 1 || value > 86'400'000) {
    throw InvalidArgument(fmt::format("{} is a time in milliseconds, from 1 to 86400000", key));
  }
  return milliseconds(value);
}

std::string from_environment(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return "";
}

// What went wrong before the first byte of the request was sent.
bool is_surely_not_sent(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_PROXY:
      return true;
    default:
      return false;
  }
}

// What another attempt may not meet.
bool may_pass(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return true;
    default:
      return false;
  }
}

struct Lost : HttpError {
  Lost(const std::string& message, bool done, bool again) : HttpError(message, done), may_pass(again) {}
  bool may_pass;
};

void sleep(milliseconds time) {
  const auto end = Clock::now() + time;
  for (auto now = Clock::now(); now < end; now = Clock::now()) {
    if (StopScope::current().IsStopRequested()) throw Cancelled("stopped while waiting for a server");
    std::this_thread::sleep_for(std::min<Clock::duration>(end - now, kSlice));
  }
}

std::optional<milliseconds> retry_after(const HttpAnswer& answer) {
  const auto found = answer.headers.find("retry-after");
  if (found == answer.headers.end()) return std::nullopt;
  const std::string& text = found->second;
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size()) {
    const std::time_t when = curl_getdate(text.c_str(), nullptr);
    if (when < 0) return std::nullopt;
    seconds = when - std::time(nullptr);
  }
  return milliseconds(std::clamp<int64_t>(seconds, 0, 86'400) * 1000);
}

}  // namespace

HttpOptions http_options(const Properties& properties) {
  HttpOptions options;
  options.connect_timeout = milliseconds_of(properties, "rest.client.connection-timeout-ms", options.connect_timeout);
  options.idle_timeout = milliseconds_of(properties, "rest.client.socket-timeout-ms", options.idle_timeout);
  const int64_t retries = int_property(properties, "rest.client.max-retries", options.retries);
  if (retries < 0 || retries > 100) throw InvalidArgument("rest.client.max-retries is a number from 0 to 100");
  options.retries = static_cast<int>(retries);

  options.ca_bundle = string_property(properties, "ssl.cabundle", "");
  std::string lower = options.ca_bundle;
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (lower == "false") throw NotSupported("ssl.cabundle=false: TLS is always verified; name the server's CA instead");
  if (lower.empty() || lower == "true") {
    options.ca_bundle = from_environment({"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"});
  }
  options.client_certificate = string_property(properties, "ssl.client.cert", "");
  options.client_key = string_property(properties, "ssl.client.key", "");

  const std::string proxy = string_property(properties, "rest.client.proxy.hostname", "");
  if (!proxy.empty()) {
    const int64_t port = int_property(properties, "rest.client.proxy.port", 0);
    if (port < 1 || port > 65'535) throw InvalidArgument("rest.client.proxy.port is a number from 1 to 65535");
    options.proxy = fmt::format("{}:{}", proxy, port);
    options.proxy_user = string_property(properties, "rest.client.proxy.username", "");
    options.proxy_password = Secret(string_property(properties, "rest.client.proxy.password", ""));
  }
  return options;
}

// A libcurl handle with the connections that it has made, used by one thread at a time.
class HttpClient::Connection {
 public:
  explicit Connection(const HttpOptions& options);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    curl_easy_cleanup(easy_);
    curl_multi_cleanup(multi_);
  }

  HttpAnswer send(const HttpRequest& request);

 private:
  template <typename T>
  void set(CURLoption option, T value) {
    if (curl_easy_setopt(easy_, option, value) != CURLE_OK) throw IoError("libcurl refuses an option");
  }
  void set_common();
  CURLcode perform(const HttpRequest& request);
  [[noreturn]] void fail(const HttpRequest& request, CURLcode code);
  bool is_sent() const;

  static size_t on_body(char* bytes, size_t size, size_t count, void* self);
  static size_t on_header(char* bytes, size_t size, size_t count, void* self);
  static size_t on_send(char* to, size_t size, size_t count, void* self);
  static int on_seek(void* self, curl_off_t offset, int origin);

  const HttpOptions& options_;
  CURLM* multi_;
  CURL* easy_;
  std::array<char, CURL_ERROR_SIZE> message_{};

  // Of the request under way:
  const HttpRequest* request_ = nullptr;
  size_t sent_ = 0;  // of its body
  HttpAnswer answer_;
  size_t header_bytes_ = 0;
  bool too_large_ = false;
  Clock::time_point last_activity_;
};

struct HttpClient::Pool {
  std::mutex mutex;
  std::vector<std::unique_ptr<Connection>> idle;
};

HttpClient::Connection::Connection(const HttpOptions& options) : options_(options) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  multi_ = ready == CURLE_OK ? curl_multi_init() : nullptr;
  easy_ = multi_ != nullptr ? curl_easy_init() : nullptr;
  if (easy_ == nullptr) {
    curl_multi_cleanup(multi_);
    throw std::bad_alloc();
  }
}

void HttpClient::Connection::set_common() {
  curl_easy_reset(easy_);  // connections, and what is known of hosts, stay
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);  // whoever stops does not wait for a name to be resolved
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_ACCEPT_ENCODING, "");
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()));
  set(CURLOPT_MAXAGE_CONN, kMaxIdleSeconds);
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_ERRORBUFFER, message_.data());
  message_[0] = '\0';

  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  if (!options_.ca_bundle.empty()) {
    std::error_code ignored;
    const bool folder = std::filesystem::is_directory(options_.ca_bundle, ignored);
    set(folder ? CURLOPT_CAPATH : CURLOPT_CAINFO, options_.ca_bundle.c_str());
  }
  if (!options_.client_certificate.empty()) set(CURLOPT_SSLCERT, options_.client_certificate.c_str());
  if (!options_.client_key.empty()) set(CURLOPT_SSLKEY, options_.client_key.c_str());
  if (!options_.proxy.empty()) {
    set(CURLOPT_PROXY, options_.proxy.c_str());
    if (!options_.proxy_user.empty()) {
      set(CURLOPT_PROXYUSERNAME, options_.proxy_user.c_str());
      set(CURLOPT_PROXYPASSWORD, options_.proxy_password.reveal().c_str());
    }
  }

  set(CURLOPT_WRITEFUNCTION, &Connection::on_body);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_HEADERFUNCTION, &Connection::on_header);
  set(CURLOPT_HEADERDATA, this);
}

size_t HttpClient::Connection::on_body(char* bytes, size_t size, size_t count, void* self) {
  auto& me = *static_cast<Connection*>(self);
  me.last_activity_ = Clock::now();
  if (me.answer_.body.size() + size * count > me.options_.max_answer_bytes) {
    me.too_large_ = true;
    return 0;
  }
  me.answer_.body.append(bytes, size * count);
  return size * count;
}

size_t HttpClient::Connection::on_header(char* bytes, size_t size, size_t count, void* self) {
  auto& me = *static_cast<Connection*>(self);
  me.last_activity_ = Clock::now();
  const std::string_view line(bytes, size * count);
  me.header_bytes_ += line.size();
  if (me.header_bytes_ > kMaxHeaderBytes) {
    me.too_large_ = true;
    return 0;
  }
  if (line.starts_with("HTTP/")) {  // those before were a proxy's, or "100 Continue"
    me.answer_.headers.clear();
    return line.size();
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  std::string_view value = line.substr(colon + 1);
  value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
  value = value.substr(0, value.find_last_not_of(" \t\r\n") + 1);
  me.answer_.headers.insert_or_assign(std::move(name), std::string(value));
  return line.size();
}

size_t HttpClient::Connection::on_send(char* to, size_t size, size_t count, void* self) {
  auto& me = *static_cast<Connection*>(self);
  me.last_activity_ = Clock::now();
  const size_t bytes = std::min(size * count, me.request_->body.size() - me.sent_);
  std::copy_n(me.request_->body.data() + me.sent_, bytes, to);
  me.sent_ += bytes;
  return bytes;
}

// libcurl sends a request again by itself if a connection that it reused turns out to be dead, and cannot know whether
// the server has acted on it. Not being able to go back keeps it from that.
int HttpClient::Connection::on_seek(void* self, curl_off_t offset, int origin) {
  auto& me = *static_cast<Connection*>(self);
  if (me.sent_ > 0 && !me.request_->repeatable) return CURL_SEEKFUNC_FAIL;
  if (origin != SEEK_SET || offset != 0) return CURL_SEEKFUNC_CANTSEEK;
  me.sent_ = 0;
  return CURL_SEEKFUNC_OK;
}

bool HttpClient::Connection::is_sent() const {
  curl_off_t since_start = 0;
  curl_easy_getinfo(easy_, CURLINFO_PRETRANSFER_TIME_T, &since_start);
  return since_start > 0;
}

void HttpClient::Connection::fail(const HttpRequest& request, CURLcode code) {
  const std::string trouble = too_large_ ? fmt::format("the answer is longer than {} bytes", options_.max_answer_bytes)
                              : message_[0] != '\0' ? std::string(message_.data())
                                                    : std::string(curl_easy_strerror(code));
  const bool done = !is_surely_not_sent(code) && is_sent();
  throw Lost(fmt::format("{}: {}", printable_url(request.url), trouble), done, !too_large_ && may_pass(code));
}

// Waits in slices. Gives up as if the answer was lost, which it is.
CURLcode HttpClient::Connection::perform(const HttpRequest& request) {
  const arrow::StopToken& stop = StopScope::current();
  std::optional<Clock::time_point> stopped;
  last_activity_ = Clock::now();
  int running = 1;
  while (true) {
    if (curl_multi_perform(multi_, &running) != CURLM_OK) return CURLE_FAILED_INIT;
    if (running == 0) break;
    curl_multi_poll(multi_, nullptr, 0, static_cast<int>(kSlice.count()), nullptr);
    if (!stopped && stop.IsStopRequested()) stopped = Clock::now();
    if (stopped && (request.repeatable || !is_sent())) {
      throw Cancelled(fmt::format("{}: stopped", printable_url(request.url)));
    }
    if (stopped && Clock::now() - *stopped > kGrace) {
      throw HttpError(fmt::format("{}: stopped before the answer came", printable_url(request.url)), true);
    }
    if (is_sent() && Clock::now() - last_activity_ > options_.idle_timeout) {
      fmt::format_to_n(message_.data(), message_.size() - 1, "no answer within {} ms{}", options_.idle_timeout.count(),
                       '\0');
      return CURLE_OPERATION_TIMEDOUT;
    }
  }
  int left = 0;
  const CURLMsg* message = curl_multi_info_read(multi_, &left);
  return message != nullptr ? message->data.result : CURLE_FAILED_INIT;
}

HttpAnswer HttpClient::Connection::send(const HttpRequest& request) {
  request_ = &request;
  sent_ = 0;
  answer_ = {};
  header_bytes_ = 0;
  too_large_ = false;
  set_common();
  set(CURLOPT_URL, request.url.c_str());
  const bool posts = request.method == "POST";
  if (posts) {
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(CURLOPT_READFUNCTION, &Connection::on_send);
    set(CURLOPT_READDATA, this);
    set(CURLOPT_SEEKFUNCTION, &Connection::on_seek);
    set(CURLOPT_SEEKDATA, this);
  } else if (request.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (request.method != "GET") {
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  if (!request.repeatable && request.body.empty()) set(CURLOPT_FRESH_CONNECT, 1L);  // see on_seek

  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(nullptr, curl_slist_free_all);
  const auto add = [&](const std::string& line) {
    curl_slist* const longer = curl_slist_append(headers.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    if (!headers) headers.reset(longer);  // a list's head stays what it was
  };
  for (const auto& [name, value] : request.headers) {
    if ((name + value).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      throw InvalidArgument(fmt::format("the HTTP header {} cannot have line ends in it", name));
    }
    add(value.empty() ? name + ";" : fmt::format("{}: {}", name, value));
  }
  add("Expect:");  // not "100-continue", which costs a wait where servers do not know it
  set(CURLOPT_HTTPHEADER, headers.get());

  struct Added {
    CURLM* multi;
    CURL* easy;
    ~Added() { curl_multi_remove_handle(multi, easy); }
  };
  if (curl_multi_add_handle(multi_, easy_) != CURLM_OK) throw IoError("libcurl refuses a request");
  CURLcode code = CURLE_OK;
  {
    const Added added{multi_, easy_};
    code = perform(request);
  }
  if (code != CURLE_OK) fail(request, code);
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  answer_.status = static_cast<int>(status);
  return std::move(answer_);
}

HttpClient::HttpClient(HttpOptions options) : options_(std::move(options)) {}
HttpClient::~HttpClient() = default;

// A connection of a request that failed is not used again.
HttpAnswer HttpClient::send_once(const HttpRequest& request) {
  Pool& pool = pool_.get();
  std::unique_ptr<Connection> connection;
  {
    const std::lock_guard lock(pool.mutex);
    if (!pool.idle.empty()) {
      connection = std::move(pool.idle.back());
      pool.idle.pop_back();
    }
  }
  if (connection == nullptr) connection = std::make_unique<Connection>(options_);
  HttpAnswer answer = connection->send(request);
  const std::lock_guard lock(pool.mutex);
  if (pool.idle.size() < kIdleConnections) pool.idle.push_back(std::move(connection));
  return answer;
}

HttpAnswer HttpClient::send_until_clear(const HttpRequest& request, bool& left_open) {
  thread_local std::minstd_rand random{std::random_device{}()};
  milliseconds longest = options_.min_wait;
  for (int retry = 0;; ++retry) {
    if (StopScope::current().IsStopRequested()) throw Cancelled(printable_url(request.url) + ": stopped");
    std::optional<milliseconds> wait;
    const auto may_repeat = [&](bool surely_not_done) {
      const bool known = request.known_until && Clock::now() + wait.value_or(longest) < *request.known_until;
      return request.repeatable || known || (surely_not_done && !left_open);
    };
    try {
      HttpAnswer answer = send_once(request);
      wait = retry_after(answer);
      const bool gateway = answer.status == 502 || answer.status == 503 || answer.status == 504;
      const bool unclear = answer.status >= 500 && answer.status != 501;
      const bool again = answer.status == 429 || gateway || (unclear && request.known_until);
      const bool patient = retry < options_.retries && wait.value_or(milliseconds(0)) <= options_.max_retry_after;
      if (!again || !patient || !may_repeat(answer.status == 429)) return answer;
      left_open |= unclear && !request.repeatable;
    } catch (const Lost& lost) {
      const bool again = lost.may_pass && retry < options_.retries && may_repeat(!lost.may_be_done);
      left_open |= lost.may_be_done && !request.repeatable;
      if (!again) throw HttpError(lost.what(), lost.may_be_done || left_open);
    }
    const int64_t most = longest.count();
    sleep(wait.value_or(milliseconds(std::uniform_int_distribution<int64_t>(most / 2, most)(random))));
    longest = std::min(2 * longest, options_.max_wait);
  }
}

HttpAnswer HttpClient::send(const HttpRequest& request) {
  bool left_open = false;
  try {
    HttpAnswer answer = send_until_clear(request, left_open);
    answer.left_open = left_open;
    return answer;
  } catch (const Cancelled& error) {
    if (left_open) throw HttpError(error.what(), true);
    throw;
  }
}

std::string url_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string url_decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    const char* const digits = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() && std::from_chars(digits, digits + 2, code, 16).ptr == digits + 2) {
      out += static_cast<char>(code);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string printable_url(const std::string& url) {
  std::string text = url.substr(0, url.find_first_of("?#"));
  const size_t scheme = text.find("://");
  const size_t host = scheme == std::string::npos ? 0 : scheme + 3;
  const size_t at = text.substr(0, text.find('/', host)).rfind('@');
  if (at != std::string::npos && at >= host) text.erase(host, at + 1 - host);
  return text;
}

}  // namespace floe
