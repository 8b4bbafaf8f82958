#include "floe/transaction/file_matcher.h"

#include <string>
#include <utility>

#include "floe/expression/evaluate.h"
#include "floe/transaction/entries.h"

namespace floe {

FileMatcher::FileMatcher(const TableMetadata& table, const Expression& filter, bool case_sensitive)
    : table_(table), filter_(bind(filter, *current_schema(table), case_sensitive)), columns_(field_ids(filter_)) {
  const Schema& schema = *current_schema(table);
  for (const PartitionSpec& spec : table.partition_specs) {
    specs_.emplace(spec.spec_id,
                   Projected{&spec, project_inclusive(filter_, spec, schema), project_strict(filter_, spec, schema)});
  }
}

bool FileMatcher::may_match(const ManifestFile& file) const {
  if (filter_.kind == ExprKind::kFalse) return false;
  const auto spec = specs_.find(file.partition_spec_id);
  if (spec == specs_.end() || !file.partitions) return true;
  return floe::may_match(spec->second.inclusive, partition_stats({&file}, *spec->second.spec)).front() != 0;
}

std::vector<Match> FileMatcher::match(ManifestReader& reader) const {
  const std::shared_ptr<const Stats> stats = reader.stats(columns_);
  const ManifestPtr manifest = reader.entries();
  std::vector<uint8_t> may = floe::may_match(filter_, *stats);
  std::vector<uint8_t> must = must_match(filter_, *stats);
  const auto spec = specs_.find(manifest->spec_id);
  if (spec != specs_.end()) {
    const std::shared_ptr<const Stats> partitions = reader.partition_stats();
    const std::vector<uint8_t> may_here = floe::may_match(spec->second.inclusive, *partitions);
    const std::vector<uint8_t> must_here = must_match(spec->second.strict, *partitions);
    for (size_t i = 0; i < manifest->size; ++i) {
      may[i] &= may_here[i];
      must[i] |= must_here[i];
    }
  }
  std::vector<Match> matches(manifest->size);
  for (size_t i = 0; i < manifest->size; ++i) {
    matches[i] = !may[i] ? Match::kNone : must[i] ? Match::kAll : Match::kSome;
  }
  if (spec != specs_.end() && !spec->second.spec->is_unpartitioned()) {
    decide_by_residual(reader, *spec->second.spec, *stats, matches);
  }
  return matches;
}

// Where the partition says one half of a filter and the bounds say the other: what is left of the filter in each
// partition, on the bounds.
void FileMatcher::decide_by_residual(ManifestReader& reader, const PartitionSpec& spec, const Stats& stats,
                                     std::vector<Match>& matches) const {
  const ManifestPtr manifest = reader.entries();
  const Schema& schema = *current_schema(table_);
  const Type partition = partition_type(spec, schema);
  struct Decided {
    std::vector<uint8_t> may, must;  // empty: nothing is learnt
  };
  std::map<std::string, Decided> by_partition;
  for (size_t i = 0; i < manifest->size; ++i) {
    if (matches[i] != Match::kSome || manifest->status[i] == EntryStatus::kDeleted) continue;
    const std::vector<Value> values = partition_of(*manifest, i, partition);
    const auto [found, is_new] = by_partition.try_emplace(partition_key(spec.spec_id, values, partition));
    Decided& decided = found->second;
    if (is_new) {
      const BoundExpression rest = residual(filter_, spec, schema, values);
      if (rest != filter_) decided = {floe::may_match(rest, stats), must_match(rest, stats)};
    }
    if (decided.may.empty()) continue;
    matches[i] = !decided.may[i] ? Match::kNone : decided.must[i] ? Match::kAll : Match::kSome;
  }
}

}  // namespace floe
