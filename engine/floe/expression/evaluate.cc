#include "floe/expression/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "floe/error.h"
#include "floe/expression/literal.h"

namespace floe {
namespace {

using Answers = std::vector<uint8_t>;

// --- Bounds, decoded ---

template <typename T>
T read(std::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

// Each decoder turns the binary single-value form into what is compared, or answers false: treat it as absent.
// The length tells what type a bound was written for, if the column was promoted since.
struct BooleanDecoder {
  using Result = int64_t;
  static bool decode(std::string_view bytes, int64_t& value) {
    if (bytes.size() != 1) return false;
    value = bytes[0] != 0;
    return true;
  }
};

struct IntDecoder {
  using Result = int64_t;
  static bool decode(std::string_view bytes, int64_t& value) {
    if (bytes.size() != 4) return false;
    value = read<int32_t>(bytes);
    return true;
  }
};

// kUnitsOfInt: what one unit of a 4-byte value is worth: 1 under long, a day under the timestamps.
template <int64_t kUnitsOfInt>
struct LongDecoder {
  using Result = int64_t;
  static bool decode(std::string_view bytes, int64_t& value) {
    if (bytes.size() == 8) {
      value = read<int64_t>(bytes);
      return true;
    }
    if (bytes.size() != 4) return false;
    return !__builtin_mul_overflow(int64_t{read<int32_t>(bytes)}, kUnitsOfInt, &value);
  }
};

struct FloatingDecoder {
  using Result = double;
  static bool decode(std::string_view bytes, double& value) {
    if (bytes.size() == 8) {
      value = read<double>(bytes);
    } else if (bytes.size() == 4) {
      value = read<float>(bytes);
    } else {
      return false;
    }
    return !std::isnan(value);
  }
};

struct DecimalDecoder {
  using Result = Int128;
  static bool decode(std::string_view bytes, Int128& value) {
    if (bytes.empty() || bytes.size() > 16) return false;
    auto unsigned_value = static_cast<unsigned __int128>(static_cast<signed char>(bytes[0]) < 0 ? -1 : 0);
    for (const char byte : bytes) unsigned_value = unsigned_value << 8 | static_cast<unsigned char>(byte);
    value = static_cast<Int128>(unsigned_value);
    return true;
  }
};

struct BytesDecoder {
  using Result = std::string_view;
  static bool decode(std::string_view bytes, std::string_view& value) {
    value = bytes;
    return true;
  }
};

template <typename T>
T literal_as(const Value& value) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    return value.as<std::string>();
  } else {
    return std::visit(
        [](const auto& v) -> T {
          if constexpr (std::is_arithmetic_v<std::decay_t<decltype(v)>> ||
                        std::is_same_v<std::decay_t<decltype(v)>, Int128>) {
            return static_cast<T>(v);
          } else {
            throw Error("a literal is not of its predicate's type");
          }
        },
        value.data);
  }
}

// --- What is known of one group ---

struct Counts {
  int64_t values, nulls, nans;

  bool only_nulls() const { return values >= 0 && nulls == values; }
  bool only_nans() const { return values >= 0 && nans == values; }
};

template <typename T>
struct Bounds {
  T lower{}, upper{};
  bool has_lower = false, has_upper = false;

  bool has_both() const { return has_lower && has_upper; }
  bool outside(const T& value) const { return (has_lower && value < lower) || (has_upper && upper < value); }
  bool only(const T& value) const { return has_both() && lower == value && upper == value; }
};

template <typename Decoder, typename Test>
void for_each_group(const ColumnStats& stats, size_t size, const Test& test, uint8_t* answers) {
  for (size_t i = 0; i < size; ++i) {
    Bounds<typename Decoder::Result> bounds;
    bounds.has_lower = stats.lower_bounds.has(i) && Decoder::decode(stats.lower_bounds[i], bounds.lower);
    bounds.has_upper = stats.upper_bounds.has(i) && Decoder::decode(stats.upper_bounds[i], bounds.upper);
    if (bounds.has_both() && bounds.upper < bounds.lower) bounds.has_lower = bounds.has_upper = false;
    answers[i] = test(Counts{stats.value_counts[i], stats.null_counts[i], stats.nan_counts[i]}, bounds);
  }
}

template <typename Test>
void for_each_count(const ColumnStats& stats, size_t size, const Test& test, uint8_t* answers) {
  for (size_t i = 0; i < size; ++i) {
    answers[i] = test(Counts{stats.value_counts[i], stats.null_counts[i], stats.nan_counts[i]});
  }
}

// --- Predicates ---

// The predicates on a column whose bounds `Decoder` decodes; kNans: the column may hold NaN.
template <typename Decoder, bool kNans>
class Evaluator {
  using T = typename Decoder::Result;

