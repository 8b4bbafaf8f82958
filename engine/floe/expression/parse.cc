// The text of filters: a scanner, and a parser by recursive descent with two tokens of look-ahead at most.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "floe/error.h"
#include "floe/expression/expression.h"

namespace floe {
namespace {

enum class TokenKind : uint8_t { kEnd, kName, kQuotedName, kString, kNumber, kSymbol };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  size_t position = 0;
  std::string text;  // of names and strings without their quotes
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool continues_name(char c) { return starts_name(c) || is_digit(c) || c == '$'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

[[noreturn]] void fail(size_t position, std::string_view problem) {
  throw InvalidArgument(fmt::format("cannot read the filter at character {}: {}", position + 1, problem));
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Token next() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    if (at_ == text_.size()) return {TokenKind::kEnd, at_, ""};
    const char c = text_[at_];
    if (starts_name(c)) return name();
    if (c == '"') return quoted_name();
    if (c == '\'') return string();
    const bool sign = c == '+' || c == '-';
    if (is_digit(c) || c == '.' || sign) {
      const size_t dot = at_ + (sign ? 1 : 0);
      if (is_digit(peek(dot)) || (peek(dot) == '.' && is_digit(peek(dot + 1)))) return number();
    }
    return symbol();
  }

 private:
  char peek(size_t i) const { return i < text_.size() ? text_[i] : '\0'; }

  Token token(TokenKind kind, size_t start) { return {kind, start, std::string(text_.substr(start, at_ - start))}; }

  Token name() {
    const size_t start = at_;
    while (continues_name(peek(at_))) ++at_;
    return token(TokenKind::kName, start);
  }

  Token quoted_name() {
    Token result{TokenKind::kQuotedName, at_++, ""};
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"' && peek(at_) != '"') return result;
      if (c == '"') ++at_;  // doubled
      result.text += c;
    }
    fail(result.position, "the quoted name does not end: expected '\"'");
  }

  // A backslash keeps the next character from ending the string, and both stay in it, as in PyIceberg.
  Token string() {
    Token result{TokenKind::kString, at_++, ""};
    std::string raw;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '\\' && at_ < text_.size()) {
        raw += c;
        raw += text_[at_++];
        continue;
      }
      if (c == '\'' && peek(at_) != '\'') {
        result.text = raw;
        return result;
      }
      if (c == '\'') ++at_;  // doubled
      raw += c;
    }
    fail(result.position, "the string does not end: expected \"'\"");
  }

  Token number() {
    const size_t start = at_++;
    while (is_digit(peek(at_))) ++at_;
    if (peek(at_) == '.' && text_[start] != '.' && peek(at_ - 1) != '.') {
      ++at_;
      while (is_digit(peek(at_))) ++at_;
    }
    if (peek(at_) == 'e' || peek(at_) == 'E') {
      const size_t exponent = at_ + (peek(at_ + 1) == '+' || peek(at_ + 1) == '-' ? 2 : 1);
      if (is_digit(peek(exponent))) {
        at_ = exponent;
        while (is_digit(peek(at_))) ++at_;
      }
    }
    if (continues_name(peek(at_)) || peek(at_) == '.') fail(at_, "a number ends in something else: expected a space");
    return token(TokenKind::kNumber, start);
  }

  Token symbol() {
    const size_t start = at_;
    static constexpr std::string_view kTwo[] = {"<=", ">=", "==", "!=", "<>"};
    at_ += std::ranges::find(kTwo, text_.substr(at_, 2)) != std::end(kTwo) ? 2 : 1;
    return token(TokenKind::kSymbol, start);
  }

  std::string_view text_;
  size_t at_ = 0;
};

// A decimal stays text, to lose nothing; a number with an exponent is a double.
UnboundLiteral number_literal(const Token& token) {
  std::string_view text = token.text;
  if (text.front() == '+') text.remove_prefix(1);
  const char* end = text.data() + text.size();
  if (text.find_first_of("eE") != std::string_view::npos) {
    double value = 0;
    if (std::from_chars(text.data(), end, value).ec != std::errc()) fail(token.position, "the number is out of range");
    return value;
  }
  int64_t integer = 0;
  const auto [stop, error] = std::from_chars(text.data(), end, integer);
  if (error == std::errc() && stop == end) return integer;
  return std::string(text);
}

