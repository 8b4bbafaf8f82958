// Single Iceberg values as Arrow scalars, and as columns that repeat one value.
#pragma once

#include <arrow/array.h>
#include <arrow/scalar.h>

#include <cstdint>
#include <memory>

#include "floe/spec/type.h"

namespace floe {

// A value of any type, nested ones too. `arrow_type` is what to_arrow_type (arrow_schema.h) makes of `type`.
std::shared_ptr<arrow::Scalar> to_scalar(const Value& value, const Type& type,
                                         const std::shared_ptr<arrow::DataType>& arrow_type);

// A column of `length` times the same value.
std::shared_ptr<arrow::Array> repeat(const Value& value, const Type& type,
                                     const std::shared_ptr<arrow::DataType>& arrow_type, int64_t length);

}  // namespace floe
