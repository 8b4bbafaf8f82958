#include "floe/transaction/add_files.h"

#include <fmt/format.h>

#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "floe/error.h"
#include "floe/file/name_mapping.h"
#include "floe/file/parquet_import.h"
#include "floe/parallel.h"
#include "floe/transaction/snapshot_summary.h"

namespace floe {
namespace {

void check_given_once(const std::vector<std::string>& locations, const std::string& table_name) {
  std::set<std::string_view> seen;
  for (const std::string& location : locations) {
    if (seen.insert(location).second) continue;
    throw InvalidArgument(
        fmt::format("table {}: File paths must be unique, and {} is given twice", table_name, location));
  }
}

// That the table has a name mapping which finds the columns of the files as they were found when their metrics were
// read: what others set stays, and what nobody set is made of the schema as it is.
class NameMappingStep : public Step {
 public:
  explicit NameMappingStep(std::string planned) : planned_(std::move(planned)) {}

  TableCommit build(const LoadedTable& base) override {
    const TableMetadata& table = *base.metadata;
    const auto property = table.properties.find(kNameMapping);
    const bool is_set = property != table.properties.end();
    const std::string mapping = is_set ? property->second : name_mapping_of(*current_schema(table));
    if (mapping != planned_ && !covers(parse_name_mapping(mapping), parse_name_mapping(planned_))) {
      throw ConflictFound(fmt::format(
          "table {}: another writer changed the names of columns, by which those of the added files are found. Read "
          "the table again and add the files again",
          to_string(base.identifier)));
    }
    if (is_set) return {};
    return {.requirements = {AssertCurrentSchemaId{table.current_schema_id}},
            .updates = {SetProperties{{{std::string(kNameMapping), mapping}}}}};
  }

 private:
  const std::string planned_;
};

}  // namespace

void add_files(Transaction& transaction, const std::vector<std::string>& locations, const AddFilesOptions& options,
               const arrow::StopToken& stop) {
  const std::string table_name = to_string(transaction.base().identifier);
  check_given_once(locations, table_name);
  check_branch(transaction.staged(), options.branch);
  check_snapshot_properties(options.snapshot_properties);

  const TableMetadataPtr table = transaction.staged().metadata;
  const auto property = table->properties.find(kNameMapping);
  const std::string mapping =
      property != table->properties.end() ? property->second : name_mapping_of(*current_schema(*table));
  std::vector<DataFile> files(locations.size());
  parallel_for(
      locations.size(), [&](size_t i) { files[i] = import_parquet(*transaction.io(), locations[i], *table, mapping); },
      stop);

  transaction.add(SnapshotChange{.operation = "append",
                                 .added = std::move(files),
                                 .refuse_duplicates = options.refuse_duplicates,
                                 .branch = options.branch,
                                 .stage_only = options.stage_only,
                                 .snapshot_properties = options.snapshot_properties});
  transaction.add(std::make_unique<NameMappingStep>(mapping));
}

}  // namespace floe
