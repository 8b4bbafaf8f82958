#include "floe/io/aws_signature.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <vector>

#include "floe/error.h"
#include "floe/spec/table_metadata.h"

namespace floe {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

std::string hex(std::string_view bytes) {
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

std::string hmac(std::string_view key, std::string_view text) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
           text.size(), out, &size) == nullptr) {
    throw std::bad_alloc();
  }
  return {reinterpret_cast<const char*>(out), size};
}

// What the parts of a URL's path are signed as: encoded once more, but for S3.
std::string canonical_path(std::string_view path, std::string_view service) {
  if (path.empty()) return "/";
  if (service == "s3") return std::string(path);
  std::string canonical;
  for (size_t start = 0; start <= path.size();) {
    const size_t slash = std::min(path.find('/', start), path.size());
    if (start > 0) canonical += '/';
    canonical += url_encode(path.substr(start, slash - start));
    start = slash + 1;
  }
  return canonical;
}

std::string canonical_query(std::string_view query) {
  std::vector<std::string> items;
  for (size_t start = 0; start < query.size();) {
    const size_t end = std::min(query.find('&', start), query.size());
    const std::string_view item = query.substr(start, end - start);
    const size_t equals = std::min(item.find('='), item.size());
    const std::string_view value = item.substr(std::min(equals + 1, item.size()));
    items.push_back(url_encode(url_decode(item.substr(0, equals))) + "=" + url_encode(url_decode(value)));
    start = end + 1;
  }
  std::ranges::sort(items);
  return fmt::format("{}", fmt::join(items, "&"));
}

std::string first_of(const Properties& properties, std::string_view name) {
  for (const std::string_view prefix : {"rest.", "client."}) {
    std::string value = string_property(properties, fmt::format("{}{}", prefix, name), "");
    if (!value.empty()) return value;
  }
  return "";
}

}  // namespace

std::string sha256_hex(std::string_view text) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), out, &size, EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
  return hex({reinterpret_cast<const char*>(out), size});
}

std::optional<AwsSigner> aws_signer(const Properties& properties) {
  if (!bool_property(properties, "rest.sigv4-enabled", false)) return std::nullopt;
  AwsSigner signer{.region = string_property(properties, "rest.signing-region", ""),
                   .service = string_property(properties, "rest.signing-name", "execute-api"),
                   .key = std::nullopt};
  if (signer.region.empty()) signer.region = string_property(properties, "client.region", "");
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    const char* const value = std::getenv(name);
    if (signer.region.empty() && value != nullptr) signer.region = value;
  }
  if (signer.region.empty()) throw InvalidArgument("rest.sigv4-enabled needs rest.signing-region");
  const std::string id = first_of(properties, "access-key-id");
  const std::string secret = first_of(properties, "secret-access-key");
  if (id.empty() != secret.empty()) {
    throw InvalidArgument("rest.access-key-id and rest.secret-access-key need each other");
  }
  if (!id.empty()) signer.key = {id, Secret(secret), Secret(first_of(properties, "session-token"))};
  return signer;
}

std::string aws_authorization(const AwsSigner& signer, const AwsKey& key, std::string_view method,
                              std::string_view path, std::string_view query, const HttpHeaders& headers,
                              std::string_view payload, std::string_view time) {
  std::string lines, names;
  for (const auto& [name, value] : headers) {
    lines += fmt::format("{}:{}\n", name, value);
    names += (names.empty() ? "" : ";") + name;
  }
  const std::string request = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", method, canonical_path(path, signer.service),
                                          canonical_query(query), lines, names, payload);
  const std::string_view day = time.substr(0, 8);
  const std::string scope = fmt::format("{}/{}/{}/aws4_request", day, signer.region, signer.service);
  const std::string text = fmt::format("{}\n{}\n{}\n{}", kAlgorithm, time, scope, sha256_hex(request));
  std::string signing = hmac("AWS4" + key.secret.reveal(), day);
  for (const std::string_view part :
       {std::string_view(signer.region), std::string_view(signer.service), std::string_view("aws4_request")}) {
    signing = hmac(signing, part);
  }
  return fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm, key.id, scope, names,
                     hex(hmac(signing, text)));
}

void sign(HttpRequest& request, const AwsSigner& signer, std::chrono::system_clock::time_point now) {
  const AwsKey key = signer.key ? *signer.key : aws_key_of_environment();
  const size_t start = request.url.find("://") + 3;
  const size_t slash = std::min(request.url.find('/', start), request.url.size());
  const size_t question = std::min(request.url.find('?', slash), request.url.size());
  const size_t user = request.url.rfind('@', slash);
  const size_t host = user != std::string::npos && user > start ? user + 1 : start;

  const std::string time = fmt::format("{:%Y%m%dT%H%M%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(now)));
  const std::string payload = sha256_hex(request.body);
  HttpHeaders headers = {
      {"host", request.url.substr(host, slash - host)}, {"x-amz-content-sha256", payload}, {"x-amz-date", time}};
  if (!key.session_token.empty()) headers.emplace_back("x-amz-security-token", key.session_token.reveal());
  for (auto& [name, value] : request.headers) {
    if (name == "Authorization") name = "Original-Authorization";
  }
  const std::string authorization =
      aws_authorization(signer, key, request.method, request.url.substr(slash, question - slash),
                        request.url.substr(std::min(question + 1, request.url.size())), headers, payload, time);
  request.headers.insert(request.headers.end(), headers.begin() + 1, headers.end());
  request.headers.emplace_back("Authorization", authorization);
}

}  // namespace floe
