#include "floe/expression/arrow.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <arrow/extension/uuid.h>
#include <gtest/gtest.h>

#include "floe/arrow_status.h"
#include "floe/error.h"
#include "floe/expression/random_data.h"

namespace floe {
namespace {

using random_data::Rng;

const Schema& schema() {
  static const Schema kSchema = random_data::all_types();
  return kSchema;
}

std::shared_ptr<arrow::DataType> arrow_type(const Type& type) {
  switch (type.kind) {
    case TypeKind::kBoolean:
      return arrow::boolean();
    case TypeKind::kInt:
      return arrow::int32();
    case TypeKind::kLong:
      return arrow::int64();
    case TypeKind::kFloat:
      return arrow::float32();
    case TypeKind::kDouble:
      return arrow::float64();
    case TypeKind::kDecimal:
      return arrow::decimal128(type.precision, type.scale);
    case TypeKind::kDate:
      return arrow::date32();
    case TypeKind::kTime:
      return arrow::time64(arrow::TimeUnit::MICRO);
    case TypeKind::kTimestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO);
    case TypeKind::kTimestampTz:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case TypeKind::kTimestampNs:
      return arrow::timestamp(arrow::TimeUnit::NANO);
    case TypeKind::kTimestampTzNs:
      return arrow::timestamp(arrow::TimeUnit::NANO, "UTC");
    case TypeKind::kString:
      return arrow::utf8();
    case TypeKind::kUuid:
      return arrow::extension::uuid();
    case TypeKind::kFixed:
      return arrow::fixed_size_binary(type.length);
    case TypeKind::kBinary:
      return arrow::binary();
    default: {
      arrow::FieldVector fields;
      for (const auto& child : *type.children) fields.push_back(arrow::field(child.name, arrow_type(child.type)));
      return arrow::struct_(fields);
    }
  }
}

template <typename Builder, typename T>
void append_as(arrow::ArrayBuilder& builder, const T& value) {
  check(dynamic_cast<Builder&>(builder).Append(value), "append");
}

void append(arrow::ArrayBuilder& builder, const Value& value, const Type& type) {
  if (value.is_null()) return check(builder.AppendNull(), "append");
  switch (type.kind) {
    case TypeKind::kBoolean:
      return append_as<arrow::BooleanBuilder>(builder, value.as<bool>());
    case TypeKind::kInt:
      return append_as<arrow::Int32Builder>(builder, value.as<int32_t>());
    case TypeKind::kDate:
      return append_as<arrow::Date32Builder>(builder, value.as<int32_t>());
    case TypeKind::kLong:
      return append_as<arrow::Int64Builder>(builder, value.as<int64_t>());
    case TypeKind::kTime:
      return append_as<arrow::Time64Builder>(builder, value.as<int64_t>());
    case TypeKind::kFloat:
      return append_as<arrow::FloatBuilder>(builder, value.as<float>());
    case TypeKind::kDouble:
      return append_as<arrow::DoubleBuilder>(builder, value.as<double>());
    case TypeKind::kDecimal: {
      const Int128 v = value.as<Int128>();
      return append_as<arrow::Decimal128Builder>(
          builder, arrow::Decimal128(static_cast<int64_t>(v >> 64), static_cast<uint64_t>(v)));
    }
    case TypeKind::kString:
      return append_as<arrow::StringBuilder>(builder, value.as<std::string>());
    case TypeKind::kBinary:
      return append_as<arrow::BinaryBuilder>(builder, value.as<std::string>());
    case TypeKind::kUuid:
    case TypeKind::kFixed:
      return append_as<arrow::FixedSizeBinaryBuilder>(builder, value.as<std::string>());
    default:
      return append_as<arrow::TimestampBuilder>(builder, value.as<int64_t>());
  }
}

std::shared_ptr<arrow::Array> column_of(const std::vector<random_data::Row>& rows, const Field& field) {
  if (field.type.kind == TypeKind::kStruct) {
    arrow::ArrayVector children;
    arrow::FieldVector fields = arrow_type(field.type)->fields();
    for (const auto& child : *field.type.children) children.push_back(column_of(rows, child));
    return check(arrow::StructArray::Make(children, fields), "struct");
  }
  const auto type = arrow_type(field.type);
  const bool uuid = field.type.kind == TypeKind::kUuid;
  auto builder = check(arrow::MakeBuilder(uuid ? arrow::fixed_size_binary(16) : type), "builder");
  for (const auto& row : rows) append(*builder, random_data::values_of(row)(field.id), field.type);
  auto array = check(builder->Finish(), "finish");
  return uuid ? arrow::ExtensionType::WrapArray(type, array) : array;
}

std::shared_ptr<arrow::RecordBatch> batch_of(const std::vector<random_data::Row>& rows) {
  arrow::FieldVector fields;
  arrow::ArrayVector columns;
  for (const auto& field : schema().fields) {
    fields.push_back(arrow::field(field.name, arrow_type(field.type)));
    columns.push_back(column_of(rows, field));
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), static_cast<int64_t>(rows.size()), columns);
}

// Per row: whether the Arrow expression is true.
std::vector<bool> execute(const BoundExpression& filter, const arrow::RecordBatch& batch) {
  const auto expression = check(to_arrow(filter, schema()).Bind(*batch.schema()), "bind");
  const arrow::Datum result =
      check(arrow::compute::ExecuteScalarExpression(expression, arrow::compute::ExecBatch(batch)), "execute");
  std::vector<bool> answers;
  for (int64_t i = 0; i < batch.num_rows(); ++i) {
    const auto scalar = result.is_scalar() ? result.scalar() : check(result.make_array()->GetScalar(i), "scalar");
    const auto& boolean = dynamic_cast<const arrow::BooleanScalar&>(*scalar);
    answers.push_back(boolean.is_valid && boolean.value);
  }
  return answers;
}

