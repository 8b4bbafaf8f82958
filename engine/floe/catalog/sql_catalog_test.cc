#include "floe/catalog/sql_catalog.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <set>
#include <thread>

#include "floe/catalog/metadata_file.h"
#include "floe/catalog/test_database.h"
#include "floe/catalog/test_folder.h"
#include "floe/error.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

NewTable definition() {
  NewTable table;
  table.schema.fields = {{.id = 1, .name = "id", .type = primitive(TypeKind::kLong)}};
  return table;
}

TableCommit set(const std::string& key, const std::string& value) { return {{}, {SetProperties{{{key, value}}}}}; }

template <typename E>
std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const E& error) {
    return error.what();
  }
  ADD_FAILURE() << "no exception of the wanted class";
  return "";
}

int exit_code_of_child(const std::function<int()>& body) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    int code = 99;
    try {
      code = body();
    } catch (const std::exception& error) {
      fmt::print(stderr, "child: {}\n", error.what());
    }
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// In each database, and in memory.
class SqlCatalogTest : public testing::TestWithParam<std::optional<Database>> {
 protected:
  SqlCatalogTest() {
    if (!GetParam()) {
      catalog_ = open_catalog("prod", {{"type", "in-memory"}, {"warehouse", folder_.uri() + "/wh/"}});
      return;
    }
    database_ = std::make_unique<TestDatabase>(*GetParam(), folder_.path());
    catalog_ = open_catalog("prod", {{"uri", database_->url()}, {"warehouse", folder_.uri() + "/wh"}});
  }

  TestFolder folder_;
  std::unique_ptr<TestDatabase> database_;
  CatalogPtr catalog_;
};

INSTANTIATE_TEST_SUITE_P(Databases, SqlCatalogTest,
                         testing::Values(std::nullopt, Database::kSqlite, Database::kPostgresql, Database::kMysql),
                         [](const auto& test) { return test.param ? name_of(*test.param) : "memory"; });

TEST_P(SqlCatalogTest, TablesComeAndGo) {
  catalog_->create_namespace({"a"});
  const LoadedTable created = catalog_->create_table({{"a"}, "t"}, definition());
  EXPECT_EQ(created.metadata->location, folder_.uri() + "/wh/a/t");
  EXPECT_TRUE(created.metadata_location.starts_with(folder_.uri() + "/wh/a/t/metadata/00000-"));
  EXPECT_TRUE(catalog_->table_exists({{"a"}, "t"}));
  EXPECT_THAT(catalog_->list_tables({"a"}), ElementsAre(TableIdentifier{{"a"}, "t"}));

  const LoadedTable loaded = catalog_->load_table({{"a"}, "t"});
  EXPECT_EQ(*loaded.metadata, *created.metadata);
  EXPECT_EQ(loaded.metadata_location, created.metadata_location);

  catalog_->drop_table({{"a"}, "t"});
  EXPECT_FALSE(catalog_->table_exists({{"a"}, "t"}));
  EXPECT_TRUE(catalog_->io(loaded)->exists(created.metadata_location));  // dropping deletes no file
  EXPECT_THROW(catalog_->drop_table({{"a"}, "t"}), NoSuchTable);
  EXPECT_EQ(message_of<NoSuchTable>([&] { catalog_->load_table({{"a"}, "t"}); }), "Table does not exist: a.t");
}

TEST_P(SqlCatalogTest, LocationsComeFromTheTableTheNamespaceOrTheWarehouse) {
  catalog_->create_namespace({"a"});
  catalog_->create_namespace({"a", "b"}, {{"location", folder_.uri() + "/ns/"}});
  EXPECT_EQ(catalog_->create_table({{"a", "b"}, "t"}, definition()).metadata->location, folder_.uri() + "/ns/t");
  catalog_->create_namespace({"c", "d"});
  EXPECT_EQ(catalog_->create_table({{"c", "d"}, "t"}, definition()).metadata->location, folder_.uri() + "/wh/c.d/t");
  NewTable placed = definition();
  placed.location = folder_.uri() + "/own///";
  EXPECT_EQ(catalog_->create_table({{"a"}, "u"}, placed).metadata->location, folder_.uri() + "/own");
  EXPECT_THROW(catalog_->create_table({{"a"}, "../up"}, definition()), InvalidArgument);
  EXPECT_THROW(catalog_->create_table({{"a"}, ".."}, definition()), InvalidArgument);
}

TEST_P(SqlCatalogTest, CreatingNeedsANamespaceAndAFreeName) {
  EXPECT_EQ(message_of<NoSuchNamespace>([&] { catalog_->create_table({{"a"}, "t"}, definition()); }),
            "Namespace does not exist: a");
  EXPECT_THROW(catalog_->create_table({{}, "t"}, definition()), NoSuchNamespace);
  catalog_->create_namespace({"a"});
  catalog_->create_table({{"a"}, "t"}, definition());
  EXPECT_THROW(catalog_->create_table({{"a"}, "t"}, definition()), TableAlreadyExists);
  EXPECT_THROW(catalog_->create_table({{"a"}, ""}, definition()), InvalidArgument);
  EXPECT_EQ(catalog_->io({})->list(folder_.uri() + "/wh").size(), 1);  // nothing is left of the refused
}

TEST_P(SqlCatalogTest, NamespacesNest) {
  for (const Namespace& ns : std::vector<Namespace>{{"db1"}, {"db1", "ns1"}, {"db2", "ns1"}, {"db3", "ns1", "ns2"}}) {
    catalog_->create_namespace(ns);
    EXPECT_TRUE(catalog_->namespace_exists(ns));
  }
  EXPECT_TRUE(catalog_->namespace_exists({"db2"}));
  EXPECT_TRUE(catalog_->namespace_exists({"db3", "ns1"}));
  for (const char* name : {"db_", "db%", "DB2", "db"}) EXPECT_FALSE(catalog_->namespace_exists({name})) << name;
  EXPECT_THAT(catalog_->list_namespaces(), ElementsAre(Namespace{"db1"}, Namespace{"db2"}, Namespace{"db3"}));
  EXPECT_THAT(catalog_->list_namespaces({"db3"}), ElementsAre(Namespace{"db3", "ns1"}));
  EXPECT_THAT(catalog_->list_namespaces({"db1", "ns1"}), IsEmpty());
  EXPECT_THROW(catalog_->list_namespaces({"db4"}), NoSuchNamespace);
  EXPECT_THROW(catalog_->list_tables({"db4"}), NoSuchNamespace);
  EXPECT_THROW(catalog_->create_namespace({"db2"}), NamespaceAlreadyExists);
  for (const Namespace& empty : std::vector<Namespace>{{}, {""}, {"", ""}, {" "}, {"a", ""}}) {
    EXPECT_THROW(catalog_->create_namespace(empty), NoSuchNamespace);
  }
}

