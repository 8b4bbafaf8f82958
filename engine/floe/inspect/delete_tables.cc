// position_deletes: a row for each row that a snapshot's position delete files and deletion vectors delete.
#include <arrow/api.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"
#include "floe/file/data_file_reader.h"
#include "floe/file/deletion_vector.h"
#include "floe/file/position_delete.h"
#include "floe/inspect/columns.h"
#include "floe/inspect/manifests_of.h"
#include "floe/inspect/metadata_table.h"
#include "floe/parallel.h"
#include "floe/scan/metadata_columns.h"
#include "floe/scan/partition.h"
#include "floe/spec/metadata_columns.h"

namespace floe {
namespace {

// Beside those of spec/metadata_columns.h; Java's.
constexpr int32_t kContentOffsetId = 2147483641;
constexpr int32_t kContentSizeId = 2147483640;

Schema position_deletes_schema(const TableMetadata& table) {
  Schema schema{.fields = position_delete_fields()};
  schema.fields.push_back({.id = kDeleteRowId, .name = "row", .type = struct_type(current_schema(table)->fields)});
  Type partition = union_partition_type(table);
  if (!partition.children->empty()) {
    schema.fields.push_back({.id = kPartitionId, .name = "partition", .required = true, .type = std::move(partition)});
  }
  schema.fields.push_back({.id = kSpecIdId, .name = "spec_id", .required = true, .type = primitive(TypeKind::kInt)});
  schema.fields.push_back(
      {.id = kFileId, .name = "delete_file_path", .required = true, .type = primitive(TypeKind::kString)});
  if (table.format_version >= 3) {
    schema.fields.push_back({.id = kContentOffsetId, .name = "content_offset", .type = primitive(TypeKind::kLong)});
    schema.fields.push_back(
        {.id = kContentSizeId, .name = "content_size_in_bytes", .type = primitive(TypeKind::kLong)});
  }
  return schema;
}

bool is_of_delete_files(int32_t field_id) {
  return field_id == kDeleteFilePathId || field_id == kDeletePosId || field_id == kDeleteRowId;
}

struct DeleteFile {
  ManifestPtr manifest;
  size_t entry = 0;
};

// One delete file's rows: those columns that it has itself, and the ones that are the same for all of its rows.
class DeleteRows {
 public:
  DeleteRows(InspectionPtr inspection, const DeleteFile& of)
      : inspection_(std::move(inspection)),
        schema_(to_arrow_schema(inspection_->columns)),
        of_(of),
        file_(data_file(*of.manifest, of.entry)) {}

  std::shared_ptr<arrow::RecordBatch> batch(const std::shared_ptr<arrow::RecordBatch>& own) const {
    arrow::ArrayVector arrays;
    for (int i = 0; i < schema_->num_fields(); ++i) {
      const Field& field = inspection_->columns.fields[i];
      const auto found = std::find_if(own_.begin(), own_.end(), [&](int32_t id) { return id == field.id; });
      arrays.push_back(found != own_.end()
                           ? own->column(static_cast<int>(found - own_.begin()))
                           : repeat(constant(field), field.type, schema_->field(i)->type(), own->num_rows()));
    }
    return arrow::RecordBatch::Make(schema_, own->num_rows(), std::move(arrays));
  }

  // The columns that the file has itself, and the position in any case.
  BatchStream read() {
    Schema columns;
    for (const Field& field : inspection_->columns.fields) {
      if (is_of_delete_files(field.id)) columns.fields.push_back(field);
    }
    if (columns.fields.empty()) columns.fields.push_back(position_delete_fields().back());
    for (const Field& field : columns.fields) own_.push_back(field.id);
    return file_.file_format == FileFormat::kPuffin ? read_vector(columns) : read_file(columns);
  }

 private:
  Value constant(const Field& field) const {
    switch (field.id) {
      case kSpecIdId:
        return of_.manifest->spec_id;
      case kFileId:
        return file_.file_path;
      case kContentOffsetId:
        return file_.content_offset ? Value(*file_.content_offset) : Value();
      case kContentSizeId:
        return file_.content_size_in_bytes ? Value(*file_.content_size_in_bytes) : Value();
      default:  // kPartitionId
        return partition_struct(*of_.manifest,
                                partition_values(*of_.manifest, of_.entry, *current_schema(inspection_->metadata())),
                                field.type);
    }
  }

