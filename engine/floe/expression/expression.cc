#include "floe/expression/expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "floe/expression/literal.h"
#include "floe/spec/utf8.h"

namespace floe {
namespace {

// a & (b & c) as one node of three; `neutral` drops out, and its opposite decides.
template <typename P>
BasicExpression<P> join(ExprKind kind, BasicExpression<P> a, BasicExpression<P> b) {
  const ExprKind neutral = kind == ExprKind::kAnd ? ExprKind::kTrue : ExprKind::kFalse;
  const ExprKind decisive = kind == ExprKind::kAnd ? ExprKind::kFalse : ExprKind::kTrue;
  if (a.kind == decisive || b.kind == neutral) return a;
  if (b.kind == decisive || a.kind == neutral) return b;
  BasicExpression<P> result{.kind = kind, .operands = {}, .predicate = {}};
  if (a.kind == kind) {
    result.operands = std::move(a.operands);
  } else {
    result.operands.push_back(std::move(a));
  }
  if (b.kind == kind) {
    std::ranges::move(b.operands, std::back_inserter(result.operands));
  } else {
    result.operands.push_back(std::move(b));
  }
  return result;
}

std::string name_text(std::string_view column) {
  const auto is_word = [](std::string_view part) {
    const auto is_letter = [](unsigned char c) { return std::isalpha(c) || c == '_' || c >= 0x80; };
    return !part.empty() && is_letter(part[0]) &&
           std::ranges::all_of(part, [&](unsigned char c) { return is_letter(c) || std::isdigit(c) || c == '$'; });
  };
  bool plain = true;
  for (size_t start = 0; plain && start <= column.size();) {
    const size_t dot = std::min(column.find('.', start), column.size());
    plain = is_word(column.substr(start, dot - start));
    start = dot + 1;
  }
  const std::string lower = fold_case(column);
  if (plain && lower != "not" && lower != "true" && lower != "false") return std::string(column);
  std::string quoted = "\"";
  for (const char c : column) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + "\"";
}

std::string_view symbol(Op op) {
  switch (op) {
    case Op::kLess:
      return "<";
    case Op::kLessEqual:
      return "<=";
    case Op::kGreater:
      return ">";
    case Op::kGreaterEqual:
      return ">=";
    case Op::kEqual:
      return "=";
    case Op::kNotEqual:
      return "!=";
    case Op::kStartsWith:
      return "like";
    case Op::kNotStartsWith:
      return "not like";
    case Op::kIn:
      return "in";
    case Op::kNotIn:
      return "not in";
    case Op::kIsNull:
      return "is null";
    case Op::kNotNull:
      return "is not null";
    case Op::kIsNan:
      return "is nan";
    case Op::kNotNan:
      return "is not nan";
  }
  return "?";
}

std::string like_pattern(const UnboundLiteral& prefix) {
  const auto* text = std::get_if<std::string>(&prefix);
  if (text == nullptr) return literal_text(prefix);
  std::string pattern;
  for (const char c : *text) {
    if (c == '%') pattern += '\\';
    pattern += c;
  }
  return literal_text(pattern + "%");
}

std::string predicate_text(const Predicate& predicate) {
  std::string text = name_text(predicate.column);
  if (predicate.transform.kind != TransformKind::kIdentity) {
    text = fmt::format("{}({})", to_string(predicate.transform), text);
  }
  text += fmt::format(" {}", symbol(predicate.op));
  switch (predicate.op) {
    case Op::kIsNull:
    case Op::kNotNull:
    case Op::kIsNan:
    case Op::kNotNan:
      return text;
    case Op::kIn:
    case Op::kNotIn: {
      std::string list;
      for (const auto& literal : predicate.literals) list += (list.empty() ? "" : ", ") + literal_text(literal);
      return fmt::format("{} ({})", text, list);
    }
    default: {
      const bool like = predicate.op == Op::kStartsWith || predicate.op == Op::kNotStartsWith;
      for (const auto& literal : predicate.literals)
        text += " " + (like ? like_pattern(literal) : literal_text(literal));
      return text;
    }
  }
}

void append_field_ids(const BoundExpression& expression, std::vector<int32_t>& ids) {
  if (expression.kind == ExprKind::kPredicate) ids.push_back(expression.predicate.field_id);
  for (const auto& operand : expression.operands) append_field_ids(operand, ids);
}

}  // namespace

template <typename P>
BasicExpression<P> always(bool answer) {
  return {.kind = answer ? ExprKind::kTrue : ExprKind::kFalse, .operands = {}, .predicate = {}};
}

template <typename P>
BasicExpression<P> both(BasicExpression<P> a, BasicExpression<P> b) {
  return join(ExprKind::kAnd, std::move(a), std::move(b));
}

template <typename P>
BasicExpression<P> either(BasicExpression<P> a, BasicExpression<P> b) {
  return join(ExprKind::kOr, std::move(a), std::move(b));
}

template <typename P>
BasicExpression<P> negate(BasicExpression<P> a) {
  if (a.kind == ExprKind::kTrue || a.kind == ExprKind::kFalse) return always<P>(a.kind == ExprKind::kFalse);
  if (a.kind == ExprKind::kNot) {
    auto inner = std::move(a.operands.front());
    return inner;
  }
  BasicExpression<P> result{.kind = ExprKind::kNot, .operands = {}, .predicate = {}};
  result.operands.push_back(std::move(a));
  return result;
}

template Expression always(bool);
template Expression both(Expression, Expression);
template Expression either(Expression, Expression);
template Expression negate(Expression);
template BoundExpression always(bool);
template BoundExpression both(BoundExpression, BoundExpression);
template BoundExpression either(BoundExpression, BoundExpression);
template BoundExpression negate(BoundExpression);

std::string to_string(const Expression& expression) {
  switch (expression.kind) {
    case ExprKind::kTrue:
      return "true";
    case ExprKind::kFalse:
      return "false";
    case ExprKind::kPredicate:
      return predicate_text(expression.predicate);
    case ExprKind::kNot:
      return fmt::format("not ({})", to_string(expression.operands.front()));
    case ExprKind::kAnd:
    case ExprKind::kOr: {
      std::string text;
      for (const auto& operand : expression.operands) {
        if (!text.empty()) text += expression.kind == ExprKind::kAnd ? " and " : " or ";
        text += fmt::format("({})", to_string(operand));
      }
      return text;
    }
  }
  return "?";
}

std::vector<int32_t> field_ids(const BoundExpression& expression) {
  std::vector<int32_t> ids;
  append_field_ids(expression, ids);
  std::ranges::sort(ids);
  const auto rest = std::ranges::unique(ids);
  ids.erase(rest.begin(), rest.end());
  return ids;
}

}  // namespace floe