 public:
  Evaluator(const BoundPredicate& predicate, const ColumnStats& stats, Answers& answers)
      : op_(predicate.op), stats_(stats), answers_(answers) {
    for (const auto& literal : predicate.literals) literals_.push_back(literal_as<T>(literal));
  }

  // Nulls match only not_in, and NaNs only not_equal and not_in; all other values lie within the bounds.
  void may_match() {
    const T literal = literals_.front();
    switch (op_) {
      case Op::kLess:
        return each(
            [=](Counts c, const Bounds<T>& b) { return !nothing_compares(c) && !(b.has_lower && b.lower >= literal); });
      case Op::kLessEqual:
        return each(
            [=](Counts c, const Bounds<T>& b) { return !nothing_compares(c) && !(b.has_lower && b.lower > literal); });
      case Op::kGreater:
        return each(
            [=](Counts c, const Bounds<T>& b) { return !nothing_compares(c) && !(b.has_upper && b.upper <= literal); });
      case Op::kGreaterEqual:
        return each(
            [=](Counts c, const Bounds<T>& b) { return !nothing_compares(c) && !(b.has_upper && b.upper < literal); });
      case Op::kEqual:
        return each([=](Counts c, const Bounds<T>& b) { return !nothing_compares(c) && !b.outside(literal); });
      case Op::kNotEqual:
        return each([=](Counts c, const Bounds<T>& b) { return !c.only_nulls() && !(no_nans(c) && b.only(literal)); });
      case Op::kIn:
        return each([this](Counts c, const Bounds<T>& b) { return !nothing_compares(c) && some_literal_within(b); });
      case Op::kNotIn:
        return each(
            [this](Counts c, const Bounds<T>& b) { return !(c.nulls == 0 && no_nans(c) && only_a_literal(b)); });
      default:
        if constexpr (std::is_same_v<T, std::string_view>) return may_match_prefix(literal);
        throw Error("a predicate that its column's type does not take");
    }
  }

  void must_match() {
    const T literal = literals_.front();
    switch (op_) {
      case Op::kLess:
        return each([=](Counts c, const Bounds<T>& b) { return all_compare(c) && b.has_upper && b.upper < literal; });
      case Op::kLessEqual:
        return each([=](Counts c, const Bounds<T>& b) { return all_compare(c) && b.has_upper && b.upper <= literal; });
      case Op::kGreater:
        return each([=](Counts c, const Bounds<T>& b) { return all_compare(c) && b.has_lower && b.lower > literal; });
      case Op::kGreaterEqual:
        return each([=](Counts c, const Bounds<T>& b) { return all_compare(c) && b.has_lower && b.lower >= literal; });
      case Op::kEqual:
        return each([=](Counts c, const Bounds<T>& b) { return all_compare(c) && b.only(literal); });
      case Op::kNotEqual:
        return each([=](Counts c, const Bounds<T>& b) {
          return c.nulls == 0 && ((kNans && c.only_nans()) || b.outside(literal));
        });
      case Op::kIn:
        return each([this](Counts c, const Bounds<T>& b) { return all_compare(c) && only_a_literal(b); });
      case Op::kNotIn:
        return each([this](Counts c, const Bounds<T>& b) { return nothing_compares(c) || !some_literal_within(b); });
      default:
        if constexpr (std::is_same_v<T, std::string_view>) return must_match_prefix(literal);
        throw Error("a predicate that its column's type does not take");
    }
  }

 private:
  // The strings that start with `prefix` are those from it up to what follows all of them.
  void may_match_prefix(std::string_view prefix) {
    if (op_ == Op::kStartsWith) {
      each([=](Counts c, const Bounds<T>& b) { return !c.only_nulls() && !no_prefix_within(b, prefix); });
    } else {
      each([=](Counts c, const Bounds<T>& b) { return !c.only_nulls() && !only_prefix(b, prefix); });
    }
  }

  void must_match_prefix(std::string_view prefix) {
    if (op_ == Op::kStartsWith) {
      each([=](Counts c, const Bounds<T>& b) { return c.nulls == 0 && only_prefix(b, prefix); });
    } else {
      each([=](Counts c, const Bounds<T>& b) { return c.nulls == 0 && no_prefix_within(b, prefix); });
    }
  }

