#include <arrow/filesystem/s3fs.h>
#include <arrow/util/base64.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "floe/arrow_status.h"
#include "floe/io/aws_signature.h"
#include "floe/io/http.h"
#include "floe/io/stores.h"
#include "floe/spec/table_metadata.h"
#include "floe/stop.h"

namespace floe {
namespace {

// What Arrow's client has no way to do, or to be told.
constexpr std::array<std::string_view, 10> kRefused = {"s3.profile-name",        "client.profile-name",
                                                       "s3.retry-strategy-impl", "s3.server-side-encryption",
                                                       "s3.sse-kms-key-id",      "s3.acl",
                                                       "s3.write.storage-class", "s3.write.tags.",
                                                       "s3.delete.tags.",        "s3.access-points."};
constexpr std::array<std::string_view, 6> kRefusedIfTrue = {"s3.remote-signing-enabled", "s3.resolve-region",
                                                            "s3.dualstack-enabled",      "s3.acceleration-enabled",
                                                            "s3.use-arn-region-enabled", "s3.requester-pays-enabled"};

std::string first_of(const Properties& properties, std::string_view name) {
  for (const std::string_view prefix : {"s3.", "client."}) {
    std::string value = string_property(properties, fmt::format("{}{}", prefix, name), "");
    if (!value.empty()) return value;
  }
  return "";
}

void refuse_what_arrow_cannot(const Properties& properties) {
  for (const auto& [name, value] : properties) {
    for (const std::string_view refused : kRefused) {
      if (name == refused || (refused.ends_with('.') && name.starts_with(refused))) {
        throw NotSupported(fmt::format("{} cannot be honoured by this engine's S3 client; remove the property", name));
      }
    }
  }
  for (const std::string_view name : kRefusedIfTrue) {
    if (bool_property(properties, name, false)) {
      throw NotSupported(fmt::format("{}=true cannot be honoured by this engine's S3 client", name));
    }
  }
  if (!bool_property(properties, "s3.delete-enabled", true)) {
    throw NotSupported("s3.delete-enabled=false cannot be honoured by this engine's S3 client");
  }
}

double seconds_of(const Properties& properties, std::string_view name, double otherwise) {
  const std::string text = string_property(properties, name, "");
  if (text.empty()) return otherwise;
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || !(seconds > 0 && seconds <= 86'400)) {
    throw InvalidArgument(fmt::format("{} is a time in seconds, above 0 and at most 86400", name));
  }
  return seconds;
}

void set_credentials(arrow::fs::S3Options& options, const Properties& properties) {
  const std::string key = first_of(properties, "access-key-id");
  const std::string secret = first_of(properties, "secret-access-key");
  const std::string role = first_of(properties, "role-arn");
  if (key.empty() != secret.empty()) {
    throw InvalidArgument("s3.access-key-id and s3.secret-access-key need each other");
  }
  if (bool_property(properties, "s3.anonymous", false)) {
    options.ConfigureAnonymousCredentials();
  } else if (!role.empty() && !key.empty()) {
    throw NotSupported("s3.role-arn is assumed with the credentials of the environment, not with s3.access-key-id");
  } else if (!role.empty()) {
    options.ConfigureAssumeRoleCredentials(role, first_of(properties, "role-session-name"));
  } else if (!key.empty()) {
    options.ConfigureAccessKey(key, secret, first_of(properties, "session-token"));
  } else if (!string_property(properties, "s3.signer", "").empty()) {
    throw NotSupported("s3.signer: this engine's S3 client cannot have its requests signed by a server");
  } else {
    options.ConfigureDefaultCredentials();
  }
}

void set_encryption(arrow::fs::S3Options& options, const Properties& properties) {
  const std::string type = string_property(properties, "s3.sse.type", "none");
  if (type == "none") return;
  if (type != "custom") {
    throw NotSupported(fmt::format("s3.sse.type={} cannot be honoured by this engine's S3 client, only custom", type));
  }
  auto key = arrow::util::base64_decode(string_property(properties, "s3.sse.key", ""));
  if (!key.ok() || key->size() != 32) throw InvalidArgument("s3.sse.key is a key of 32 bytes in base64");
  options.sse_customer_key = *std::move(key);
}

void set_endpoint(arrow::fs::S3Options& options, const Properties& properties) {
  options.region = first_of(properties, "region");
  std::string endpoint = string_property(properties, "s3.endpoint", "");
  if (!endpoint.empty()) {
    const size_t scheme = endpoint.find("://");
    if (scheme != std::string::npos) {
      options.scheme = endpoint.substr(0, scheme);
      endpoint.erase(0, scheme + 3);
    }
    if (options.scheme != "http" && options.scheme != "https") {
      throw InvalidArgument("s3.endpoint is an http:// or https:// address");
    }
    while (endpoint.ends_with('/')) endpoint.pop_back();
    options.endpoint_override = endpoint;
    if (options.region.empty()) options.region = "us-east-1";  // what such stores take
  }
  options.force_virtual_addressing = bool_property(properties, "s3.force-virtual-addressing",
                                                   !bool_property(properties, "s3.path-style-access", true));
}

arrow::fs::S3Options options_of(const Properties& properties) {
  refuse_what_arrow_cannot(properties);
  arrow::fs::S3Options options;
  set_credentials(options, properties);
  set_endpoint(options, properties);
  set_encryption(options, properties);
  const std::string proxy = string_property(properties, "s3.proxy-uri", "");
  if (!proxy.empty()) {
    auto parsed = arrow::fs::S3ProxyOptions::FromUri(proxy);
    if (!parsed.ok() || (parsed->scheme != "http" && parsed->scheme != "https")) {
      throw InvalidArgument("s3.proxy-uri is an http:// or https:// address");  // it may have a password in it
    }
    options.proxy_options = std::move(parsed).ValueUnsafe();
  }
  const std::string ca = string_property(properties, "ssl.cabundle", "");
  if (!ca.empty() && ca != "true") options.tls_ca_file_path = ca;
  options.connect_timeout = seconds_of(properties, "s3.connect-timeout", 10);
  options.request_timeout = seconds_of(properties, "s3.request-timeout", 30);
  const int64_t retries = int_property(properties, "s3.retry.num-retries", 5);
  if (retries < 0 || retries > 100) throw InvalidArgument("s3.retry.num-retries is a number from 0 to 100");
  options.retry_strategy = arrow::fs::S3RetryStrategy::GetAwsStandardRetryStrategy(retries + 1);
  options.allow_delayed_open = true;  // a small file is one request
  return options;
}

}  // namespace

std::shared_ptr<arrow::fs::FileSystem> s3_file_system(const Properties& properties) {
  check(arrow::fs::EnsureS3Initialized(), "S3");  // also before there are credentials
  auto made = arrow::fs::S3FileSystem::Make(options_of(properties));
  if (made.status().IsInvalid()) throw InvalidArgument(fmt::format("S3: {}", made.status().message()));
  return check(std::move(made), "S3");
}

arrow::Result<std::optional<bool>> delete_s3_object(const arrow::fs::FileSystem& store, const std::string& path) {
  const auto* const s3 = dynamic_cast<const arrow::fs::S3FileSystem*>(&store);
  if (s3 == nullptr) return std::nullopt;
  const arrow::fs::S3Options options = s3->options();
  if (!options.proxy_options.host.empty() || !options.tls_ca_file_path.empty()) return std::nullopt;

  const size_t slash = path.find('/');
  const std::string bucket = path.substr(0, slash);
  std::string key;
  for (size_t start = slash; start < path.size();) {
    const size_t end = std::min(path.find('/', start + 1), path.size());
    key += "/" + url_encode(std::string_view(path).substr(start + 1, end - start - 1));
    start = end;
  }
  const bool own_host = options.force_virtual_addressing || options.endpoint_override.empty();
  const std::string host =
      options.endpoint_override.empty() ? fmt::format("s3.{}.amazonaws.com", s3->region()) : options.endpoint_override;
  HttpRequest request{.method = "DELETE",
                      .url = own_host ? fmt::format("{}://{}.{}{}", options.scheme, bucket, host, key)
                                      : fmt::format("{}://{}/{}{}", options.scheme, host, bucket, key)};
  if (options.credentials_kind != arrow::fs::S3CredentialsKind::Anonymous) {
    const AwsKey who{options.GetAccessKey(), Secret(options.GetSecretKey()), Secret(options.GetSessionToken())};
    sign(request, {.region = s3->region(), .service = "s3", .key = who});
  }
  static auto* const client = new HttpClient(HttpOptions{.retries = 2});  // for good, as the file systems are
  const StopScope to_the_end{arrow::StopToken::Unstoppable()};            // who stops cleans up
  try {
    const HttpAnswer answer = client->send(request);
    if (answer.status == 200 || answer.status == 204) return true;
    if (answer.status == 404) return false;
    if (answer.status == 403) return arrow::Status::IOError("ACCESS_DENIED (HTTP status 403)");
  } catch (const HttpError&) {  // the other way will say why
  }
  return std::nullopt;
}

AwsKey aws_key_of_environment() {
  check(arrow::fs::EnsureS3Initialized(), "AWS");
  static const auto* const environment = new arrow::fs::S3Options(arrow::fs::S3Options::Defaults());  // for good
  AwsKey key{environment->GetAccessKey(), Secret(environment->GetSecretKey()), Secret(environment->GetSessionToken())};
  if (key.id.empty()) throw InvalidArgument("the environment has no AWS key: set rest.access-key-id, or AWS_PROFILE");
  return key;
}

}  // namespace floe
