#include "floe/transaction/transaction.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "floe/arrow_status.h"
#include "floe/error.h"
#include "floe/transaction/commit.h"

namespace floe {
namespace {

// The store as the steps see it. Once a commit is to stop, nothing more is asked of it, so that an attempt on a table
// of many manifests ends soon; what was written can still be removed.
class StoppableIo : public Io {
 public:
  explicit StoppableIo(IoPtr inner) : Io(shared_counters(*inner)), inner_(std::move(inner)) {}

  void stop_by(const arrow::StopToken& stop) { stop_ = stop; }

  std::shared_ptr<arrow::io::RandomAccessFile> open(const std::string& location, int64_t size) override {
    return unless_stopped(location).open(location, size);
  }
  std::shared_ptr<arrow::Buffer> read(const std::string& location, int64_t size) override {
    return unless_stopped(location).read(location, size);
  }
  bool exists(const std::string& location) override { return unless_stopped(location).exists(location); }
  std::unique_ptr<OutputFile> create(const std::string& location) override {
    return unless_stopped(location).create(location);
  }
  void list(const std::string& prefix, const std::function<void(FileInfo)>& take) override {
    unless_stopped(prefix).list(prefix, take);
  }
  void remove(const std::string& location) override { inner_->remove(location); }
  const std::string& principal() const override { return inner_->principal(); }

 private:
  Io& unless_stopped(const std::string& location) const {
    check(stop_.Poll(), location);
    return *inner_;
  }

  const IoPtr inner_;
  arrow::StopToken stop_ = arrow::StopToken::Unstoppable();
};

class MetadataStep : public Step {
 public:
  explicit MetadataStep(TableCommit changes) : changes_(std::move(changes)) {}
  TableCommit build(const LoadedTable&) override { return changes_; }

