// Upserts: rows that update those of the same key and are inserted where there is none, as one snapshot.
#pragma once

#include <arrow/record_batch.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "floe/transaction/conflict.h"
#include "floe/transaction/merge_parts.h"
#include "floe/transaction/remove_rows.h"
#include "floe/transaction/transaction.h"

namespace floe {

struct UpsertOptions {
  std::vector<std::string> keys;  // full names of columns; none: the identifier fields
  bool case_sensitive = true;
  bool update_matched = true;    // rows of the table whose key is among the new rows, where the others differ
  bool delete_matched = false;   // instead
  bool insert_unmatched = true;  // new rows whose key the table does not have
  std::optional<Isolation> isolation = {};  // default: `write.merge.isolation-level`
  std::optional<DeleteMode> mode = {};      // default: `write.merge.mode`
  std::string branch = std::string(kMainBranch);
  bool stage_only = false;  // a snapshot that no branch has yet
  Properties snapshot_properties = {};
  // Of new rows in memory. More go to a temporary file (WriteOptions::sort_folder) and are merged part after part, each
  // of which reads the table's key columns.
  int64_t source_bytes = 512 << 20;
};

struct UpsertCounts {
  int64_t updated = 0, inserted = 0, deleted = 0;  // rows of the table
  int64_t unchanged = 0;                           // rows of the table that are as the new rows have them
};

// An upsert apart from the table that it meets: its rows are read once, so that it can be tried again on a table that
// changed meanwhile.
class Upsert {
 public:
  // Reads all the new rows. They may come in any form that fits the table (file/batch.h). Throws InvalidArgument for
  // rows that do not fit, for keys that two of them share (if they are more than fit into memory, add_to does), and for
  // options that contradict each other.
  Upsert(const LoadedTable& table, arrow::RecordBatchReader& rows, UpsertOptions options, WriteOptions write);

  // Joins them with the table as the transaction has it staged, writes the files that it takes, and adds one snapshot;
  // none if nothing changes. Reads the key columns of those files that may have one of the keys, and the other columns
  // of rows that match. Memory in proportion to the new rows and their matches.
  //
  // The commit throws ConflictFound if others meanwhile added rows whose key is among the new ones, whatever the
  // isolation level, so that nobody inserts a key that somebody else inserts (it reads the key columns of files that
  // they added, where these may have one; the new rows stay with the transaction for that); and if they removed or
  // rewrote a file that loses rows. Under serializable isolation it also does if they deleted rows of any file in which
  // keys matched, or removed it: else a row that was left alone because it is there already, or unchanged, could be
  // gone while others of the same delete come back as updates. Deletes elsewhere change nothing about the outcome.
  //
  // With v3's row lineage, rows that are updated keep their ids.
  UpsertCounts add_to(Transaction& transaction);

 private:
  UpsertCounts merge_into(Transaction& transaction) const;

  struct Source;
  const std::shared_ptr<const Source> source_;
};

}  // namespace floe
