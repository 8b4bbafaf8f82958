// Reports of scans and commits for the server of a REST catalog. Internal to catalog/.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "floe/catalog/catalog.h"
#include "floe/catalog/reports.h"
#include "floe/catalog/rest_session.h"

namespace floe {

// They are sent one after the other on one thread of the process. When a hundred wait, further ones are left out, so
// that a server that is slow holds up nobody.
class RestReports {
 public:
  explicit RestReports(std::shared_ptr<RestSession> session);

  // Whether the server takes them, and the property "rest-metrics-reporting-enabled" (default true) allows it.
  bool wanted() const { return wanted_; }
  void send(const TableIdentifier& table, std::string report) const;
  std::optional<std::string> trouble() const;  // of the first that did not arrive; once

 private:
  struct Trouble;
  class Sender;
  friend void finish_reports();
  static Sender& the_sender();

  const std::shared_ptr<RestSession> session_;
  const bool wanted_;
  const std::shared_ptr<Trouble> trouble_;
};

}  // namespace floe
