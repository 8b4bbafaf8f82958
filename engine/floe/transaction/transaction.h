// Transactions: several changes of one table that become one commit. Every change goes this way, also one alone.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/util/cancel.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "floe/catalog/catalog.h"
#include "floe/transaction/snapshot_producer.h"
#include "floe/transaction/step.h"

namespace floe {

// Each step sees the table with the steps before it. Nothing is visible to others before commit(), and nothing stays
// behind when the transaction fails or is dropped without one. Not for concurrent use.
class Transaction {
 public:
  Transaction(Catalog& catalog, LoadedTable base);  // `catalog` outlives this
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();

  const LoadedTable& base() const { return base_; }      // where it began
  const LoadedTable& staged() const { return staged_; }  // with all steps so far; in the end, with what was committed
  const IoPtr& io() const { return io_; }

  // The snapshots that the steps so far make.
  const std::set<int64_t>& snapshots() const { return snapshots_; }

  // What a change of `branch` that is planned now relies on, for its checks to be filled in: the branch as it is
  // without the snapshots of this transaction (a step may have moved it to one that was there), and those.
  ConflictChecks checks_for(const std::string& branch) const;

  // Builds the step on what is staged. If that fails, the step is undone and the transaction is as it was.
  void add(std::unique_ptr<Step> step);
  void add(SnapshotChange change);
  // Plain changes of metadata: schema, properties, refs and so on. The requirements are judged against what is staged.
  void add(TableCommit changes);

  // Commits all steps at once, with retries (see commit_with_retry), each of which builds every step anew on the table
  // as it is then; data files are not written again. Without steps, or if they change nothing, nothing is committed.
  // Called once. Throws ConflictFound if a step contradicts what others committed; CommitStateUnknown: what was written
  // may be part of the table and stays. After any other exception nothing of the transaction is left.
  // Where steps change nothing but rely on something, the table is loaded and looked at.
  LoadedTable commit(const arrow::StopToken& stop = arrow::StopToken::Unstoppable()) { return commit(catalog_, stop); }
  // The same, by a catalog that stands in the place of the transaction's.
  LoadedTable commit(Catalog& catalog, const arrow::StopToken& stop);

  // Gives up, unless it is over: removes all that was written.
  void drop() noexcept;

 private:
  friend std::vector<LoadedTable> commit_together(Catalog& catalog, const std::vector<Transaction*>& transactions,
                                                  const arrow::StopToken& stop);

  TableCommit combined() const;
  void rebuild(const LoadedTable& base);
  void look_again(Catalog& catalog);
  static void commit_all(Catalog& catalog, const std::vector<Transaction*>& parts, const arrow::StopToken& stop);

  Catalog& catalog_;
  const LoadedTable base_;
  LoadedTable staged_;
  const IoPtr io_;
  std::set<int64_t> snapshots_;
  std::vector<std::unique_ptr<Step>> steps_;
  LoadedTable built_on_;              // what `commits_` were built on
  std::vector<TableCommit> commits_;  // of each step
  bool done_ = false;
};

// Commits the transactions of several tables at once, each table's by one of them: all of them or none, with retries. A
// conflict at one table builds the steps of all anew; data files are not written again. Otherwise as Transaction's
// commit is for one, also in what is left after an exception. Where no more than one table changes, any catalog does
// it; else NotSupported is thrown by a catalog that does not commit to several tables.
std::vector<LoadedTable> commit_together(Catalog& catalog, const std::vector<Transaction*>& transactions,
                                         const arrow::StopToken& stop = arrow::StopToken::Unstoppable());

}  // namespace floe
