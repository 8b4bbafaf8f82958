// Object stores: S3 and what speaks it (MinIO, SeaweedFS, Ceph), Google Cloud Storage, Azure. Arrow's file systems,
// made of PyIceberg's properties. Internal to the engine: users call make_io.
#pragma once

#include <arrow/filesystem/filesystem.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "floe/secret.h"
#include "floe/spec/snapshot.h"

namespace floe {

// A store's name in properties; "s3a" and "s3n" mean the same store as "s3", "gcs" as "gs", "wasb" as "abfs".
enum class StoreKind { kS3, kGcs, kAzure };

// By the location's scheme; none for what is local, or of a scheme that nobody here knows.
std::optional<StoreKind> store_of(std::string_view location);

// What an object store calls a location: "bucket/key", "container/path". Nothing is decoded, so that every name
// round-trips. Throws InvalidArgument if no object can be meant.
std::string object_path(std::string_view location);

// Of those with the same properties there is one for as long as anybody uses it or it was used lately, with its
// connections; in a forked child another one. Throws InvalidArgument for properties that cannot be, and NotSupported by
// name for what Arrow's clients cannot do.
std::shared_ptr<arrow::fs::FileSystem> file_system(StoreKind kind, const std::string& location,
                                                   const Properties& properties);

// Whether a property says how a store is reached, and by whom.
bool is_of_stores(std::string_view property);

// When credentials expire that say so in milliseconds since 1970: never before that, and at the latest when the clock
// ends.
std::chrono::system_clock::time_point expiry_from_ms(int64_t ms);

// S3. Properties, as PyIceberg and Java have them: "s3.endpoint"; "s3.region"; "s3.access-key-id" with
// "s3.secret-access-key" and "s3.session-token", else "s3.role-arn" with "s3.role-session-name", else "s3.anonymous",
// else what the environment, the AWS files or the machine offer; each of them also with "client." instead of "s3.".
// "s3.force-virtual-addressing", or its opposite "s3.path-style-access"; "s3.connect-timeout" (10) and
// "s3.request-timeout" (30: nothing comes for so long) in seconds; "s3.retry.num-retries" (5) of each request;
// "s3.proxy-uri"; "ssl.cabundle"; "s3.sse.type" = "custom" with "s3.sse.key" in base64 (SSE-C).
std::shared_ptr<arrow::fs::FileSystem> s3_file_system(const Properties& properties);

// Removes an object of S3 by one request. Arrow's own way asks whether it is there before, and puts an empty object in
// the place of its folder afterwards, which takes the right to write and stays for good. Gives whether it is gone; none
// if that way has to be taken nevertheless.
arrow::Result<std::optional<bool>> delete_s3_object(const arrow::fs::FileSystem& store, const std::string& path);

// Who somebody is to AWS.
struct AwsKey {
  std::string id;
  Secret secret, session_token;
};
// As the environment, the AWS files or the machine say. Throws InvalidArgument if nobody says it.
AwsKey aws_key_of_environment();

// Google Cloud Storage: "gcs.oauth2.token" with "gcs.oauth2.token-expires-at" (milliseconds), else "gcs.no-auth", else
// what the environment offers (GOOGLE_APPLICATION_CREDENTIALS); "gcs.service.host".
std::shared_ptr<arrow::fs::FileSystem> gcs_file_system(const Properties& properties);

// Azure: "adls.account-name", else as the location's host says; "adls.account-key"; "adls.sas-token", else
// "adls.sas-token.<account>", as catalogs give it, with or without the domain; "adls.client-id", "adls.client-secret"
// and "adls.tenant-id"; "adls.anon"; else what the environment offers. "adls.blob-storage-authority",
// "adls.dfs-storage-authority" and their "-scheme".
std::shared_ptr<arrow::fs::FileSystem> azure_file_system(const std::string& location, const Properties& properties);

// The account of "abfss://container@account.dfs.core.windows.net/path"; empty if the location has none.
std::string azure_account(std::string_view location);

}  // namespace floe
