#include "floe/io/aws_signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "floe/error.h"

namespace floe {
namespace {

using testing::HasSubstr;

// AWS's own examples of requests and their signatures.
const AwsKey kKey = {"AKIDEXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), {}};
const AwsSigner kSigner = {"us-east-1", "service", kKey};
constexpr std::string_view kTime = "20150830T123600Z";
const HttpHeaders kHeaders = {{"host", "example.amazonaws.com"}, {"x-amz-date", std::string(kTime)}};

std::string signature(std::string_view method, std::string_view path, std::string_view query) {
  const std::string text = aws_authorization(kSigner, kKey, method, path, query, kHeaders, sha256_hex(""), kTime);
  return text.substr(text.rfind('=') + 1);
}

TEST(AwsSignature, IsThatOfAwsExamples) {
  EXPECT_EQ(signature("GET", "/", ""), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  EXPECT_EQ(signature("POST", "/", ""), "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
  EXPECT_EQ(signature("GET", "/", "Param2=value2&Param1=value1"),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
  EXPECT_THAT(aws_authorization(kSigner, kKey, "GET", "/", "", kHeaders, sha256_hex(""), kTime),
              HasSubstr("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                        "SignedHeaders=host;x-amz-date, Signature="));
}

TEST(AwsSignature, GoesWithTheRequestAndKeepsATokenBeside) {
  HttpRequest request{.method = "POST",
                      .url = "https://host:8181/iceberg/v1/namespaces/a%1Fb?x=1",
                      .headers = {{"Accept", "application/json"}, {"Authorization", "Bearer t"}},
                      .body = "{}"};
  AwsSigner signer = kSigner;
  signer.key->session_token = Secret("session");
  sign(request, signer);
  std::map<std::string, std::string> headers(request.headers.begin(), request.headers.end());
  EXPECT_EQ(headers.at("Original-Authorization"), "Bearer t");
  EXPECT_EQ(headers.at("x-amz-security-token"), "session");
  EXPECT_EQ(headers.at("x-amz-content-sha256"), sha256_hex("{}"));
  EXPECT_EQ(headers.at("x-amz-date").size(), 16);
  EXPECT_THAT(headers.at("Authorization"),
              HasSubstr("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token"));
  EXPECT_FALSE(headers.contains("host"));  // libcurl says it
}

TEST(AwsSignature, NeedsARegionAndAWholeKey) {
  ::unsetenv("AWS_REGION");
  ::unsetenv("AWS_DEFAULT_REGION");
  EXPECT_FALSE(aws_signer({{"rest.signing-region", "r"}}).has_value());
  EXPECT_THROW(aws_signer({{"rest.sigv4-enabled", "true"}}), InvalidArgument);
  Properties properties = {{"rest.sigv4-enabled", "true"}, {"client.region", "r"}, {"rest.access-key-id", "id"}};
  EXPECT_THROW(aws_signer(properties), InvalidArgument);
  properties["client.secret-access-key"] = "geheim";
  const auto signer = aws_signer(properties);
  EXPECT_EQ(signer->region, "r");
  EXPECT_EQ(signer->service, "execute-api");
  EXPECT_EQ(signer->key->secret.reveal(), "geheim");
}

}  // namespace
}  // namespace floe
