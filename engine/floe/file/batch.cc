#include "floe/file/batch.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <arrow/util/bitmap_ops.h>
#include <arrow/util/byte_size.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"

namespace floe {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using TypePtr = std::shared_ptr<arrow::DataType>;

constexpr int kMaxDepth = 100;

// How one incoming column (or nested field) becomes one of the table's.
struct Plan {
  enum class How {
    kSame,           // as it is
    kRelabel,        // the same bytes under another type
    kCast,           // Arrow's checked conversion
    kNarrowOffsets,  // large_utf8, large_binary
    kDictionary,     // children[0] is for the dictionary
    kStruct,         // children: one per field of the table's struct
    kList,           // children[0] is for the elements
    kMap,            // children: key and value
    kFill,           // not in the data: `fill` in every row
  };
  How how = How::kSame;
  std::string path;
  const Type* type = nullptr;  // the table's
  TypePtr target;              // its Arrow type
  bool required = false;
  int source = -1;  // position among the incoming siblings
  Value fill;
  std::vector<Plan> children;
};

// --- Deciding -------------------------------------------------------------------------------------------------------

bool is_text(arrow::Type::type id) {
  return id == arrow::Type::STRING || id == arrow::Type::LARGE_STRING || id == arrow::Type::STRING_VIEW;
}
bool is_bytes(arrow::Type::type id) {
  return id == arrow::Type::BINARY || id == arrow::Type::LARGE_BINARY || id == arrow::Type::BINARY_VIEW;
}
bool is_any_list(arrow::Type::type id) {
  return id == arrow::Type::LIST || id == arrow::Type::LARGE_LIST || id == arrow::Type::FIXED_SIZE_LIST ||
         id == arrow::Type::LIST_VIEW || id == arrow::Type::LARGE_LIST_VIEW;
}

std::string describe(const Type& type) {
  if (type.kind == TypeKind::kStruct) return "a struct";
  if (type.kind == TypeKind::kList) return "a list";
  if (type.kind == TypeKind::kMap) return "a map";
  return to_string(type);
}

class Planner {
 public:
  // Every field of the table in order, from the incoming siblings.
  std::vector<Plan> plan_fields(const std::vector<Field>& table, const arrow::FieldVector& incoming,
                                const std::string& parent, int depth) {
    std::unordered_map<std::string_view, int> positions;
    for (size_t i = 0; i < incoming.size(); ++i) {
      if (!positions.emplace(incoming[i]->name(), static_cast<int>(i)).second)
        problem(join(parent, incoming[i]->name()), "is there more than once in the data");
    }
    std::vector<Plan> plans;
    for (const Field& field : table) {
      const std::string path = join(parent, field.name);
      const auto found = positions.find(field.name);
      if (found == positions.end()) {
        plans.push_back(plan_missing(field, path));
      } else {
        const int source = found->second;
        plans.push_back(plan_field(field, *incoming[static_cast<size_t>(source)], path, depth));
        plans.back().source = source;
        positions.erase(found);
      }
    }
    for (const auto& field : incoming) {
      if (positions.erase(field->name()) == 0) continue;
      std::string text = fmt::format("({}) is not in the table", field->type()->ToString());
      for (const Field& other : table) {
        if (other.name.size() == field->name().size() &&
            std::equal(other.name.begin(), other.name.end(), field->name().begin(), [](char a, char b) {
              return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
            }))
          text += fmt::format("; it has '{}': names are compared with case", other.name);
      }
      problem(join(parent, field->name()), text);
      extra_ = true;
    }
    return plans;
  }

  // Throws if there was any problem.
  void finish(const std::string& table_name) const {
    if (problems_.empty()) return;
    std::string message = fmt::format("the data does not fit table {}: {} column{} cannot be written\n", table_name,
                                      problems_.size(), problems_.size() == 1 ? "" : "s");
    size_t width = 0;
    for (const auto& [path, text] : problems_) width = std::max(width, std::min<size_t>(path.size(), 40));
    for (const auto& [path, text] : problems_) message += fmt::format("  {:<{}}  {}\n", path, width, text);
    if (extra_)
      message += "Leave the columns out that the table does not have, or add them first (hint, use union_by_name).";
    while (message.ends_with('\n')) message.pop_back();
    throw InvalidArgument(message);
  }

 private:
  static std::string join(const std::string& parent, const std::string& name) {
    return parent.empty() ? name : parent + "." + name;
  }
  void problem(std::string path, std::string text) { problems_.emplace_back(std::move(path), std::move(text)); }

