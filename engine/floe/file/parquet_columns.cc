#include "floe/file/parquet_columns.h"

#include <arrow/api.h>
#include <arrow/compute/cast.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_ops.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/schema.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"

namespace floe {
namespace {

using arrow::ArrayData;
using ArrayDataPtr = std::shared_ptr<ArrayData>;
using ArrayPtr = std::shared_ptr<arrow::Array>;
using Node = parquet::arrow::SchemaField;

constexpr int32_t kNoId = -1;

int32_t id_of(const Node& node) {
  const auto& metadata = node.field->metadata();
  const int at = metadata ? metadata->FindKey("PARQUET:field_id") : -1;
  if (at < 0) return kNoId;
  const std::string& text = metadata->value(at);
  int32_t id = kNoId;
  std::from_chars(text.data(), text.data() + text.size(), id);
  return id < 0 ? kNoId : id;
}

bool any_id(const std::vector<Node>& nodes) {
  return std::any_of(nodes.begin(), nodes.end(),
                     [](const Node& node) { return id_of(node) != kNoId || any_id(node.children); });
}

[[noreturn]] void fail(const ParquetColumns& file, const Field& field, const std::string& problem) {
  throw CorruptFile(fmt::format("{}: column {} (field id {}) {}", file.location, field.name, field.id, problem));
}

bool is_any_list(arrow::Type::type id) {
  using T = arrow::Type;
  return id == T::LIST || id == T::LARGE_LIST || id == T::LIST_VIEW || id == T::LARGE_LIST_VIEW ||
         id == T::FIXED_SIZE_LIST;
}

const arrow::DataType& storage(const arrow::DataType& type) {
  return type.id() == arrow::Type::EXTENSION ? *static_cast<const arrow::ExtensionType&>(type).storage_type() : type;
}

bool is_bytes(const arrow::DataType& type) {
  using T = arrow::Type;
  switch (type.id()) {
    case T::BINARY:
    case T::LARGE_BINARY:
    case T::BINARY_VIEW:
    case T::STRING:
    case T::LARGE_STRING:
    case T::STRING_VIEW:
      return true;
    case T::DICTIONARY:
      return is_bytes(*static_cast<const arrow::DictionaryType&>(type).value_type());
    default:
      return false;
  }
}

// Whether values may all have this many bytes: of ORC's, which have any length, each is looked at.
bool is_fixed(const arrow::DataType& type, int32_t bytes) {
  return type.id() == arrow::Type::BINARY ||
         (type.id() == arrow::Type::FIXED_SIZE_BINARY &&
          static_cast<const arrow::FixedSizeBinaryType&>(type).byte_width() == bytes);
}

// Whether values of a file's primitive type can be read as the table's: the same type in any physical form, or one that
// schema evolution may promote.
bool can_read(const arrow::DataType& from, const Type& to) {
  using T = arrow::Type;
  const T::type id = from.id();
  const bool small_int = id == T::INT8 || id == T::INT16 || id == T::INT32 || id == T::UINT8 || id == T::UINT16;
  switch (to.kind) {
    case TypeKind::kBoolean:
      return id == T::BOOL;
    case TypeKind::kInt:
      return small_int;
    case TypeKind::kLong:
      return small_int || id == T::INT64 || id == T::UINT32 || id == T::UINT64;
    case TypeKind::kFloat:
      return id == T::FLOAT || id == T::HALF_FLOAT;
    case TypeKind::kDouble:
      return id == T::DOUBLE || id == T::FLOAT || id == T::HALF_FLOAT;
    case TypeKind::kDecimal:
      return arrow::is_decimal(id) && static_cast<const arrow::DecimalType&>(from).scale() == to.scale;
    case TypeKind::kDate:
      return id == T::DATE32;
    case TypeKind::kTime:
      return id == T::TIME32 || id == T::TIME64 || id == T::INT64;  // ORC has no times
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return id == T::TIMESTAMP || id == T::DATE32;
    case TypeKind::kString:
      return is_bytes(from);
    case TypeKind::kBinary:
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
      return is_bytes(from) || id == T::FIXED_SIZE_BINARY;
    case TypeKind::kFixed:
      return is_fixed(from, to.length);
    case TypeKind::kUuid:
      return is_fixed(from, 16);
    default:
      return false;
  }
}

// --- finding columns -------------------------------------------------------------------------------------------------

const Node* find_by_id(const std::vector<Node>& nodes, const Field& field, const ParquetColumns& file) {
  const Node* found = nullptr;
  for (const Node& node : nodes) {
    if (id_of(node) != field.id) continue;
    if (found) fail(file, field, "is there twice");
    found = &node;
  }
  return found;
}

const Node* find_by_name(const std::vector<Node>& nodes, const Field& field, const NameMapping& mapping,
                         const ParquetColumns& file) {
  const Node* found = nullptr;
  for (const Node& node : nodes) {
    if (id_of(node) != kNoId) continue;
    const MappedField* mapped = find_name(mapping, node.field->name());
    if (!mapped || mapped->field_id != field.id) continue;
    if (found) fail(file, field, "is there under two of its mapped names");
    found = &node;
  }
  return found;
}

const NameMapping& below(const NameMapping& mapping, std::string_view name) {
  static const NameMapping kNone;
  const MappedField* mapped = find_name(mapping, name);
  return mapped ? mapped->fields : kNone;
}

ColumnPlan plan_node(const Field& field, const Node& node, const NameMapping& mapping, const ParquetColumns& file);

ColumnPlan plan_constant(const Field& field, Value value, const ParquetColumns& file) {
  if (value.is_null() && field.required) {
    fail(file, field, "is required and has no default value, and the file does not have it");
  }
  return constant_column(field, std::move(value));
}

// Whether the file must have values of the field, or of any below it.
bool must_have(const Field& field, const ParquetColumns& file) {
  if (!field.type.is_nested()) return file.has_values(field.id, !file.has_ids);
  return std::any_of(field.type.children->begin(), field.type.children->end(),
                     [&](const Field& child) { return must_have(child, file); });
}

ColumnPlan plan_member(const Field& field, const std::vector<Node>& siblings, const NameMapping& mapping,
                       const ParquetColumns& file) {
  if (field.type.kind == TypeKind::kUnknown) return plan_constant(field, Value(), file);
  if (const Node* node = find_by_id(siblings, field, file)) {
    return plan_node(field, *node, below(mapping, node->field->name()), file);
  }
  for (const auto& [source_id, value] : file.partition_values) {
    if (source_id == field.id) return plan_constant(field, value, file);
  }
  if (const Node* node = find_by_name(siblings, field, mapping, file)) {
    return plan_node(field, *node, below(mapping, node->field->name()), file);
  }
  if (file.has_values && must_have(field, file)) {
    fail(file, field, "is not in the file, although its manifest counts values of it: the file's footer is damaged");
  }
  return plan_constant(field, field.initial_default, file);
}

void plan_variant(const Field& field, const Node& node, const ParquetColumns& file) {
  std::set<std::string> names;
  for (const Node& child : node.children) names.insert(child.field->name());
  if (names.contains("typed_value")) {
    throw NotSupported(
        fmt::format("{}: column {} is a shredded variant, which is not read yet", file.location, field.name));
  }
  if (names != std::set<std::string>{"metadata", "value"})
    fail(file, field, "is no variant: it needs metadata and value");
}

ColumnPlan plan_node(const Field& field, const Node& node, const NameMapping& mapping, const ParquetColumns& file) {
  ColumnPlan plan;
  plan.field = &field;
  plan.type = to_arrow_type(field.type);
  plan.node = &node;
  const arrow::DataType& from = storage(*node.field->type());
  const auto mismatch = [&] {
    fail(file, field,
         fmt::format("is {} in the file, which cannot be read as {}", from.ToString(), to_string(field.type)));
  };
  const std::vector<Field>* children = field.type.children.get();
  switch (field.type.kind) {
    case TypeKind::kStruct:
      if (from.id() != arrow::Type::STRUCT) mismatch();
      for (const Field& child : *children) plan.children.push_back(plan_member(child, node.children, mapping, file));
      break;
    case TypeKind::kList:
      if (!is_any_list(from.id()) || node.children.size() != 1) mismatch();
      plan.children.push_back(plan_node(children->front(), node.children[0], below(mapping, "element"), file));
      break;
    case TypeKind::kMap: {
      if (from.id() != arrow::Type::MAP || node.children.size() != 1 || node.children[0].children.size() != 2)
        mismatch();
      const std::vector<Node>& entry = node.children[0].children;
      plan.children.push_back(plan_node((*children)[0], entry[0], below(mapping, "key"), file));
      plan.children.push_back(plan_node((*children)[1], entry[1], below(mapping, "value"), file));
      break;
    }
    case TypeKind::kVariant:
      if (from.id() != arrow::Type::STRUCT) mismatch();
      plan_variant(field, node, file);
      break;
    default:
      if (!node.is_leaf() || !can_read(from, field.type)) mismatch();
  }
  return plan;
}

// --- choosing leaves -------------------------------------------------------------------------------------------------

void all_leaves(const Node& node, std::set<int>& out) {
  if (node.is_leaf()) out.insert(node.column_index);
  for (const Node& child : node.children) all_leaves(child, out);
}

// The leaf that tells most cheaply which of the node's values are null: one without lists around it, if there is one.
const Node& cheapest_leaf(const Node& node) {
  const auto rank = [](const Node& child) {
    return child.is_leaf() ? 2 : is_any_list(child.field->type()->id()) ? 0 : 1;
  };
  const Node* at = &node;
  while (!at->is_leaf()) {
    at = &*std::max_element(at->children.begin(), at->children.end(),
                            [&](const Node& a, const Node& b) { return rank(a) < rank(b); });
  }
  return *at;
}

void collect_leaves(const ColumnPlan& plan, std::set<int>& out) {
  if (!plan.node) return;
  const size_t before = out.size();
  switch (plan.field->type.kind) {
    case TypeKind::kMap:
      all_leaves(*plan.children[0].node, out);  // Arrow decodes a map with half a key as something else
      collect_leaves(plan.children[1], out);
      return;
    case TypeKind::kVariant:
      all_leaves(*plan.node, out);
      return;
    default:
      for (const ColumnPlan& child : plan.children) collect_leaves(child, out);
  }
  if (out.size() == before) out.insert(cheapest_leaf(*plan.node).column_index);
}

bool is_read(const Node& node, const std::set<int>& read) {
  if (node.is_leaf()) return read.contains(node.column_index);
  return std::any_of(node.children.begin(), node.children.end(),
                     [&](const Node& child) { return is_read(child, read); });
}

void set_positions(ColumnPlan& plan, const std::set<int>& read) {
  if (!plan.node) return;
  for (ColumnPlan& child : plan.children) {
    if (!child.node) continue;
    if (plan.field->type.kind == TypeKind::kStruct) {
      child.position = 0;
      for (const Node& sibling : plan.node->children) {
        if (&sibling == child.node) break;
        child.position += is_read(sibling, read);
      }
    }
    set_positions(child, read);
  }
}

// --- converting ------------------------------------------------------------------------------------------------------

ArrayDataPtr convert_data(ArrayDataPtr data, const ColumnPlan& plan, const ParquetColumns& file);

ArrayDataPtr with_type(const ArrayDataPtr& data, const std::shared_ptr<arrow::DataType>& type) {
  if (data->type->Equals(*type, /*check_metadata=*/true)) return data;
  auto copy = data->Copy();
  copy->type = type;
  return copy;
}

// Nanoseconds as microseconds, rounded down: the cast would round towards 1970.
ArrayDataPtr floor_to_micros(const ArrayDataPtr& data, const std::shared_ptr<arrow::DataType>& type) {
  auto buffer = check(arrow::AllocateBuffer(data->length * sizeof(int64_t)), "reading timestamps");
  const auto* in = data->GetValues<int64_t>(1);
  auto* out = reinterpret_cast<int64_t*>(buffer->mutable_data());
  for (int64_t i = 0; i < data->length; ++i) out[i] = in[i] / 1000 - (in[i] % 1000 < 0);
  std::shared_ptr<arrow::Buffer> validity;
  if (data->MayHaveNulls()) {
    validity = check(
        arrow::internal::CopyBitmap(arrow::default_memory_pool(), data->buffers[0]->data(), data->offset, data->length),
        "reading timestamps");
  }
  return ArrayData::Make(type, data->length, {validity, std::shared_ptr<arrow::Buffer>(std::move(buffer))},
                         data->null_count);
}

ArrayDataPtr cast(const ArrayDataPtr& data, const std::shared_ptr<arrow::DataType>& type, const ColumnPlan& plan,
                  const ParquetColumns& file) {
  auto result = arrow::compute::Cast(arrow::Datum(data), type);
  if (!result.ok()) {
    fail(file, *plan.field,
         fmt::format("has a value that does not fit {}: {}", to_string(plan.field->type), result.status().message()));
  }
  return result->array();
}

ArrayDataPtr convert_primitive(const ArrayDataPtr& data, const ColumnPlan& plan, const ParquetColumns& file) {
  std::shared_ptr<arrow::DataType> target = plan.type;
  if (target->id() == arrow::Type::EXTENSION) target = static_cast<const arrow::ExtensionType&>(*target).storage_type();
  if (data->type->id() == arrow::Type::TIMESTAMP && target->id() == arrow::Type::TIMESTAMP) {
    const auto from = static_cast<const arrow::TimestampType&>(*data->type).unit();
    const auto to = static_cast<const arrow::TimestampType&>(*target).unit();
    // Whether instants are UTC is the table's say: INT96 and old files do not know it.
    if (from == to) return with_type(data, plan.type);
    if (from == arrow::TimeUnit::NANO) return with_type(floor_to_micros(data, target), plan.type);
    return with_type(cast(with_type(data, arrow::timestamp(from)), arrow::timestamp(to), plan, file), plan.type);
  }
  if (data->type->Equals(*target)) return with_type(data, plan.type);
  if (data->type->id() == arrow::Type::DATE32 && target->id() == arrow::Type::TIMESTAMP) {
    const auto to = static_cast<const arrow::TimestampType&>(*target).unit();
    return with_type(cast(data, arrow::timestamp(to), plan, file), plan.type);
  }
  if (data->type->id() == arrow::Type::FIXED_SIZE_BINARY && arrow::is_base_binary_like(target->id())) {
    return with_type(cast(data, arrow::binary(), plan, file), plan.type);
  }
  return with_type(cast(data, target, plan, file), plan.type);
}

// Throws if a child is null where its parent is not.
void check_required(const ArrayData& child, const ArrayData* parent, const ColumnPlan& plan,
                    const ParquetColumns& file) {
  if (!plan.field->required || child.GetNullCount() == 0) return;
  if (parent && parent->MayHaveNulls() && child.buffers[0]) {
    // Rows where the parent is there and the child is not.
    const int64_t both =
        arrow::internal::CountAndSetBits(parent->buffers[0]->data(), parent->offset, child.buffers[0]->data(),
                                         child.offset + parent->offset, parent->length);
    if (both == parent->length - parent->GetNullCount()) return;
  }
  fail(file, *plan.field, "is required, and the file has nulls in it");
}

ArrayDataPtr convert_struct(const ArrayDataPtr& data, const ColumnPlan& plan, const ParquetColumns& file) {
  auto out = data->Copy();
  out->type = plan.type;
  out->child_data.clear();
  const int64_t length = data->offset + data->length;
  for (size_t i = 0; i < plan.children.size(); ++i) {
    const ColumnPlan& child = plan.children[i];
    if (!child.node) {
      out->child_data.push_back(repeat(child.constant, child.field->type, child.type, length)->data());
      continue;
    }
    if (static_cast<size_t>(child.position) >= data->child_data.size()) fail(file, *child.field, "was not decoded");
    out->child_data.push_back(convert_data(data->child_data[child.position], child, file));
    check_required(*out->child_data.back(), data.get(), child, file);
  }
  return out;
}

ArrayDataPtr convert_list(ArrayDataPtr data, const ColumnPlan& plan, const ParquetColumns& file) {
  if (data->type->id() != arrow::Type::LIST) data = cast(data, arrow::list(data->type->field(0)), plan, file);
  auto out = data->Copy();
  out->type = plan.type;
  out->child_data[0] = convert_data(data->child_data[0], plan.children[0], file);
  check_required(*out->child_data[0], nullptr, plan.children[0], file);
  return out;
}

ArrayDataPtr convert_map(const ArrayDataPtr& data, const ColumnPlan& plan, const ParquetColumns& file) {
  if (data->type->id() != arrow::Type::MAP) fail(file, *plan.field, "was not decoded as a map");
  auto out = data->Copy();
  out->type = plan.type;
  auto entries = data->child_data[0]->Copy();
  entries->type = plan.type->field(0)->type();
  for (size_t i = 0; i < 2; ++i) {
    entries->child_data[i] = convert_data(entries->child_data[i], plan.children[i], file);
    check_required(*entries->child_data[i], nullptr, plan.children[i], file);
  }
  out->child_data[0] = std::move(entries);
  return out;
}

// Unshredded: metadata and value, by name; the file may have them in any order.
ArrayDataPtr convert_variant(const ArrayDataPtr& data, const ColumnPlan& plan) {
  const auto& target = static_cast<const arrow::StructType&>(storage(*plan.type));
  const auto& from = static_cast<const arrow::StructType&>(*data->type);
  auto out = data->Copy();
  out->type = plan.type;
  for (int i = 0; i < target.num_fields(); ++i) {
    out->child_data[i] =
        with_type(data->child_data[from.GetFieldIndex(target.field(i)->name())], target.field(i)->type());
  }
  return out;
}

ArrayDataPtr convert_data(ArrayDataPtr data, const ColumnPlan& plan, const ParquetColumns& file) {
  if (data->type->id() == arrow::Type::EXTENSION) {
    data = with_type(data, static_cast<const arrow::ExtensionType&>(*data->type).storage_type());
  }
  switch (plan.field->type.kind) {
    case TypeKind::kStruct:
      return convert_struct(data, plan, file);
    case TypeKind::kList:
      return convert_list(std::move(data), plan, file);
    case TypeKind::kMap:
      return convert_map(data, plan, file);
    case TypeKind::kVariant:
      return convert_variant(data, plan);
    default:
      return convert_primitive(data, plan, file);
  }
}

}  // namespace

ParquetColumns parquet_columns(std::string location, const parquet::arrow::SchemaManifest& manifest,
                               NameMapping mapping, std::vector<std::pair<int32_t, Value>> partition_values,
                               HasValues has_values) {
  return {std::move(location),   &manifest,
          std::move(mapping),    std::move(partition_values),
          std::move(has_values), any_id(manifest.schema_fields)};
}

ColumnPlan plan_column(const Field& field, const ParquetColumns& file) {
  if (!file.has_ids && file.mapping.empty()) {
    throw CorruptFile(
        fmt::format("{}: the file has no field ids. Set the table property schema.name-mapping.default "
                    "to say which column is which field",
                    file.location));
  }
  ColumnPlan plan = plan_member(field, file.manifest->schema_fields, file.mapping, file);
  std::set<int> read;
  if (file.whole_structs && plan.node) {
    all_leaves(*plan.node, read);
  } else {
    collect_leaves(plan, read);
  }
  set_positions(plan, read);
  return plan;
}

ColumnPlan constant_column(const Field& field, Value value) {
  ColumnPlan plan;
  plan.field = &field;
  plan.type = to_arrow_type(field.type);
  plan.constant = std::move(value);
  return plan;
}

std::vector<int> leaves(const ColumnPlan& plan) {
  std::set<int> read;
  collect_leaves(plan, read);
  return {read.begin(), read.end()};
}

ArrayPtr convert(const ArrayPtr& array, const ColumnPlan& plan, const ParquetColumns& file) {
  ArrayDataPtr data = convert_data(array->data(), plan, file);
  check_required(*data, nullptr, plan, file);
  return arrow::MakeArray(data);
}

}  // namespace floe