TEST(ToArrow, MatchesTheRowsThatMatchesDoes) {
  Rng rng(6);
  const auto columns = random_data::leaves(schema());
  for (int b = 0; b < 10; ++b) {
    std::vector<random_data::Row> rows;
    while (rows.size() < 300) rows.push_back(random_data::random_row(rng, schema()));
    const auto batch = batch_of(rows);
    for (int i = 0; i < 300; ++i) {
      const Expression unbound = random_data::random_filter(rng, schema(), columns);
      const BoundExpression filter = bind(unbound, schema());
      const std::vector<bool> answers = execute(filter, *batch);
      for (size_t r = 0; r < rows.size(); ++r) {
        ASSERT_EQ(answers[r], matches(filter, random_data::values_of(rows[r])))
            << to_string(unbound) << "\n"
            << random_data::row_text(rows[r], schema());
      }
    }
  }
}

TEST(ToArrow, EveryPredicateOnEveryType) {
  Rng rng(7);
  std::vector<random_data::Row> rows;
  while (rows.size() < 500) rows.push_back(random_data::random_row(rng, schema()));
  const auto batch = batch_of(rows);
  for (const Field* column : random_data::leaves(schema())) {
    for (int i = 0; i < 60; ++i) {
      const Expression unbound = random_data::random_predicate(rng, schema(), *column);
      const BoundExpression filter = bind(unbound, schema());
      const std::vector<bool> answers = execute(filter, *batch);
      for (size_t r = 0; r < rows.size(); ++r) {
        ASSERT_EQ(answers[r], matches(filter, random_data::values_of(rows[r])))
            << to_string(unbound) << "\n"
            << random_data::row_text(rows[r], schema());
      }
    }
  }
}

TEST(ToArrow, FieldsOfNullStructsAreNull) {
  const auto ints =
      column_of({{{19, Value(int32_t{5})}}, {{19, Value(int32_t{5})}}}, (*schema().fields[17].type.children)[0]);
  const auto strings = column_of({{}, {}}, (*schema().fields[17].type.children)[1]);
  arrow::ArrayVector columns;
  arrow::FieldVector fields;
  for (const auto& field : schema().fields) {
    fields.push_back(arrow::field(field.name, arrow_type(field.type)));
    columns.push_back(check(arrow::MakeArrayOfNull(fields.back()->type(), 2), "nulls"));
  }
  const auto valid = check(arrow::AllocateEmptyBitmap(2), "bitmap");
  valid->mutable_data()[0] = 0b10;  // the first struct is null, though its field is 5
  columns[17] =
      std::make_shared<arrow::StructArray>(fields[17]->type(), 2, arrow::ArrayVector{ints, strings}, valid, 1);
  const auto batch = arrow::RecordBatch::Make(arrow::schema(fields), 2, columns);
  EXPECT_EQ(execute(bind(parse_filter("nested.int = 5"), schema()), *batch), (std::vector<bool>{false, true}));
  EXPECT_EQ(execute(bind(parse_filter("nested.int is null"), schema()), *batch), (std::vector<bool>{true, false}));
  EXPECT_EQ(execute(bind(parse_filter("nested is null"), schema()), *batch), (std::vector<bool>{true, false}));
}

TEST(ToArrow, LargeStringsAndLongLists) {
  std::string list;
  for (int i = 0; i < 5000; ++i) list += (i == 0 ? "'" : ", '") + std::to_string(i) + "'";
  const BoundExpression filter =
      bind(parse_filter("string in (" + list + ") or string like 'x%' or string = 'y'"), schema());
  arrow::FieldVector fields = batch_of({})->schema()->fields();
  fields[13] = arrow::field("string", arrow::large_utf8());
  arrow::ArrayVector columns;
  for (const auto& field : fields) columns.push_back(check(arrow::MakeArrayOfNull(field->type(), 5), "nulls"));
  arrow::LargeStringBuilder builder;
  check(builder.AppendValues({"4999", "5000", "xy", "y", ""}), "append");
  columns[13] = check(builder.Finish(), "finish");
  const auto batch = arrow::RecordBatch::Make(arrow::schema(fields), 5, columns);
  EXPECT_EQ(execute(filter, *batch), (std::vector<bool>{true, false, true, true, false}));
}

TEST(ToArrow, LongChainsDoNotOverflowTheStack) {
  std::string text = "int = 0";
  for (int i = 1; i < 10'000; ++i) text += " or int = " + std::to_string(i * 10);
  Rng rng(8);
  const auto batch = batch_of({random_data::random_row(rng, schema())});
  EXPECT_EQ(execute(bind(parse_filter(text), schema()), *batch).size(), 1u);
}

TEST(ToArrow, TrueFalseAndWhatItRefuses) {
  Rng rng(9);
  const auto batch = batch_of({random_data::random_row(rng, schema())});
  EXPECT_EQ(execute(always<BoundPredicate>(true), *batch), std::vector<bool>{true});
  EXPECT_EQ(execute(always<BoundPredicate>(false), *batch), std::vector<bool>{false});
  const auto term =
      bind(expression_from_json(
               R"({"type":"eq","term":{"type":"transform","transform":"bucket[4]","term":"int"},"value":1})"),
           schema());
  EXPECT_THROW(to_arrow(term, schema()), NotSupported);
  EXPECT_THROW(to_arrow(bind(parse_filter("int = 1"), schema()), Schema{}), InvalidArgument);
}

}  // namespace
}  // namespace floe