  static bool no_prefix_within(const Bounds<T>& b, std::string_view prefix)
    requires std::is_same_v<T, std::string_view>
  {
    return (b.has_upper && b.upper < prefix) || (b.has_lower && b.lower.substr(0, prefix.size()) > prefix);
  }
  static bool only_prefix(const Bounds<T>& b, std::string_view prefix)
    requires std::is_same_v<T, std::string_view>
  {
    return b.has_both() && b.lower.starts_with(prefix) && b.upper.starts_with(prefix);
  }

  static bool no_nans(Counts c) { return !kNans || c.nans == 0; }

  // Every value is one that bounds bound.
  static bool all_compare(Counts c) { return c.nulls == 0 && no_nans(c); }

  // Every value is null or NaN.
  static bool nothing_compares(Counts c) {
    if (c.only_nulls()) return true;
    if constexpr (!kNans) return false;
    return c.only_nans() || (c.values >= 0 && c.nulls >= 0 && c.nans >= 0 && c.values - c.nulls == c.nans);
  }

  bool some_literal_within(const Bounds<T>& b) const {
    const auto least = b.has_lower ? std::ranges::lower_bound(literals_, b.lower) : literals_.begin();
    return least != literals_.end() && !(b.has_upper && b.upper < *least);
  }
  bool only_a_literal(const Bounds<T>& b) const {
    return b.has_both() && b.lower == b.upper && std::ranges::binary_search(literals_, b.lower);
  }

  template <typename Test>
  void each(const Test& test) {
    for_each_group<Decoder>(stats_, answers_.size(), test, answers_.data());
  }