class Parser {
 public:
  explicit Parser(std::string_view text) : scanner_(text), token_(scanner_.next()), after_(scanner_.next()) {}

  Expression parse() {
    Expression result = disjunction(0);
    if (token_.kind != TokenKind::kEnd) expected("`and`, `or` or the end");
    return result;
  }

 private:
  Expression disjunction(int depth) {
    Expression result = conjunction(depth);
    while (take_keyword("or")) result = either(std::move(result), conjunction(depth));
    return result;
  }

  Expression conjunction(int depth) {
    Expression result = negation(depth);
    while (take_keyword("and")) result = both(std::move(result), negation(depth));
    return result;
  }

  Expression negation(int depth) {
    bool negated = false;
    while (take_keyword("not")) negated = !negated;
    Expression result = primary(depth);
    return negated ? negate(std::move(result)) : result;
  }

  Expression primary(int depth) {
    if (!take_symbol("(")) return predicate();
    if (depth == kMaxExpressionDepth) {
      fail(token_.position, fmt::format("more than {} parentheses inside each other", kMaxExpressionDepth));
    }
    Expression result = disjunction(depth + 1);
    if (!take_symbol(")")) expected("`and`, `or` or `)`");
    return result;
  }

  Expression predicate() {
    if (token_.kind == TokenKind::kString || token_.kind == TokenKind::kNumber) return reversed(literal());
    const std::optional<bool> answer = boolean();
    if (answer && !continues_predicate(after_)) {
      advance();
      return always<Predicate>(*answer);
    }
    const Token first = token_;
    const std::string name = column();
    const std::optional<Op> op = take_comparison();
    if (!op) return word_predicate(name);
    if (const auto right = maybe_literal()) return simple(*op, name, {*right});
    if (answer && is_name()) return simple(mirrored(*op), column(), {*answer});  // true = a
    expected("a literal: a number, a string in single quotes, true or false");
  }

  // 5 < a
  Expression reversed(UnboundLiteral left) {
    const std::optional<Op> op = take_comparison();
    if (!op) expected("a comparison");
    if (!is_name()) expected("a column's name");
    return simple(mirrored(*op), column(), {std::move(left)});
  }

  // What starts with a word after the column.
  Expression word_predicate(const std::string& name) {
    if (take_keyword("is")) return is_predicate(name);
    if (take_keyword("between")) return between(name);
    const bool negated = take_keyword("not");
    if (take_keyword("in")) return simple(negated ? Op::kNotIn : Op::kIn, name, literals());
    if (take_keyword("like")) return like(name, negated);
    expected(negated ? "`in` or `like`" : "a comparison, `is`, `in`, `between`, `like` or `not`");
  }

  Expression is_predicate(const std::string& name) {
    const bool negated = take_keyword("not");
    if (take_keyword("null")) return simple(negated ? Op::kNotNull : Op::kIsNull, name, {});
    if (take_keyword("nan")) return simple(negated ? Op::kNotNan : Op::kIsNan, name, {});
    expected(negated ? "`null` or `nan`" : "`null`, `nan` or `not`");
  }

  Expression between(const std::string& name) {
    auto low = literal();
    if (!take_keyword("and")) expected("`and`");
    return both(simple(Op::kGreaterEqual, name, {std::move(low)}), simple(Op::kLessEqual, name, {literal()}));
  }

  // 'x%' is a prefix, 'x' the whole text; `\%` is a percent sign. No other pattern can be had.
  Expression like(const std::string& name, bool negated) {
    if (token_.kind != TokenKind::kString) expected("a string in single quotes");
    std::string text;
    bool prefix = false;
    for (size_t i = 0; i < token_.text.size(); ++i) {
      const char c = token_.text[i];
      if (c == '\\' && i + 1 < token_.text.size() && token_.text[i + 1] == '%') {
        text += token_.text[++i];
      } else if (c == '%') {
        prefix = true;
        if (i + 1 < token_.text.size()) {
          fail(token_.position, "`like` takes the wildcard % at the end only (a percent sign is written \\%)");
        }
      } else {
        text += c;
      }
    }
    advance();
    if (prefix) return simple(negated ? Op::kNotStartsWith : Op::kStartsWith, name, {std::move(text)});
    return simple(negated ? Op::kNotEqual : Op::kEqual, name, {std::move(text)});
  }

