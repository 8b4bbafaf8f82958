#include "floe/file/equality_delete.h"

#include <arrow/array/array_nested.h>
#include <arrow/record_batch.h>
#include <arrow/util/bit_util.h>
#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/file/data_file_reader.h"
#include "floe/file/key_index.h"
#include "floe/spec/projection.h"

namespace floe {
namespace {

// Rows whose encoded keys stay in the processor's cache.
constexpr int64_t kProbedAtOnce = 2048;

// Where a field of the key is: the top-level column, then the children of structs.
using KeyPath = std::vector<int>;

KeyPath key_path(const Schema& schema, const Schema& columns, int32_t id) {
  const auto path = path_to(schema, id);
  if (path.empty()) {
    throw InvalidArgument(fmt::format("an equality delete is by field id {}, which the schema does not have", id));
  }
  const auto refuse = [&](const std::string& problem) {
    throw InvalidArgument(
        fmt::format("an equality delete cannot be by field {} (id {}): it is {}", full_name(schema, id), id, problem));
  };
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    if (path[i]->type.kind != TypeKind::kStruct) refuse("inside a list or map");
  }
  if (path.back()->type.is_nested()) refuse("no primitive");
  KeyPath key;
  const std::vector<Field>* fields = &columns.fields;
  for (const Field* step : path) {
    const auto at =
        std::find_if(fields->begin(), fields->end(), [&](const Field& field) { return field.id == step->id; });
    key.push_back(static_cast<int>(at - fields->begin()));
    fields = &children_of(at->type);
  }
  return key;
}

void make_optional(Field& field) {
  field.required = false;
  if (field.type.kind != TypeKind::kStruct) return;
  std::vector<Field> children = children_of(field.type);
  for (Field& child : children) make_optional(child);
  field.type = struct_type(std::move(children));
}

}  // namespace

Schema equality_delete_schema(const Schema& schema, const std::vector<int32_t>& equality_ids) {
  Schema columns = project(schema, {equality_ids.begin(), equality_ids.end()});
  columns.identifier_field_ids.clear();
  for (Field& field : columns.fields) make_optional(field);
  return columns;
}

struct EqualityDeletes::State {
  std::vector<int32_t> ids;
  Schema columns;
  std::vector<KeyPath> paths;  // as `ids`

  std::mutex adding;
  std::optional<KeyIndex> index;
  std::vector<int64_t> sequence_numbers;  // by row of `index`; of a key, at the first row that has it

  // The key's values; null where a struct around them is.
  arrow::ArrayVector key_of(const arrow::ArrayVector& arrays) const {
    arrow::ArrayVector key;
    for (const KeyPath& path : paths) {
      std::shared_ptr<arrow::Array> array = arrays[path[0]];
      for (size_t i = 1; i < path.size(); ++i) {
        array = check(static_cast<const arrow::StructArray&>(*array).GetFlattenedField(path[i]),
                      "a field of an equality delete");
      }
      key.push_back(std::move(array));
    }
    return key;
  }
};

EqualityDeletes::EqualityDeletes(const Schema& schema, std::vector<int32_t> equality_ids) : state_(new State) {
  std::sort(equality_ids.begin(), equality_ids.end());
  equality_ids.erase(std::unique(equality_ids.begin(), equality_ids.end()), equality_ids.end());
  if (equality_ids.empty()) throw InvalidArgument("an equality delete file has no equality ids");
  state_->columns = project(schema, {equality_ids.begin(), equality_ids.end()});
  std::vector<Type> types;
  for (const int32_t id : equality_ids) {
    state_->paths.push_back(key_path(schema, state_->columns, id));
    types.push_back(find_field(schema, id)->type);
  }
  state_->ids = std::move(equality_ids);
  state_->index.emplace(std::move(types), KeyIndexOptions{.nulls_equal = true, .zeros_equal = false});
}
EqualityDeletes::~EqualityDeletes() = default;

const std::vector<int32_t>& EqualityDeletes::equality_ids() const { return state_->ids; }
const Schema& EqualityDeletes::columns() const { return state_->columns; }
int64_t EqualityDeletes::size() const { return state_->index->keys(); }

size_t EqualityDeletes::memory_use() const {
  return state_->index->memory_use() + state_->sequence_numbers.capacity() * sizeof(int64_t);
}

void EqualityDeletes::add(Io& io, const DataFile& file, int64_t sequence_number, const std::string& name_mapping_json,
                          const arrow::StopToken& stop) {
  ParquetReadOptions options;
  options.projection = equality_delete_schema(state_->columns, state_->ids);
  options.schema = std::make_shared<const Schema>(options.projection);
  options.use_threads = false;
  options.stop = stop;
  FileContext context;
  // A key that it lacked would delete the rows where it is null.
  context.has_values = [](int32_t, bool) { return true; };
  const auto reader = read_data_file(io, file, options, context, name_mapping_json);
  while (const auto batch = check(reader->Next(), file.file_path)) add(batch->columns(), sequence_number);
}

void EqualityDeletes::add(const arrow::ArrayVector& columns, int64_t sequence_number) {
  const arrow::ArrayVector key = state_->key_of(columns);
  const std::lock_guard lock(state_->adding);
  state_->index->add(key);
  state_->sequence_numbers.resize(state_->index->rows());
  std::vector<int64_t> rows;
  state_->index->find(key, rows);
  for (const int64_t row : rows) {
    state_->sequence_numbers[row] = std::max(state_->sequence_numbers[row], sequence_number);
  }
}

void EqualityDeletes::clear_bits(const arrow::ArrayVector& columns, int64_t data_sequence_number, uint8_t* bits,
                                 int64_t offset) const {
  const arrow::ArrayVector key = state_->key_of(columns);
  std::vector<int64_t> found;
  for (int64_t begin = 0; begin < key[0]->length(); begin += kProbedAtOnce) {
    arrow::ArrayVector part;
    for (const auto& column : key) part.push_back(column->Slice(begin, kProbedAtOnce));
    state_->index->find(part, found);
    for (size_t i = 0; i < found.size(); ++i) {
      if (found[i] >= 0 && state_->sequence_numbers[found[i]] > data_sequence_number) {
        arrow::bit_util::ClearBit(bits, offset + begin + static_cast<int64_t>(i));
      }
    }
  }
}

}  // namespace floe