  Op op_;
  const ColumnStats& stats_;
  Answers& answers_;
  std::vector<T> literals_;
};

template <typename Decoder, bool kNans = false>
void evaluate(const BoundPredicate& predicate, const ColumnStats& stats, bool must, Answers& answers) {
  Evaluator<Decoder, kNans> evaluator(predicate, stats, answers);
  must ? evaluator.must_match() : evaluator.may_match();
}

void evaluate_by_bounds(const BoundPredicate& predicate, const ColumnStats& stats, bool must, Answers& answers) {
  constexpr int64_t kMicrosOfDay = 86'400'000'000;
  switch (predicate.type.kind) {
    case TypeKind::kBoolean:
      return evaluate<BooleanDecoder>(predicate, stats, must, answers);
    case TypeKind::kInt:
    case TypeKind::kDate:
      return evaluate<IntDecoder>(predicate, stats, must, answers);
    case TypeKind::kLong:
    case TypeKind::kTime:
      return evaluate<LongDecoder<1>>(predicate, stats, must, answers);
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
      return evaluate<LongDecoder<kMicrosOfDay>>(predicate, stats, must, answers);
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return evaluate<LongDecoder<kMicrosOfDay * 1000>>(predicate, stats, must, answers);
    case TypeKind::kFloat:
    case TypeKind::kDouble:
      return evaluate<FloatingDecoder, true>(predicate, stats, must, answers);
    case TypeKind::kDecimal:
      return evaluate<DecimalDecoder>(predicate, stats, must, answers);
    case TypeKind::kString:
    case TypeKind::kUuid:
    case TypeKind::kFixed:
    case TypeKind::kBinary:
      return evaluate<BytesDecoder>(predicate, stats, must, answers);
    default:
      throw Error("a predicate that its column's type does not take");
  }
}

void evaluate_by_counts(Op op, const ColumnStats& stats, bool must, Answers& answers) {
  const auto each = [&](const auto& test) { for_each_count(stats, answers.size(), test, answers.data()); };
  switch (op) {
    case Op::kIsNull:
      if (must) return each([](Counts c) { return c.only_nulls(); });
      return each([](Counts c) { return c.nulls != 0; });
    case Op::kNotNull:
      if (must) return each([](Counts c) { return c.nulls == 0; });
      return each([](Counts c) { return !c.only_nulls(); });
    case Op::kIsNan:
      if (must) return each([](Counts c) { return c.only_nans(); });
      return each([](Counts c) { return c.nans != 0 && !c.only_nulls(); });
    default:  // kNotNan
      if (must) return each([](Counts c) { return c.nulls == 0 && c.nans == 0; });
      return each([](Counts c) { return !c.only_nulls() && !c.only_nans(); });
  }
}

void check_sizes(const ColumnStats& column, size_t size) {
  for (const size_t n : {column.value_counts.size(), column.null_counts.size(), column.nan_counts.size(),
                         column.lower_bounds.size(), column.upper_bounds.size()}) {
    if (n != size) {
      throw Error(fmt::format("the statistics of column {} are of {} groups, not {}", column.field_id, n, size));
    }
  }
}

Answers evaluate_predicate(const BoundPredicate& predicate, const Stats& stats, bool must) {
  const ColumnStats* column = stats.column(predicate.field_id);
  Answers answers(stats.size, must ? 0 : 1);
  if (column == nullptr || predicate.transform.kind != TransformKind::kIdentity) return answers;
  check_sizes(*column, stats.size);
  if (predicate.op <= Op::kNotNan) {
    evaluate_by_counts(predicate.op, *column, must, answers);
  } else {
    evaluate_by_bounds(predicate, *column, must, answers);
  }
  return answers;
}

bool all_equal(const Answers& answers, uint8_t answer) {
  return answers.empty() ||
         (answers[0] == answer && std::memcmp(&answers[0], &answers[0] + 1, answers.size() - 1) == 0);
}

Answers evaluate_expression(const BoundExpression& filter, const Stats& stats, bool must, int depth) {
  if (depth > kMaxExpressionDepth) {
    throw InvalidArgument(fmt::format("a filter nests deeper than {} levels", kMaxExpressionDepth));
  }
  switch (filter.kind) {
    case ExprKind::kTrue:
    case ExprKind::kFalse:
      return Answers(stats.size, filter.kind == ExprKind::kTrue);
    case ExprKind::kPredicate:
      return evaluate_predicate(filter.predicate, stats, must);
    case ExprKind::kNot: {
      // Where every row matches, none matches the negation; the reverse does not follow, because of nulls.
      if (must) return Answers(stats.size, 0);
      Answers answers = evaluate_expression(filter.operands.front(), stats, true, depth + 1);
      for (auto& answer : answers) answer ^= 1;
      return answers;
    }
    case ExprKind::kAnd:
    case ExprKind::kOr: {
      const bool conjunction = filter.kind == ExprKind::kAnd;
      Answers answers(stats.size, conjunction);
      for (const auto& operand : filter.operands) {
        const Answers more = evaluate_expression(operand, stats, must, depth + 1);
        for (size_t i = 0; i < answers.size(); ++i) {
          answers[i] = conjunction ? answers[i] & more[i] : answers[i] | more[i];
        }
        if (all_equal(answers, conjunction ? 0 : 1)) break;
      }
      return answers;
    }
  }
  throw Error("an expression of no known kind");
}

}  // namespace

void ColumnStats::append(int64_t values, int64_t nulls, int64_t nans) {
  value_counts.push_back(values);
  null_counts.push_back(nulls);
  nan_counts.push_back(nans);
}

const ColumnStats* Stats::column(int32_t field_id) const {
  const auto found = std::ranges::find(columns, field_id, &ColumnStats::field_id);
  return found == columns.end() ? nullptr : &*found;
}

Stats stats_of_values(const std::vector<std::pair<int32_t, Value>>& values, const std::vector<Type>& types) {
  if (values.size() != types.size()) {
    throw InvalidArgument(fmt::format("a partition has {} values of {} types", values.size(), types.size()));
  }
  Stats stats{.size = 1, .columns = {}};
  for (size_t i = 0; i < values.size(); ++i) {
    const auto& [field_id, value] = values[i];
    ColumnStats& column = stats.columns.emplace_back();
    column.field_id = field_id;
    column.append(1, value.is_null() ? 1 : 0, is_nan(value) ? 1 : 0);
    if (value.is_null() || is_nan(value)) {
      column.lower_bounds.append_absent();
      column.upper_bounds.append_absent();
    } else {
      const std::string bytes = to_bytes(value, types[i]);
      column.lower_bounds.append(bytes);
      column.upper_bounds.append(bytes);
    }
  }
  return stats;
}

std::vector<uint8_t> may_match(const BoundExpression& filter, const Stats& stats) {
  return evaluate_expression(filter, stats, false, 0);
}

std::vector<uint8_t> must_match(const BoundExpression& filter, const Stats& stats) {
  return evaluate_expression(filter, stats, true, 0);
}

}  // namespace floe
