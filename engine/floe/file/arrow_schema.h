// Iceberg schemas as Arrow schemas and back. The same mapping as PyIceberg's, so that readers see the same types.
#pragma once

#include <arrow/type.h>

#include <memory>

#include "floe/spec/schema.h"

namespace floe {

// Field ids travel as field metadata under "PARQUET:field_id". string is utf8 (large_utf8 is accepted on writing),
// timestamps are microseconds (nanoseconds for the ns types) with time zone "UTC" for the tz ones, uuid is Arrow's
// extension type, variant and geo types as ARCHITECTURE.md says.
std::shared_ptr<arrow::Schema> to_arrow_schema(const Schema& schema);
std::shared_ptr<arrow::DataType> to_arrow_type(const Type& type);

// The reverse, for tables made from Arrow schemas and files. Fields without an id get ids by `assign_fresh_ids` if
// `fresh_ids`, else throw InvalidArgument. Types that Iceberg lacks throw InvalidArgument naming the field and what to
// cast it to (uint64 for one); nanosecond timestamps become timestamp_ns where `format_version` >= 3, else they throw.
Schema from_arrow_schema(const arrow::Schema& schema, int32_t format_version, bool fresh_ids);

}  // namespace floe