  Plan plan_missing(const Field& field, const std::string& path) {
    Plan plan{.how = Plan::How::kFill,
              .path = path,
              .type = &field.type,
              .target = to_arrow_type(field.type),
              .required = field.required,
              .fill = field.write_default};
    if (field.required && field.write_default.is_null())
      problem(path, fmt::format("(required {}) is missing in the data", describe(field.type)));
    return plan;
  }

  Plan plan_field(const Field& field, const arrow::Field& incoming, const std::string& path, int depth) {
    Plan plan = plan_type(field.type, incoming.type(), path, depth);
    plan.required = field.required;
    return plan;
  }

  Plan plan_type(const Type& type, const TypePtr& source, const std::string& path, int depth) {
    Plan plan{.path = path, .type = &type, .target = to_arrow_type(type)};
    if (depth > kMaxDepth) {
      problem(path, "nests types too deep");
    } else if (source->id() == arrow::Type::NA && type.kind != TypeKind::kUnknown) {
      plan.how = Plan::How::kFill;  // nulls of any type; where they are not allowed, the first row says so
    } else if (source->id() == arrow::Type::DICTIONARY) {
      plan.how = Plan::How::kDictionary;
      plan.children.push_back(
          plan_type(type, static_cast<const arrow::DictionaryType&>(*source).value_type(), path, depth + 1));
    } else if (type.kind == TypeKind::kStruct && source->id() == arrow::Type::STRUCT) {
      plan.children = plan_fields(*type.children, source->fields(), path, depth + 1);
      plan.how = all_same(plan.children, source->num_fields()) ? same_or_relabel(plan, *source) : Plan::How::kStruct;
    } else if (type.kind == TypeKind::kList && is_any_list(source->id())) {
      plan.children.push_back(plan_field((*type.children)[0], *source->field(0), path + ".element", depth + 1));
      const bool same = source->id() == arrow::Type::LIST && plan.children[0].how == Plan::How::kSame;
      plan.how = same ? same_or_relabel(plan, *source) : Plan::How::kList;
    } else if (type.kind == TypeKind::kMap && source->id() == arrow::Type::MAP) {
      const auto& map = static_cast<const arrow::MapType&>(*source);
      plan.children.push_back(plan_field((*type.children)[0], *map.key_field(), path + ".key", depth + 1));
      plan.children.push_back(plan_field((*type.children)[1], *map.item_field(), path + ".value", depth + 1));
      plan.children[0].source = 0;
      plan.children[1].source = 1;
      plan.how = all_same(plan.children, 2) ? same_or_relabel(plan, *source) : Plan::How::kMap;
    } else if (type.is_primitive()) {
      if (const auto how = plan_primitive(type, *source)) {
        plan.how = *how == Plan::How::kRelabel && source->Equals(*plan.target) ? Plan::How::kSame : *how;
      } else {
        mismatch(type, *source, path);
      }
    } else {
      mismatch(type, *source, path);
    }
    return plan;
  }

  // Nothing below needs work, but what is required or how children are called may differ.
  static Plan::How same_or_relabel(const Plan& plan, const arrow::DataType& source) {
    return source.Equals(*plan.target) ? Plan::How::kSame : Plan::How::kRelabel;
  }
  static bool all_same(const std::vector<Plan>& plans, int incoming) {
    if (static_cast<int>(plans.size()) != incoming) return false;
    for (size_t i = 0; i < plans.size(); ++i)
      if (plans[i].how != Plan::How::kSame || plans[i].source != static_cast<int>(i)) return false;
    return true;
  }

