// Statistics of a snapshot's partitions: a file that the table's metadata mentions. Specification: "Partition
// Statistics".
#pragma once

#include <arrow/util/cancel.h>

#include <cstdint>
#include <optional>

#include "floe/catalog/catalog.h"
#include "floe/spec/schema.h"

namespace floe {

// The columns of such a file, as the table's format version has them.
Schema partition_stats_schema(const TableMetadata& table);

struct PartitionStatsOptions {
  std::optional<int64_t> snapshot_id = {};  // default: the current snapshot
  arrow::StopToken stop = arrow::StopToken::Unstoppable();
};

struct PartitionStatsResult {
  LoadedTable table;  // afterwards
  std::optional<PartitionStatisticsFile> file;
};

// Sums up the files of a snapshot by spec and partition, from its manifests alone, writes that beside the table's
// metadata, and commits that the snapshot has it. What the table has of the snapshot already is given as it is; of a
// snapshot without files there is none.
//
// A partition that lost its last file in this snapshot has a row of zeros, so that it can be told when that was. How
// many rows deletes leave is known where all deletes are deletion vectors. In Avro if `write.format.default` says so,
// else in Parquet.
//
// Throws NotFound if the table has no such snapshot, InvalidArgument if it was never partitioned, and what
// commit_with_retry throws. In memory: one row for each partition.
PartitionStatsResult compute_partition_stats(Catalog& catalog, const LoadedTable& table,
                                             const PartitionStatsOptions& options = {});

}  // namespace floe
