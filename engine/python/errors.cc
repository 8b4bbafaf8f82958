#include "errors.h"

#include <nanobind/stl/string.h>

#include <array>
#include <exception>
#include <string>
#include <type_traits>

#include "floe/catalog/catalog.h"
#include "floe/error.h"

namespace nb = nanobind;

namespace floe::python {
namespace {

template <typename E>
bool is(const Error& error) {
  if constexpr (std::is_same_v<E, Error>) {
    return true;
  } else {
    return dynamic_cast<const E*>(&error) != nullptr;
  }
}

template <typename E>
[[noreturn]] void raise(const std::string& message) {
  throw E(message);
}

// The classes are references that are never given back: exceptions are raised until the very end.
struct Known {
  const char* name;
  bool (*matches)(const Error&);
  void (*raise)(const std::string&);
  PyObject* engines = nullptr;
  PyObject* raised = nullptr;  // it, or what stands in its place
};

// The most derived first.
std::array<Known, 20> known_errors = {{
    {"NoSuchTable", &is<NoSuchTable>, &raise<NoSuchTable>},
    {"NoSuchNamespace", &is<NoSuchNamespace>, &raise<NoSuchNamespace>},
    {"NoSuchView", &is<NoSuchView>, &raise<NoSuchView>},
    {"NotFound", &is<NotFound>, &raise<NotFound>},
    {"TableAlreadyExists", &is<TableAlreadyExists>, &raise<TableAlreadyExists>},
    {"NamespaceAlreadyExists", &is<NamespaceAlreadyExists>, &raise<NamespaceAlreadyExists>},
    {"ViewAlreadyExists", &is<ViewAlreadyExists>, &raise<ViewAlreadyExists>},
    {"AlreadyExists", &is<AlreadyExists>, &raise<AlreadyExists>},
    {"NamespaceNotEmpty", &is<NamespaceNotEmpty>, &raise<NamespaceNotEmpty>},
    {"ConflictFound", &is<ConflictFound>, &raise<ConflictFound>},
    {"CommitFailed", &is<CommitFailed>, &raise<CommitFailed>},
    {"CommitStateUnknown", &is<CommitStateUnknown>, &raise<CommitStateUnknown>},
    {"InvalidArgument", &is<InvalidArgument>, &raise<InvalidArgument>},
    {"NotSupported", &is<NotSupported>, &raise<NotSupported>},
    {"CorruptFile", &is<CorruptFile>, &raise<CorruptFile>},
    {"Unauthorized", &is<Unauthorized>, &raise<Unauthorized>},
    {"Forbidden", &is<Forbidden>, &raise<Forbidden>},
    {"IoError", &is<IoError>, &raise<IoError>},
    {"Cancelled", &is<Cancelled>, &raise<Cancelled>},
    {"Error", &is<Error>, &raise<Error>},
}};

void translate(const std::exception_ptr& exception, void*) {
  try {
    std::rethrow_exception(exception);
  } catch (const Error& error) {
    for (const Known& known : known_errors) {
      if (known.matches(error)) {
        // Messages may quote bytes of a broken file: what is no UTF-8 must not hide the error itself.
        const std::string text = error.what();
        PyObject* message = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace");
        if (message == nullptr) return;
        PyErr_SetObject(known.raised, message);
        Py_DECREF(message);
        return;
      }
    }
  }
}

void register_errors(const nb::dict& classes) {
  for (auto [key, value] : classes) {
    const std::string name = nb::cast<std::string>(key);
    Known* found = nullptr;
    for (Known& known : known_errors) {
      if (name == known.name) found = &known;
    }
    if (found == nullptr) throw InvalidArgument("the engine raises no error called \"" + name + "\"");
    const int fits = PyObject_IsSubclass(value.ptr(), found->engines);
    if (fits < 0) throw nb::python_error();
    if (fits == 0) throw InvalidArgument("what is raised for " + name + " has to be a subclass of it");
    found->raised = nb::borrow(value).release().ptr();
  }
}

}  // namespace

void rethrow_engines(nb::python_error& error) {
  for (const Known& known : known_errors) {
    if (error.matches(known.engines)) known.raise(nb::cast<std::string>(nb::str(error.value())));
  }
}

void bind_errors(nb::module_& m) {
  const nb::module_ errors = nb::module_::import_("floe_engine.errors");
  for (Known& known : known_errors) {
    known.engines = nb::object(errors.attr(known.name)).release().ptr();
    known.raised = known.engines;
  }
  nb::register_exception_translator(&translate);
  m.def("register_errors", &register_errors, nb::arg("classes"),
        "Raise these classes, each a subclass of the engine's error whose name is its key, instead of the engine's.");
}

}  // namespace floe::python
