// Partition transforms. Specification: "Partition Transforms"; hashes: "Appendix B".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "floe/spec/type.h"

namespace floe {

enum class TransformKind : uint8_t {
  kIdentity,
  kBucket,
  kTruncate,
  kYear,
  kMonth,
  kDay,
  kHour,
  kVoid,
  kUnknown,  // written by a later version of the format: kept, never pruned on
};

struct Transform {
  TransformKind kind = TransformKind::kIdentity;
  int32_t width = 0;  // bucket: number of buckets; truncate: width
  std::string text;   // the text as read, of an unknown transform
  bool operator==(const Transform&) const = default;
};

// "identity", "bucket[16]", "truncate[4]", "day", ... Text that is none of these becomes kUnknown; a known name with a
// width that is missing or not positive throws InvalidArgument.
Transform parse_transform(std::string_view text);
std::string to_string(const Transform& transform);

// Whether the transform takes values of this type. An unknown one takes none.
bool can_transform(const Transform& transform, const Type& source);

// The type of the transformed value. day gives date; year, month, hour and bucket give int; unknown gives string.
Type result_type(const Transform& transform, const Type& source);

// The transformed value; null stays null. Throws NotSupported if the transform is unknown; InvalidArgument if
// !can_transform, or if the result is out of its type's range (truncate of ints next to the lowest one). A truncated
// decimal may have more digits than the type's precision, as the specification's formula gives it.
Value apply(const Transform& transform, const Type& source, const Value& value);

// Of the transformed value: a partition value as people read it and as paths have it: year 2017, month 2017-11, day
// 2017-11-16, hour 2017-11-16-22; everything else as to_human_string(value, result type).
std::string to_human_string(const Transform& transform, const Type& source, const Value& value);

// x86 32-bit Murmur3, seed 0.
uint32_t murmur3_32(std::string_view bytes);

// The hash of "Appendix B" (before the modulus): the value is not null, the type one that bucket takes.
uint32_t bucket_hash(const Value& value, const Type& type);

}  // namespace floe
