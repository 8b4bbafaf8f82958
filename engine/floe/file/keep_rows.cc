#include "floe/file/keep_rows.h"

#include <arrow/api.h>
#include <arrow/compute/api_vector.h>
#include <arrow/extension_type.h>
#include <arrow/util/bit_run_reader.h>
#include <arrow/util/bitmap_ops.h>

#include <cstring>
#include <utility>

namespace floe {
namespace {

using BufferPtr = std::shared_ptr<arrow::Buffer>;

// Copying runs pays where they are at least so long on average.
constexpr int64_t kShortRun = 16;

// Copies from one column to another, run by run.
class RunCopier {
 public:
  RunCopier(const arrow::ArrayData& column, const RowSelection& selection, int64_t begin)
      : column_(column), selection_(selection), begin_(begin), kept_(selection.count(begin, begin + column.length)) {}

  arrow::Result<std::shared_ptr<arrow::Array>> fixed(int64_t width) const {
    ARROW_ASSIGN_OR_RAISE(BufferPtr values, arrow::AllocateBuffer(kept_ * width));
    const uint8_t* in = column_.buffers[1]->data() + column_.offset * width;
    uint8_t* out = values->mutable_data();
    each_run([&](int64_t first, int64_t count) {
      std::memcpy(out, in + first * width, count * width);
      out += count * width;
    });
    return make({std::move(values)});
  }

  arrow::Result<std::shared_ptr<arrow::Array>> strings() const {
    const auto* from = column_.GetValues<int32_t>(1);
    ARROW_ASSIGN_OR_RAISE(BufferPtr offsets,
                          arrow::AllocateBuffer((kept_ + 1) * static_cast<int64_t>(sizeof(int32_t))));
    ARROW_ASSIGN_OR_RAISE(BufferPtr bytes, arrow::AllocateBuffer(from[column_.length] - from[0]));
    auto* to = reinterpret_cast<int32_t*>(offsets->mutable_data());
    int32_t at = 0;
    each_run([&](int64_t first, int64_t count) {
      const int32_t shift = at - from[first];
      for (int64_t i = first; i < first + count; ++i) *to++ = from[i] + shift;
      const int32_t size = from[first + count] - from[first];
      if (size > 0) std::memcpy(bytes->mutable_data() + at, column_.buffers[2]->data() + from[first], size);
      at += size;
    });
    *to = at;
    return make({std::move(offsets), arrow::SliceBuffer(bytes, 0, at)});
  }

 private:
  template <typename F>
  void each_run(F&& visit) const {
    arrow::internal::VisitSetBitRunsVoid(selection_.bits.data(), begin_, column_.length, std::forward<F>(visit));
  }

  arrow::Result<std::shared_ptr<arrow::Array>> make(std::vector<BufferPtr> buffers) const {
    BufferPtr validity;
    if (column_.MayHaveNulls()) {
      ARROW_ASSIGN_OR_RAISE(validity, arrow::AllocateEmptyBitmap(kept_));
      int64_t at = 0;
      each_run([&](int64_t first, int64_t count) {
        arrow::internal::CopyBitmap(column_.buffers[0]->data(), column_.offset + first, count, validity->mutable_data(),
                                    at);
        at += count;
      });
    }
    const int64_t nulls = validity ? arrow::kUnknownNullCount : 0;
    buffers.insert(buffers.begin(), std::move(validity));
    return arrow::MakeArray(arrow::ArrayData::Make(column_.type, kept_, std::move(buffers), nulls));
  }

  const arrow::ArrayData& column_;
  const RowSelection& selection_;
  const int64_t begin_;
  const int64_t kept_;
};

}  // namespace

arrow::Result<std::shared_ptr<arrow::Array>> keep_rows(const std::shared_ptr<arrow::Array>& column,
                                                       const RowSelection& selection, int64_t begin) {
  const int64_t rows = column->length();
  const int64_t unwanted = rows - selection.count(begin, begin + rows);
  if (unwanted == 0) return column;
  if (unwanted * kShortRun < rows) {
    const arrow::DataType* type = column->type().get();
    if (type->id() == arrow::Type::EXTENSION) {
      type = static_cast<const arrow::ExtensionType&>(*type).storage_type().get();
    }
    const RunCopier copier(*column->data(), selection, begin);
    if (arrow::is_binary_like(type->id())) return copier.strings();
    if (arrow::is_fixed_width(type->id()) && type->id() != arrow::Type::DICTIONARY) {
      const int bits = static_cast<const arrow::FixedWidthType&>(*type).bit_width();
      if (bits > 0 && bits % 8 == 0) return copier.fixed(bits / 8);
    }
  }
  ARROW_ASSIGN_OR_RAISE(arrow::Datum kept, arrow::compute::Filter(column, selection.slice(begin, rows)));
  return kept.make_array();
}

}  // namespace floe
