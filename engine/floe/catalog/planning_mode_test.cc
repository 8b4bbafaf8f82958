#include "floe/catalog/planning_mode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "floe/catalog/test_rest.h"
#include "floe/error.h"
#include "floe/io/test_stores.h"

namespace floe {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const TableIdentifier kTable{{"a"}, "t"};

// Of a catalog with the properties, whose server says this of its tables.
void check(const std::string& config, const Properties& properties = {}) {
  TestHttpServer server(
      configured("{}", [&](const TestRequest&) { return TestAnswer{.body = table_answer(R"(,"config":)" + config)}; }));
  const CatalogPtr catalog = open_catalog("prod", rest(server.url(), properties));
  check_clients_plan(*catalog, catalog->load_table(kTable));
}

TEST(PlanningMode, ClientsPlanUnlessTheServerWantsTo) {
  check("{}");
  check(R"({"scan-planning-mode":"client"})");
  check("{}", {{"scan-planning-mode", "CLIENT"}});
  check(R"({"scan-planning-mode":"client"})", {{"scan-planning-mode", "server"}});
  for (const char* mode : {"server", "Server"}) {
    EXPECT_THAT(message_of<NotSupported>([&] { check(fmt::format(R"({{"scan-planning-mode":"{}"}})", mode)); }),
                AllOf(HasSubstr("table a.t"), HasSubstr("scan-planning-mode=server")));
    EXPECT_THROW(check("{}", {{"scan-planning-mode", mode}}), NotSupported);
  }
  EXPECT_THROW(check(R"({"scan-planning-mode":"both"})"), InvalidArgument);
}

}  // namespace
}  // namespace floe