  // kRelabel where the bytes are right, nullopt where the types do not fit.
  static std::optional<Plan::How> plan_primitive(const Type& type, const arrow::DataType& source) {
    constexpr auto relabel = Plan::How::kRelabel;
    constexpr auto cast = Plan::How::kCast;
    const arrow::Type::type id = source.id();
    const auto* extension = id == arrow::Type::EXTENSION ? &static_cast<const arrow::ExtensionType&>(source) : nullptr;
    const auto width = [&] { return static_cast<const arrow::FixedSizeBinaryType&>(source).byte_width(); };
    switch (type.kind) {
      case TypeKind::kUnknown:
        return id == arrow::Type::NA ? std::optional(relabel) : std::nullopt;
      case TypeKind::kBoolean:
        return id == arrow::Type::BOOL ? std::optional(relabel) : std::nullopt;
      case TypeKind::kInt:
        if (id == arrow::Type::INT32) return relabel;
        if (id == arrow::Type::INT8 || id == arrow::Type::INT16 || id == arrow::Type::UINT8 ||
            id == arrow::Type::UINT16)
          return cast;
        return std::nullopt;
      case TypeKind::kLong:
        if (id == arrow::Type::INT64) return relabel;
        if (arrow::is_integer(id) && id != arrow::Type::UINT64) return cast;
        return std::nullopt;
      case TypeKind::kFloat:
        if (id == arrow::Type::FLOAT) return relabel;
        return id == arrow::Type::HALF_FLOAT ? std::optional(cast) : std::nullopt;
      case TypeKind::kDouble:
        if (id == arrow::Type::DOUBLE) return relabel;
        return id == arrow::Type::FLOAT || id == arrow::Type::HALF_FLOAT ? std::optional(cast) : std::nullopt;
      case TypeKind::kDecimal: {
        if (!arrow::is_decimal(id)) return std::nullopt;
        const auto& decimal = static_cast<const arrow::DecimalType&>(source);
        if (decimal.scale() > type.scale || decimal.precision() - decimal.scale() > type.precision - type.scale)
          return std::nullopt;
        return id == arrow::Type::DECIMAL128 && decimal.scale() == type.scale ? relabel : cast;
      }
      case TypeKind::kDate:
        return id == arrow::Type::DATE32 ? std::optional(relabel) : std::nullopt;
      case TypeKind::kTime:
        return id == arrow::Type::TIME32 || id == arrow::Type::TIME64 ? std::optional(cast_unless_same(type, source))
                                                                      : std::nullopt;
      case TypeKind::kTimestamp:
      case TypeKind::kTimestampTz:
      case TypeKind::kTimestampNs:
      case TypeKind::kTimestampTzNs: {
        if (id != arrow::Type::TIMESTAMP) return std::nullopt;
        const std::string& zone = static_cast<const arrow::TimestampType&>(source).timezone();
        const bool tz = type.kind == TypeKind::kTimestampTz || type.kind == TypeKind::kTimestampTzNs;
        if (tz ? !is_utc(zone) : !zone.empty()) return std::nullopt;
        return cast_unless_same(type, source);
      }
      case TypeKind::kString:
        if (extension && extension->extension_name() == "arrow.json")
          return plan_primitive(type, *extension->storage_type());
        if (id == arrow::Type::STRING) return relabel;
        if (id == arrow::Type::LARGE_STRING) return Plan::How::kNarrowOffsets;
        return is_text(id) || is_bytes(id) ? std::optional(cast) : std::nullopt;  // binary is checked to be UTF-8
      case TypeKind::kBinary:
      case TypeKind::kGeometry:
      case TypeKind::kGeography:
        if (extension && extension->extension_name() == "geoarrow.wkb" && type.kind != TypeKind::kBinary)
          return plan_primitive(type, *extension->storage_type());
        if (id == arrow::Type::BINARY) return relabel;
        if (id == arrow::Type::LARGE_BINARY) return Plan::How::kNarrowOffsets;
        if (is_bytes(id)) return cast;
        if (type.kind != TypeKind::kBinary) return std::nullopt;
        if (id == arrow::Type::STRING) return relabel;
        if (id == arrow::Type::LARGE_STRING) return Plan::How::kNarrowOffsets;
        return is_text(id) || id == arrow::Type::FIXED_SIZE_BINARY ? std::optional(cast) : std::nullopt;
      case TypeKind::kUuid:
      case TypeKind::kFixed: {
        const int length = type.kind == TypeKind::kUuid ? 16 : type.length;
        if (id == arrow::Type::FIXED_SIZE_BINARY && width() == length) return relabel;
        if (extension && extension->extension_name() == "arrow.uuid" && length == 16) return relabel;
        return std::nullopt;
      }
      case TypeKind::kVariant:
        return plan_variant(extension ? *extension->storage_type() : source, extension);
      case TypeKind::kStruct:
      case TypeKind::kList:
      case TypeKind::kMap:
        break;
    }
    return std::nullopt;
  }

