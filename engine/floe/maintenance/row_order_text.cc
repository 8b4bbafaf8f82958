#include "floe/maintenance/row_order_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "floe/error.h"

namespace floe {
namespace {

class Parser {
 public:
  Parser(std::string_view text, const Schema& schema, bool case_sensitive)
      : text_(text), schema_(schema), case_sensitive_(case_sensitive) {
    read_token();
  }

  RowOrderText parse() {
    RowOrderText order;
    do {
      parse_term(order);
    } while (skip(","));
    if (!token_.empty()) refuse(fmt::format("'{}' is not expected", token_));
    if (!order.z_order.empty() && !order.fields.empty())
      refuse("zorder and hilbert cannot be put together with other fields");
    if (!order.fields.empty()) validate(SortOrder{.order_id = 1, .fields = order.fields}, schema_);
    return order;
  }

 private:
  void parse_term(RowOrderText& order) {
    const std::string name = take();
    if (name.empty()) refuse("a column is missing");
    std::vector<std::string> arguments;
    const bool is_call = !quoted_name_ && skip("(");
    if (is_call) {
      do {
        arguments.push_back(take());
      } while (skip(","));
      if (!skip(")")) refuse("a ')' is missing");
    }
    if (is_call && (lower(name) == "zorder" || lower(name) == "hilbert")) {
      if (!order.z_order.empty()) refuse("rows are in one order");
      order.curve = lower(name) == "zorder" ? Curve::kZOrder : Curve::kHilbert;
      for (const std::string& column : arguments) order.z_order.push_back(find(column).second);
      return;
    }
    SortField field;
    if (is_call) {
      set_transform(name, arguments, field);
    } else {
      field.source_ids = {find(name).first};
    }
    if (skip("desc")) {
      field.ascending = false;
    } else {
      skip("asc");
    }
    field.nulls_first = field.ascending;
    if (skip("nulls")) {
      field.nulls_first = skip("first");
      if (!field.nulls_first && !skip("last")) refuse("NULLS is followed by FIRST or LAST");
    }
    order.fields.push_back(std::move(field));
  }

  // bucket(16, id), truncate(10, name) and truncate(name, 10), days(time).
  void set_transform(const std::string& name, std::vector<std::string> arguments, SortField& field) const {
    std::string transform = lower(name);
    for (const char* unit : {"years", "months", "days", "hours"}) {
      if (transform == unit) transform.pop_back();
    }
    if (arguments.size() == 2) {
      if (!is_number(arguments[0])) std::swap(arguments[0], arguments[1]);
      transform = fmt::format("{}[{}]", transform, arguments[0]);
      arguments.erase(arguments.begin());
    }
    if (arguments.size() != 1) refuse(fmt::format("{} takes a column", name));
    field.source_ids = {find(arguments[0]).first};
    field.transform = parse_transform(transform);
    if (field.transform.kind == TransformKind::kUnknown) refuse(fmt::format("there is no transform {}", name));
  }

  std::pair<int32_t, std::string> find(const std::string& name) const {
    const Field* field = find_field(schema_, name, case_sensitive_);
    if (!field) refuse(fmt::format("the table has no column {}", name));
    return {field->id, full_name(schema_, field->id)};
  }

  // --- tokens: names, numbers and single characters; empty at the end ---

  void read_token() {
    while (!text_.empty() && std::isspace(static_cast<unsigned char>(text_.front()))) text_.remove_prefix(1);
    quoted_ = !text_.empty() && text_.front() == '`';
    size_t size = 0;
    if (quoted_) {
      size = text_.find('`', 1);
      if (size == std::string_view::npos) refuse("a '`' is missing");
      token_ = text_.substr(1, size - 1);
      text_.remove_prefix(size + 1);
      return;
    }
    while (size < text_.size() && is_name(text_[size])) ++size;
    if (size == 0 && !text_.empty()) size = 1;
    token_ = text_.substr(0, size);
    text_.remove_prefix(size);
  }

  std::string take() {
    if (!quoted_ && !token_.empty() && !is_name(token_.front())) refuse(fmt::format("'{}' is not expected", token_));
    quoted_name_ = quoted_;
    std::string taken(token_);
    read_token();
    return taken;
  }

  bool skip(std::string_view word) {
    if (quoted_ || lower(token_) != word) return false;
    read_token();
    return true;
  }

  static bool is_name(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || static_cast<unsigned char>(c) >= 0x80;
  }
  static bool is_number(const std::string& text) {
    return !text.empty() && std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c); });
  }
  static std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
    return out;
  }

  [[noreturn]] void refuse(const std::string& why) const {
    throw InvalidArgument(fmt::format("the sort order '{}': {}", whole_, why));
  }

  std::string_view text_;
  const std::string whole_{text_};
  const Schema& schema_;
  const bool case_sensitive_;
  std::string_view token_;
  bool quoted_ = false;       // `token_`
  bool quoted_name_ = false;  // what take() returned last
};

}  // namespace

RowOrderText parse_row_order(std::string_view text, const Schema& schema, bool case_sensitive) {
  return Parser(text, schema, case_sensitive).parse();
}

}  // namespace floe
