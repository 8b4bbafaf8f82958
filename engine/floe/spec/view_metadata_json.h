// A view's metadata as a part of a larger document, such as a catalog server's answer. Internal to the engine;
// view_metadata.h has what takes and gives text.
#pragma once

#include <string>

#include "floe/spec/json.h"
#include "floe/spec/view_metadata.h"

namespace floe::json {

// Throws as parse_view_metadata; `document` is the name of the whole.
ViewMetadata view_metadata_from_node(const Node& node, const std::string& document);

}  // namespace floe::json
