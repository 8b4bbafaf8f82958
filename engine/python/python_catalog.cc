#include "python_catalog.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "errors.h"
#include "floe/catalog/catalog.h"
#include "floe/catalog/metadata_file.h"
#include "floe/error.h"
#include "interrupt.h"

namespace nb = nanobind;

namespace floe::python {
namespace {

// A table's state as Python says it: where its metadata is, the metadata (empty: what is there), and the configuration.
using State = std::tuple<std::string, std::string, Properties>;

std::vector<std::string> to_levels(const TableIdentifier& table) {
  std::vector<std::string> levels = table.ns;
  levels.push_back(table.name);
  return levels;
}

// Calls the Python object's `load(identifier)` and `commit(identifier, requirements_json, updates_json)`, each of which
// returns a State. What they raise ends the engine's work as it is, unless it is one of the engine's errors, which the
// engine gets to see. Whatever else than an engine's error or a refusal (`refusals`) ends a commit leaves its outcome
// unknown.
class PythonCatalog final : public Catalog {
 public:
  PythonCatalog(std::string name, Properties properties, nb::object calls, nb::object refusals)
      : name_(std::move(name)),
        properties_(std::move(properties)),
        io_(make_io(properties_)),
        calls_(std::move(calls)),
        refusals_(std::move(refusals)) {}

  ~PythonCatalog() override {
    if (!nb::is_alive()) {  // Python is gone, and what it had with it
      (void)calls_.release();
      (void)refusals_.release();
      return;
    }
    const nb::gil_scoped_acquire gil;
    calls_.reset();
    refusals_.reset();
  }
  PythonCatalog(const PythonCatalog&) = delete;
  PythonCatalog& operator=(const PythonCatalog&) = delete;

  const std::string& name() const override { return name_; }
  const Properties& properties() const override { return properties_; }

  LoadedTable load_table(const TableIdentifier& table) override {
    return to_table(table, ask([&] { return calls_.attr("load")(to_levels(table)); }, &rethrow_engines));
  }

  LoadedTable commit(const TableIdentifier& table, const TableCommit& commit) override {
    const std::string requirements = to_json(commit.requirements),
                      updates = to_json(commit.updates, kLatestFormatVersion);
    const State state = ask([&] { return calls_.attr("commit")(to_levels(table), requirements, updates); },
                            [&](nb::python_error& error) {
                              rethrow_engines(error);
                              if (error.matches(refusals_)) return;
                              throw CommitStateUnknown(std::string("table ") + to_string(table) + ": " + error.what());
                            });
    try {
      return to_table(table, state);
    } catch (const std::exception& e) {  // the commit itself succeeded
      throw CommitStateUnknown(std::string("table ") + to_string(table) + ": " + e.what());
    }
  }

  IoPtr io(const LoadedTable& table) override {
    if (table.config.empty()) return io_;
    Properties properties = properties_;
    for (const auto& [key, value] : table.config) properties.insert_or_assign(key, value);
    return make_io(properties);
  }

  // What the engine never asks such a catalog for.
  void create_namespace(const Namespace&, const Properties&) override { refuse(); }
  void drop_namespace(const Namespace&) override { refuse(); }
  bool namespace_exists(const Namespace&) override { refuse(); }
  std::vector<Namespace> list_namespaces(const Namespace&) override { refuse(); }
  Properties load_namespace_properties(const Namespace&) override { refuse(); }
  NamespaceUpdate update_namespace_properties(const Namespace&, const std::vector<std::string>&,
                                              const Properties&) override {
    refuse();
  }
  LoadedTable create_table(const TableIdentifier&, NewTable) override { refuse(); }
  LoadedTable register_table(const TableIdentifier&, const std::string&, bool) override { refuse(); }
  bool table_exists(const TableIdentifier&) override { refuse(); }
  std::vector<TableIdentifier> list_tables(const Namespace&) override { refuse(); }
  void drop_table(const TableIdentifier&) override { refuse(); }
  void rename_table(const TableIdentifier&, const TableIdentifier&) override { refuse(); }

 private:
  [[noreturn]] void refuse() const { throw NotSupported("catalog " + name_ + " is asked in Python"); }

  LoadedTable to_table(const TableIdentifier& table, State state) {
    auto& [location, json, config] = state;
    LoadedTable loaded{.identifier = table, .metadata_location = std::move(location), .config = std::move(config)};
    loaded.metadata = json.empty()
                          ? read_metadata(*io(loaded), loaded.metadata_location)
                          : std::make_shared<const TableMetadata>(parse_table_metadata(json, loaded.metadata_location));
    return loaded;
  }

  // Asks on the thread that called the engine: what Python catalogs hold (a database in memory, a session) may belong
  // to that one, and Ctrl-C reaches it there.
  template <typename Question, typename Translate>
  State ask(const Question& question, const Translate& translate) {
    Call* call = Call::current();
    std::optional<State> answer;
    std::exception_ptr failure;
    const auto step = [&] {
      const nb::gil_scoped_acquire gil;
      try {
        answer = nb::cast<State>(question());
      } catch (nb::python_error& error) {
        failure = std::current_exception();
        if (!error.matches(PyExc_Exception)) {
          if (call != nullptr) call->interrupt(failure);
          return arrow::Status::OK();
        }
        try {
          translate(error);
        } catch (...) {
          failure = std::current_exception();
        }
      } catch (...) {
        failure = std::current_exception();
      }
      return arrow::Status::OK();
    };
    if (call == nullptr) {
      (void)step();
    } else if (!call->on_calling_thread(step).ok()) {
      throw Cancelled("catalog " + name_ + ": interrupted");
    }
    if (failure) std::rethrow_exception(failure);
    return std::move(*answer);
  }

  const std::string name_;
  const Properties properties_;
  const IoPtr io_;
  nb::object calls_;
  nb::object refusals_;
};

}  // namespace

void bind_python_catalog(nb::module_& m) {
  m.def(
      "python_catalog",
      [](std::string name, Properties properties, nb::object calls, nb::object refusals) -> CatalogPtr {
        return std::make_shared<PythonCatalog>(std::move(name), std::move(properties), std::move(calls),
                                               std::move(refusals));
      },
      nb::arg("name"), nb::arg("properties"), nb::arg("calls"), nb::arg("refusals"),
      "A catalog that `calls` keeps: load(identifier) and commit(identifier, requirements_json, updates_json) return "
      "the metadata's location, the metadata as JSON (empty: the engine reads it there), and the table's "
      "configuration. "
      "A commit that raises one of `refusals` surely did not happen.");
}

}  // namespace floe::python
