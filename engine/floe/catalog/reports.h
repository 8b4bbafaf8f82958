// Reports of what was read and committed ("metrics", as the REST protocol has them), for catalogs whose server wants
// them.
#pragma once

#include <optional>
#include <string>

#include "floe/catalog/catalog.h"

namespace floe {

class ReportTaker {
 public:
  virtual ~ReportTaker() = default;

  virtual bool takes_reports() const = 0;
  // Hands over a report, JSON, to be sent on another thread. Never fails, never waits.
  virtual void report(const TableIdentifier& table, const std::string& json) = 0;
  // What went wrong with the first report that did not arrive; said once.
  virtual std::optional<std::string> report_trouble() = 0;
};

// Who takes reports of the catalog's tables; null: nobody does.
ReportTaker* report_taker(Catalog& catalog);

// For the end of a process: gives reports that are on their way a second to arrive. Later ones are not sent.
void finish_reports();

}  // namespace floe
