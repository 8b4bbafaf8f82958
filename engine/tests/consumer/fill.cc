// fill <folder>: makes the table that quickstart.cc reads, and appends to it twice. The catalog is <folder>.db.
#include <arrow/api.h>
#include <floe/table.h>

#include <iostream>

int main(int argc, char** argv) try {
  if (argc != 2) return 2;
  const std::string folder = argv[1];
  auto catalog = floe::open_catalog("flights", {{"uri", "sqlite:///" + folder + ".db"}, {"warehouse", "file://" + folder}});
  catalog->create_namespace({"flights"});
  const floe::Schema schema{.fields = {{.id = 1, .name = "carrier", .type = floe::primitive(floe::TypeKind::kString)},
                                       {.id = 2, .name = "dep_delay", .type = floe::primitive(floe::TypeKind::kLong)}}};
  auto table = floe::Table::create(catalog, {{"flights"}, "departures"}, {.schema = schema});

  arrow::StringBuilder carriers;
  arrow::Int64Builder delays;
  if (!carriers.AppendValues({"UA", "AA", "B6"}).ok() || !delays.AppendValues({2, 61, -4}).ok()) return 1;
  const auto rows = arrow::Table::Make(arrow::schema({arrow::field("carrier", arrow::utf8()), arrow::field("dep_delay", arrow::int64())}),
                                       {carriers.Finish().ValueOrDie(), delays.Finish().ValueOrDie()});
  for (int i = 0; i < 2; ++i) {
    arrow::TableBatchReader batches(*rows);
    table.append(batches);
  }
} catch (const floe::Error& e) {
  std::cerr << e.what() << "\n";
  return 1;
}