  static std::optional<Plan::How> plan_variant(const arrow::DataType& storage, const arrow::ExtensionType* extension) {
    if (extension && extension->extension_name() != "arrow.parquet.variant") return std::nullopt;
    if (storage.id() != arrow::Type::STRUCT || storage.num_fields() != 2) return std::nullopt;
    for (int i = 0; i < 2; ++i) {
      if (storage.field(i)->name() != (i == 0 ? "metadata" : "value") ||
          storage.field(i)->type()->id() != arrow::Type::BINARY)
        return std::nullopt;
    }
    return Plan::How::kRelabel;
  }

  static Plan::How cast_unless_same(const Type& type, const arrow::DataType& source) {
    const TypePtr target = to_arrow_type(type);
    if (target->id() != source.id()) return Plan::How::kCast;
    if (source.id() != arrow::Type::TIMESTAMP) return source.Equals(*target) ? Plan::How::kRelabel : Plan::How::kCast;
    const auto unit = [](const arrow::DataType& t) { return static_cast<const arrow::TimestampType&>(t).unit(); };
    return unit(source) == unit(*target) ? Plan::How::kRelabel : Plan::How::kCast;  // only the zone's name differs
  }

  void mismatch(const Type& type, const arrow::DataType& source, const std::string& path) {
    std::string text =
        fmt::format("is {} in the data, which does not fit the table's {}", source.ToString(), describe(type));
    const bool tz = type.kind == TypeKind::kTimestampTz || type.kind == TypeKind::kTimestampTzNs;
    if (source.id() == arrow::Type::TIMESTAMP) {
      const std::string& zone = static_cast<const arrow::TimestampType&>(source).timezone();
      if (tz && zone.empty()) text += ": give it the time zone that its values are in, then cast it to UTC";
      if (tz && !zone.empty()) text += ": cast it to UTC, the instants stay the same";
      if (type.kind == TypeKind::kTimestamp && !zone.empty()) text += ": the table's has no time zone";
    } else if (arrow::is_numeric(source.id()) && (type.kind == TypeKind::kInt || type.kind == TypeKind::kLong ||
                                                  type.kind == TypeKind::kFloat || type.kind == TypeKind::kDecimal)) {
      text += ": it may lose values; cast it yourself if it does not";
    }
    problem(path, std::move(text));
  }