TEST_P(SqlCatalogTest, NamespaceExistsAlsoByItsTables) {
  catalog_->create_namespace({"a", "b"});
  catalog_->create_table({{"a", "b"}, "t"}, definition());
  catalog_->update_namespace_properties({"a", "b"}, {"exists"}, {});
  EXPECT_TRUE(catalog_->namespace_exists({"a"}));
  EXPECT_TRUE(catalog_->namespace_exists({"a", "b"}));
  EXPECT_THAT(catalog_->list_namespaces({"a"}), ElementsAre(Namespace{"a", "b"}));
}

TEST_P(SqlCatalogTest, NamespacePropertiesAreSetAndRemoved) {
  catalog_->create_namespace({"a"}, {{"k1", "1"}, {"k2", "2"}});
  EXPECT_EQ(catalog_->load_namespace_properties({"a"}), (Properties{{"k1", "1"}, {"k2", "2"}}));
  const NamespaceUpdate done =
      catalog_->update_namespace_properties({"a"}, {"k1", "none"}, {{"k2", "it's"}, {"k3", "3"}});
  EXPECT_THAT(done.removed, ElementsAre("k1"));
  EXPECT_THAT(done.missing, ElementsAre("none"));
  EXPECT_THAT(done.updated, UnorderedElementsAre("k2", "k3"));
  EXPECT_EQ(catalog_->load_namespace_properties({"a"}), (Properties{{"k2", "it's"}, {"k3", "3"}}));
  EXPECT_THROW(catalog_->update_namespace_properties({"a"}, {"k2"}, {{"k2", "x"}}), InvalidArgument);
  EXPECT_THROW(catalog_->update_namespace_properties({"b"}, {}, {{"k2", "x"}}), NoSuchNamespace);
  EXPECT_THROW(catalog_->load_namespace_properties({"b"}), NoSuchNamespace);

  catalog_->update_namespace_properties({"a"}, {"k2", "k3"}, {});
  EXPECT_TRUE(catalog_->namespace_exists({"a"}));  // as it was before it had any
  catalog_->create_namespace({"bare"});
  EXPECT_EQ(catalog_->load_namespace_properties({"bare"}), (Properties{{"exists", "true"}}));
}

TEST_P(SqlCatalogTest, OnlyEmptyNamespacesAreDropped) {
  catalog_->create_namespace({"a"}, {{"k", "v"}});
  catalog_->create_table({{"a"}, "t"}, definition());
  EXPECT_THAT(message_of<NamespaceNotEmpty>([&] { catalog_->drop_namespace({"a"}); }),
              HasSubstr("Namespace a is not empty"));
  EXPECT_EQ(catalog_->load_namespace_properties({"a"}), (Properties{{"k", "v"}}));
  catalog_->drop_table({{"a"}, "t"});
  catalog_->create_namespace({"a", "b"});
  EXPECT_THROW(catalog_->drop_namespace({"a"}), NamespaceNotEmpty);
  catalog_->drop_namespace({"a", "b"});
  catalog_->drop_namespace({"a"});
  EXPECT_FALSE(catalog_->namespace_exists({"a"}));
  EXPECT_THROW(catalog_->drop_namespace({"a"}), NoSuchNamespace);
}

TEST_P(SqlCatalogTest, TablesAreRenamed) {
  catalog_->create_namespace({"a"});
  catalog_->create_namespace({"b"});
  const LoadedTable table = catalog_->create_table({{"a"}, "t"}, definition());
  catalog_->create_table({{"a"}, "other"}, definition());
  catalog_->rename_table({{"a"}, "t"}, {{"b"}, "u"});
  catalog_->rename_table({{"b"}, "u"}, {{"b"}, "u"});
  EXPECT_EQ(catalog_->load_table({{"b"}, "u"}).metadata_location, table.metadata_location);
  EXPECT_THROW(catalog_->load_table({{"a"}, "t"}), NoSuchTable);
  EXPECT_THROW(catalog_->rename_table({{"a"}, "t"}, {{"b"}, "x"}), NoSuchTable);
  EXPECT_THROW(catalog_->rename_table({{"b"}, "u"}, {{"a"}, "other"}), TableAlreadyExists);
  EXPECT_THROW(catalog_->rename_table({{"b"}, "u"}, {{"none"}, "u"}), NoSuchNamespace);
  EXPECT_THROW(catalog_->rename_table({{"b"}, "u"}, {{"a"}, ""}), InvalidArgument);
}

TEST_P(SqlCatalogTest, TablesAreRegistered) {
  catalog_->create_namespace({"a"});
  const LoadedTable table = catalog_->create_table({{"a"}, "t"}, definition());
  EXPECT_EQ(*catalog_->register_table({{"a"}, "u"}, table.metadata_location).metadata, *table.metadata);
  EXPECT_EQ(catalog_->load_table({{"a"}, "u"}).metadata_location, table.metadata_location);
  EXPECT_THROW(catalog_->register_table({{"a"}, "u"}, table.metadata_location), TableAlreadyExists);
  EXPECT_THROW(catalog_->register_table({{"b"}, "u"}, table.metadata_location), NoSuchNamespace);
  EXPECT_THROW(catalog_->register_table({{"a"}, "v"}, folder_.uri() + "/none.metadata.json"), NotFound);
  EXPECT_FALSE(catalog_->table_exists({{"a"}, "v"}));
}

TEST_P(SqlCatalogTest, CommitsReplaceTheMetadataFile) {
  catalog_->create_namespace({"a"});
  const LoadedTable first = catalog_->create_table({{"a"}, "t"}, definition());
  const LoadedTable second = catalog_->commit({{"a"}, "t"}, set("k", "v"));
  EXPECT_THAT(second.metadata_location, HasSubstr("/metadata/00001-"));
  EXPECT_EQ(second.metadata->properties.at("k"), "v");
  ASSERT_EQ(second.metadata->metadata_log.size(), 1);
  EXPECT_EQ(second.metadata->metadata_log[0],
            (MetadataLogEntry{first.metadata->last_updated_ms, first.metadata_location}));
  EXPECT_EQ(*catalog_->load_table({{"a"}, "t"}).metadata, *second.metadata);
  EXPECT_EQ(*read_metadata(*catalog_->io(second), second.metadata_location), *second.metadata);
}

TEST_P(SqlCatalogTest, CommitsThatChangeNothingCommitNothing) {
  catalog_->create_namespace({"a"});
  catalog_->create_table({{"a"}, "t"}, definition());
  const LoadedTable second = catalog_->commit({{"a"}, "t"}, set("k", "v"));
  EXPECT_EQ(catalog_->commit({{"a"}, "t"}, set("k", "v")).metadata_location, second.metadata_location);
  EXPECT_EQ(catalog_->commit({{"a"}, "t"}, {}).metadata_location, second.metadata_location);
}