  BatchStream read_file(const Schema& columns) const {
    ParquetReadOptions options;
    options.projection = columns;
    options.schema = std::make_shared<const Schema>(columns);
    options.use_threads = false;
    options.stop = inspection_->stop;
    std::shared_ptr<arrow::RecordBatchReader> reader =
        read_data_file(*inspection_->io, file_, options, {}, std::string(kPositionDeleteNames));
    return [reader, path = file_.file_path] { return check(reader->Next(), path); };
  }

  // The bitmap is in memory as a whole, its positions are only a window at a time.
  BatchStream read_vector(const Schema& columns) const {
    auto positions = std::make_shared<const Positions>(read_deletion_vector(*inspection_->io, file_, -1));
    const int64_t end = positions->greatest() + 1;
    return [positions, end, schema = to_arrow_schema(columns), path = file_.referenced_data_file.value_or(""),
            next = int64_t{0}]() mutable -> std::shared_ptr<arrow::RecordBatch> {
      constexpr int64_t kWindow = 64 << 10;
      while (next < end) {
        const int64_t begin = next;
        next = std::min(begin + kWindow, end);
        if (positions->count(begin, next) == 0) continue;
        std::vector<uint8_t> bits(kWindow / 8, 0xff);
        positions->clear_bits(begin, next - begin, bits.data(), 0);
        std::vector<int64_t> rows;
        for (int64_t row = begin; row < next; ++row) {
          const int64_t bit = row - begin;
          if ((bits[bit / 8] >> (bit % 8) & 1) == 0) rows.push_back(row);
        }
        return vector_batch(schema, path, std::move(rows));
      }
      return nullptr;
    };
  }

  static std::shared_ptr<arrow::RecordBatch> vector_batch(const std::shared_ptr<arrow::Schema>& schema,
                                                          const std::string& path, std::vector<int64_t> rows) {
    const auto n = static_cast<int64_t>(rows.size());
    const ArrayPtr positions = number_array(std::move(rows), arrow::int64());
    arrow::ArrayVector arrays;
    for (const auto& field : schema->fields()) {
      arrays.push_back(field->name() == "pos"         ? positions
                       : field->name() == "file_path" ? constant_array(n, arrow::StringScalar(path))
                                                      : null_array(n, field->type()));
    }
    return arrow::RecordBatch::Make(schema, n, std::move(arrays));
  }

  const InspectionPtr inspection_;
  const std::shared_ptr<arrow::Schema> schema_;
  const DeleteFile of_;
  const DataFile file_;
  std::vector<int32_t> own_;  // the columns that are read from the file, in its batches' order
};

std::vector<DeleteFile> position_delete_files(const Inspection& inspection) {
  const EntryFilter filter(inspection);
  std::vector<ManifestFile> manifests = manifests_of_snapshot(inspection);
  std::erase_if(manifests, [&](const ManifestFile& manifest) {
    return manifest.content != ManifestContent::kDeletes || !filter.may_match(manifest);
  });
  std::vector<std::vector<DeleteFile>> found(manifests.size());
  parallel_for(
      manifests.size(),
      [&](size_t k) {
        const auto reader = of_table(inspection, [&] { return open_manifest(*inspection.io, manifests[k]); });
        const ManifestPtr manifest = reader->entries();
        const auto keep = filter.keeps_all() ? std::vector<uint8_t>(manifest->size, 1) : filter.may_match(*reader);
        for (size_t i = 0; i < manifest->size; ++i) {
          const bool of_positions = manifest->file_content[i] == FileContent::kPositionDeletes;
          if (of_positions && keep[i] && manifest->status[i] != EntryStatus::kDeleted)
            found[k].push_back({manifest, i});
        }
      },
      inspection.stop);
  std::vector<DeleteFile> files;
  for (const auto& some : found) files.insert(files.end(), some.begin(), some.end());
  return files;
}

BatchReaderPtr open_position_deletes(const InspectionPtr& inspection) {
  auto files = std::make_shared<const std::vector<DeleteFile>>(position_delete_files(*inspection));
  return read_in_order(inspection, files->size(), [inspection, files](size_t i) -> BatchStream {
    return of_table(*inspection, [&]() -> BatchStream {
      auto rows = std::make_shared<DeleteRows>(inspection, (*files)[i]);
      return [rows, own = rows->read()]() -> std::shared_ptr<arrow::RecordBatch> {
        const auto batch = own();
        return batch ? rows->batch(batch) : nullptr;
      };
    });
  });
}

}  // namespace

std::vector<MetadataTable> delete_tables() {
  return {{"position_deletes", true, true, &position_deletes_schema, &open_position_deletes}};
}

}  // namespace floe