  std::vector<std::pair<std::string, std::string>> problems_;
  bool extra_ = false;
};

// --- Converting -----------------------------------------------------------------------------------------------------

// What an array's rows are inside of, to tell whether a null is one that somebody will see, and in which row.
struct Parent {
  const arrow::Array* array = nullptr;  // a struct, or a list whose elements from `first_element` on are below
  int64_t first_element = 0;
  const Parent* up = nullptr;
};

template <typename Offset>
int64_t slot_of(const Offset* offsets, int64_t length, int64_t element) {
  return std::upper_bound(offsets, offsets + length + 1, static_cast<Offset>(element)) - offsets - 1;
}

// The row of the batch that shows element `i`, or -1 if it lies under a null or between lists.
int64_t visible_row(const Parent* parent, int64_t i) {
  for (; parent != nullptr; parent = parent->up) {
    const arrow::Array& array = *parent->array;
    if (array.type_id() != arrow::Type::STRUCT) {
      const int64_t element = i + parent->first_element;
      i = array.type_id() == arrow::Type::LARGE_LIST
              ? slot_of(static_cast<const arrow::LargeListArray&>(array).raw_value_offsets(), array.length(), element)
              : slot_of(static_cast<const arrow::ListArray&>(array).raw_value_offsets(), array.length(), element);
      if (i < 0 || i >= array.length()) return -1;
    }
    if (array.IsNull(i)) return -1;
  }
  return i;
}

[[noreturn]] void refuse_null(const Plan& plan, int64_t row) {
  throw InvalidArgument(fmt::format("column {} is required, and is null in row {} of a batch", plan.path, row));
}

void check_required(const Plan& plan, const arrow::Array& array, const Parent* parent) {
  if (!plan.required || array.null_count() == 0) return;
  for (int64_t i = 0; i < array.length(); ++i) {
    if (!array.IsNull(i)) continue;
    const int64_t row = visible_row(parent, i);
    if (row >= 0) refuse_null(plan, row);
  }
}

ArrayPtr relabel(const arrow::Array& array, const TypePtr& type) {
  auto data = array.data()->Copy();
  data->type = type;
  return arrow::MakeArray(data);
}

// The validity of an array from bit 0 on, or null if all are valid.
std::shared_ptr<arrow::Buffer> validity_of(const arrow::Array& array, std::string_view path) {
  if (array.null_count() == 0) return nullptr;
  if (array.offset() == 0) return array.null_bitmap();
  return check(arrow::internal::CopyBitmap(arrow::default_memory_pool(), array.null_bitmap_data(), array.offset(),
                                           array.length()),
               path);
}

[[noreturn]] void refuse_size(const std::string& path) {
  throw InvalidArgument(
      fmt::format("column {} has more than 2 GiB or 2 billion elements in one batch: pass smaller batches", path));
}

// 32-bit offsets that start at 0.
template <typename Offset>
std::shared_ptr<arrow::Buffer> rebased_offsets(const Offset* offsets, int64_t length, const std::string& path) {
  if (offsets[length] - offsets[0] > INT32_MAX) refuse_size(path);
  auto buffer = check(arrow::AllocateBuffer((length + 1) * static_cast<int64_t>(sizeof(int32_t))), path);
  auto* out = reinterpret_cast<int32_t*>(buffer->mutable_data());
  for (int64_t i = 0; i <= length; ++i) out[i] = static_cast<int32_t>(offsets[i] - offsets[0]);
  return buffer;
}

ArrayPtr fit(const Plan& plan, ArrayPtr array, const Parent* parent);

std::shared_ptr<arrow::Array> fill(const Plan& plan, int64_t length, const Parent* parent) {
  if (plan.required && plan.fill.is_null()) {
    for (int64_t i = 0; i < length; ++i)
      if (const int64_t row = visible_row(parent, i); row >= 0) refuse_null(plan, row);
  }
  return plan.fill.is_null() ? check(arrow::MakeArrayOfNull(plan.target, length), plan.path)
                             : repeat(plan.fill, *plan.type, plan.target, length);
}

// The fields of a struct whose children, from row 0 on, `child` gives.
arrow::ArrayDataVector fit_children(const Plan& plan, int64_t length, const Parent& here,
                                    const std::function<ArrayPtr(int)>& child) {
  arrow::ArrayDataVector out;
  for (const Plan& field : plan.children) {
    out.push_back(field.how == Plan::How::kFill ? fill(field, length, &here)->data()
                                                : fit(field, child(field.source), &here)->data());
  }
  return out;
}

ArrayPtr fit_struct(const Plan& plan, const arrow::StructArray& array, const Parent* parent) {
  const Parent here{&array, 0, parent};
  auto children = fit_children(plan, array.length(), here, [&](int i) { return array.field(i); });
  return arrow::MakeArray(arrow::ArrayData::Make(plan.target, array.length(), {validity_of(array, plan.path)},
                                                 std::move(children), array.null_count()));
}

// Lists whose elements, in the range that the offsets span, `elements` makes out of the incoming ones.
template <typename ListArray, typename Elements>
ArrayPtr fit_list(const Plan& plan, const ListArray& array, const Parent* parent, const Elements& elements) {
  const auto* offsets = array.raw_value_offsets();
  const int64_t first = array.length() == 0 ? 0 : offsets[0];
  const int64_t count = array.length() == 0 ? 0 : offsets[array.length()] - first;
  std::shared_ptr<arrow::Buffer> narrowed = rebased_offsets(offsets, array.length(), plan.path);
  const Parent here{&array, first, parent};
  ArrayPtr values = elements(*array.values(), first, count, here);
  return arrow::MakeArray(arrow::ArrayData::Make(plan.target, array.length(),
                                                 {validity_of(array, plan.path), std::move(narrowed)}, {values->data()},
                                                 array.null_count()));
}

// A list view, whose elements may lie in any order, as a list. (Arrow 26 has a conversion, and loses the elements of
// slices and after nulls in it.)
template <typename ListViewArray>
ArrayPtr in_order(const Plan& plan, const ListViewArray& array) {
  arrow::Int64Builder elements;
  std::vector<int64_t> offsets = {0};
  for (int64_t i = 0; i < array.length(); ++i) {
    const int64_t size = array.IsNull(i) ? 0 : array.value_length(i);
    if (offsets.back() + size > INT32_MAX) refuse_size(plan.path);  // views may overlap: a small batch can say much
    for (int64_t e = 0; e < size; ++e) check(elements.Append(array.value_offset(i) + e), plan.path);
    offsets.push_back(offsets.back() + size);
  }
  const ArrayPtr values = check(arrow::compute::Take(*array.values(), *check(elements.Finish(), plan.path)), plan.path);
  return arrow::MakeArray(arrow::ArrayData::Make(
      arrow::large_list(array.list_view_type()->value_field()), array.length(),
      {validity_of(array, plan.path), arrow::Buffer::FromVector(offsets)}, {values->data()}, array.null_count()));
}

ArrayPtr fit_any_list(const Plan& plan, const ArrayPtr& array, const Parent* parent) {
  const auto elements = [&](const arrow::Array& values, int64_t first, int64_t count, const Parent& here) {
    return fit(plan.children[0], values.Slice(first, count), &here);
  };
  switch (array->type_id()) {
    case arrow::Type::LIST:
      return fit_list(plan, static_cast<const arrow::ListArray&>(*array), parent, elements);
    case arrow::Type::LARGE_LIST:
      return fit_list(plan, static_cast<const arrow::LargeListArray&>(*array), parent, elements);
    case arrow::Type::LIST_VIEW:
      return fit_any_list(plan, in_order(plan, static_cast<const arrow::ListViewArray&>(*array)), parent);
    case arrow::Type::LARGE_LIST_VIEW:
      return fit_any_list(plan, in_order(plan, static_cast<const arrow::LargeListViewArray&>(*array)), parent);
    default: {  // of fixed size
      const auto type = arrow::list(array->type()->field(0));
      return fit_any_list(plan, check(arrow::compute::Cast(*array, type), plan.path), parent);
    }
  }
}

ArrayPtr fit_map(const Plan& plan, const arrow::MapArray& array, const Parent* parent) {
  const auto entries = [&](const arrow::Array&, int64_t first, int64_t count, const Parent& here) {
    const ArrayPtr pairs[] = {array.keys()->Slice(first, count), array.items()->Slice(first, count)};
    auto children = fit_children(plan, count, here, [&](int i) { return pairs[i]; });
    const TypePtr& type = static_cast<const arrow::MapType&>(*plan.target).value_type();
    return arrow::MakeArray(arrow::ArrayData::Make(type, count, {nullptr}, std::move(children), 0));
  };
  return fit_list(plan, array, parent, entries);
}

template <typename LargeArray>
ArrayPtr narrow_offsets(const Plan& plan, const LargeArray& array) {
  const int64_t* offsets = array.raw_value_offsets();
  std::shared_ptr<arrow::Buffer> narrowed = rebased_offsets(offsets, array.length(), plan.path);
  std::shared_ptr<arrow::Buffer> bytes = array.value_data();
  if (bytes) bytes = arrow::SliceBuffer(std::move(bytes), offsets[0], offsets[array.length()] - offsets[0]);
  return arrow::MakeArray(arrow::ArrayData::Make(plan.target, array.length(),
                                                 {validity_of(array, plan.path), std::move(narrowed), std::move(bytes)},
                                                 array.null_count()));
}

ArrayPtr cast(const Plan& plan, const arrow::Array& array) {
  auto result = arrow::compute::Cast(array, plan.target);
  if (result.ok()) return *result;
  if (result.status().IsInvalid())
    throw InvalidArgument(fmt::format("column {} has a value that does not fit the table's {}: {}", plan.path,
                                      describe(*plan.type), result.status().message()));
  throw_status(result.status(), plan.path);
}

// A null in what only needed another label, or nothing at all, is looked for here; deeper ones by what rebuilds them.
void check_below(const Plan& plan, const arrow::Array& array, const Parent* parent) {
  if (plan.children.empty()) return;
  if (array.type_id() == arrow::Type::STRUCT) {
    const Parent here{&array, 0, parent};
    for (const Plan& child : plan.children) {
      const ArrayPtr values = static_cast<const arrow::StructArray&>(array).field(child.source);
      check_required(child, *values, &here);
      check_below(child, *values, &here);
    }
  } else if (array.type_id() == arrow::Type::LIST) {
    const auto& list = static_cast<const arrow::ListArray&>(array);
    const Parent here{&array, 0, parent};
    check_required(plan.children[0], *list.values(), &here);
    check_below(plan.children[0], *list.values(), &here);
  } else if (array.type_id() == arrow::Type::MAP) {
    const auto& map = static_cast<const arrow::MapArray&>(array);
    const Parent here{&array, 0, parent};
    for (const Plan& child : plan.children) {
      const ArrayPtr& values = child.source == 0 ? map.keys() : map.items();
      check_required(child, *values, &here);
      check_below(child, *values, &here);
    }
  }
}

ArrayPtr fit(const Plan& plan, ArrayPtr array, const Parent* parent) {
  if (array->type_id() == arrow::Type::EXTENSION && plan.how != Plan::How::kSame)
    array = static_cast<const arrow::ExtensionArray&>(*array).storage();
  ArrayPtr out;
  switch (plan.how) {
    case Plan::How::kSame:
    case Plan::How::kRelabel:
      check_below(plan, *array, parent);
      out = plan.how == Plan::How::kSame ? std::move(array) : relabel(*array, plan.target);
      break;
    case Plan::How::kCast:
      out = cast(plan, *array);
      break;
    case Plan::How::kNarrowOffsets:
      out = array->type_id() == arrow::Type::LARGE_STRING
                ? narrow_offsets(plan, static_cast<const arrow::LargeStringArray&>(*array))
                : narrow_offsets(plan, static_cast<const arrow::LargeBinaryArray&>(*array));
      break;
    case Plan::How::kDictionary: {
      // The dictionary may hold nulls that no row shows: what is required is checked on the rows.
      const auto& dictionary = static_cast<const arrow::DictionaryArray&>(*array);
      const ArrayPtr values = fit(plan.children[0], dictionary.dictionary(), nullptr);
      out = check(arrow::compute::Take(*values, *dictionary.indices()), plan.path);
      break;
    }
    case Plan::How::kStruct:
      out = fit_struct(plan, static_cast<const arrow::StructArray&>(*array), parent);
      break;
    case Plan::How::kList:
      out = fit_any_list(plan, array, parent);
      break;
    case Plan::How::kMap:
      out = fit_map(plan, static_cast<const arrow::MapArray&>(*array), parent);
      break;
    case Plan::How::kFill:
      return fill(plan, array->length(), parent);
  }
  check_required(plan, *out, parent);
  return out;
}

// Nulls that a required field has only where something around it is null: nobody sees them, but Parquet's writer would
// refuse them. They become values that nobody sees.
std::shared_ptr<arrow::ArrayData> without_hidden_nulls(const std::shared_ptr<arrow::ArrayData>& data,
                                                       const Type& type) {
  if (!type.is_nested()) return data;
  const bool is_map = type.kind == TypeKind::kMap;
  const std::shared_ptr<arrow::ArrayData> holder = is_map ? data->child_data[0] : data;
  auto children = holder->child_data;
  for (size_t i = 0; i < children.size(); ++i) {
    const Field& field = (*type.children)[i];
    children[i] = without_hidden_nulls(children[i], field.type);
    if (field.required && children[i]->GetNullCount() > 0) {
      children[i] = children[i]->Copy();
      children[i]->buffers[0] = nullptr;
      children[i]->null_count = 0;
    }
  }
  if (children == holder->child_data) return data;
  auto changed = holder->Copy();
  changed->child_data = std::move(children);
  if (!is_map) return changed;
  auto map = data->Copy();
  map->child_data = {std::move(changed)};
  return map;
}

}  // namespace

