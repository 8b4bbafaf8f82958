// Iceberg values as Arrow columns.
#pragma once

#include <arrow/array.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "floe/spec/type.h"

namespace floe {

// A column of these values, of any type but variant (whose only value here is null). `arrow_type` is what to_arrow_type
// (arrow_schema.h) makes of `type`.
std::shared_ptr<arrow::Array> to_array(const std::vector<Value>& values, const Type& type,
                                       const std::shared_ptr<arrow::DataType>& arrow_type);

// A column of `length` times the same value.
std::shared_ptr<arrow::Array> repeat(const Value& value, const Type& type,
                                     const std::shared_ptr<arrow::DataType>& arrow_type, int64_t length);

// The value of one row of a column of a primitive type. `array` is of the type that to_arrow_type makes of `type`.
Value value_at(const arrow::Array& array, int64_t row, const Type& type);

// The same bytes under a type whose layout is the same, at every depth: other names and metadata of fields, extension
// types or their storage, time of day or the number that it is.
std::shared_ptr<arrow::ArrayData> relabel(const arrow::ArrayData& data, const std::shared_ptr<arrow::DataType>& type);

}  // namespace floe
