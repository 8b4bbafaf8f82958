// AWS Signature Version 4, by which a client of AWS, or of what speaks like it, says who it is. Internal to the engine.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "floe/io/http.h"
#include "floe/io/stores.h"
#include "floe/secret.h"
#include "floe/spec/snapshot.h"

namespace floe {

// Properties, as PyIceberg and Java have them: "rest.sigv4-enabled"; "rest.signing-region", else "client.region", else
// as the environment says; "rest.signing-name" ("execute-api"), the service; "rest.access-key-id",
// "rest.secret-access-key" and "rest.session-token", each also with "client." instead of "rest.", else what the
// environment, the AWS files or the machine offer. Throws InvalidArgument for what is missing.
struct AwsSigner {
  std::string region, service;
  std::optional<AwsKey> key;  // none: those of the environment, asked for each time, for they change
};
std::optional<AwsSigner> aws_signer(const Properties& properties);

// Adds the headers that sign a request. Another "Authorization" goes along as "Original-Authorization".
void sign(HttpRequest& request, const AwsSigner& signer,
          std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

// The value of "Authorization". All the headers, with names in lower case and sorted, are signed. `path` and `query`
// are as in the URL, `payload` is the SHA-256 of the body; `time` is as in "x-amz-date".
std::string aws_authorization(const AwsSigner& signer, const AwsKey& key, std::string_view method,
                              std::string_view path, std::string_view query, const HttpHeaders& headers,
                              std::string_view payload, std::string_view time);

std::string sha256_hex(std::string_view text);

}  // namespace floe
