#include <arrow/api.h>
#include <arrow/compute/api_vector.h>

#include <unordered_map>
#include <utility>

#include "floe/arrow_compute.h"
#include "floe/arrow_status.h"
#include "floe/scan/partition.h"
#include "floe/scan/scan.h"

namespace floe {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

constexpr std::string_view kWhat = "a plan as Arrow";

// Memory of a manifest, which lives as long as the buffer.
template <typename T>
std::shared_ptr<arrow::Buffer> share(const ManifestPtr& manifest, const T* data, size_t count) {
  struct Shared : arrow::Buffer {
    Shared(ManifestPtr owner, const uint8_t* bytes, int64_t size)
        : arrow::Buffer(bytes, size), manifest(std::move(owner)) {}
    ManifestPtr manifest;
  };
  return std::make_shared<Shared>(manifest, reinterpret_cast<const uint8_t*>(data),
                                  static_cast<int64_t>(count * sizeof(T)));
}

ArrayPtr text_column(const ManifestPtr& manifest, const BytesColumn& column) {
  return std::make_shared<arrow::LargeStringArray>(static_cast<int64_t>(column.size()),
                                                   share(manifest, column.offsets.data(), column.offsets.size()),
                                                   share(manifest, column.data.data(), column.data.size()));
}

ArrayPtr number_column(const ManifestPtr& manifest, const std::vector<int64_t>& column) {
  const auto n = static_cast<int64_t>(column.size());
  const auto values = share(manifest, column.data(), column.size());
  if (std::find(column.begin(), column.end(), kAbsent) == column.end()) {
    return std::make_shared<arrow::Int64Array>(n, values);
  }
  arrow::TypedBufferBuilder<bool> valid;
  check(valid.Reserve(n), kWhat);
  for (const int64_t value : column) valid.UnsafeAppend(value != kAbsent);
  const int64_t nulls = valid.false_count();
  return std::make_shared<arrow::Int64Array>(n, values, check(valid.Finish(), kWhat), nulls);
}

ArrayPtr format_column(const Manifest& manifest) {
  arrow::StringBuilder builder;
  for (const FileFormat format : manifest.file_format) check(builder.Append(to_string(format)), kWhat);
  return check(builder.Finish(), kWhat);
}

// Partition values as JSON text. Files of one partition are many: each partition is put into words once.
class PartitionTexts {
 public:
  explicit PartitionTexts(const Manifest& manifest) : manifest_(manifest) {
    for (size_t i = 0; i < manifest.partition.size(); ++i) {
      names_.push_back(to_json(Value(manifest.spec.fields[i].name), primitive(TypeKind::kString)));
    }
  }

  const std::string& of(size_t entry) {
    previous_.swap(key_);
    key_.clear();
    for (const BytesColumn& column : manifest_.partition) {
      const std::string_view bytes = column[entry];
      const auto length = static_cast<uint32_t>(bytes.size());
      key_.append(reinterpret_cast<const char*>(&length), sizeof(length));
      key_.push_back(static_cast<char>(column.has(entry)));
      key_.append(bytes);
    }
    if (text_ && key_ == previous_) return *text_;
    auto [found, is_new] = texts_.try_emplace(key_);
    if (is_new) found->second = text(entry);
    text_ = &found->second;
    return *text_;
  }

 private:
  std::string text(size_t entry) const {
    std::string out = "{";
    for (size_t i = 0; i < names_.size(); ++i) {
      if (i > 0) out += ", ";
      out += names_[i];
      out += ": ";
      const BytesColumn& column = manifest_.partition[i];
      const Type& type = manifest_.partition_types[i];
      out += column.has(entry) ? to_json(from_bytes(column[entry], type), type) : "null";
    }
    return out + "}";
  }

