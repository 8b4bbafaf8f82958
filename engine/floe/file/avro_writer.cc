#include "floe/file/avro_writer.h"

#include <arrow/api.h>
#include <arrow/extension_type.h>
#include <fmt/format.h>

#include <utility>
#include <vector>

#include "floe/arrow_status.h"
#include "floe/avro/container.h"
#include "floe/avro/encoding.h"
#include "floe/avro/schema.h"
#include "floe/file/batch_metrics.h"

namespace floe {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

constexpr std::string_view kCodecKey = "write.avro.compression-codec";
constexpr int64_t kStepRows = 4'096;  // encoded before the file is written to

struct AvroOptions {
  Schema schema;
  avro::Codec codec = avro::Codec::kDeflate;
  ByFieldId<MetricsMode> metrics;
};

// A column of a batch, and what is inside it.
struct Column {
  const Field* field = nullptr;
  ArrayPtr array;  // without extension type
  std::vector<Column> children;
};

Column column_of(const Field& field, const ArrayPtr& array) {
  Column column{.field = &field, .array = array};
  if (array->type_id() == arrow::Type::EXTENSION) {
    column.array = static_cast<const arrow::ExtensionArray&>(*array).storage();
  }
  const std::vector<Field>& children = children_of(field.type);
  if (field.type.kind == TypeKind::kStruct) {
    const auto& rows = static_cast<const arrow::StructArray&>(*column.array);
    for (size_t i = 0; i < children.size(); ++i) {
      column.children.push_back(column_of(children[i], rows.field(static_cast<int>(i))));
    }
  } else if (field.type.kind == TypeKind::kList) {
    column.children.push_back(column_of(children[0], static_cast<const arrow::ListArray&>(*column.array).values()));
  } else if (field.type.kind == TypeKind::kMap) {
    const auto& map = static_cast<const arrow::MapArray&>(*column.array);
    column.children.push_back(column_of(children[0], map.keys()));
    column.children.push_back(column_of(children[1], map.items()));
  }
  return column;
}

template <typename ArrayType>
auto view(const Column& column, int64_t row) {
  return static_cast<const ArrayType&>(*column.array).GetView(row);
}

void encode_decimal(std::string_view little_endian, const Type& type, std::string& out) {
  for (int32_t i = avro::decimal_bytes(type.precision); i-- > 0;) {
    out.push_back(i < 16 ? little_endian[static_cast<size_t>(i)] : (little_endian[15] < 0 ? '\xFF' : '\0'));
  }
}

void encode(const Column& column, int64_t row, std::string& out);

// Items [begin, end) of a list, or of a map, whose items are a key and a value each.
void encode_items(const Column& column, int64_t begin, int64_t end, std::string& out) {
  if (begin < end) avro::append_long(out, end - begin);
  for (int64_t item = begin; item < end; ++item) {
    for (const Column& child : column.children) encode(child, item, out);
  }
  avro::append_long(out, 0);
}

void encode_value(const Column& column, int64_t row, std::string& out) {
  const Type& type = column.field->type;
  switch (type.kind) {
    case TypeKind::kUnknown:
      return;
    case TypeKind::kBoolean:
      out.push_back(view<arrow::BooleanArray>(column, row) ? 1 : 0);
      return;
    case TypeKind::kInt:
      return avro::append_long(out, view<arrow::Int32Array>(column, row));
    case TypeKind::kDate:
      return avro::append_long(out, view<arrow::Date32Array>(column, row));
    case TypeKind::kLong:
      return avro::append_long(out, view<arrow::Int64Array>(column, row));
    case TypeKind::kTime:
      return avro::append_long(out, view<arrow::Time64Array>(column, row));
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return avro::append_long(out, view<arrow::TimestampArray>(column, row));
    case TypeKind::kFloat:
      return avro::append_number(out, view<arrow::FloatArray>(column, row));
    case TypeKind::kDouble:
      return avro::append_number(out, view<arrow::DoubleArray>(column, row));
    case TypeKind::kDecimal:
      return encode_decimal(view<arrow::Decimal128Array>(column, row), type, out);
    case TypeKind::kString:
    case TypeKind::kBinary:
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
      return avro::append_bytes(out, view<arrow::BinaryArray>(column, row));
    case TypeKind::kUuid:
    case TypeKind::kFixed:
      out += view<arrow::FixedSizeBinaryArray>(column, row);
      return;
    case TypeKind::kVariant:
      for (const auto& part : static_cast<const arrow::StructArray&>(*column.array).fields()) {
        avro::append_bytes(out, static_cast<const arrow::BinaryArray&>(*part).GetView(row));
      }
      return;
    case TypeKind::kStruct:
      for (const Column& child : column.children) encode(child, row, out);
      return;
    case TypeKind::kList:
    case TypeKind::kMap: {
      const auto& list = static_cast<const arrow::ListArray&>(*column.array);  // a map is one, too
      return encode_items(column, list.value_offset(row), list.value_offset(row + 1), out);
    }
  }
}

void encode(const Column& column, int64_t row, std::string& out) {
  const Field& field = *column.field;
  if (field.type.kind == TypeKind::kUnknown) return;
  const bool null = column.array->IsNull(row);
  if (field.required && null) {
    throw InvalidArgument(fmt::format("column {} (field id {}) is required, and is null", field.name, field.id));
  }
  if (!field.required) {
    avro::append_long(out, null == avro::null_comes_first(field) ? 0 : 1);
    if (null) return;
  }
  encode_value(column, row, out);
}

class AvroWriter final : public DataFileWriter {
 public:
  AvroWriter(Io& io, std::string location, std::shared_ptr<const AvroOptions> options)
      : location_(std::move(location)),
        options_(std::move(options)),
        metrics_(options_->schema),
        output_(io.create(location_)),
        writer_(avro::to_avro_schema(options_->schema.fields, "table"), {{"iceberg.schema", to_json(options_->schema)}},
                options_->codec) {}
  ~AvroWriter() override {
    if (output_) output_->abort();
  }

