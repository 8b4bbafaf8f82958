#include <floe/table.h>

#include <iostream>

int main() {
  auto catalog = floe::open_catalog("flights", {{"uri", "sqlite:////tmp/floe.db"}, {"warehouse", "file:///tmp/floe"}});
  auto table = floe::Table::load(catalog, {{"flights"}, "departures"});
  auto late = table.scan({.filter = floe::parse_filter("dep_delay > 60"), .select = {"carrier"}});
  std::cout << table.metadata().snapshots.size() << " snapshots, " << table.plan().files() << " files\n"
            << late->ToTable().ValueOrDie()->ToString();
}
