// Pruning 100,000 files by one predicate on the bounds of one column: a scan's hot loop when nothing is left to decode.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "floe/expression/evaluate.h"

namespace floe {
namespace {

constexpr size_t kFiles = 100'000;

// File i holds the values from lower(i) to lower(i + 1).
template <typename F>
Stats stats_of(const Type& type, const F& lower) {
  Stats stats{.size = kFiles, .columns = {}};
  ColumnStats& column = stats.columns.emplace_back();
  column.field_id = 1;
  for (size_t i = 0; i < kFiles; ++i) {
    column.append(1000, 0, 0);
    column.lower_bounds.append(to_bytes(lower(i), type));
    column.upper_bounds.append(to_bytes(lower(i + 1), type));
  }
  return stats;
}

BoundExpression bound(const Type& type, const std::string& filter) {
  return bind(parse_filter(filter), Schema{.fields = {{.id = 1, .name = "c", .type = type}}});
}

void prune(benchmark::State& state, const Stats& stats, const BoundExpression& filter) {
  for (auto _ : state) benchmark::DoNotOptimize(may_match(filter, stats));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kFiles));
}

void long_equal(benchmark::State& state) {
  const Type type = primitive(TypeKind::kLong);
  const Stats stats = stats_of(type, [](size_t i) { return Value(static_cast<int64_t>(i * 7919 % kFiles)); });
  prune(state, stats, bound(type, "c = 5000"));
}
BENCHMARK(long_equal);

void long_range(benchmark::State& state) {
  const Type type = primitive(TypeKind::kLong);
  const Stats stats = stats_of(type, [](size_t i) { return Value(static_cast<int64_t>(i)); });
  prune(state, stats, bound(type, "c >= 5000 and c < 6000"));
}
BENCHMARK(long_range);

void long_in_1000(benchmark::State& state) {
  const Type type = primitive(TypeKind::kLong);
  const Stats stats = stats_of(type, [](size_t i) { return Value(static_cast<int64_t>(i)); });
  std::string list;
  for (int i = 0; i < 1000; ++i) list += fmt::format("{}{}", i == 0 ? "" : ", ", i * 131);
  prune(state, stats, bound(type, fmt::format("c in ({})", list)));
}
BENCHMARK(long_in_1000);

void double_less(benchmark::State& state) {
  const Type type = primitive(TypeKind::kDouble);
  const Stats stats = stats_of(type, [](size_t i) { return Value(static_cast<double>(i)); });
  prune(state, stats, bound(type, "c < 5000.5"));
}
BENCHMARK(double_less);

void decimal_greater(benchmark::State& state) {
  const Type type = decimal_type(18, 2);
  const Stats stats = stats_of(type, [](size_t i) { return Value(static_cast<Int128>(i)); });
  prune(state, stats, bound(type, "c > 500.25"));
}
BENCHMARK(decimal_greater);

void string_prefix(benchmark::State& state) {
  const Type type = primitive(TypeKind::kString);
  const Stats stats = stats_of(type, [](size_t i) { return Value(fmt::format("customer-{:07}", i)); });
  prune(state, stats, bound(type, "c like 'customer-0005%'"));
}
BENCHMARK(string_prefix);

}  // namespace
}  // namespace floe
