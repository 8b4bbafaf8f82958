// A catalog that a server keeps and that is spoken to by the Iceberg REST protocol: Apache Polaris, Lakekeeper, Nessie,
// the reference server of Iceberg's Java, ... The server applies updates and writes metadata.json itself.
#pragma once

#include "floe/catalog/catalog.h"

namespace floe {

// Properties, under PyIceberg's names and Java's: "uri" (without "/v1"), "warehouse" (a name or a location that the
// server knows), "prefix", "header.NAME"; those of rest_auth.h (who asks) and of http.h (how). The server's
// configuration adds to them or replaces them. "rest-page-size": how many namespaces or tables one answer may list.
// "rest.sigv4-enabled" and its kin (aws_signature.h): requests are signed for AWS.
// "header.X-Iceberg-Access-Delegation" is "vended-credentials", or empty where the client has keys of its own.
//
// Asks the server for its configuration: throws Unauthorized, NotFound if it has no such warehouse, IoError if it is
// not there.
CatalogPtr open_rest_catalog(const std::string& name, const Properties& properties);

}  // namespace floe
