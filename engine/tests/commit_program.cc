// A process that commits to a table again and again, for tests that run several at once.
//
//   commit_program <catalog uri> <warehouse> <table> <workload> <writer> <commits>
//
// Prints how each commit went (history.h), and why it failed to stderr.
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "history.h"
#include "warehouse.h"

namespace floe {
namespace {

Properties properties_of(int64_t commit, size_t step) {
  return {{"commit", std::to_string(commit)}, {"step", std::to_string(step)}};
}

OverwriteOptions overwrite_options(const Change& change, const Properties& properties) {
  return {.filter = parse_filter(filter_of(change)), .snapshot_properties = properties};
}

// The rows that leave and do not come back, by their ids.
Change leaving(const Change& change) {
  Change out;
  for (int64_t id = change.first; id < change.end; ++id) {
    if (!change.rows.contains(id)) out.rows[id] = "";
  }
  return out;
}

void add(Transaction& transaction, const Change& change, const Properties& properties) {
  switch (change.kind) {
    case Change::Kind::kAppend:
      return append(transaction, *stream_of({rows_of(change)}), {.snapshot_properties = properties});
    case Change::Kind::kUpsert: {
      const UpsertOptions options{.keys = {"id"}, .snapshot_properties = properties};
      Upsert(transaction.staged(), *stream_of({rows_of(change)}), options, {}).add_to(transaction);
      return;
    }
    case Change::Kind::kDelete:
      delete_rows(transaction, overwrite_options(change, properties));
      return;
    case Change::Kind::kOverwrite:
      overwrite(transaction, *stream_of({rows_of(change)}), overwrite_options(change, properties));
      return;
    case Change::Kind::kChangeByKey: {
      const auto upserts = stream_of({rows_of(change)}), deletes = stream_of({rows_of(leaving(change))});
      apply_changes(transaction, {.upserts = upserts.get(), .deletes = deletes.get()},
                    {.keys = {"id"}, .snapshot_properties = properties});
      return;
    }
    case Change::Kind::kOverwritePartition:
      overwrite_partitions(transaction, *stream_of({rows_of(change)}), {.snapshot_properties = properties});
      return;
  }
}

void commit_together(Table& table, int64_t commit, const std::vector<Change>& steps) {
  Transaction transaction(*table.catalog(), table.loaded());
  for (size_t i = 0; i < steps.size(); ++i) add(transaction, steps[i], properties_of(commit, i));
  table = Table(table.catalog(), transaction.commit());
}

// What upserts, appends and changes by key start from is the state that the handle's last commit left, which is old by
// now.
Report commit(Table& table, int64_t commit, const std::vector<Change>& steps) {
  const Change& change = steps.front();
  const Properties properties = properties_of(commit, 0);
  Report report{.reported = Reported::kSucceeded};
  try {
    const bool stale = change.kind == Change::Kind::kAppend || change.kind == Change::Kind::kUpsert ||
                       change.kind == Change::Kind::kChangeByKey;
    if (!stale || steps.size() > 1) table.refresh();
    if (steps.size() == 1 && change.kind == Change::Kind::kUpsert) {
      report.counts = table.upsert(*stream_of({rows_of(change)}), {.keys = {"id"}, .snapshot_properties = properties});
    } else {
      commit_together(table, commit, steps);
    }
    report.snapshot = table.metadata().current_snapshot_id.value_or(-1);
    return report;
  } catch (const ConflictFound& e) {
    std::fprintf(stderr, "commit %lld: %s\n", static_cast<long long>(commit), e.what());
    return {.reported = Reported::kConflict};
  } catch (const CommitFailed& e) {
    std::fprintf(stderr, "commit %lld: %s\n", static_cast<long long>(commit), e.what());
    return {.reported = Reported::kFailed};
  } catch (const CommitStateUnknown& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return {.reported = Reported::kUnknown};
  }
}

}  // namespace
}  // namespace floe

int main(int argc, char** argv) {
  if (argc != 7) return 2;
  try {
    auto catalog = floe::open_catalog("test", {{"uri", argv[1]}, {"warehouse", argv[2]}});
    auto table = floe::Table::load(catalog, {{"db"}, argv[3]});
    const floe::Workload workload = floe::parse_workload(argv[4]);
    const int64_t first = std::stoll(argv[5]) * floe::kWriterCommits, commits = std::stoll(argv[6]);
    for (int64_t id = first; id < first + commits; ++id) {
      std::fputs(floe::line_of(id, floe::commit(table, id, floe::steps_of(workload, id))).c_str(), stdout);
      std::fflush(stdout);  // it may be killed
    }
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