struct BatchFitter::State {
  Schema table;  // the plans point into it
  std::string table_name;
  std::shared_ptr<arrow::Schema> target;
  arrow::FieldVector incoming;
  std::vector<Plan> plans;
};

BatchFitter::BatchFitter(const Schema& table_schema, const arrow::Schema& incoming, const std::string& table_name) {
  auto state = std::make_unique<State>();
  state->table = table_schema;
  state->table_name = table_name;
  state->target = to_arrow_schema(table_schema);
  state->incoming = incoming.fields();
  Planner planner;
  state->plans = planner.plan_fields(state->table.fields, incoming.fields(), "", 0);
  planner.finish(table_name);
  state_ = std::move(state);
}

BatchFitter::~BatchFitter() = default;

const std::shared_ptr<arrow::Schema>& BatchFitter::schema() const { return state_->target; }

std::shared_ptr<arrow::RecordBatch> BatchFitter::fit(const arrow::RecordBatch& batch) const {
  if (batch.num_columns() != static_cast<int>(state_->incoming.size()))
    throw InvalidArgument(fmt::format("a batch for table {} has {} columns, its stream's schema has {}",
                                      state_->table_name, batch.num_columns(), state_->incoming.size()));
  for (int i = 0; i < batch.num_columns(); ++i) {
    const arrow::DataType& expected = *state_->incoming[static_cast<size_t>(i)]->type();
    if (!batch.column_data(i)->type->Equals(expected))
      throw InvalidArgument(fmt::format("column {} of a batch for table {} is {}, its stream's schema says {}",
                                        state_->incoming[static_cast<size_t>(i)]->name(), state_->table_name,
                                        batch.column_data(i)->type->ToString(), expected.ToString()));
  }
  if (const arrow::Status valid = batch.Validate(); !valid.ok())
    throw InvalidArgument(fmt::format("a batch for table {} is malformed: {}", state_->table_name, valid.message()));
  arrow::ArrayVector columns;
  columns.reserve(state_->plans.size());
  try {
    for (const Plan& plan : state_->plans) {
      if (plan.source < 0) {
        columns.push_back(fill(plan, batch.num_rows(), nullptr));
        continue;
      }
      const ArrayPtr column = floe::fit(plan, batch.column(plan.source), nullptr);
      columns.push_back(arrow::MakeArray(without_hidden_nulls(column->data(), *plan.type)));
    }
  } catch (const InvalidArgument& refused) {  // which knows the column, not the table
    throw InvalidArgument(fmt::format("table {}: {}", state_->table_name, refused.what()));
  }
  return arrow::RecordBatch::Make(state_->target, batch.num_rows(), std::move(columns));
}

