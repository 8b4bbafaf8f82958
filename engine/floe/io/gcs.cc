#include <arrow/filesystem/gcsfs.h>
#include <fmt/format.h>

#include <array>

#include "floe/arrow_status.h"
#include "floe/io/stores.h"
#include "floe/spec/table_metadata.h"

namespace floe {
namespace {

constexpr double kRetrySeconds = 60;

// What Arrow's client has no way to do, or to be told.
constexpr std::array<std::string_view, 6> kRefused = {"gcs.access",         "gcs.consistency",   "gcs.cache-timeout",
                                                      "gcs.requester-pays", "gcs.version-aware", "gcs.session-kwargs"};

}  // namespace

std::shared_ptr<arrow::fs::FileSystem> gcs_file_system(const Properties& properties) {
  using arrow::fs::GcsOptions;
  for (const std::string_view name : kRefused) {
    if (properties.contains(name)) {
      throw NotSupported(
          fmt::format("{} cannot be honoured by this engine's client of Google's store; remove the property", name));
    }
  }
  GcsOptions options;
  const std::string token = string_property(properties, "gcs.oauth2.token", "");
  if (!token.empty()) {
    const int64_t expiry = int_property(properties, "gcs.oauth2.token-expires-at", 0);
    const auto unknown = std::chrono::system_clock::now() + std::chrono::hours(24 * 365);  // its server will say so
    options = GcsOptions::FromAccessToken(token, expiry > 0 ? expiry_from_ms(expiry) : unknown);
  } else if (bool_property(properties, "gcs.no-auth", false)) {
    options = GcsOptions::Anonymous();
  } else {
    options = GcsOptions::Defaults();
  }
  std::string host = string_property(properties, "gcs.service.host", "");
  if (!host.empty()) {
    const size_t scheme = host.find("://");
    if (scheme == std::string::npos) throw InvalidArgument("gcs.service.host is an http:// or https:// address");
    options.scheme = host.substr(0, scheme);
    host.erase(0, scheme + 3);
    while (host.ends_with('/')) host.pop_back();
    options.endpoint_override = host;
  }
  options.retry_limit_seconds = kRetrySeconds;
  return check(arrow::fs::GcsFileSystem::Make(options), "Google Cloud Storage");
}

}  // namespace floe
