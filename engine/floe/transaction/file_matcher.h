// Which data files match a filter: not at all, perhaps in part, or wholly. From metadata alone.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "floe/expression/expression.h"
#include "floe/manifest/manifest.h"
#include "floe/spec/table_metadata.h"

namespace floe {

enum class Match : uint8_t { kNone, kSome, kAll };

// A filter as the manifests of a table see it, each in the partition spec that it has.
class FileMatcher {
 public:
  // `table` outlives this. Throws InvalidArgument if the filter does not fit the table's schema.
  FileMatcher(const TableMetadata& table, const Expression& filter, bool case_sensitive = true);

  bool may_match(const ManifestFile& file) const;  // by its partition summaries

  // Of every entry, whatever its status. Delete files tell which of the rows they may delete match.
  std::vector<Match> match(ManifestReader& reader) const;

  const BoundExpression& filter() const { return filter_; }

 private:
  struct Projected {
    const PartitionSpec* spec;
    BoundExpression inclusive, strict;
  };
  void decide_by_residual(ManifestReader& reader, const PartitionSpec& spec, const Stats& stats,
                          std::vector<Match>& matches) const;

  const TableMetadata& table_;
  BoundExpression filter_;
  std::vector<int32_t> columns_;
  std::map<int32_t, Projected> specs_;
};

}  // namespace floe