namespace {

// A column without what is unknown in it.
std::shared_ptr<arrow::Array> without_unknown(const std::shared_ptr<arrow::Array>& array, const Field& file_field,
                                              const Field& table_field) {
  if (!file_field.type.is_nested() || file_field.type == table_field.type) return array;
  auto data = array->data()->Copy();
  data->type = to_arrow_type(file_field.type);
  data->child_data.clear();
  arrow::ArrayVector children;
  if (table_field.type.kind == TypeKind::kStruct) {
    for (const auto& child : array->data()->child_data) children.push_back(arrow::MakeArray(child));
  } else if (table_field.type.kind == TypeKind::kList) {
    children.push_back(static_cast<const arrow::ListArray&>(*array).values());
  } else {
    const auto& map = static_cast<const arrow::MapArray&>(*array);
    children = {map.keys(), map.items()};
  }
  for (const auto& child : known_columns(children, *file_field.type.children, *table_field.type.children))
    data->child_data.push_back(child->data());
  if (table_field.type.kind == TypeKind::kMap) {
    const auto& type = static_cast<const arrow::MapType&>(*data->type).value_type();
    data->child_data = {arrow::ArrayData::Make(type, children[0]->length(), {nullptr}, std::move(data->child_data), 0)};
  }
  return arrow::MakeArray(data);
}

}  // namespace

