// Iceberg schemas as the Arrow schemas that Arrow's ORC adapter writes. Specification: "Appendix A: ORC".
#pragma once

#include <arrow/array.h>
#include <arrow/type.h>

#include <memory>
#include <string>

#include "floe/spec/schema.h"

namespace floe {

// Field ids ("iceberg.id"), "iceberg.required" and what else ORC's own types do not say are field metadata, which the
// adapter makes type attributes. Throws NotSupported naming the column for variant.
std::shared_ptr<arrow::Schema> to_orc_schema(const Schema& schema);

// A column of the table as that schema has it: the same bytes under another type. Throws InvalidArgument naming the
// column for timestamps that the adapter cannot read again (outside 1677 to 2262).
std::shared_ptr<arrow::Array> to_orc(const arrow::Array& column, const std::shared_ptr<arrow::DataType>& orc_type,
                                     const std::string& name);

}  // namespace floe
