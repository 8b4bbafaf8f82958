// For tests: what those of REST catalogs say to servers, and what servers of their own answer.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "floe/catalog/catalog.h"
#include "floe/test_http_server.h"

namespace floe {

inline NewTable definition() {
  NewTable table;
  table.schema.fields = {{.id = 1, .name = "id", .type = primitive(TypeKind::kLong)}};
  return table;
}

inline TableCommit set(const std::string& key, const std::string& value) {
  return {{}, {SetProperties{{{key, value}}}}};
}

// A namespace of the reference server that no other test has.
inline std::string fresh(const std::string& name) { return fmt::format("{}_{}", name, new_uuid()); }

// Answers /v1/config with `config`, the rest by `handler`.
inline TestHttpServer::Handler configured(std::string config, TestHttpServer::Handler handler) {
  return [config = std::move(config), handler = std::move(handler)](const TestRequest& request) {
    return request.target.starts_with("/v1/config") ? TestAnswer{.body = config} : handler(request);
  };
}

inline TestAnswer complaint(int status, const std::string& type, const std::string& message) {
  return {.status = status,
          .body = fmt::format(R"({{"error":{{"message":"{}","type":"{}","code":{},"stack":["at x"]}}}})", message, type,
                              status)};
}

inline std::string table_answer(const std::string& more = "") {
  NewTable table = definition();
  table.location = "s3://bucket/a/t";
  return fmt::format(R"({{"metadata-location":"s3://bucket/a/t/metadata/m.json","metadata":{}{}}})",
                     to_json(new_table_metadata(table)), more);
}

inline Properties rest(const std::string& uri, Properties more = {}) {
  more.insert({{"type", "rest"}, {"uri", uri}, {"rest.client.max-retries", "0"}});
  return more;
}

}  // namespace floe
