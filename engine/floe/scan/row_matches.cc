#include "floe/scan/row_matches.h"

#include <arrow/api.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "floe/error.h"
#include "floe/file/row_hash.h"
#include "floe/spec/metadata_columns.h"

namespace floe {
namespace {

struct KeyedRow {
  RowHash hash{};
  uint32_t part = 0, index = 0;
  int64_t position = 0;
};

// Rows by the hash of their key, and which of them have a partner.
class KeyedRows {
 public:
  void add(const KeyedRow& row) { rows_.push_back(row); }

  void sort() {
    std::sort(rows_.begin(), rows_.end(), [](const KeyedRow& a, const KeyedRow& b) { return a.hash < b.hash; });
    taken_.resize(rows_.size());
  }

  // The first row of a key; nullopt: none has it.
  std::optional<size_t> find(const RowHash& hash) const {
    const auto by_hash = [](const KeyedRow& row, const RowHash& wanted) { return row.hash < wanted; };
    const auto found = std::lower_bound(rows_.begin(), rows_.end(), hash, by_hash);
    if (found == rows_.end() || found->hash != hash) return std::nullopt;
    return static_cast<size_t>(found - rows_.begin());
  }

  // Of rows of one key, given the first: whether they are several, and whether any has a partner.
  bool shared(size_t first) const { return same_key(first, first + 1); }
  bool taken(size_t first) const { return taken_[first] > 0; }
  // One without a partner, which has one now; null: all have.
  const KeyedRow* take(size_t first) {
    const size_t next = first + taken_[first];
    if (!same_key(first, next)) return nullptr;
    ++taken_[first];
    return &rows_[next];
  }

 private:
  bool same_key(size_t a, size_t b) const { return b < rows_.size() && rows_[a].hash == rows_[b].hash; }

  std::vector<KeyedRow> rows_;
  std::vector<uint32_t> taken_;  // beside the first row of each key
};

constexpr RowHash kNoKey{};

// Of a batch of the key's columns and `_pos`: the hashes of the keys, and the positions.
std::shared_ptr<arrow::RecordBatch> hashed(const arrow::RecordBatch& batch, bool nulls_match) {
  arrow::ArrayVector columns = batch.columns();
  const std::shared_ptr<arrow::Array> positions = columns.back();
  columns.pop_back();
  std::vector<RowHash> hashes = row_hashes(columns, batch.num_rows());
  for (size_t i = 0; !nulls_match && i < hashes.size(); ++i) {
    if (columns.front()->IsNull(static_cast<int64_t>(i))) hashes[i] = kNoKey;
  }
  const auto type = arrow::fixed_size_binary(sizeof(RowHash));
  const auto column = std::make_shared<arrow::FixedSizeBinaryArray>(type, batch.num_rows(),
                                                                    arrow::Buffer::FromVector(std::move(hashes)));
  const auto schema = arrow::schema({arrow::field("hash", type), arrow::field("position", positions->type())});
  return arrow::RecordBatch::Make(schema, batch.num_rows(), arrow::ArrayVector{column, positions});
}

template <typename F>
void for_each_row(const TableMetadata& table, ScanPlan plan, const RowKey& key, const ScanOptions& options,
                  const IoPtr& io, const F& visit) {
  plan.projection.fields = key.fields;
  plan.projection.fields.push_back(pos_field());
  const bool nulls_match = key.nulls_match;
  read_mapped(
      table, std::move(plan), options, io, [=](const arrow::RecordBatch& batch) { return hashed(batch, nulls_match); },
      [&](size_t part, size_t index, const arrow::RecordBatch& batch) {
        const auto& hashes = static_cast<const arrow::FixedSizeBinaryArray&>(*batch.column(0));
        const auto& positions = static_cast<const arrow::Int64Array&>(*batch.column(1));
        const auto* hash = reinterpret_cast<const RowHash*>(hashes.raw_values());
        for (int64_t i = 0; i < batch.num_rows(); ++i) {
          visit({hash[i], static_cast<uint32_t>(part), static_cast<uint32_t>(index), positions.Value(i)});
        }
      });
}

void mark(Marks& marks, const KeyedRow& row) {
  std::shared_ptr<Positions>& positions = marks[row.part][row.index];
  if (!positions) positions = std::make_shared<Positions>();
  positions->add(row.position);
}

[[noreturn]] void throw_shared(const ScanOptions& options, const ScanPlan& plan) {
  throw InvalidArgument(fmt::format(
      "table {}: several rows that snapshot {} changed have the same identifier, so it cannot be said which "
      "of them were updated. Ask for the changes without updates, or by other columns",
      options.table_name, plan.snapshot_id.value_or(-1)));
}

}  // namespace

Marks no_marks(const ScanPlan& plan) {
  Marks marks;
  for (const ScanPlan::Part& part : plan.parts) marks.emplace_back(part.entries.size());
  return marks;
}

void add(Marks& marks, const Marks& more) {
  for (size_t p = 0; p < more.size(); ++p) {
    for (size_t i = 0; i < more[p].size(); ++i) {
      if (!more[p][i]) continue;
      auto all = std::make_shared<Positions>(*more[p][i]);  // a new one: readers may have the other
      if (marks[p][i]) all->add(*marks[p][i]);
      marks[p][i] = std::move(all);
    }
  }
}

RowMatches match_rows(const TableMetadata& table, const ScanPlan& left, const ScanPlan& right, const RowKey& key,
                      const ScanOptions& options, const IoPtr& io) {
  RowMatches matches{no_marks(left), no_marks(right)};
  KeyedRows rows;
  for_each_row(table, left, key, options, io, [&](const KeyedRow& row) {
    ++matches.left_alone;
    if (row.hash != kNoKey) rows.add(row);
  });
  rows.sort();
  for_each_row(table, right, key, options, io, [&](const KeyedRow& row) {
    ++matches.right_alone;
    const std::optional<size_t> same = rows.find(row.hash);
    if (!same) return;
    if (key.unique && (rows.shared(*same) || rows.taken(*same))) throw_shared(options, right);
    const KeyedRow* partner = rows.take(*same);
    if (!partner) return;
    mark(matches.left, *partner);
    mark(matches.right, row);
    --matches.left_alone;
    --matches.right_alone;
  });
  return matches;
}

}  // namespace floe
