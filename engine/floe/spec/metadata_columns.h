// Columns that tables do not have and rows do: their reserved ids, names and types.
// Specification: "Reserved Field IDs". They are known by id; a table's own columns may have these names.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "floe/spec/type.h"

namespace floe {

inline constexpr int32_t kHighestUserFieldId = 2147483447;

inline constexpr int32_t kFileId = 2147483646;
inline constexpr int32_t kPosId = 2147483645;
inline constexpr int32_t kDeletedId = 2147483644;
inline constexpr int32_t kSpecIdId = 2147483643;
inline constexpr int32_t kPartitionId = 2147483642;
inline constexpr int32_t kRowIdId = 2147483540;
inline constexpr int32_t kLastUpdatedSequenceNumberId = 2147483539;

// Of position delete files.
inline constexpr int32_t kDeleteFilePathId = 2147483546;
inline constexpr int32_t kDeletePosId = 2147483545;
inline constexpr int32_t kDeleteRowId = 2147483544;

inline bool is_metadata_column(int32_t field_id) { return field_id > kHighestUserFieldId; }

// The fields as a projection names them.
inline Field file_field() {
  return {.id = kFileId, .name = "_file", .required = true, .type = primitive(TypeKind::kString)};
}
inline Field pos_field() {
  return {.id = kPosId, .name = "_pos", .required = true, .type = primitive(TypeKind::kLong)};
}
inline Field deleted_field() {
  return {.id = kDeletedId, .name = "_deleted", .required = true, .type = primitive(TypeKind::kBoolean)};
}
inline Field spec_id_field() {
  return {.id = kSpecIdId, .name = "_spec_id", .required = true, .type = primitive(TypeKind::kInt)};
}
// `type`: a struct of the table's partition fields, those of all its specs.
inline Field partition_field(Type type) {
  return {.id = kPartitionId, .name = "_partition", .required = false, .type = std::move(type)};
}
inline Field row_id_field() {
  return {.id = kRowIdId, .name = "_row_id", .required = false, .type = primitive(TypeKind::kLong)};
}
inline Field last_updated_sequence_number_field() {
  return {.id = kLastUpdatedSequenceNumberId,
          .name = "_last_updated_sequence_number",
          .required = false,
          .type = primitive(TypeKind::kLong)};
}

// The columns of a position delete file, without the optional deleted row.
inline std::vector<Field> position_delete_fields() {
  return {
      {.id = kDeleteFilePathId, .name = "file_path", .required = true, .type = primitive(TypeKind::kString)},
      {.id = kDeletePosId, .name = "pos", .required = true, .type = primitive(TypeKind::kLong)},
  };
}

}  // namespace floe
