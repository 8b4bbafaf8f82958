#include <arrow/api.h>

#include <optional>

#include "floe/arrow_status.h"
#include "floe/scan/matching_files.h"
#include "floe/scan/scan.h"
#include "floe/scan/scanner.h"
#include "floe/spec/metadata_columns.h"

namespace floe {
namespace {

// A plan with some of another's files, each of which remembers its place in that.
struct SubPlan {
  ScanPlan plan;
  std::vector<size_t> parts;                 // by part of `plan`: its number in the other
  std::vector<std::vector<size_t>> indices;  // by part of `plan`, beside its `entries`
};

SubPlan files_to_read(const TableMetadata& table, const ScanPlan& plan, std::vector<std::vector<uint8_t>>& all) {
  SubPlan rest{plan, {}, {}};
  rest.plan.parts.clear();
  for (size_t p = 0; p < plan.parts.size(); ++p) {
    const ScanPlan::Part& part = plan.parts[p];
    all.push_back(matching_files(table, plan, part));
    ScanPlan::Part left{{part.reader, part.manifest, {}}, {}};
    std::vector<size_t> indices;
    for (size_t i = 0; i < part.entries.size(); ++i) {
      if (all.back()[part.entries[i]]) continue;
      left.entries.push_back(part.entries[i]);
      if (!part.without.empty()) left.without.push_back(part.without[i]);
      if (!part.splits.empty()) left.splits.push_back(part.splits[i]);
      indices.push_back(i);
    }
    if (left.entries.empty()) continue;
    rest.plan.parts.push_back(std::move(left));
    rest.parts.push_back(p);
    rest.indices.push_back(std::move(indices));
  }
  return rest;
}

// The files that were read, one after the other.
class Reading {
 public:
  Reading(const TableMetadata& table, SubPlan rest, const ScanOptions& options, IoPtr io) : rest_(std::move(rest)) {
    ScanPlan plan = rest_.plan;
    plan.projection = {.fields = {pos_field()}};
    scanner_ = std::make_shared<Scanner>(
        std::make_unique<ScanFiles>(table, std::move(plan), options, std::move(io), nullptr), options);
    ahead_ = scanner_->next();
  }
  ~Reading() { scanner_->close(); }

  // The next file that has matching rows.
  std::optional<FoundRows> next() {
    if (!ahead_.batch) return std::nullopt;
    const size_t file = ahead_.file;
    const ScanFiles::Place place = scanner_->files().place(file);
    FoundRows rows{.part = rest_.parts[place.part], .index = rest_.indices[place.part][place.index]};
    while (ahead_.batch && ahead_.file == file) {
      const auto& positions = static_cast<const arrow::Int64Array&>(*ahead_.batch->column(0));
      rows.positions.add(std::span(positions.raw_values(), static_cast<size_t>(positions.length())));
      ahead_ = scanner_->next();
    }
    return rows;
  }

 private:
  const SubPlan rest_;
  std::shared_ptr<Scanner> scanner_;
  Scanner::Rows ahead_;
};

}  // namespace

void find_rows(const TableMetadata& table, const ScanPlan& plan, const ScanOptions& options, IoPtr io,
               const std::function<void(FoundRows)>& found) {
  ScanOptions ordered = options;
  ordered.ordered = true;
  ordered.limit.reset();
  std::vector<std::vector<uint8_t>> all;
  Reading reading(table, files_to_read(table, plan, all), ordered, std::move(io));
  std::optional<FoundRows> read = reading.next();
  for (size_t p = 0; p < plan.parts.size(); ++p) {
    for (size_t i = 0; i < plan.parts[p].entries.size(); ++i) {
      if (all[p][plan.parts[p].entries[i]]) {
        found({.part = p, .index = i, .all = true, .positions = {}});
      } else if (read && read->part == p && read->index == i) {
        found(*std::move(read));
        read = reading.next();
      }
    }
  }
}

void find_deleted(const TableMetadata& table, const ScanPlan& plan, const ScanOptions& options, IoPtr io,
                  const std::function<void(FoundRows)>& found) {
  if (!plan.deletes) return;
  DeleteLoader loader(table, plan, options, std::move(io));
  const auto for_each_file = [&](const auto& visit) {
    for (size_t p = 0; p < plan.parts.size(); ++p) {
      const ScanPlan::Part& part = plan.parts[p];
      const Manifest& manifest = *part.manifest;
      DeleteFinder finder(*plan.deletes, *part.reader, part.manifest);
      for (size_t i = 0; i < part.entries.size(); ++i) {
        const uint32_t entry = part.entries[i];
        DeleteLoader::Needs needs{finder.find(entry), manifest.file_path[entry], manifest.record_count[entry], {}};
        needs.deletes.equality.clear();
        if (!needs.deletes.empty()) visit(p, i, needs);
      }
    }
  };
  for_each_file([&](size_t, size_t, const DeleteLoader::Needs& needs) { loader.expect(needs); });
  for_each_file([&](size_t p, size_t i, DeleteLoader::Needs& needs) {
    check(options.stop.Poll(), "the scan was stopped");
    const std::optional<RowDeletes> deletes = loader.load(needs);  // nobody else is at it
    if (!deletes->positions) return;
    found({.part = p, .index = i, .all = false, .positions = *deletes->positions});
  });
}

}  // namespace floe
