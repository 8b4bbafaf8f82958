// A table's schema as the schema of a Parquet file. Specification: "Parquet" in "Appendix A".
#pragma once

#include <parquet/schema.h>

#include <memory>

#include "floe/spec/schema.h"

namespace floe {

// The schema without its columns of type unknown, which no file has, at any depth. Throws NotSupported naming what
// would have nothing left in it (a struct, list or map of nothing but unknown, or the whole schema).
Schema without_unknown(const Schema& schema);

// With field ids, and logical types as the specification has them. Names are the table's own.
std::shared_ptr<parquet::schema::GroupNode> to_parquet_schema(const Schema& schema);

}  // namespace floe
