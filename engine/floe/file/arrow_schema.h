// Iceberg schemas as Arrow schemas and back. The same mapping as PyIceberg's, so that readers see the same types.
#pragma once

#include <arrow/type.h>

#include <memory>
#include <string_view>

#include "floe/spec/schema.h"

namespace floe {

// Field ids travel as field metadata under "PARQUET:field_id", docs under "doc". string is utf8 (PyIceberg has
// large_utf8, which readers take for the same), timestamps are microseconds (nanoseconds for the ns types) with time
// zone "UTC" for the tz ones, uuid and variant are Arrow's extension types, geometry and geography are WKB in binary,
// unknown is null.
std::shared_ptr<arrow::Schema> to_arrow_schema(const Schema& schema);
std::shared_ptr<arrow::DataType> to_arrow_type(const Type& type);

// The reverse, for tables made from Arrow schemas and files. With `fresh_ids` all ids are counted up from 1 by
// `assign_fresh_ids`; without, each field has one as its metadata ("PARQUET:field_id" or ORC's "iceberg.id") or
// InvalidArgument is thrown. Dictionary, large and view types are what they hold, smaller numbers are the next that
// Iceberg has (uint32 is long). Types that Iceberg lacks throw InvalidArgument naming the field and what to cast it to
// (uint64 for one); nanosecond timestamps become timestamp_ns where `format_version` >= 3, else they throw.
Schema from_arrow_schema(const arrow::Schema& schema, int32_t format_version, bool fresh_ids);

// Whether a time zone's name means UTC in the way that PyIceberg accepts: "UTC", "+00:00", "Etc/UTC", "Z".
bool is_utc(std::string_view zone);

}  // namespace floe
