// Views, as the server of a REST catalog keeps them. Internal to catalog/; each function is the method of Catalog of
// the same name.
#pragma once

#include <string>

#include "floe/catalog/rest_session.h"

namespace floe::rest_views {

inline constexpr std::string_view kViews = "/v1/{prefix}/namespaces/{namespace}/views";

LoadedView create_view(RestSession& session, const TableIdentifier& view, const NewView& definition);
LoadedView replace_view(RestSession& session, const TableIdentifier& view, const NewView& definition);
LoadedView register_view(RestSession& session, const TableIdentifier& view, const std::string& metadata_location);
LoadedView load_view(RestSession& session, const TableIdentifier& view);
bool view_exists(RestSession& session, const TableIdentifier& view);
void drop_view(RestSession& session, const TableIdentifier& view);

}  // namespace floe::rest_views
