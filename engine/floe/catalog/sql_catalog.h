// A catalog in a SQL database: the tables `iceberg_tables` and `iceberg_namespace_properties` that PyIceberg's
// SqlCatalog and Java's JdbcCatalog share, so that each can open the others' catalogs.
//
// A table is a row with the location of its current metadata file; a commit swaps that location in one statement, if it
// still is the one that the commit started from. A namespace exists if it has a property (a bare one gets
// "exists" = "true"), or if a table or namespace is in it.
#pragma once

#include "floe/catalog/catalog.h"

namespace floe {

// Properties: "uri" (see sql_dialect.h), "warehouse"; "pool_size" (5), how many connections to a server there are at
// most at a time; "init_catalog_tables" = "false" makes no tables in a database that has none; "schema_version" = "v1"
// adds the column that tells tables from views to a database that lacks it (v0), which otherwise is used as it is.
// Opens the database. `io`: what all files, those of metadata too, are read and written through; null: what the
// properties describe.
CatalogPtr open_sql_catalog(const std::string& name, const Properties& properties, IoPtr io = nullptr);

}  // namespace floe