TEST_P(SqlCatalogTest, RequirementsAreCheckedAgainstTheTableAsItIs) {
  catalog_->create_namespace({"a"});
  const LoadedTable table = catalog_->create_table({{"a"}, "t"}, definition());
  TableCommit commit = set("k", "v");
  commit.requirements = {AssertTableUuid{table.metadata->table_uuid}, AssertCurrentSchemaId{1}};
  EXPECT_EQ(message_of<CommitFailed>([&] { catalog_->commit({{"a"}, "t"}, commit); }),
            "Requirement failed: current schema id has changed: expected 1, found 0");
  EXPECT_EQ(catalog_->load_table({{"a"}, "t"}).metadata_location, table.metadata_location);
  commit.requirements = {AssertCurrentSchemaId{0}};
  EXPECT_THROW(catalog_->commit({{"a"}, "none"}, commit), NoSuchTable);
}

TEST_P(SqlCatalogTest, CommitsCreateTables) {
  catalog_->create_namespace({"a"});
  const TableCommit commit{{AssertCreate{}}, {AddSchema{definition().schema, {}}, UpgradeFormatVersion{1}}};
  const LoadedTable created = catalog_->commit({{"a"}, "t"}, commit);
  EXPECT_EQ(created.metadata->location, folder_.uri() + "/wh/a/t");
  EXPECT_EQ(created.metadata->format_version, 1);
  EXPECT_EQ(catalog_->load_table({{"a"}, "t"}).metadata_location, created.metadata_location);
  EXPECT_THROW(catalog_->commit({{"a"}, "t"}, commit), CommitFailed);
  EXPECT_THROW(catalog_->commit({{"none"}, "t"}, commit), NoSuchNamespace);
}

TEST_P(SqlCatalogTest, SeveralTablesAreCommittedTogetherOrNotAtAll) {
  catalog_->create_namespace({"a"});
  const TableIdentifier t{{"a"}, "t"}, u{{"a"}, "u"};
  for (const TableIdentifier& table : {t, u}) catalog_->create_table(table, definition());
  EXPECT_TRUE(catalog_->commits_tables());
  catalog_->commit_tables({{u, set("k", "u")}, {t, set("k", "t")}});
  const LoadedTable first = catalog_->load_table(t), second = catalog_->load_table(u);
  EXPECT_EQ(first.metadata->properties.at("k"), "t");
  EXPECT_EQ(second.metadata->properties.at("k"), "u");
  EXPECT_EQ(second.metadata->metadata_log.size(), 1);

  TableCommit wrong = set("k", "w");
  wrong.requirements = {AssertRefSnapshotId{"main", 17}};
  EXPECT_THROW(catalog_->commit_tables({{t, set("k", "w")}, {u, wrong}}), CommitFailed);
  EXPECT_THROW(catalog_->commit_tables({{t, set("k", "w")}, {u, {{}, {SetDefaultSpec{77}}}}}), InvalidArgument);
  EXPECT_THROW(catalog_->commit_tables({{t, set("k", "w")}, {{{"a"}, "none"}, set("k", "w")}}), NoSuchTable);
  EXPECT_THAT(message_of<InvalidArgument>([&] { catalog_->commit_tables({{t, set("k", "w")}, {t, set("k", "x")}}); }),
              HasSubstr("table a.t stands twice"));
  // A table that comes out as it is, with one that does not.
  catalog_->commit_tables({{t, set("k", "t")}, {u, set("k", "v")}});
  EXPECT_EQ(catalog_->load_table(t).metadata_location, first.metadata_location);
  EXPECT_EQ(catalog_->load_table(u).metadata->properties.at("k"), "v");
  EXPECT_EQ(catalog_->io({})->list(first.metadata->location).size(), 2);
  EXPECT_EQ(catalog_->io({})->list(second.metadata->location).size(), 3);
}

TEST_P(SqlCatalogTest, CommitsReadNothingThatIsKnown) {
  catalog_->create_namespace({"a"});
  const LoadedTable table = catalog_->create_table({{"a"}, "t"}, definition());
  IoCounters& counters = catalog_->io(table)->counters();
  const int64_t before = counters.files_opened;
  for (int i = 0; i < 5; ++i) catalog_->commit({{"a"}, "t"}, set("k", std::to_string(i)));
  catalog_->load_table({{"a"}, "t"});
  EXPECT_EQ(counters.files_opened, before);
}

// A database that several programs use.
class SharedDatabase {
 protected:
  explicit SharedDatabase(Database kind) : database_(kind, folder_.path()) {}

  CatalogPtr open(const std::string& name = "prod", Properties more = {}) const {
    more.emplace("uri", database_.url());
    more.emplace("warehouse", folder_.uri() + "/wh");
    return open_catalog(name, more);
  }
  std::vector<std::string> run(const std::string& statement) const { return database_.stranger()->run(statement); }
  // As PyIceberg before 0.9 and Java's schema version 0 made them.
  void make_v0() const {
    const auto stranger = database_.stranger();
    stranger->run(
        "CREATE TABLE iceberg_tables (catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL, "
        "table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), "
        "PRIMARY KEY (catalog_name, table_namespace, table_name))");
    stranger->run(
        "CREATE TABLE iceberg_namespace_properties (catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT "
        "NULL, property_key VARCHAR(255), property_value VARCHAR(1000), "
        "PRIMARY KEY (catalog_name, namespace, property_key))");
  }

  TestFolder folder_;
  TestDatabase database_;
};

class SqlDatabaseTest : public SharedDatabase, public testing::TestWithParam<Database> {
 protected:
  SqlDatabaseTest() : SharedDatabase(GetParam()) {}
};
INSTANTIATE_TEST_SUITE_P(Databases, SqlDatabaseTest, testing::ValuesIn(kAllDatabases),
                         [](const auto& test) { return name_of(test.param); });

class SqliteTest : public SharedDatabase, public testing::Test {
 protected:
  SqliteTest() : SharedDatabase(Database::kSqlite) {}
};

class PostgresqlTest : public SharedDatabase, public testing::Test {
 protected:
  PostgresqlTest() : SharedDatabase(Database::kPostgresql) {}
};

TEST_P(SqlDatabaseTest, RowsAreThoseOfOtherImplementations) {
  const CatalogPtr catalog = open();
  catalog->create_namespace({"a", "b"});
  const LoadedTable first = catalog->create_table({{"a", "b"}, "t"}, definition());
  const LoadedTable second = catalog->commit({{"a", "b"}, "t"}, set("k", "v"));
  EXPECT_THAT(run("SELECT catalog_name, table_namespace, table_name, metadata_location, "
                  "previous_metadata_location, iceberg_type FROM iceberg_tables"),
              ElementsAre(fmt::format("prod|a.b|t|{}|{}|TABLE", second.metadata_location, first.metadata_location)));
  EXPECT_THAT(run("SELECT * FROM iceberg_namespace_properties"), ElementsAre("prod|a.b|exists|true"));
}

TEST_P(SqlDatabaseTest, CatalogsOfOtherNamesInOneDatabaseDoNotMeet) {
  open("one")->create_namespace({"a"});
  open("one")->create_table({{"a"}, "t"}, definition());
  EXPECT_FALSE(open("two")->namespace_exists({"a"}));
  EXPECT_THROW(open("two")->load_table({{"a"}, "t"}), NoSuchTable);
  EXPECT_TRUE(open("one")->table_exists({{"a"}, "t"}));
}

