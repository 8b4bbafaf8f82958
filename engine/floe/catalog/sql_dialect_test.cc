#include "floe/catalog/sql_dialect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "floe/error.h"

namespace floe {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

template <typename E>
std::string refusal(const std::string& url) {
  try {
    parse_sql_url(url);
  } catch (const E& error) {
    EXPECT_THAT(error.what(), Not(HasSubstr("geheim"))) << url;
    return error.what();
  }
  ADD_FAILURE() << url << " is not refused";
  return "";
}

TEST(SqlUrl, PartsOfPostgresqlUrlsReachTheClientLibraryAsTheyAre) {
  const SqlLocation location =
      parse_sql_url("postgresql+psycopg2://us%40er:p%40ss%20%20w:/rd%25+@db.example.com:5433/cat?sslmode=require");
  EXPECT_EQ(location.password, "p@ss  w:/rd%+");
  EXPECT_EQ(location.name, "catalog database cat on db.example.com:5433");
  EXPECT_EQ(location.connection,
            "postgresql:///?client_encoding=UTF8&connect_timeout=10&dbname=cat&host=db%2Eexample%2Ecom&"
            "password=p%40ss%20%20w%3A%2Frd%25%2B&port=5433&sslmode=require&user=us%40er");
}

TEST(SqlUrl, PostgresqlUrlsMayLeaveOutWhatTheClientLibraryKnows) {
  EXPECT_EQ(parse_sql_url("postgresql://").connection, "postgresql:///?client_encoding=UTF8&connect_timeout=10");
  EXPECT_THAT(parse_sql_url("postgresql:///cat?host=/run/postgresql&connect_timeout=3").connection,
              AllOf(HasSubstr("dbname=cat"), HasSubstr("host=%2Frun%2Fpostgresql"), HasSubstr("connect_timeout=3")));
  EXPECT_THAT(
      parse_sql_url("postgresql+psycopg://user@[::1]:5432/cat").connection,
      AllOf(HasSubstr("host=%3A%3A1&"), HasSubstr("port=5432"), HasSubstr("user=user"), Not(HasSubstr("pass"))));
  EXPECT_THAT(parse_sql_url("postgresql://h/cat?options=-csearch_path%3Da,b+-cx%3D1").connection,
              HasSubstr("options=%2Dcsearch_path%3Da%2Cb%20%2Dcx%3D1"));
}

TEST(SqlUrl, WhatIsNotDoneIsRefusedByName) {
  EXPECT_THAT(refusal<NotSupported>("postgresql://u:geheim@h/d?prepare_threshold=geheim"),
              HasSubstr("\"prepare_threshold\""));
  EXPECT_THAT(refusal<NotSupported>("postgresql://u:geheim@h/d?replication=database"), HasSubstr("\"replication\""));
  EXPECT_THAT(refusal<NotSupported>("postgresql://u:geheim@h/d?client_encoding=latin1"),
              HasSubstr("\"client_encoding\""));
  EXPECT_THAT(refusal<NotSupported>("postgresql://u:geheim@/d?host=a:1&host=b:2"), HasSubstr("\"host\""));
  EXPECT_THAT(refusal<NotSupported>("postgresql+asyncpg://u:geheim@h/d"), HasSubstr("postgresql+asyncpg"));
  EXPECT_THAT(refusal<NotSupported>("postgres://u:geheim@h/d"), HasSubstr("postgres databases"));
  EXPECT_THAT(refusal<NotSupported>("oracle+cx_oracle://u:geheim@h/d"), HasSubstr("oracle"));
  EXPECT_THAT(refusal<NotSupported>("sqlite+aiosqlite:///x"), HasSubstr("sqlite+aiosqlite"));
  EXPECT_THAT(refusal<NotSupported>("sqlite:///x?mode=ro"), HasSubstr("\"mode\""));
}

TEST(SqlUrl, WhatIsNoUrlIsRefusedWithoutItsPassword) {
  refusal<InvalidArgument>("u:geheim@h/d");
  refusal<InvalidArgument>("postgresql://u:p@h:geheim/d");
  refusal<InvalidArgument>("postgresql://u:gehe%00im@h/d");
  refusal<InvalidArgument>("sqlite://u:geheim@h/path");
}

#ifdef FLOE_HAVE_MYSQL
TEST(SqlUrl, MysqlUrlsAreSocis) {
  const SqlLocation location =
      parse_sql_url("mysql+pymysql://user:it's%20p%40ss@host:3307/cat?charset=utf8mb4&ssl_ca=/ca");
  EXPECT_EQ(location.connection,
            "charset='utf8mb4' dbname='cat' host='host' password=\"it's p@ss\" port='3307' sslca='/ca' user='user' ");
  EXPECT_THAT(refusal<NotSupported>("mysql://u:gehe'\"im@h/d"), HasSubstr("password"));
  EXPECT_THAT(refusal<NotSupported>("mysql://u:geheim@h/d?charset=latin1"), HasSubstr("\"charset\""));
  EXPECT_THAT(refusal<NotSupported>("mysql+asyncmy://u:geheim@h/d"), HasSubstr("mysql+asyncmy"));
}
#else
TEST(SqlUrl, WithoutItsClientLibraryMysqlIsRefused) {
  EXPECT_THAT(refusal<NotSupported>("mysql://u:geheim@h/d"), HasSubstr("MySQL"));
}
#endif

}  // namespace
}  // namespace floe
