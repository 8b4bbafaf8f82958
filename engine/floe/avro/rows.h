// Whole rows as values: decoding them, for files that are small or where speed does not matter, and encoding them.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "floe/avro/container.h"
#include "floe/avro/program.h"
#include "floe/spec/value.h"

namespace floe::avro {

// Calls `visit` for every record of a file, with the wanted fields in their order, as value.h describes (a variant is a
// struct of its metadata and value). Throws CorruptFile naming `file`.
void read_rows(std::string_view bytes, const std::string& file, const std::vector<Field>& wanted,
               const std::function<void(std::vector<Value> row)>& visit);

// Appends the encoding of a value of a field, or of a row, in the schema that to_avro_schema writes. The values fit
// their types; a null in a required field throws InvalidArgument.
void encode(const Field& field, const Value& value, std::string& out);
void encode_row(const std::vector<Field>& fields, const std::vector<Value>& row, std::string& out);

}  // namespace floe::avro
