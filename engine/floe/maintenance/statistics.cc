#include "floe/maintenance/statistics.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "floe/error.h"
#include "floe/transaction/commit.h"
#include "floe/transaction/transaction.h"

namespace floe {
namespace {

class StatisticsStep : public Step {
 public:
  StatisticsStep(IoPtr io, std::string location, TableUpdate update)
      : io_(std::move(io)), location_(std::move(location)), update_(std::move(update)) {}

  TableCommit build(const LoadedTable& base) override {
    TableCommit commit = commit_on(*base.metadata);
    commit.updates.push_back(update_);
    return commit;
  }
  void failed() noexcept override {
    try {
      io_->remove(location_);
    } catch (...) {
      // an orphan file
    }
  }

 private:
  const IoPtr io_;
  const std::string location_;
  const TableUpdate update_;
};

}  // namespace

const Snapshot* snapshot_to_measure(const LoadedTable& table, std::optional<int64_t> snapshot_id) {
  if (!snapshot_id) return current_snapshot(*table.metadata);
  const Snapshot* snapshot = snapshot_by_id(*table.metadata, *snapshot_id);
  if (snapshot) return snapshot;
  throw NotFound(fmt::format("table {}: it has no snapshot {}", to_string(table.identifier), *snapshot_id));
}

LoadedTable commit_statistics(Catalog& catalog, LoadedTable base, const std::string& location, TableUpdate update,
                              const arrow::StopToken& stop) {
  Transaction transaction(catalog, std::move(base));
  transaction.add(std::make_unique<StatisticsStep>(transaction.io(), location, std::move(update)));
  return transaction.commit(stop);
}

}  // namespace floe
