// Table metadata as a part of a larger document, such as a catalog server's answer. Internal to the engine;
// table_metadata.h has what takes and gives text.
#pragma once

#include <string>

#include "floe/spec/json.h"
#include "floe/spec/table_metadata.h"

namespace floe::json {

// Throws as parse_table_metadata; `document` is the name of the whole.
TableMetadata table_metadata_from_node(const Node& node, const std::string& document);

}  // namespace floe::json