  const Manifest& manifest_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::string> texts_;
  std::string key_, previous_;         // of this entry, and of the one before
  const std::string* text_ = nullptr;  // of the one before
};

ArrayPtr partition_column(const ScanPlan::Part& part) {
  PartitionTexts texts(*part.manifest);
  arrow::StringBuilder builder;
  for (const uint32_t entry : part.entries) check(builder.Append(texts.of(entry)), kWhat);
  return check(builder.Finish(), kWhat);
}

std::shared_ptr<arrow::Field> delete_files_element() { return arrow::field("element", arrow::large_utf8(), false); }

// The paths of the delete files that apply to each file.
ArrayPtr delete_files_column(const ScanPlan::Part& part, const DeleteIndex* deletes) {
  const auto paths = std::make_shared<arrow::LargeStringBuilder>();
  arrow::ListBuilder builder(arrow::default_memory_pool(), paths, arrow::list(delete_files_element()));
  std::optional<DeleteFinder> finder;
  if (deletes) finder.emplace(*deletes, *part.reader, part.manifest);
  for (const uint32_t entry : part.entries) {
    check(builder.Append(), kWhat);
    if (!finder) continue;
    for (const DeleteEntry& file : finder->find(entry).files()) {
      check(paths->Append(deletes->manifest(file).file_path[file.entry]), kWhat);
    }
  }
  return check(builder.Finish(), kWhat);
}

std::shared_ptr<arrow::Schema> plan_schema() {
  return arrow::schema({
      arrow::field("file_path", arrow::large_utf8(), false),
      arrow::field("file_format", arrow::utf8(), false),
      arrow::field("record_count", arrow::int64(), false),
      arrow::field("file_size_in_bytes", arrow::int64(), false),
      arrow::field("snapshot_id", arrow::int64()),
      arrow::field("sequence_number", arrow::int64()),
      arrow::field("file_sequence_number", arrow::int64()),
      arrow::field("spec_id", arrow::int32(), false),
      arrow::field("partition", arrow::utf8(), false),
      arrow::field("first_row_id", arrow::int64()),
      arrow::field("delete_files", arrow::list(delete_files_element()), false),
  });
}

std::shared_ptr<arrow::RecordBatch> to_batch(const ScanPlan::Part& part, const DeleteIndex* deletes,
                                             const std::shared_ptr<arrow::Schema>& schema) {
  const ManifestPtr& manifest = part.manifest;
  const auto n = static_cast<int64_t>(part.entries.size());
  arrow::ArrayVector columns = {
      text_column(manifest, manifest->file_path),
      format_column(*manifest),
      number_column(manifest, manifest->record_count),
      number_column(manifest, manifest->file_size_in_bytes),
      number_column(manifest, manifest->snapshot_id),
      number_column(manifest, manifest->sequence_number),
      number_column(manifest, manifest->file_sequence_number),
      number_column(manifest, manifest->first_row_id),
  };
  if (part.entries.size() < manifest->size) {
    const arrow::UInt32Array rows(n,
                                  std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(part.entries.data()),
                                                                  n * static_cast<int64_t>(sizeof(uint32_t))));
    for (ArrayPtr& column : columns) {
      column = check(arrow::compute::Take(*column, rows, arrow::compute::TakeOptions::NoBoundsCheck()), kWhat);
    }
  }
  const ArrayPtr first_row_ids = std::move(columns.back());
  columns.back() = check(arrow::MakeArrayFromScalar(arrow::Int32Scalar(manifest->spec_id), n), kWhat);
  columns.push_back(partition_column(part));
  columns.push_back(first_row_ids);
  columns.push_back(delete_files_column(part, deletes));
  return arrow::RecordBatch::Make(schema, n, std::move(columns));
}

// Manifests of few files go into one batch, up to this many rows: each batch costs its consumer as much as many rows.
constexpr int64_t kBatchRows = 1000;

class PlanReader final : public arrow::RecordBatchReader {
 public:
  PlanReader(const ScanPlan& plan, NextPart next) : deletes_(plan.deletes), next_(std::move(next)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* out) override {
    try {
      arrow::RecordBatchVector batches;
      for (int64_t rows = 0; rows < wanted_; rows += batches.back()->num_rows()) {
        const std::optional<ScanPlan::Part> part = next_();
        if (!part) break;
        batches.push_back(to_batch(*part, deletes_.get(), schema_));
      }
      wanted_ = kBatchRows;
      *out = batches.empty()       ? nullptr
             : batches.size() == 1 ? batches[0]
                                   : check(arrow::ConcatenateRecordBatches(batches), kWhat);
      return arrow::Status::OK();
    } catch (...) {
      return to_status(std::current_exception());
    }
  }

 private:
  const std::shared_ptr<arrow::Schema> schema_ = plan_schema();
  const std::shared_ptr<const DeleteIndex> deletes_;
  const NextPart next_;
  int64_t wanted_ = 1;  // the first files go out as they come
};

}  // namespace

std::unique_ptr<arrow::RecordBatchReader> to_arrow(const ScanPlan& plan, NextPart next) {
  initialize_compute();
  return std::make_unique<PlanReader>(plan, std::move(next));
}

std::unique_ptr<arrow::RecordBatchReader> to_arrow(const ScanPlan& plan) {
  return to_arrow(plan, [parts = plan.parts, i = size_t{0}]() mutable -> std::optional<ScanPlan::Part> {
    if (i == parts.size()) return std::nullopt;
    return std::move(parts[i++]);
  });
}

}  // namespace floe
