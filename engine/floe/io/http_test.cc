#include "floe/io/http.h"

#include <arrow/util/cancel.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "floe/catalog/test_folder.h"
#include "floe/error.h"
#include "floe/stop.h"
#include "floe/test_http_server.h"

namespace floe {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

HttpOptions quick() {
  HttpOptions options;
  options.min_wait = milliseconds(1);
  options.max_wait = milliseconds(5);
  return options;
}

HttpRequest post(const std::string& url) { return {.method = "POST", .url = url, .body = "{}", .repeatable = false}; }

// Answers with the statuses in order, the last one for ever.
TestHttpServer::Handler in_turn(std::vector<TestAnswer> answers) {
  auto next = std::make_shared<std::atomic<size_t>>(0);
  return [answers = std::move(answers), next](const TestRequest&) {
    return answers[std::min(next->fetch_add(1), answers.size() - 1)];
  };
}

TEST(Http, RequestsArriveAsTheyAreSent) {
  TestHttpServer server(
      [](const TestRequest&) { return TestAnswer{.body = "hello", .headers = {{"ETag", " \"a\" "}}}; });
  HttpClient client(quick());
  const HttpAnswer answer = client.send({.method = "POST",
                                         .url = server.url() + "/a%2Fb/%2E?x=%20",
                                         .headers = {{"X-Own", "1"}, {"X-Empty", ""}},
                                         .body = std::string("a\0b", 3)});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(answer.headers.at("etag"), "\"a\"");
  const TestRequest request = server.requests().at(0);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/a%2Fb/%2E?x=%20");
  EXPECT_EQ(request.body, std::string("a\0b", 3));
  EXPECT_EQ(request.headers.at("x-own"), "1");
  EXPECT_TRUE(request.headers.contains("x-empty"));
  EXPECT_FALSE(request.headers.contains("expect"));
  for (const char* method : {"GET", "HEAD", "DELETE"}) {
    EXPECT_EQ(client.send({.method = method, .url = server.url()}).status, 200);
    EXPECT_EQ(server.requests().back().method, method);
  }
}

TEST(Http, ConnectionsAreReused) {
  TestHttpServer server([](const TestRequest&) { return TestAnswer{.body = "{}"}; });
  HttpClient client(quick());
  for (int i = 0; i < 5; ++i) client.send({.url = server.url()});
  client.send(post(server.url()));
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(server.requests().back().on_connection, 5);
}

TEST(Http, AForkedChildMakesConnectionsOfItsOwn) {
  TestHttpServer server([](const TestRequest&) { return TestAnswer{.body = "{}"}; });
  HttpClient client(quick());
  client.send({.url = server.url()});
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(client.send({.url = server.url()}).status == 200 ? 0 : 1);
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(client.send({.url = server.url()}).status, 200);
  EXPECT_EQ(server.connections(), 2);
}

TEST(Http, RepeatableRequestsAreSentAgainOnGatewayErrorsAndLostAnswers) {
  TestHttpServer server(in_turn({{.status = 502},
                                 {.status = 503},
                                 {.status = 504},
                                 {.delivery = TestAnswer::kNone},
                                 {.body = "half of it", .delivery = TestAnswer::kCut},
                                 {.body = "there"}}));
  EXPECT_EQ(HttpClient(quick()).send({.url = server.url()}).body, "there");
  EXPECT_EQ(server.requests().size(), 6);
}

TEST(Http, OthersAreSentOnce) {
  for (const int status : {500, 502, 503, 504}) {
    TestHttpServer server(in_turn({{.status = status}, {.status = 200}}));
    EXPECT_EQ(HttpClient(quick()).send(post(server.url())).status, status);
    EXPECT_EQ(server.requests().size(), 1);
  }
  for (const auto delivery : {TestAnswer::kNone, TestAnswer::kCut}) {
    TestHttpServer server(in_turn({{.body = "half of it", .delivery = delivery}, {.status = 200}}));
    HttpClient client(quick());
    try {
      client.send(post(server.url()));
      ADD_FAILURE() << "an answer";
    } catch (const HttpError& error) {
      EXPECT_TRUE(error.may_be_done);
    }
    EXPECT_EQ(server.requests().size(), 1);
  }
}

TEST(Http, WhatTheServerKnowsAgainIsSentAgainForAsLongAsItDoes) {
  HttpRequest request{.method = "POST", .body = "{}", .repeatable = false};
  const auto send = [&](const TestHttpServer& server) {
    request.url = server.url();
    return HttpClient(quick()).send(request);
  };
  const std::vector<TestAnswer> open = {{.status = 500},
                                        {.status = 502},
                                        {.delivery = TestAnswer::kNone},
                                        {.body = "half", .delivery = TestAnswer::kCut}};
  for (const TestAnswer& first : open) {
    TestHttpServer server(in_turn({first, {.status = 409}}));
    request.known_until = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    EXPECT_EQ(send(server).status, 409);
    EXPECT_EQ(server.requests().size(), 2);
    TestHttpServer late(in_turn({first, {.status = 409}}));
    request.known_until = std::chrono::steady_clock::now();
    try {
      EXPECT_GE(send(late).status, 500);
    } catch (const HttpError& error) {
      EXPECT_TRUE(error.may_be_done);
    }
    EXPECT_EQ(late.requests().size(), 1);
  }
}

TEST(Http, WhetherAnEarlierTryLeftItOpenIsSaid) {
  HttpRequest request{.method = "POST", .body = "{}", .repeatable = false};
  request.known_until = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  const auto left_open = [&](const std::vector<TestAnswer>& answers) {
    TestHttpServer server(in_turn(answers));
    request.url = server.url();
    return HttpClient(quick()).send(request).left_open;
  };
  EXPECT_FALSE(left_open({{.status = 409}}));
  EXPECT_FALSE(left_open({{.status = 429}, {.status = 409}}));
  EXPECT_TRUE(left_open({{.status = 503}, {.status = 409}}));
  EXPECT_TRUE(left_open({{.delivery = TestAnswer::kNone}, {.status = 429}, {.status = 409}}));
  request.repeatable = true;
  EXPECT_FALSE(left_open({{.status = 503}, {.status = 409}}));
}

// libcurl itself would send it again: a connection that was used before and closes without an answer looks stale to it.
TEST(Http, Trap24ALostAnswerOnAReusedConnectionIsNotSentAgain) {
  TestHttpServer server([](const TestRequest& request) {
    return TestAnswer{.body = "{}", .delivery = request.method == "GET" ? TestAnswer::kWhole : TestAnswer::kNone};
  });
  HttpClient client(quick());
  for (HttpRequest request : {post(server.url()), HttpRequest{.method = "DELETE", .repeatable = false}}) {
    request.url = server.url();
    client.send({.url = server.url()});
    const size_t before = server.requests().size();
    try {
      client.send(request);
      ADD_FAILURE() << "an answer";
    } catch (const HttpError& error) {
      EXPECT_TRUE(error.may_be_done);
    }
    EXPECT_EQ(server.requests().size(), before + 1) << request.method;
  }
}

TEST(Http, TooManyRequestsAreSentAgainAfterTheTimeTheServerNames) {
  TestHttpServer server(in_turn({{.status = 429, .headers = {{"Retry-After", "0"}}},
                                 {.status = 429, .headers = {{"Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT"}}},
                                 {.status = 429, .headers = {{"Retry-After", "nonsense"}}},
                                 {.status = 200}}));
  EXPECT_EQ(HttpClient(quick()).send(post(server.url())).status, 200);
  EXPECT_EQ(server.requests().size(), 4);

  TestHttpServer patient(in_turn({{.status = 429, .headers = {{"Retry-After", "3600"}}}}));
  EXPECT_EQ(HttpClient(quick()).send({.url = patient.url()}).status, 429);
  EXPECT_EQ(patient.requests().size(), 1);  // nobody waits for an hour
}

TEST(Http, RetriesEnd) {
  TestHttpServer server(in_turn({{.status = 503}}));
  HttpOptions options = quick();
  options.retries = 2;
  EXPECT_EQ(HttpClient(options).send({.url = server.url()}).status, 503);
  EXPECT_EQ(server.requests().size(), 3);
}

TEST(Http, AServerThatIsNotThereDidNothing) {
  std::string url;
  {
    TestHttpServer server([](const TestRequest&) { return TestAnswer{}; });
    url = server.url();
  }
  try {
    HttpClient(quick()).send(post(url + "/path?token=geheim"));
    ADD_FAILURE() << "an answer";
  } catch (const HttpError& error) {
    EXPECT_FALSE(error.may_be_done);
    EXPECT_THAT(error.what(), HasSubstr(url + "/path"));
    EXPECT_THAT(error.what(), Not(HasSubstr("geheim")));
  }
}

TEST(Http, AServerThatDoesNotAnswerIsGivenUp) {
  std::atomic<bool> given_up{false};
  TestHttpServer server([&](const TestRequest&) {
    while (!given_up) std::this_thread::sleep_for(milliseconds(5));
    return TestAnswer{};
  });
  HttpOptions options = quick();
  options.idle_timeout = milliseconds(100);
  options.retries = 0;
  HttpClient client(options);
  try {
    client.send(post(server.url()));
    ADD_FAILURE() << "an answer";
  } catch (const HttpError& error) {
    EXPECT_TRUE(error.may_be_done);
    EXPECT_THAT(error.what(), HasSubstr("no answer within 100 ms"));
  }
  given_up = true;
}

TEST(Http, AnswersAreBounded) {
  TestHttpServer server([](const TestRequest&) { return TestAnswer{.body = std::string(5000, 'x')}; });
  HttpOptions options = quick();
  options.max_answer_bytes = 4999;
  HttpClient client(options);
  try {
    client.send({.url = server.url()});
    ADD_FAILURE() << "an answer";
  } catch (const HttpError& error) {
    EXPECT_THAT(error.what(), HasSubstr("longer than 4999 bytes"));
  }
  EXPECT_EQ(server.requests().size(), 1);
}

TEST(Http, RedirectionsAreNotFollowed) {
  TestHttpServer elsewhere([](const TestRequest&) { return TestAnswer{}; });
  TestHttpServer server(
      [&](const TestRequest&) { return TestAnswer{.status = 307, .headers = {{"Location", elsewhere.url()}}}; });
  EXPECT_EQ(HttpClient(quick()).send({.url = server.url(), .headers = {{"Authorization", "Bearer x"}}}).status, 307);
  EXPECT_EQ(elsewhere.requests().size(), 0);
}

TEST(Http, StopsWhenAsked) {
  std::atomic<bool> answer{false};
  TestHttpServer server([&](const TestRequest&) {
    while (!answer) std::this_thread::sleep_for(milliseconds(5));
    return TestAnswer{};
  });
  HttpClient client(quick());
  const auto stopped_send = [&](const HttpRequest& request, size_t nth) {
    arrow::StopSource source;
    std::thread stopper([&] {
      server.wait_for_requests(nth);
      source.RequestStop();
    });
    const StopScope scope(source.token());
    try {
      client.send(request);
    } catch (...) {
      stopper.join();
      throw;
    }
    stopper.join();
  };
  EXPECT_THROW(stopped_send({.url = server.url()}, 1), Cancelled);
  EXPECT_THROW(stopped_send(post(server.url()), 2), HttpError);  // it may be done
  answer = true;
  arrow::StopSource source;
  source.RequestStop();
  const StopScope scope(source.token());
  EXPECT_THROW(client.send(post(server.url())), Cancelled);
  EXPECT_EQ(server.requests().size(), 2);
}

TEST(Http, HeadersCannotSmuggleLines) {
  TestHttpServer server([](const TestRequest&) { return TestAnswer{}; });
  HttpClient client(quick());
  EXPECT_THROW(client.send({.url = server.url(), .headers = {{"X", "a\r\nY: b"}}}), InvalidArgument);
  EXPECT_THROW(client.send({.url = server.url(), .headers = {{"X\n", "a"}}}), InvalidArgument);
  EXPECT_EQ(server.requests().size(), 0);
}

TEST(Http, OnlyHttpIsSpoken) { EXPECT_THROW(HttpClient(quick()).send({.url = "file:///etc/passwd"}), HttpError); }

TEST(Http, AProxyIsUsedWithItsPassword) {
  TestHttpServer proxy([](const TestRequest&) { return TestAnswer{.body = "from the proxy"}; });
  const HttpOptions options = http_options({{"rest.client.proxy.hostname", "127.0.0.1"},
                                            {"rest.client.proxy.port", proxy.url().substr(17)},
                                            {"rest.client.proxy.username", "u"},
                                            {"rest.client.proxy.password", "p"}});
  EXPECT_EQ(HttpClient(options).send({.url = "http://catalog.invalid/v1/config"}).body, "from the proxy");
  EXPECT_EQ(proxy.requests().at(0).target, "http://catalog.invalid/v1/config");
  EXPECT_EQ(proxy.requests().at(0).headers.at("proxy-authorization"), "Basic dTpw");
}

TEST(Http, OptionsComeFromProperties) {
  const HttpOptions options = http_options({{"rest.client.connection-timeout-ms", "5"},
                                            {"rest.client.socket-timeout-ms", "6"},
                                            {"rest.client.max-retries", "0"},
                                            {"ssl.cabundle", "/ca.pem"},
                                            {"ssl.client.cert", "/c.pem"},
                                            {"ssl.client.key", "/k.pem"}});
  EXPECT_EQ(options.connect_timeout, milliseconds(5));
  EXPECT_EQ(options.idle_timeout, milliseconds(6));
  EXPECT_EQ(options.retries, 0);
  EXPECT_EQ(options.ca_bundle, "/ca.pem");
  EXPECT_EQ(options.client_certificate, "/c.pem");
  EXPECT_EQ(options.client_key, "/k.pem");
  EXPECT_THROW(http_options({{"ssl.cabundle", "False"}}), NotSupported);
  EXPECT_THROW(http_options({{"rest.client.socket-timeout-ms", "soon"}}), InvalidArgument);
  EXPECT_THROW(http_options({{"rest.client.socket-timeout-ms", "0"}}), InvalidArgument);
  EXPECT_THROW(http_options({{"rest.client.max-retries", "-1"}}), InvalidArgument);
  EXPECT_THROW(http_options({{"rest.client.proxy.hostname", "p"}}), InvalidArgument);
}

TEST(Http, UrlsAreEncodedWithPercents) {
  EXPECT_EQ(url_encode("a b/c~.-_+%\x1f\xc3\xa9"), "a%20b%2Fc~.-_%2B%25%1F%C3%A9");
  EXPECT_EQ(url_decode("a%20b%2fc%"), "a b/c%");
  EXPECT_EQ(url_decode("%zz%1"), "%zz%1");
  EXPECT_EQ(printable_url("https://user:geheim@host:1/a@b?token=x"), "https://host:1/a@b");
  EXPECT_EQ(printable_url("https://host/a@b#x"), "https://host/a@b");
}

TEST(Secrets, DoNotPrint) {
  EXPECT_EQ(fmt::format("{}", Secret("geheim")), "***");
  EXPECT_EQ(without("a geheim, geheimgeheim", Secret("geheim")), "a ***, ******");
  EXPECT_EQ(without("a", Secret("")), "a");
  EXPECT_EQ(without("* *", Secret("*")), "*** ***");
}

}  // namespace
}  // namespace floe
