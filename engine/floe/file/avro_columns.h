// Records of Avro files as Arrow columns.
#pragma once

#include <arrow/array.h>
#include <arrow/builder.h>

#include <memory>
#include <string_view>
#include <vector>

#include "floe/avro/program.h"

namespace floe {

// The handler of a decoder (avro/program.h) that appends what is decoded to a column for each wanted field. Throws
// NotSupported where a column becomes more than an Arrow array holds.
class AvroColumns {
 public:
  // `fields`: what the program was compiled for; both must outlive this.
  AvroColumns(const avro::Program& program, const std::vector<Field>& fields);

  // The columns so far, in the fields' Arrow types; then begins anew.
  arrow::ArrayVector finish();

  void null(int slot);
  void boolean(int slot, bool value);
  void integer(int slot, int64_t value);
  void real(int slot, float value);
  void real(int slot, double value);
  void bytes(int slot, std::string_view value);
  void begin(int slot);
  void end(int) {}
  bool key(int slot, int32_t value);

 private:
  struct Slot {
    arrow::ArrayBuilder* builder = nullptr;
    const Type* type = nullptr;
  };
  const std::vector<Field>& fields_;
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> columns_;
  std::vector<Slot> slots_;
};

}  // namespace floe
