#include "floe/file/parquet_pages.h"

#include <arrow/api.h>
#include <arrow/compute/api_vector.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_ops.h>
#include <parquet/column_reader.h>
#include <parquet/file_reader.h>

#include <algorithm>
#include <map>
#include <utility>

namespace floe {
namespace {

using Ranges = std::vector<std::pair<int64_t, int64_t>>;  // [begin, end) of rows

// The pages of one row group that hold wanted rows; `decoded` tells which rows those pages hold, column by column.
class SelectedPages final : public parquet::RowGroupReader::Contents {
 public:
  SelectedPages(std::shared_ptr<parquet::RowGroupReader> all, const RowSelection& selection,
                std::map<int, Ranges>& decoded)
      : all_(std::move(all)), selection_(selection), decoded_(decoded) {}

  std::unique_ptr<parquet::PageReader> GetColumnPageReader(int leaf) override {
    auto pages = all_->GetColumnPageReader(leaf);
    Ranges& ranges = decoded_[leaf];
    pages->set_data_page_filter(
        [&ranges, &selection = selection_, row = int64_t{0}](const parquet::DataPageStats& page) mutable {
          const int64_t begin = row;
          row += page.num_values;  // of a flat column: its rows
          const int64_t end = std::min(row, selection.rows);
          const bool skip = begin >= end || selection.count(begin, end) == 0;
          if (!skip) ranges.emplace_back(begin, end);
          return skip;
        });
    return pages;
  }
  const parquet::RowGroupMetaData* metadata() const override { return all_->metadata(); }
  const parquet::ReaderProperties* properties() const override { return &properties_; }

 private:
  std::shared_ptr<parquet::RowGroupReader> all_;
  const RowSelection& selection_;
  std::map<int, Ranges>& decoded_;
  const parquet::ReaderProperties properties_;
};

// A file whose row groups have only SelectedPages.
class SelectedFile final : public parquet::ParquetFileReader::Contents {
 public:
  SelectedFile(parquet::ParquetFileReader& file, const RowSelection& selection, std::map<int, Ranges>& decoded)
      : file_(file), selection_(selection), decoded_(decoded) {}

  void Close() override {}
  std::shared_ptr<parquet::RowGroupReader> GetRowGroup(int i) override {
    return std::make_shared<parquet::RowGroupReader>(
        std::make_unique<SelectedPages>(file_.RowGroup(i), selection_, decoded_));
  }
  std::shared_ptr<parquet::FileMetaData> metadata() const override { return file_.metadata(); }
  std::shared_ptr<parquet::PageIndexReader> GetPageIndexReader() override { return file_.GetPageIndexReader(); }
  parquet::BloomFilterReader& GetBloomFilterReader() override { return file_.GetBloomFilterReader(); }

 private:
  parquet::ParquetFileReader& file_;
  const RowSelection& selection_;
  std::map<int, Ranges>& decoded_;
};

// The mask of the next `length` rows that were decoded, of pages at `ranges`; `at` is how many came before.
arrow::Result<std::shared_ptr<arrow::Array>> decoded_mask(const RowSelection& selection, const Ranges& ranges,
                                                          int64_t at, int64_t length) {
  ARROW_ASSIGN_OR_RAISE(auto bits, arrow::AllocateEmptyBitmap(length));
  int64_t done = 0;
  for (const auto& [begin, end] : ranges) {
    const int64_t skipped = std::min(at, end - begin);
    at -= skipped;
    const int64_t take = std::min(end - begin - skipped, length - done);
    if (take > 0) {
      arrow::internal::CopyBitmap(selection.bits.data(), begin + skipped, take, bits->mutable_data(), done);
      done += take;
    }
  }
  if (done < length) return arrow::Status::Invalid("a column has more rows than its pages say");
  return std::make_shared<arrow::BooleanArray>(length, std::move(bits));
}

}  // namespace

void RowSelection::append(bool wanted, int64_t count) {
  bits.resize(arrow::bit_util::BytesForBits(rows + count));
  arrow::bit_util::SetBitsTo(bits.data(), rows, count, wanted);
  rows += count;
  if (wanted) selected += count;
}

void RowSelection::append(const arrow::BooleanArray& mask) {
  bits.resize(arrow::bit_util::BytesForBits(rows + mask.length()));
  const uint8_t* values = mask.data()->buffers[1]->data();
  if (mask.null_count() > 0) {
    arrow::internal::BitmapAnd(values, mask.offset(), mask.null_bitmap_data(), mask.offset(), mask.length(), rows,
                               bits.data());
  } else {
    arrow::internal::CopyBitmap(values, mask.offset(), mask.length(), bits.data(), rows);
  }
  const int64_t begin = rows;
  rows += mask.length();
  selected += count(begin, rows);
}

void RowSelection::recount() { selected = count(0, rows); }

int64_t RowSelection::count(int64_t begin, int64_t end) const {
  return arrow::internal::CountSetBits(bits.data(), begin, end - begin);
}

std::shared_ptr<arrow::BooleanArray> RowSelection::slice(int64_t begin, int64_t length) const {
  auto buffer = std::make_shared<arrow::Buffer>(bits.data(), static_cast<int64_t>(bits.size()));
  return std::make_shared<arrow::BooleanArray>(length, std::move(buffer), nullptr, 0, begin);
}

struct SparseRowGroup::State {
  parquet::ParquetFileReader& file;
  const int row_group;
  const RowSelection& selection;
  const parquet::ArrowReaderProperties properties;
  std::map<int, Ranges> decoded;
  std::unique_ptr<parquet::arrow::FileReader> reader;

  arrow::Status open() {
    if (reader) return arrow::Status::OK();
    auto pages = std::make_unique<parquet::ParquetFileReader>();
    pages->Open(std::make_unique<SelectedFile>(file, selection, decoded));
    ARROW_ASSIGN_OR_RAISE(reader,
                          parquet::arrow::FileReader::Make(arrow::default_memory_pool(), std::move(pages), properties));
    return arrow::Status::OK();
  }
};

SparseRowGroup::SparseRowGroup(parquet::ParquetFileReader& file, int row_group, const RowSelection& selection,
                               parquet::ArrowReaderProperties properties)
    : state_(new State{file, row_group, selection, std::move(properties), {}, {}}) {}
SparseRowGroup::~SparseRowGroup() = default;

arrow::Result<std::shared_ptr<arrow::Array>> SparseRowGroup::read(
    int leaf, const std::function<std::shared_ptr<arrow::Array>(const std::shared_ptr<arrow::Array>&)>& convert) {
  ARROW_RETURN_NOT_OK(state_->open());
  ARROW_ASSIGN_OR_RAISE(auto batches, state_->reader->GetRecordBatchReader({state_->row_group}, {leaf}));
  arrow::ArrayVector pieces;
  int64_t decoded = 0, selected = 0;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, batches->Next());
    if (!batch) break;
    ARROW_ASSIGN_OR_RAISE(auto mask,
                          decoded_mask(state_->selection, state_->decoded[leaf], decoded, batch->num_rows()));
    ARROW_ASSIGN_OR_RAISE(auto wanted, arrow::compute::Filter(convert(batch->column(0)), mask));
    decoded += batch->num_rows();
    selected += wanted.length();
    pieces.push_back(wanted.make_array());
  }
  if (selected != state_->selection.selected) return arrow::Status::Invalid("a column lacks some of the rows");
  if (pieces.size() == 1) return pieces[0];
  return arrow::Concatenate(pieces);
}

}  // namespace floe