  static Expression simple(Op op, std::string name, std::vector<UnboundLiteral> literals) {
    return {.kind = ExprKind::kPredicate,
            .operands = {},
            .predicate = {.op = op, .column = std::move(name), .transform = {}, .literals = std::move(literals)}};
  }

  std::string column() {
    if (!is_name()) expected("a column's name");
    std::string name = token_.text;
    advance();
    while (take_symbol(".")) {
      if (!is_name()) expected("a name after the dot");
      name += "." + token_.text;
      advance();
    }
    return name;
  }

  std::vector<UnboundLiteral> literals() {
    std::vector<UnboundLiteral> list;
    if (!take_symbol("(")) expected("`(`");
    do {
      list.push_back(literal());
    } while (take_symbol(","));
    if (!take_symbol(")")) expected("`,` or `)`");
    return list;
  }

  UnboundLiteral literal() {
    auto result = maybe_literal();
    if (!result) expected("a literal: a number, a string in single quotes, true or false");
    return std::move(*result);
  }

  std::optional<UnboundLiteral> maybe_literal() {
    std::optional<UnboundLiteral> result;
    if (token_.kind == TokenKind::kString) {
      result = token_.text;
    } else if (token_.kind == TokenKind::kNumber) {
      result = number_literal(token_);
    } else if (const auto flag = boolean()) {
      result = *flag;
    }
    if (result) advance();
    return result;
  }

  std::optional<bool> boolean() const {
    if (is_keyword(token_, "true")) return true;
    if (is_keyword(token_, "false")) return false;
    return std::nullopt;
  }

  // Whether `true` before this token is a column's name or one side of a comparison.
  static bool continues_predicate(const Token& token) {
    if (token.kind == TokenKind::kSymbol) return token.text == "." || comparison(token).has_value();
    static constexpr std::string_view kWords[] = {"is", "in", "not", "like", "between"};
    return std::ranges::any_of(kWords, [&](std::string_view word) { return is_keyword(token, word); });
  }

  static std::optional<Op> comparison(const Token& token) {
    if (token.kind != TokenKind::kSymbol) return std::nullopt;
    if (token.text == "<") return Op::kLess;
    if (token.text == "<=") return Op::kLessEqual;
    if (token.text == ">") return Op::kGreater;
    if (token.text == ">=") return Op::kGreaterEqual;
    if (token.text == "=" || token.text == "==") return Op::kEqual;
    if (token.text == "!=" || token.text == "<>") return Op::kNotEqual;
    return std::nullopt;
  }

  // The same comparison with its sides exchanged.
  static Op mirrored(Op op) {
    switch (op) {
      case Op::kLess:
        return Op::kGreater;
      case Op::kLessEqual:
        return Op::kGreaterEqual;
      case Op::kGreater:
        return Op::kLess;
      case Op::kGreaterEqual:
        return Op::kLessEqual;
      default:
        return op;
    }
  }

  std::optional<Op> take_comparison() {
    const auto op = comparison(token_);
    if (op) advance();
    return op;
  }

  bool is_name() const { return token_.kind == TokenKind::kName || token_.kind == TokenKind::kQuotedName; }

  static bool is_keyword(const Token& token, std::string_view word) {
    return token.kind == TokenKind::kName && std::ranges::equal(token.text, word, [](char a, char b) {
             return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b;
           });
  }

  bool take_keyword(std::string_view word) {
    if (!is_keyword(token_, word)) return false;
    advance();
    return true;
  }

  bool take_symbol(std::string_view text) {
    if (token_.kind != TokenKind::kSymbol || token_.text != text) return false;
    advance();
    return true;
  }

  void advance() {
    token_ = std::move(after_);
    after_ = scanner_.next();
  }

  [[noreturn]] void expected(std::string_view what) const {
    const std::string found = token_.kind == TokenKind::kEnd ? "the end" : fmt::format("\"{:.40}\"", token_.text);
    fail(token_.position, fmt::format("expected {}, found {}", what, found));
  }

  Scanner scanner_;
  Token token_;
  Token after_;
};

}  // namespace

Expression parse_filter(std::string_view text) { return Parser(text).parse(); }

}  // namespace floe
