// Filters as the REST protocol's JSON.
#include "floe/spec/json.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <span>
#include <utility>

#include "floe/error.h"
#include "floe/expression/expression.h"

namespace floe {
namespace {

namespace bj = boost::json;

constexpr std::pair<Op, std::string_view> kOps[] = {
    {Op::kIsNull, "is-null"},
    {Op::kNotNull, "not-null"},
    {Op::kIsNan, "is-nan"},
    {Op::kNotNan, "not-nan"},
    {Op::kLess, "lt"},
    {Op::kLessEqual, "lt-eq"},
    {Op::kGreater, "gt"},
    {Op::kGreaterEqual, "gt-eq"},
    {Op::kEqual, "eq"},
    {Op::kNotEqual, "not-eq"},
    {Op::kStartsWith, "starts-with"},
    {Op::kNotStartsWith, "not-starts-with"},
    {Op::kIn, "in"},
    {Op::kNotIn, "not-in"},
};

std::optional<Op> op_named(std::string_view name) {
  for (const auto& [op, text] : kOps) {
    if (text == name) return op;
  }
  return std::nullopt;
}

std::string_view name_of(Op op) {
  for (const auto& [candidate, text] : kOps) {
    if (candidate == op) return text;
  }
  throw Error("a predicate of no known kind");
}

// --- Reading ---

// simdjson refuses integers that no 64 bits hold; as text they are literals like any other.
std::string with_large_integers_quoted(std::string_view json) {
  std::string result;
  result.reserve(json.size());
  bool in_string = false;
  for (size_t i = 0; i < json.size();) {
    const char c = json[i];
    if (in_string || (c != '-' && (c < '0' || c > '9'))) {
      if (c == '"') in_string = !in_string;
      const size_t length = in_string && c == '\\' ? 2 : 1;
      result += json.substr(i, length);
      i += length;
      continue;
    }
    const size_t end = std::min(json.find_first_not_of("-+.0123456789eE", i), json.size());
    const std::string_view number = json.substr(i, end - i);
    int64_t value = 0;
    const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    const bool large = error == std::errc::result_out_of_range && stop == number.data() + number.size();
    result += large ? fmt::format("\"{}\"", number) : std::string(number);
    i = end;
  }
  return result;
}

UnboundLiteral read_literal(const json::Node& node) {
  using simdjson::dom::element_type;
  if (node.is_object()) {  // {"type": "literal", "value": ..., "data-type": ...}: the column's type decides in the end
    if (node.at("type").string() != "literal") node.fail("is not a literal");
    if (const auto type = node.find("data-type")) {
      if (type->is_string()) parse_primitive(type->string());
    }
    return read_literal(node.at("value"));
  }
  switch (node.element().type()) {
    case element_type::BOOL:
      return node.boolean();
    case element_type::INT64:
    case element_type::UINT64:
      return node.int64();
    case element_type::DOUBLE:
      return node.number();
    case element_type::STRING:
      return std::string(node.string());
    case element_type::NULL_VALUE:
      node.fail("is null, which no value equals: use is-null or not-null (infinity is written \"Infinity\")");
    default:
      node.fail("is not a literal");
  }
}

std::vector<UnboundLiteral> read_literals(const json::Node& node) {
  if (node.is_object()) return read_literals(node.at("values"));
  std::vector<UnboundLiteral> literals;
  node.for_each([&](const json::Node& item) { literals.push_back(read_literal(item)); });
  return literals;
}

struct Term {
  std::string column;
  Transform transform;
};

Term read_term(const json::Node& node);

// {"type": "apply", "function": "day", "arguments": [{"type": "reference", "name": "ts"}]}
Term read_apply(const json::Node& node) {
  const auto function = node.at("function");
  std::vector<Term> arguments;
  if (function.is_string()) {
    const Transform transform = parse_transform(function.string());
    const auto list = node.at("arguments");
    if (transform.kind != TransformKind::kUnknown && list.is_array()) {
      list.for_each([&](const json::Node& argument) { arguments.push_back(read_term(argument)); });
    }
    if (arguments.size() == 1 && arguments.front().transform.kind == TransformKind::kIdentity) {
      return {std::move(arguments.front().column), transform};
    }
  }
  throw NotSupported("a filter may apply only a transform to one column, such as day or bucket[16]; this one has " +
                     node.raw());
}

Term read_term(const json::Node& node) {
  if (node.is_string()) return {std::string(node.string()), {}};
  const std::string_view type = node.at("type").string();
  if (type == "reference") {
    if (const auto name = node.find("name")) return {std::string(name->string()), {}};
    throw NotSupported("a filter must refer to columns by name; this one has " + node.raw());
  }
  if (type == "transform") {
    const Term inner = read_term(node.at("term"));
    const Transform transform = parse_transform(node.at("transform").string());
    if (transform.kind == TransformKind::kUnknown) node.fail("has a transform that is not known");
    return {inner.column, transform};
  }
  if (type == "apply") return read_apply(node);
  node.fail("is not a reference to a column");
}

bool is_literal(const json::Node& node) {
  if (!node.is_object()) return true;
  const auto type = node.find("type");
  return type && type->is_string() && type->string() == "literal";
}

Op mirrored(Op op, const json::Node& node) {
  switch (op) {
    case Op::kLess:
      return Op::kGreater;
    case Op::kLessEqual:
      return Op::kGreaterEqual;
    case Op::kGreater:
      return Op::kLess;
    case Op::kGreaterEqual:
      return Op::kLessEqual;
    case Op::kEqual:
    case Op::kNotEqual:
      return op;
    default:
      node.fail("asks whether a literal starts with a column's value");
  }
}

Expression leaf(Op op, Term term, std::vector<UnboundLiteral> literals) {
  return {.kind = ExprKind::kPredicate,
          .operands = {},
          .predicate = {.op = op,
                        .column = std::move(term.column),
                        .transform = std::move(term.transform),
                        .literals = std::move(literals)}};
}

Expression read_comparison(Op op, const json::Node& node) {
  const auto left = node.find("left");
  if (!left) return leaf(op, read_term(node.at("term")), {read_literal(node.at("value"))});
  const auto right = node.at("right");
  if (!is_literal(*left)) {
    if (!is_literal(right)) throw NotSupported("a filter compares two columns: " + node.raw());
    return leaf(op, read_term(*left), {read_literal(right)});
  }
  if (is_literal(right)) node.fail("compares two literals");
  return leaf(mirrored(op, node), read_term(right), {read_literal(*left)});
}

Expression read_expression(const json::Node& node) {
  if (!node.is_object()) return always<Predicate>(node.boolean());
  const std::string_view type = node.at("type").string();
  if (type == "true" || type == "false") return always<Predicate>(type == "true");
  if (type == "literal") return always<Predicate>(node.at("value").boolean());
  if (type == "and") return both(read_expression(node.at("left")), read_expression(node.at("right")));
  if (type == "or") return either(read_expression(node.at("left")), read_expression(node.at("right")));
  if (type == "not") return negate(read_expression(node.at("child")));
  const auto op = op_named(type);
  if (!op) node.fail(fmt::format("has the unknown type \"{}\"", type));
  if (*op >= Op::kLess && *op <= Op::kNotStartsWith) return read_comparison(*op, node);
  const auto child = node.find("child");
  Term term = read_term(child ? *child : node.at("term"));
  if (*op == Op::kIn || *op == Op::kNotIn) return leaf(*op, std::move(term), read_literals(node.at("values")));
  return leaf(*op, std::move(term), {});
}

// --- Writing ---

bj::value write_literal(const UnboundLiteral& literal) {
  if (const auto* flag = std::get_if<bool>(&literal)) return *flag;
  if (const auto* integer = std::get_if<int64_t>(&literal)) return *integer;
  if (const auto* number = std::get_if<double>(&literal)) {
    if (std::isinf(*number)) return *number < 0 ? "-Infinity" : "Infinity";
    return *number;
  }
  return bj::string(std::get<std::string>(literal));
}

bj::value write_predicate(const Predicate& predicate) {
  bj::object object{{"type", std::string(name_of(predicate.op))}};
  if (predicate.transform.kind == TransformKind::kIdentity) {
    object["term"] = predicate.column;
  } else {
    object["term"] = {{"type", "transform"}, {"transform", to_string(predicate.transform)}, {"term", predicate.column}};
  }
  if (predicate.op == Op::kIn || predicate.op == Op::kNotIn) {
    bj::array values;
    for (const auto& literal : predicate.literals) values.push_back(write_literal(literal));
    object["values"] = std::move(values);
  } else if (!predicate.literals.empty()) {
    object["value"] = write_literal(predicate.literals.front());
  }
  return object;
}

bj::value write_expression(const Expression& expression);

bj::value write_tree(const char* type, std::span<const Expression> operands) {
  if (operands.size() == 1) return write_expression(operands.front());
  const size_t half = operands.size() / 2;
  return {{"type", type},
          {"left", write_tree(type, operands.first(half))},
          {"right", write_tree(type, operands.subspan(half))}};
}

bj::value write_expression(const Expression& expression) {
  switch (expression.kind) {
    case ExprKind::kTrue:
    case ExprKind::kFalse:
      return expression.kind == ExprKind::kTrue;
    case ExprKind::kAnd:
      return write_tree("and", expression.operands);
    case ExprKind::kOr:
      return write_tree("or", expression.operands);
    case ExprKind::kNot:
      return {{"type", "not"}, {"child", write_expression(expression.operands.front())}};
    case ExprKind::kPredicate:
      return write_predicate(expression.predicate);
  }
  throw Error("an expression of no known kind");
}

}  // namespace

Expression expression_from_json(std::string_view text) {
  try {
    const json::Document document(with_large_integers_quoted(text), "the filter");
    return read_expression(document.root());
  } catch (const CorruptFile& error) {
    throw InvalidArgument(error.what());
  }
}

std::string to_json(const Expression& expression) { return json::serialize(write_expression(expression)); }

}  // namespace floe