TEST_P(SqlDatabaseTest, VersionZeroIsUsedUnaltered) {
  make_v0();
  const CatalogPtr catalog = open();
  catalog->create_namespace({"a"});
  catalog->create_table({{"a"}, "t"}, definition());
  catalog->commit({{"a"}, "t"}, set("k", "v"));
  catalog->rename_table({{"a"}, "t"}, {{"a"}, "u"});
  EXPECT_EQ(catalog->load_table({{"a"}, "u"}).metadata->properties.at("k"), "v");
  EXPECT_EQ(catalog->list_tables({"a"}).size(), 1);
  EXPECT_THAT(run("SELECT * FROM iceberg_tables"), ElementsAre(testing::StartsWith("prod|a|u|file://")));
  EXPECT_EQ(std::ranges::count(run("SELECT * FROM iceberg_tables").front(), '|'), 4);  // five columns as before
  catalog->drop_table({{"a"}, "u"});
}

TEST_P(SqlDatabaseTest, VersionZeroIsMigratedOnDemandOnly) {
  make_v0();
  open()->create_namespace({"a"});
  open()->create_table({{"a"}, "t"}, definition());
  EXPECT_THROW(open("prod", {{"schema_version", "v9"}}), InvalidArgument);
  const CatalogPtr migrated = open("prod", {{"schema_version", "v1"}});
  EXPECT_TRUE(migrated->table_exists({{"a"}, "t"}));
  migrated->create_table({{"a"}, "u"}, definition());
  EXPECT_THAT(run("SELECT table_name, iceberg_type FROM iceberg_tables ORDER BY 1"), ElementsAre("t|NULL", "u|TABLE"));
}

TEST_P(SqlDatabaseTest, ViewsAreNoTables) {
  const CatalogPtr catalog = open();
  catalog->create_namespace({"a"});
  const std::string view =
      "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location, iceberg_type) "
      "VALUES ('prod', 'a', 'v', 'file:///v', 'VIEW')";
  run(view);
  EXPECT_THAT(catalog->list_tables({"a"}), IsEmpty());
  EXPECT_FALSE(catalog->table_exists({{"a"}, "v"}));
  EXPECT_THROW(catalog->load_table({{"a"}, "v"}), NoSuchTable);
  EXPECT_THROW(catalog->drop_table({{"a"}, "v"}), NoSuchTable);
  EXPECT_THROW(catalog->rename_table({{"a"}, "v"}, {{"a"}, "w"}), NoSuchTable);
  EXPECT_THROW(catalog->commit({{"a"}, "v"}, set("k", "v")), NoSuchTable);
  EXPECT_THROW(catalog->drop_namespace({"a"}), NamespaceNotEmpty);
  EXPECT_THROW(catalog->create_table({{"a"}, "v"}, definition()), TableAlreadyExists);
  EXPECT_THAT(run("SELECT table_name, metadata_location FROM iceberg_tables"), ElementsAre("v|file:///v"));
  EXPECT_THAT(catalog->io({})->list(folder_.uri() + "/wh"), IsEmpty());  // the refused table's file is gone
}

TEST_P(SqlDatabaseTest, TablesAreMadeOnlyWhereAllowed) {
  EXPECT_THROW(open("prod", {{"init_catalog_tables", "false"}}), NotFound);
  open();
  EXPECT_NO_THROW(open("prod", {{"init_catalog_tables", "false"}}));
}

// Another writer came between reading the table and swapping its pointer.
TEST_F(SqliteTest, TheLaterOfTwoWritersFailsAndLeavesNothing) {
  const CatalogPtr catalog = open();
  catalog->create_namespace({"a"});
  const LoadedTable table = catalog->create_table({{"a"}, "t"}, definition());
  run("CREATE TRIGGER first BEFORE UPDATE ON iceberg_tables WHEN new.metadata_location LIKE '%/00001-%' BEGIN "
      "UPDATE iceberg_tables SET metadata_location = 'file:///elsewhere'; SELECT RAISE(IGNORE); END");
  EXPECT_EQ(message_of<CommitFailed>([&] { catalog->commit({{"a"}, "t"}, set("k", "v")); }),
            "Table has been updated by another process: a.t");
  EXPECT_EQ(catalog->io(table)->list(table.metadata->location).size(), 1);
}

TEST_F(SqliteTest, TheLaterOfTwoWritersOfOneOfSeveralTablesFailsAndLeavesNothing) {
  const CatalogPtr catalog = open();
  catalog->create_namespace({"a"});
  std::vector<LoadedTable> tables;
  for (const char* name : {"t", "u", "v"}) tables.push_back(catalog->create_table({{"a"}, name}, definition()));
  run("CREATE TRIGGER first BEFORE UPDATE ON iceberg_tables WHEN new.table_name = 'u' BEGIN SELECT RAISE(IGNORE); END");
  EXPECT_EQ(message_of<CommitFailed>([&] {
              catalog->commit_tables(
                  {{{{"a"}, "t"}, set("k", "v")}, {{{"a"}, "u"}, set("k", "v")}, {{{"a"}, "v"}, set("k", "v")}});
            }),
            "Table has been updated by another process: a.u");
  for (const LoadedTable& table : tables) {
    EXPECT_EQ(catalog->load_table(table.identifier).metadata_location, table.metadata_location);
    EXPECT_EQ(catalog->io(table)->list(table.metadata->location).size(), 1);
  }
}

TEST_F(SqliteTest, ADatabaseHeldByAnotherIsWaitedForAndThenRefused) {
  const CatalogPtr catalog = open("prod", {{"uri", database_.url() + "?timeout=0"}});
  catalog->create_namespace({"a"});
  const LoadedTable table = catalog->create_table({{"a"}, "t"}, definition());
  const auto other = database_.stranger();
  other->run("BEGIN EXCLUSIVE");
  EXPECT_THAT(message_of<IoError>([&] { catalog->load_table({{"a"}, "t"}); }), HasSubstr("locked"));
  other->run("ROLLBACK; BEGIN IMMEDIATE");  // which lets others read
  EXPECT_THAT(message_of<CommitFailed>([&] { catalog->commit({{"a"}, "t"}, set("k", "v")); }), HasSubstr("locked"));
  other->run("ROLLBACK");
  EXPECT_EQ(catalog->io(table)->list(table.metadata->location).size(), 1);
  catalog->commit({{"a"}, "t"}, set("k", "v"));
}