 private:
  const TableCommit changes_;
};

LoadedTable apply(LoadedTable table, const TableCommit& commit) {
  for (const TableRequirement& requirement : commit.requirements) check(requirement, table.metadata.get());
  table.metadata = std::make_shared<const TableMetadata>(floe::apply(*table.metadata, commit.updates));
  return table;
}

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

// The requirement that what a step was built on is the base with the steps before it, as one on the base alone.
TableRequirement on_base(const TableRequirement& requirement, const TableMetadata& base) {
  return std::visit(
      Overloaded{
          [&](const AssertRefSnapshotId& on) -> TableRequirement {
            const Snapshot* head = snapshot_by_ref(base, on.ref);
            return AssertRefSnapshotId{on.ref, head ? std::optional(head->snapshot_id) : std::nullopt};
          },
          [&](const AssertLastAssignedFieldId&) -> TableRequirement {
            return AssertLastAssignedFieldId{base.last_column_id};
          },
          [&](const AssertCurrentSchemaId&) -> TableRequirement {
            return AssertCurrentSchemaId{base.current_schema_id};
          },
          [&](const AssertLastAssignedPartitionId&) -> TableRequirement {
            return AssertLastAssignedPartitionId{base.last_partition_id};
          },
          [&](const AssertDefaultSpecId&) -> TableRequirement { return AssertDefaultSpecId{base.default_spec_id}; },
          [&](const AssertDefaultSortOrderId&) -> TableRequirement {
            return AssertDefaultSortOrderId{base.default_sort_order_id};
          },
          [&](const auto& other) -> TableRequirement { return other; },
      },
      requirement);
}

// What a requirement is about: of two about the same, on one table, one is enough.
std::pair<size_t, std::string> subject(const TableRequirement& requirement) {
  const auto* on = std::get_if<AssertRefSnapshotId>(&requirement);
  return {requirement.index(), on ? on->ref : ""};
}

}  // namespace

Transaction::Transaction(Catalog& catalog, LoadedTable base)
    : catalog_(catalog),
      base_(std::move(base)),
      staged_(base_),
      io_(std::make_shared<StoppableIo>(catalog.io(base_))),
      built_on_(base_) {}

Transaction::~Transaction() { drop(); }

ConflictChecks Transaction::checks_for(const std::string& branch) const {
  const TableMetadata& table = *staged_.metadata;
  const Snapshot* head = parent_snapshot(table, branch);
  while (head && snapshots_.contains(head->snapshot_id)) {
    head = head->parent_snapshot_id ? snapshot_by_id(table, *head->parent_snapshot_id) : nullptr;
  }
  return {.starting_snapshot = head ? std::optional(head->snapshot_id) : std::nullopt, .own_snapshots = snapshots_};
}

void Transaction::add(std::unique_ptr<Step> step) {
  TableCommit commit;
  try {
    if (done_) throw InvalidArgument(fmt::format("table {}: the transaction is over", to_string(base_.identifier)));
    commit = step->build(staged_);
    LoadedTable staged = apply(staged_, commit);
    steps_.reserve(steps_.size() + 1);
    commits_.reserve(commits_.size() + 1);
    staged_ = std::move(staged);
  } catch (...) {
    step->failed();
    throw;
  }
  for (const TableUpdate& update : commit.updates) {
    if (const auto* added = std::get_if<AddSnapshot>(&update)) snapshots_.insert(added->snapshot.snapshot_id);
  }
  steps_.push_back(std::move(step));
  commits_.push_back(std::move(commit));
}

void Transaction::add(SnapshotChange change) {
  const std::vector<std::string> discard = change.discard;
  std::unique_ptr<SnapshotProducer> producer;
  try {
    producer = std::make_unique<SnapshotProducer>(io_, staged_, std::move(change));
  } catch (...) {
    remove_files(*io_, discard);
    throw;
  }
  add(std::unique_ptr<Step>(std::move(producer)));
}

void Transaction::add(TableCommit changes) { add(std::make_unique<MetadataStep>(std::move(changes))); }

void Transaction::rebuild(const LoadedTable& base) {
  LoadedTable table = base;
  commits_.clear();
  for (const auto& step : steps_) {
    commits_.push_back(step->build(table));
    table = apply(std::move(table), commits_.back());
  }
  built_on_ = base;
}

// One commit of all: each requirement held where its step was built, so what it asks of the base is what is there.
TableCommit Transaction::combined() const {
  TableCommit all;
  std::set<std::pair<size_t, std::string>> subjects;
  for (const TableCommit& commit : commits_) {
    for (const TableRequirement& requirement : commit.requirements) {
      if (subjects.insert(subject(requirement)).second) {
        all.requirements.push_back(on_base(requirement, *built_on_.metadata));
      }
    }
    all.updates.insert(all.updates.end(), commit.updates.begin(), commit.updates.end());
  }
  return all;
}

LoadedTable Transaction::commit(Catalog& catalog, const arrow::StopToken& stop) {
  return std::move(commit_together(catalog, {this}, stop).front());
}

// For steps that change nothing and rely on something: whether that still holds.
void Transaction::look_again(Catalog& catalog) {
  const LoadedTable now = catalog.load_table(base_.identifier);
  if (now.metadata->table_uuid == base_.metadata->table_uuid) rebuild(now);
  staged_ = built_on_;
}

void Transaction::commit_all(Catalog& catalog, const std::vector<Transaction*>& parts, const arrow::StopToken& stop) {
  const auto stop_by = [&](const arrow::StopToken& token) {
    for (Transaction* each : parts) static_cast<StoppableIo&>(*each->io_).stop_by(token);
  };
  std::vector<LoadedTable> bases;
  for (const Transaction* each : parts) bases.push_back(each->built_on_);
  bool first = true;
  const CommitBuilder build = [&](const std::vector<LoadedTable>& now) {
    std::vector<TableCommit> commits;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (!first) parts[i]->rebuild(now[i]);
      commits.push_back(parts[i]->combined());
    }
    first = false;
    return commits;
  };
  stop_by(stop);
  std::vector<LoadedTable> committed = commit_with_retry(catalog, std::move(bases), build, stop);
  stop_by(arrow::StopToken::Unstoppable());
  for (size_t i = 0; i < parts.size(); ++i) parts[i]->staged_ = std::move(committed[i]);
}

std::vector<LoadedTable> commit_together(Catalog& catalog, const std::vector<Transaction*>& transactions,
                                         const arrow::StopToken& stop) {
  std::vector<Transaction*> parts;  // that change something, or rely on it
  for (Transaction* each : transactions) {
    if (each->done_) {
      throw InvalidArgument(fmt::format("table {}: the transaction is over", to_string(each->base_.identifier)));
    }
    const TableCommit commit = each->combined();
    if (!commit.updates.empty() || !commit.requirements.empty()) parts.push_back(each);
  }
  const auto change_anything = [&] {
    return std::ranges::any_of(parts, [](const Transaction* each) { return !each->combined().updates.empty(); });
  };
  try {
    if (!change_anything()) {
      for (Transaction* each : parts) each->look_again(catalog);
    }
    if (change_anything()) Transaction::commit_all(catalog, parts, stop);
  } catch (const CommitStateUnknown&) {
    for (Transaction* each : transactions) each->done_ = true;
    throw;
  } catch (...) {
    for (Transaction* each : transactions) each->drop();
    throw;
  }
  std::vector<LoadedTable> tables;
  for (Transaction* each : transactions) {
    each->done_ = true;
    for (const auto& step : each->steps_) step->succeeded(*each->staged_.metadata);
    tables.push_back(each->staged_);
  }
  return tables;
}

void Transaction::drop() noexcept {
  if (std::exchange(done_, true)) return;
  for (const auto& step : steps_) step->failed();
}

}  // namespace floe