  void write(const arrow::RecordBatch& batch) override {
    if (batch.num_columns() != static_cast<int>(options_->schema.fields.size())) {
      throw InvalidArgument(fmt::format("{}: a batch has {} columns, the table has {}", location_, batch.num_columns(),
                                        options_->schema.fields.size()));
    }
    metrics_.add(batch);
    std::vector<Column> columns;
    for (int i = 0; i < batch.num_columns(); ++i) {
      columns.push_back(column_of(options_->schema.fields[static_cast<size_t>(i)], batch.column(i)));
    }
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      for (const Column& column : columns) encode(column, row, writer_.record());
      writer_.end_record();
      if ((row + 1) % kStepRows == 0) pass_on(writer_.take());
    }
    pass_on(writer_.take());
  }

  int64_t bytes_written() const override { return static_cast<int64_t>(writer_.bytes()); }
  int64_t bytes_in_memory() const override { return 0; }  // a block of some kilobytes
  void end_row_group() override {}

  DataFile finish() override {
    pass_on(writer_.finish());
    DataFile file;
    file.file_path = location_;
    file.file_format = FileFormat::kAvro;
    file.file_size_in_bytes = check(output_->stream()->Tell(), location_);
    metrics_.fill_in(file, options_->metrics);
    output_->close();
    return file;
  }

 private:
  void pass_on(std::string bytes) {
    if (!bytes.empty()) check(output_->stream()->Write(arrow::Buffer::FromString(std::move(bytes))), location_);
  }

  const std::string location_;
  const std::shared_ptr<const AvroOptions> options_;
  BatchMetrics metrics_;
  std::unique_ptr<OutputFile> output_;
  avro::Writer writer_;
};

}  // namespace

DataFileWriters avro_writers(const Properties& table_properties, const Schema& schema) {
  auto options = std::make_shared<AvroOptions>();
  options->schema = schema;
  const std::string codec = string_property(table_properties, kCodecKey, "gzip");
  try {
    options->codec = avro::parse_codec(codec);
  } catch (const NotSupported&) {
    throw NotSupported(
        fmt::format("{}={}: Avro files are written with gzip, zstd, snappy or uncompressed", kCodecKey, codec));
  }
  refuse_unknown_properties(table_properties, "write.avro.", {"compression-codec"});
  options->metrics = metrics_modes(table_properties, schema);
  return {.format = FileFormat::kAvro,
          .make = [options = std::shared_ptr<const AvroOptions>(std::move(options))](
                      Io& io, const std::string& location, bool) {
            return std::make_unique<AvroWriter>(io, location, options);
          }};
}

}  // namespace floe
