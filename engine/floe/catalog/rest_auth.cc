#include "floe/catalog/rest_auth.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "floe/catalog/catalog.h"
#include "floe/error.h"
#include "floe/spec/json.h"
#include "floe/spec/table_metadata.h"

namespace floe {

namespace {

using std::chrono::seconds;

constexpr seconds kLongestMargin{300};  // how long before its expiry a token is replaced
constexpr seconds kNextTry{10};         // after a refresh that failed
constexpr double kYear2200 = 7.26e9;    // in seconds; the clock ends later

std::string client_id_of(const std::string& credential) {
  const size_t colon = credential.find(':');
  return colon == std::string::npos ? "" : credential.substr(0, colon);
}

Secret client_secret_of(const std::string& credential) {
  const size_t colon = credential.find(':');
  return Secret(colon == std::string::npos ? credential : credential.substr(colon + 1));
}

std::string server_of(const Properties& properties, const std::string& uri) {
  std::string given = string_property(properties, "oauth2-server-uri", "v1/oauth/tokens");
  if (given.starts_with("http://") || given.starts_with("https://")) return given;
  return fmt::format("{}/{}", uri, given.substr(std::min(given.find_first_not_of('/'), given.size())));
}

std::string form_of(const Properties& properties) {
  std::string form = "scope=" + url_encode(string_property(properties, "scope", "catalog"));
  for (const char* key : {"audience", "resource"}) {
    const std::string value = string_property(properties, key, "");
    if (!value.empty()) form += fmt::format("&{}={}", key, url_encode(value));
  }
  return form;
}

std::optional<std::string> base64url_decode(std::string_view text) {
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text.substr(0, text.find('='))) {
    constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6 | static_cast<uint32_t>(digit)) & 0xffffff;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>(bits >> count & 0xff);
    }
  }
  return bytes;
}

// When a JSON web token says that it expires. Other tokens say nothing.
std::optional<seconds> expiry_in_token(const std::string& token) {
  const size_t first = token.find('.');
  const size_t second = first == std::string::npos ? first : token.find('.', first + 1);
  if (second == std::string::npos) return std::nullopt;
  const auto claims = base64url_decode(std::string_view(token).substr(first + 1, second - first - 1));
  if (!claims) return std::nullopt;
  try {
    const json::Document document(*claims, "token");
    const auto expiry = document.root().find("exp");
    return expiry ? std::optional(seconds(static_cast<int64_t>(std::clamp(expiry->number(), 0.0, kYear2200))))
                  : std::nullopt;
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

RestAuth::RestAuth(const Properties& properties, const std::string& uri, HttpHeaders headers, std::string whose,
                   HttpClient& http)
    : given_token_(string_property(properties, "token", "")),
      client_id_(client_id_of(string_property(properties, "credential", ""))),
      client_secret_(client_secret_of(string_property(properties, "credential", ""))),
      server_(server_of(properties, uri)),
      form_(form_of(properties)),
      refreshes_(bool_property(properties, "token-refresh-enabled", true)),
      headers_(std::move(headers)),
      whose_(std::move(whose)),
      http_(http) {
  if (given_token_.empty()) return;
  keep(given_token_, std::nullopt);
  if (expiry_) due_ = *expiry_ - kLongestMargin;  // nobody knows how long it was to last
}

bool RestAuth::is_as(const RestAuth& other) const {
  return given_token_ == other.given_token_ && client_id_ == other.client_id_ &&
         client_secret_ == other.client_secret_ && server_ == other.server_ && form_ == other.form_ &&
         refreshes_ == other.refreshes_ && headers_ == other.headers_;
}

void RestAuth::keep(Secret token, std::optional<seconds> lifetime) {
  const Clock::time_point now = Clock::now();
  token_ = std::move(token);
  expiry_ = due_ = std::nullopt;
  if (lifetime) {
    expiry_ = now + *lifetime;
  } else if (const auto expiry = expiry_in_token(token_.reveal())) {
    expiry_ = Clock::time_point(*expiry);
  }
  if (expiry_) due_ = *expiry_ - std::min<Clock::duration>(kLongestMargin, (*expiry_ - now) / 10);
}

void RestAuth::request_token(const std::string& form, bool with_token) {
  HttpRequest request{.method = "POST", .url = server_, .headers = headers_, .body = fmt::format("{}&{}", form, form_)};
  request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  request.headers.emplace_back("Accept", "application/json");
  if (with_token) request.headers.emplace_back("Authorization", "Bearer " + token_.reveal());
  const HttpAnswer answer = http_.send(request);

  const std::string place = fmt::format("{}: {}", whose_, printable_url(server_));
  const auto hidden = [&](std::string text) { return without(without(std::move(text), client_secret_), token_); };
  if (answer.status != 200) {
    std::string reason = fmt::format("HTTP {}", answer.status);
    try {
      const json::Document document(answer.body, "answer");
      if (const auto code = document.root().find("error"); code && code->is_string()) {
        reason += fmt::format(", {}", code->string());
      }
      if (const auto text = document.root().find("error_description")) reason += fmt::format(": {}", text->string());
    } catch (const Error&) {  // what it says is not for us
    }
    const bool refused = answer.status == 400 || answer.status == 401 || answer.status == 403;
    if (refused) throw Unauthorized(fmt::format("{} gives no token: {}", place, hidden(reason)));
    throw IoError(fmt::format("{} gives no token: {}", place, hidden(reason)));
  }
  try {
    const json::Document document(answer.body, "answer");
    std::optional<seconds> lifetime;
    if (const auto in = document.root().find("expires_in")) {
      lifetime = seconds(static_cast<int64_t>(std::clamp(in->number(), 0.0, 1e9)));
    }
    keep(Secret(std::string(document.root().at("access_token").string())), lifetime);
  } catch (const CorruptFile&) {  // whose message might quote the token
    throw IoError(fmt::format("{} answers with something that is no token", place));
  }
}

void RestAuth::fetch() {
  std::string form = "grant_type=client_credentials";
  if (!client_id_.empty()) form += "&client_id=" + url_encode(client_id_);
  request_token(form + "&client_secret=" + url_encode(client_secret_.reveal()), false);
}

void RestAuth::exchange() {
  request_token(
      "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token_type="
      "urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&subject_token=" +
          url_encode(token_.reveal()),
      true);
}

void RestAuth::renew_if_due() {
  const Clock::time_point now = Clock::now();
  if (!refreshes_ || !due_ || now < *due_) return;
  const bool expired = now >= *expiry_;
  if (expired && client_secret_.empty()) return;  // nobody exchanges it any more: the server will say so
  try {
    client_secret_.empty() ? exchange() : fetch();
  } catch (const IoError&) {
    if (expired) throw;
    due_ = now + std::min<Clock::duration>(kNextTry, (*expiry_ - now) / 2);
  }
}

Secret RestAuth::token() {
  const std::lock_guard lock(mutex_);
  if (token_.empty() && !client_secret_.empty()) fetch();
  renew_if_due();
  return token_;
}

bool RestAuth::renew(const Secret& refused) {
  const std::lock_guard lock(mutex_);
  if (token_ != refused) return true;  // another thread was first
  if (client_secret_.empty()) return false;
  fetch();
  return true;
}

std::string RestAuth::without_secrets(std::string text) {
  const std::lock_guard lock(mutex_);
  return without(without(without(std::move(text), client_secret_), token_), given_token_);
}

}  // namespace floe