// SQLite fails to write its journal: it may not know itself what is on disk, and nobody deletes anything.
TEST_F(SqliteTest, AnUnknownOutcomeDeletesNothing) {
  const CatalogPtr catalog = open();
  catalog->create_namespace({"a"});
  const LoadedTable table = catalog->create_table({{"a"}, "t"}, definition());
  const int code = exit_code_of_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{6000, 6000};  // more than the metadata, less than the journal
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
    try {
      catalog->commit({{"a"}, "t"}, set("k", "v"));
    } catch (const CommitStateUnknown&) {
      return 2;
    }
    return 3;
  });
  EXPECT_EQ(code, 2);
  EXPECT_EQ(catalog->io(table)->list(table.metadata->location).size(), 2);
  EXPECT_EQ(catalog->load_table({{"a"}, "t"}).metadata_location, table.metadata_location);
  catalog->commit({{"a"}, "t"}, set("k", "w"));
}

TEST_P(SqlDatabaseTest, AForkedChildHasASessionOfItsOwn) {
  const CatalogPtr catalog = open();
  catalog->create_namespace({"a"});
  catalog->create_table({{"a"}, "t"}, definition());
  EXPECT_EQ(exit_code_of_child([&] {
              catalog->commit({{"a"}, "t"}, set("child", "1"));
              return 0;
            }),
            0);
  catalog->commit({{"a"}, "t"}, set("parent", "1"));
  const Properties properties = catalog->load_table({{"a"}, "t"}).metadata->properties;
  EXPECT_EQ(properties, (Properties{{"child", "1"}, {"parent", "1"}}));
}

TEST(SqlCatalogInMemory, AForkedChildKeepsACopyOfItsOwn) {
  const TestFolder folder;
  const CatalogPtr catalog = open_catalog("x", {{"type", "in-memory"}, {"warehouse", folder.uri()}});
  catalog->create_namespace({"a"});
  EXPECT_EQ(exit_code_of_child([&] {
              if (!catalog->namespace_exists({"a"})) return 1;
              catalog->create_namespace({"b"});
              return 0;
            }),
            0);
  EXPECT_FALSE(catalog->namespace_exists({"b"}));
}

// Adds snapshots until `count` commits of this writer succeeded, beginning again after each conflict.
void append_snapshots(Catalog& catalog, int writer, int count) {
  for (int done = 0; done < count;) {
    const LoadedTable base = catalog.load_table({{"a"}, "t"});
    Snapshot snapshot{.snapshot_id = new_snapshot_id(),
                      .parent_snapshot_id = base.metadata->current_snapshot_id,
                      .sequence_number = base.metadata->last_sequence_number + 1,
                      .timestamp_ms = now_ms(),
                      .manifest_list = "file:///none"};
    snapshot.summary = {{"operation", "append"}, {"writer", fmt::format("{}-{}", writer, done)}};
    try {
      catalog.commit({{"a"}, "t"}, {{AssertRefSnapshotId{"main", base.metadata->current_snapshot_id}},
                                    {AddSnapshot{snapshot}, SetSnapshotRef{"main", {snapshot.snapshot_id}}}});
      ++done;
    } catch (const CommitFailed&) {
    }
  }
}

void expect_each_commit_once(const LoadedTable& table, Io& io, size_t commits) {
  std::set<std::string> writers;
  int64_t sequence_number = 0;
  std::optional<int64_t> parent;
  for (const auto& snapshot : table.metadata->snapshots) {
    writers.emplace(snapshot->summary.get("writer"));
    EXPECT_EQ(snapshot->sequence_number, ++sequence_number);
    EXPECT_EQ(snapshot->parent_snapshot_id, parent);
    parent = snapshot->snapshot_id;
  }
  EXPECT_EQ(table.metadata->snapshots.size(), commits);
  EXPECT_EQ(writers.size(), commits);
  EXPECT_EQ(table.metadata->snapshot_log.size(), commits);
  EXPECT_EQ(io.list(table.metadata->location).size(), commits + 1);  // those of failed attempts are gone
}

TEST_P(SqlDatabaseTest, ConcurrentThreadsLoseNoCommit) {
  constexpr int kWriters = 4;
  constexpr int kCommits = 10;
  const CatalogPtr catalog = open();
  catalog->create_namespace({"a"});
  catalog->create_table({{"a"}, "t"}, definition());
  std::vector<std::thread> threads;
  for (int i = 0; i < kWriters; ++i) {
    // Some share a catalog, some have their own.
    threads.emplace_back([&, i, mine = i % 2 == 0 ? catalog : open()] { append_snapshots(*mine, i, kCommits); });
  }
  for (std::thread& thread : threads) thread.join();
  expect_each_commit_once(open()->load_table({{"a"}, "t"}), *catalog->io({}), kWriters * kCommits);
}

