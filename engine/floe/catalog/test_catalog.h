// For tests: a catalog that can do nothing. Those of tests override what they are about.
#pragma once

#include <string>
#include <vector>

#include "floe/catalog/catalog.h"
#include "floe/error.h"

namespace floe {

class TestCatalog : public Catalog {
 public:
  const std::string& name() const override { return name_; }
  const Properties& properties() const override { return properties_; }
  IoPtr io(const LoadedTable&) override { unused(); }
  LoadedTable load_table(const TableIdentifier&) override { unused(); }
  LoadedTable commit(const TableIdentifier&, const TableCommit&) override { unused(); }
  void create_namespace(const Namespace&, const Properties&) override { unused(); }
  void drop_namespace(const Namespace&) override { unused(); }
  bool namespace_exists(const Namespace&) override { unused(); }
  std::vector<Namespace> list_namespaces(const Namespace&) override { unused(); }
  Properties load_namespace_properties(const Namespace&) override { unused(); }
  NamespaceUpdate update_namespace_properties(const Namespace&, const std::vector<std::string>&,
                                              const Properties&) override {
    unused();
  }
  LoadedTable create_table(const TableIdentifier&, NewTable) override { unused(); }
  LoadedTable register_table(const TableIdentifier&, const std::string&, bool) override { unused(); }
  bool table_exists(const TableIdentifier&) override { unused(); }
  std::vector<TableIdentifier> list_tables(const Namespace&) override { unused(); }
  void drop_table(const TableIdentifier&) override { unused(); }
  void rename_table(const TableIdentifier&, const TableIdentifier&) override { unused(); }

 private:
  [[noreturn]] static void unused() { throw NotSupported("not part of these tests"); }

  const std::string name_ = "test";
  const Properties properties_;
};

}  // namespace floe
