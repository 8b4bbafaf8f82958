#include <arrow/filesystem/azurefs.h>
#include <fmt/format.h>

#include <array>

#include "floe/arrow_status.h"
#include "floe/io/stores.h"
#include "floe/spec/table_metadata.h"

namespace floe {
namespace {

// What Arrow's client has no way to do, or to be told.
constexpr std::array<std::string_view, 4> kRefused = {"adls.token", "adls.connection-string", "adls.credential",
                                                      "adls.account-host"};

// "adls.sas-token.<account>" and "adls.sas-token.<account>.dfs.core.windows.net" are a catalog's for one account.
std::string sas_token(const Properties& properties, const std::string& account) {
  std::string token = string_property(properties, "adls.sas-token", "");
  const std::string prefix = "adls.sas-token." + account;
  for (const auto& [name, value] : properties) {
    if (token.empty() && (name == prefix || name.starts_with(prefix + "."))) token = value;
  }
  if (token.starts_with('?')) token.erase(0, 1);
  return token;
}

arrow::Status set_credential(arrow::fs::AzureOptions& options, const Properties& properties) {
  const std::string key = string_property(properties, "adls.account-key", "");
  const std::string sas = sas_token(properties, options.account_name);
  const std::string tenant = string_property(properties, "adls.tenant-id", "");
  const std::string client = string_property(properties, "adls.client-id", "");
  const std::string secret = string_property(properties, "adls.client-secret", "");
  if (!key.empty()) return options.ConfigureAccountKeyCredential(key);
  if (!sas.empty()) return options.ConfigureSASCredential(sas);
  if (!tenant.empty() || !client.empty() || !secret.empty()) {
    if (tenant.empty() || client.empty() || secret.empty()) {
      throw InvalidArgument("adls.client-id, adls.client-secret and adls.tenant-id need one another");
    }
    return options.ConfigureClientSecretCredential(tenant, client, secret);
  }
  if (bool_property(properties, "adls.anon", false)) return options.ConfigureAnonymousCredential();
  return options.ConfigureDefaultCredential();
}

}  // namespace

std::shared_ptr<arrow::fs::FileSystem> azure_file_system(const std::string& location, const Properties& properties) {
  for (const std::string_view name : kRefused) {
    if (properties.contains(name)) {
      throw NotSupported(
          fmt::format("{} cannot be honoured by this engine's client of Azure's store; remove the property", name));
    }
  }
  arrow::fs::AzureOptions options;
  options.account_name = string_property(properties, "adls.account-name", azure_account(location));
  if (options.account_name.empty()) {
    throw InvalidArgument(
        fmt::format("{}: which account it is in, neither the location nor adls.account-name says", location));
  }
  options.blob_storage_authority =
      string_property(properties, "adls.blob-storage-authority", options.blob_storage_authority);
  options.dfs_storage_authority =
      string_property(properties, "adls.dfs-storage-authority", options.dfs_storage_authority);
  options.blob_storage_scheme = string_property(properties, "adls.blob-storage-scheme", options.blob_storage_scheme);
  options.dfs_storage_scheme = string_property(properties, "adls.dfs-storage-scheme", options.dfs_storage_scheme);
  check(set_credential(options, properties), "Azure");
  return check(arrow::fs::AzureFileSystem::Make(options), "Azure");
}

}  // namespace floe