TEST_P(SqlDatabaseTest, ConcurrentCommitsOfSeveralTablesLoseNone) {
  constexpr int kWriters = 4;
  constexpr int kCommits = 8;
  const CatalogPtr catalog = open();
  catalog->create_namespace({"a"});
  const TableIdentifier t{{"a"}, "t"}, u{{"a"}, "u"};
  for (const TableIdentifier& table : {t, u}) catalog->create_table(table, definition());
  std::vector<std::thread> threads;
  for (int i = 0; i < kWriters; ++i) {
    threads.emplace_back([&, i, mine = i % 2 == 0 ? catalog : open()] {
      const auto until_it_is_done = [](const auto& commit) {
        while (true) {
          try {
            return commit();
          } catch (const CommitFailed&) {
          }
        }
      };
      for (int commit = 0; commit < kCommits; ++commit) {
        const TableCommit mark = set(fmt::format("{}-{}", i, commit), "x");
        if (i == 0) {  // one after the other
          until_it_is_done([&] { mine->commit(t, mark); });
          until_it_is_done([&] { mine->commit(u, mark); });
        } else {  // together, named in either order
          std::vector<TableChange> changes = {{t, mark}, {u, mark}};
          if (i == 1) std::swap(changes[0], changes[1]);
          until_it_is_done([&] { mine->commit_tables(changes); });
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const TableIdentifier& table : {t, u}) {
    const LoadedTable loaded = open()->load_table(table);
    EXPECT_EQ(loaded.metadata->properties.size(), kWriters * kCommits);
    EXPECT_EQ(catalog->io({})->list(loaded.metadata->location).size(), kWriters * kCommits + 1);
  }
}

TEST_P(SqlDatabaseTest, ConcurrentProcessesLoseNoCommit) {
  constexpr int kWriters = 3;
  constexpr int kCommits = 10;
  const CatalogPtr catalog = open();
  catalog->create_namespace({"a"});
  catalog->create_table({{"a"}, "t"}, definition());
  std::vector<pid_t> children;
  for (int i = 0; i < kWriters; ++i) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      try {
        append_snapshots(*open(), i, kCommits);
        ::_exit(0);
      } catch (const std::exception& error) {
        fmt::print(stderr, "child: {}\n", error.what());
        ::_exit(1);
      }
    }
    children.push_back(pid);
  }
  for (const pid_t child : children) {
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  expect_each_commit_once(catalog->load_table({{"a"}, "t"}), *catalog->io({}), kWriters * kCommits);
}

TEST_P(SqlDatabaseTest, ConcurrentCreatorsOfOneTableAreOne) {
  open()->create_namespace({"a"});
  std::atomic<int> created = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      try {
        open()->create_table({{"a"}, "t"}, definition());
        ++created;
      } catch (const TableAlreadyExists&) {
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(created, 1);
  EXPECT_EQ(open()->io({})->list(folder_.uri() + "/wh").size(), 1);
}

TEST_P(SqlDatabaseTest, NamesThatWouldBeCutAreRefused) {
  const CatalogPtr catalog = open();
  catalog->create_namespace({"a"});
  catalog->create_table({{"a"}, "t"}, definition());
  const std::string nul("t\0x", 3);
  EXPECT_THROW(catalog->load_table({{"a"}, nul}), InvalidArgument);
  EXPECT_THROW(catalog->drop_table({{"a"}, nul}), InvalidArgument);
  EXPECT_THROW(catalog->create_namespace({nul}), InvalidArgument);
}

TEST_P(SqlDatabaseTest, NamesOfAnyScriptAndWithAnySignsAreKept) {
  const CatalogPtr catalog = open();
  const Namespace ns = {"über 'quoted'", "\U0001f600:x"};
  catalog->create_namespace(ns, {{"a\\b", "50 % \"so\" $1 :v ?"}});
  catalog->create_table({ns, "tä%_b;--"}, definition());
  EXPECT_THAT(catalog->list_namespaces(), ElementsAre(Namespace{ns[0]}));
  EXPECT_THAT(catalog->list_namespaces({ns[0]}), ElementsAre(ns));
  EXPECT_THAT(catalog->list_tables(ns), ElementsAre(TableIdentifier{ns, "tä%_b;--"}));
  EXPECT_EQ(catalog->load_namespace_properties(ns), (Properties{{"a\\b", "50 % \"so\" $1 :v ?"}}));
  EXPECT_FALSE(catalog->table_exists({ns, "tä__b;--"}));
}

// Whoever reads before writing must see what the other one wrote in between.
TEST_P(SqlDatabaseTest, ConcurrentChangesOfANamespaceAllGetIn) {
  constexpr int kThreads = 4, kChanges = 5;
  const CatalogPtr catalog = open();
  catalog->create_namespace({"a"});
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i, mine = i % 2 == 0 ? catalog : open()] {
      for (int k = 0; k < kChanges; ++k) {
        mine->update_namespace_properties({"a"}, {}, {{"last", std::to_string(i)}, {fmt::format("{}-{}", i, k), "x"}});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(catalog->load_namespace_properties({"a"}).size(), 2 + kThreads * kChanges);
}

TEST_P(SqlDatabaseTest, ConcurrentCreatorsOfOneNamespaceAreOne) {
  std::atomic<int> created = 0;
  open();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      try {
        open()->create_namespace({"a"}, {{std::to_string(i), "x"}});
        ++created;
      } catch (const NamespaceAlreadyExists&) {
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(created, 1);
  EXPECT_EQ(open()->load_namespace_properties({"a"}).size(), 1);
}

TEST_P(SqlDatabaseTest, ConcurrentFirstProgramsMakeTheTablesOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] { EXPECT_NO_THROW(open()); });
  }
  for (std::thread& thread : threads) thread.join();
  open()->create_namespace({"a"});
}

// --- what only a server does ---

class ServerTest : public PostgresqlTest {
 protected:
  // The sessions of this test's catalogs.
  std::string url_ = database_.url() + "&application_name=" + "catalog-" + new_uuid();
  std::string sessions_ = "FROM pg_stat_activity WHERE application_name = '" + url_.substr(url_.rfind('=') + 1) + "'";
  CatalogPtr catalog_ = open("prod", {{"uri", url_}});

  LoadedTable create_table() {
    catalog_->create_namespace({"a"});
    return catalog_->create_table({{"a"}, "t"}, definition());
  }
  void kill_sessions() { run("SELECT pg_terminate_backend(pid, 10000) " + sessions_); }
  void wait_for_a_blocked_session(Stranger& other) {
    const std::string blocked = "SELECT count(*) " + sessions_ + " AND pg_backend_pid() = ANY (pg_blocking_pids(pid))";
    for (int i = 0; i < 1000; ++i) {
      other.run("SELECT pg_stat_clear_snapshot()");
      if (other.run(blocked) == std::vector<std::string>{"1"}) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    FAIL() << "the session is not blocked";
  }
};

TEST_F(ServerTest, TheLaterOfTwoWritersFailsAndLeavesNothing) {
  const LoadedTable table = create_table();
  // Also where the server's or the user's default is stricter than it need be.
  for (const char* more : {"", "%20-cdefault_transaction_isolation%3Dserializable"}) {
    std::string url = url_;
    url.insert(url.find("&application_name"), more);
    const CatalogPtr catalog = open("prod", {{"uri", url}});
    const auto other = database_.stranger();
    other->run("BEGIN");
    other->run("UPDATE iceberg_tables SET metadata_location = metadata_location || 'x'");
    std::thread committer([&] {
      EXPECT_EQ(message_of<CommitFailed>([&] { catalog->commit({{"a"}, "t"}, set("k", "v")); }),
                "Table has been updated by another process: a.t");
    });
    wait_for_a_blocked_session(*other);
    other->run("COMMIT");
    committer.join();
    other->run("UPDATE iceberg_tables SET metadata_location = rtrim(metadata_location, 'x')");
    EXPECT_EQ(catalog->io(table)->list(table.metadata->location).size(), 1);
  }
  catalog_->commit({{"a"}, "t"}, set("k", "v"));
}

TEST_F(ServerTest, SessionsThatDiedUnusedAreOpenedAgain) {
  create_table();
  kill_sessions();
  EXPECT_TRUE(catalog_->table_exists({{"a"}, "t"}));
  kill_sessions();
  catalog_->create_namespace({"b"});
  kill_sessions();
  catalog_->commit({{"a"}, "t"}, set("k", "v"));
  kill_sessions();
  catalog_->drop_table({{"a"}, "t"});
}

TEST_F(ServerTest, AConnectionLostDuringACommitLeavesTheOutcomeOpenAndDeletesNothing) {
  const LoadedTable table = create_table();
  const auto other = database_.stranger();
  other->run("BEGIN");
  other->run("SELECT * FROM iceberg_tables FOR UPDATE");
  std::thread committer([&] {
    EXPECT_THAT(message_of<CommitStateUnknown>([&] { catalog_->commit({{"a"}, "t"}, set("k", "v")); }),
                HasSubstr("table a.t: it is not known whether"));
  });
  wait_for_a_blocked_session(*other);
  kill_sessions();
  committer.join();
  other->run("ROLLBACK");
  EXPECT_EQ(catalog_->io(table)->list(table.metadata->location).size(), 2);
  EXPECT_EQ(catalog_->load_table({{"a"}, "t"}).metadata_location, table.metadata_location);
  catalog_->commit({{"a"}, "t"}, set("k", "v"));
}

// The server is about to commit, and waits.
TEST_F(ServerTest, AConnectionLostDuringACommitOfSeveralTablesLeavesTheOutcomeOpenAndDeletesNothing) {
  create_table();
  catalog_->create_table({{"a"}, "u"}, definition());
  run("CREATE TABLE gate (x int)");
  run("CREATE FUNCTION pass() RETURNS trigger AS 'BEGIN LOCK TABLE gate; RETURN NULL; END' LANGUAGE plpgsql");
  run("CREATE CONSTRAINT TRIGGER pass AFTER UPDATE ON iceberg_tables DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
      "EXECUTE FUNCTION pass()");
  const std::vector<TableChange> changes = {{{{"a"}, "t"}, set("k", "v")}, {{{"a"}, "u"}, set("k", "v")}};
  const auto other = database_.stranger();
  other->run("BEGIN");
  other->run("LOCK TABLE gate");
  std::thread committer([&] {
    EXPECT_THAT(message_of<CommitStateUnknown>([&] { catalog_->commit_tables(changes); }),
                HasSubstr("tables a.t, a.u: it is not known whether"));
  });
  wait_for_a_blocked_session(*other);
  kill_sessions();
  committer.join();
  other->run("ROLLBACK");
  for (const TableChange& change : changes) {
    const LoadedTable table = catalog_->load_table(change.table);
    EXPECT_FALSE(table.metadata->properties.contains("k"));
    EXPECT_EQ(catalog_->io(table)->list(table.metadata->location).size(), 2);
  }
  catalog_->commit_tables(changes);
}

TEST_F(ServerTest, ATransactionLostBeforeItsEndIsDoneAgain) {
  create_table();
  const auto other = database_.stranger();
  other->run("BEGIN");
  other->run("LOCK TABLE iceberg_namespace_properties IN EXCLUSIVE MODE");
  std::thread creator([&] { catalog_->create_namespace({"b"}, {{"k", "v"}}); });
  wait_for_a_blocked_session(*other);
  kill_sessions();
  wait_for_a_blocked_session(*other);
  other->run("ROLLBACK");
  creator.join();
  EXPECT_EQ(catalog_->load_namespace_properties({"b"}), (Properties{{"k", "v"}}));
}

TEST_F(ServerTest, SessionsAreSharedAndBounded) {
  create_table();
  EXPECT_THAT(run("SELECT count(*) " + sessions_), ElementsAre("1"));
  for (const char* nonsense : {"0", "-1", "1001", "many"}) {
    EXPECT_THROW(open("prod", {{"pool_size", nonsense}}), InvalidArgument) << nonsense;
  }
  catalog_ = open("prod", {{"uri", url_}, {"pool_size", "2"}});
  const auto other = database_.stranger();
  other->run("BEGIN");
  other->run("LOCK TABLE iceberg_tables");
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] { EXPECT_TRUE(catalog_->table_exists({{"a"}, "t"})); });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_THAT(run("SELECT count(*) " + sessions_), ElementsAre(testing::AnyOf("1", "2")));
  other->run("ROLLBACK");
  for (std::thread& thread : threads) thread.join();
  catalog_.reset();
}

TEST_F(ServerTest, RefusalsSayWhyWithoutValues) {
  create_table();
  EXPECT_THAT(message_of<IoError>([&] { catalog_->create_namespace({"b"}, {{"k", std::string(2000, 'g')}}); }),
              testing::AllOf(HasSubstr("longer than its column"), Not(HasSubstr("gg"))));
  NewTable placed = definition();
  placed.location = folder_.uri() + "/placed";
  EXPECT_THAT(message_of<CommitFailed>([&] { catalog_->create_table({{"a"}, std::string(300, 'g')}, placed); }),
              testing::AllOf(HasSubstr("longer than its column"), Not(HasSubstr("INSERT"))));
  const CatalogPtr reader = open(
      "prod", {{"uri", url_.substr(0, url_.find("&application_name")) + "%20-cdefault_transaction_read_only%3Don"}});
  EXPECT_THAT(message_of<IoError>([&] { reader->drop_table({{"a"}, "t"}); }), HasSubstr("only reads"));
}

TEST_F(ServerTest, RefusedConnectionsSayWhyWithoutThePassword) {
  const std::string url = postgresql_url();
  const std::string host = url.substr(url.find('@'));
  const auto message = [&](const std::string& uri) {
    return message_of<IoError>([&] { open("prod", {{"uri", uri}}); });
  };
  EXPECT_THAT(message("postgresql://floe:geheim" + host),
              testing::AllOf(HasSubstr("cannot connect"), HasSubstr("password authentication failed"),
                             Not(HasSubstr("geheim"))));
  EXPECT_THAT(message(url.substr(0, url.rfind('/')) + "/nowhere"), HasSubstr("\"nowhere\" does not exist"));
  EXPECT_THAT(message("postgresql+psycopg2://floe:geheim@127.0.0.1:1/db"),
              testing::AllOf(HasSubstr("catalog database db on 127.0.0.1:1"), HasSubstr("refused")));
}

class MysqlTest : public SharedDatabase, public testing::Test {
 protected:
  MysqlTest() : SharedDatabase(Database::kMysql) {}

  LoadedTable create_table() {
    catalog_->create_namespace({"a"});
    return catalog_->create_table({{"a"}, "t"}, definition());
  }
  // All but that of `spared`, and of whoever ended meanwhile.
  void kill_sessions(Stranger* spared = nullptr) {
    const auto other = database_.stranger();
    const std::string spared_id = spared ? spared->run("SELECT CONNECTION_ID()").at(0) : "0";
    for (const std::string& id : other->run("SELECT id FROM information_schema.processlist WHERE db = DATABASE() "
                                            "AND id NOT IN (CONNECTION_ID(), " +
                                            spared_id + ")")) {
      try {
        other->run("KILL " + id);
      } catch (const std::exception& e) {
        ASSERT_THAT(e.what(), HasSubstr("Unknown thread id"));
      }
    }
  }
  // One that is at the same statement again and again. (InnoDB's own tables of transactions are not brought up to date
  // while several tests ask for them.)
  void wait_for_a_blocked_session() {
    const auto other = database_.stranger();
    std::vector<std::string> before;
    for (int i = 0, times = 0; i < 300; ++i) {
      const auto at_it = other->run(
          "SELECT id, info FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'UPDATE %'");
      times = !at_it.empty() && at_it == before ? times + 1 : 0;
      if (times == 4) return;
      before = at_it;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    FAIL() << "the session is not blocked";
  }

  CatalogPtr catalog_ = open();
};

TEST_F(MysqlTest, TheLaterOfTwoWritersFailsAndLeavesNothing) {
  const LoadedTable table = create_table();
  const auto other = database_.stranger();
  other->run("BEGIN");
  other->run("UPDATE iceberg_tables SET metadata_location = concat(metadata_location, 'x')");
  std::thread committer([&] {
    EXPECT_EQ(message_of<CommitFailed>([&] { catalog_->commit({{"a"}, "t"}, set("k", "v")); }),
              "Table has been updated by another process: a.t");
  });
  wait_for_a_blocked_session();
  other->run("COMMIT");
  committer.join();
  other->run("UPDATE iceberg_tables SET metadata_location = trim(TRAILING 'x' FROM metadata_location)");
  EXPECT_EQ(catalog_->io(table)->list(table.metadata->location).size(), 1);
  catalog_->commit({{"a"}, "t"}, set("k", "v"));
}

TEST_F(MysqlTest, SessionsThatDiedUnusedAreOpenedAgain) {
  create_table();
  kill_sessions();
  EXPECT_TRUE(catalog_->table_exists({{"a"}, "t"}));
  kill_sessions();
  catalog_->create_namespace({"b"});
  kill_sessions();
  catalog_->commit({{"a"}, "t"}, set("k", "v"));
  kill_sessions();
  catalog_->drop_table({{"a"}, "t"});
}

TEST_F(MysqlTest, AConnectionLostDuringACommitLeavesTheOutcomeOpenAndDeletesNothing) {
  const LoadedTable table = create_table();
  const auto other = database_.stranger();
  other->run("BEGIN");
  other->run("UPDATE iceberg_tables SET previous_metadata_location = 'x'");
  std::thread committer([&] {
    EXPECT_THAT(message_of<CommitStateUnknown>([&] { catalog_->commit({{"a"}, "t"}, set("k", "v")); }),
                HasSubstr("table a.t: it is not known whether"));
  });
  wait_for_a_blocked_session();
  kill_sessions(other.get());
  committer.join();
  other->run("ROLLBACK");
  EXPECT_EQ(catalog_->io(table)->list(table.metadata->location).size(), 2);
  EXPECT_EQ(catalog_->load_table({{"a"}, "t"}).metadata_location, table.metadata_location);
  catalog_->commit({{"a"}, "t"}, set("k", "v"));
}

TEST_F(MysqlTest, NamesDifferInOneByte) {
  catalog_->create_namespace({"a"});
  for (const char* name : {"t", "T", "\u00e9", "e", "e\u0301", "\U0001f600"}) {
    catalog_->create_table({{"a"}, name}, definition());
  }
  EXPECT_EQ(catalog_->list_tables({"a"}).size(), 6);
  EXPECT_TRUE(catalog_->table_exists({{"a"}, "\U0001f600"}));
}

TEST_F(MysqlTest, RefusalsSayWhyWithoutValues) {
  create_table();
  EXPECT_THAT(message_of<IoError>([&] { catalog_->create_namespace({"b"}, {{"k", std::string(2000, 'g')}}); }),
              testing::AllOf(HasSubstr("longer than its column"), Not(HasSubstr("gg"))));
  NewTable placed = definition();
  placed.location = folder_.uri() + "/placed";
  EXPECT_THAT(message_of<CommitFailed>([&] { catalog_->create_table({{"a"}, std::string(300, 'g')}, placed); }),
              testing::AllOf(HasSubstr("longer than its column"), Not(HasSubstr("INSERT"))));
}

TEST_F(MysqlTest, RefusedConnectionsSayWhyWithoutThePassword) {
  const std::string host = mysql_url().substr(mysql_url().find('@'));
  const auto message = [&](const std::string& uri) {
    return message_of<IoError>([&] { open("prod", {{"uri", uri}}); });
  };
  EXPECT_THAT(message("mysql://floe:geheim" + host),
              testing::AllOf(HasSubstr("cannot connect"), HasSubstr("Access denied"), Not(HasSubstr("geheim"))));
  EXPECT_THAT(message("mysql+pymysql://floe:geheim@127.0.0.1:1/db"),
              testing::AllOf(HasSubstr("catalog database db on 127.0.0.1:1"), Not(HasSubstr("geheim"))));
}

TEST(OpenCatalog, ReadsUrlsAsSqlAlchemyDoes) {
  const TestFolder folder;
  for (const char* memory : {"sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite+pysqlite:///:memory:"}) {
    EXPECT_NO_THROW(open_catalog("x", {{"uri", memory}})) << memory;
  }
  open_catalog("x", {{"type", "sql"}, {"uri", "sqlite:///" + folder.path() + "/a.db"}});
  EXPECT_TRUE(std::filesystem::exists(folder.path() + "/a.db"));
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  open_catalog("x", {{"uri", "sqlite:///relative.db"}});
  std::filesystem::current_path(before);
  EXPECT_TRUE(std::filesystem::exists(folder.path() + "/relative.db"));
}

TEST(OpenCatalog, RefusesWhatItCannotOpen) {
  const TestFolder folder;
  EXPECT_THROW(open_catalog("x", {}), InvalidArgument);
  EXPECT_THROW(open_catalog("x", {{"type", "sql"}}), InvalidArgument);
  EXPECT_THROW(open_catalog("x", {{"type", "sql"}, {"uri", "unsupported:xxx"}}), InvalidArgument);
  EXPECT_THROW(open_catalog("x", {{"uri", "sqlite://host/path"}}), InvalidArgument);
  EXPECT_THROW(open_catalog("x", {{"uri", "sqlite:///a?mode=ro"}}), NotSupported);
  EXPECT_THROW(open_catalog("x", {{"uri", "sqlite://?timeout=soon"}}), InvalidArgument);
  for (const char* type : {"hive", "glue", "dynamodb", "nonsense"}) {
    EXPECT_THAT(message_of<NotSupported>([&] { open_catalog("x", {{"type", type}, {"uri", "http://h"}}); }),
                HasSubstr(type));
  }
}

TEST(OpenCatalog, DoesNotMakeTheDatabasesFolder) {
  const TestFolder folder;
  const std::string uri = "sqlite:///" + folder.path() + "/none/a.db";
  EXPECT_THAT(message_of<IoError>([&] { open_catalog("x", {{"uri", uri}}); }), HasSubstr("directory"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() + "/none"));
}

TEST(OpenCatalog, AFileThatIsNoDatabaseIsRefused) {
  const TestFolder folder;
  make_io({})->write(folder.uri() + "/x.db", std::string(4096, 'x'));
  EXPECT_THAT(message_of<IoError>([&] { open_catalog("x", {{"uri", "sqlite:///" + folder.path() + "/x.db"}}); }),
              HasSubstr("not a database"));
}

TEST(OpenCatalog, InMemoryHasAWarehouseByDefault) {
  const CatalogPtr catalog = open_catalog("x", {{"type", "in-memory"}});
  EXPECT_EQ(catalog->properties().at("warehouse"), "file:///tmp/iceberg/warehouse");
  EXPECT_EQ(catalog->name(), "x");
}

TEST(OpenCatalog, WithoutWarehouseTablesNeedALocation) {
  const CatalogPtr catalog = open_catalog("x", {{"uri", "sqlite://"}});
  catalog->create_namespace({"a"});
  EXPECT_THAT(message_of<InvalidArgument>([&] { catalog->create_table({{"a"}, "t"}, definition()); }),
              HasSubstr("warehouse"));
}

}  // namespace
}  // namespace floe