arrow::ArrayVector known_columns(const arrow::ArrayVector& arrays, const std::vector<Field>& file_fields,
                                 const std::vector<Field>& table_fields) {
  arrow::ArrayVector out;
  for (size_t i = 0; i < table_fields.size(); ++i) {
    if (out.size() < file_fields.size() && file_fields[out.size()].id == table_fields[i].id)
      out.push_back(without_unknown(arrays[i], file_fields[out.size()], table_fields[i]));
  }
  return out;
}

namespace {

int64_t bytes_of(const arrow::Array& array) {
  const arrow::ArrayData& data = *array.data();
  if (data.length == 0) return 0;
  const int64_t nulls = data.buffers[0] ? data.length / 8 : 0;
  if (data.type->id() == arrow::Type::STRING || data.type->id() == arrow::Type::BINARY) {
    const auto* offsets = data.GetValues<int32_t>(1);
    return nulls + data.length * static_cast<int64_t>(sizeof(int32_t)) + offsets[data.length] - offsets[0];
  }
  const int width = data.type->bit_width();
  if (width > 0) return nulls + data.length * width / 8;
  return arrow::util::ReferencedBufferSize(array).ValueOr(0);
}

}  // namespace

int64_t bytes_of(const arrow::RecordBatch& batch) {
  int64_t bytes = 0;
  for (const auto& column : batch.columns()) bytes += bytes_of(*column);
  return bytes;
}

std::shared_ptr<arrow::RecordBatch> compact(const std::shared_ptr<arrow::RecordBatch>& batch) {
  if (arrow::util::TotalBufferSize(*batch) <= 2 * bytes_of(*batch)) return batch;
  arrow::ArrayVector columns;
  for (const auto& column : batch->columns()) {
    auto copy = arrow::Concatenate({column});
    if (!copy.ok()) return batch;
    columns.push_back(*std::move(copy));
  }
  return arrow::RecordBatch::Make(batch->schema(), batch->num_rows(), std::move(columns));
}

}  // namespace floe
