// For tests: an HTTP server on loopback that answers as the test says, also badly, and can pass requests on to a real
// one: a proxy that breaks things.
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace floe {

struct TestRequest {
  std::string method, target;                  // "GET", "/v1/config?warehouse=w"
  std::map<std::string, std::string> headers;  // by name in lower case
  std::string body;
  int on_connection = 0;  // how many came before it on its connection
};

struct TestAnswer {
  int status = 200;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string head_length = {};                    // said instead of the body's length
  enum { kWhole, kNone, kCut } delivery = kWhole;  // kNone: the connection closes instead; kCut: amid the body
};

class TestHttpServer {
 public:
  using Handler = std::function<TestAnswer(const TestRequest&)>;  // called by several threads at once

  explicit TestHttpServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    auto* const name = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, name, length) != 0 || ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, name, &length) != 0) {
      throw std::runtime_error("no loopback port");
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  TestHttpServer(const TestHttpServer&) = delete;
  TestHttpServer& operator=(const TestHttpServer&) = delete;
  ~TestHttpServer() {
    stop_ = true;
    acceptor_.join();
    for (std::thread& thread : connections_) thread.join();
    ::close(listener_);
  }

  std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }
  int connections() const { return static_cast<int>(connections_.size()); }

  std::vector<TestRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  // Waits until so many came.
  void wait_for_requests(size_t count) const {
    while (requests().size() < count) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

 private:
  bool wait_readable(int socket) const {
    while (!stop_) {
      pollfd ready{socket, POLLIN, 0};
      if (::poll(&ready, 1, 20) > 0) return true;
    }
    return false;
  }

  void accept_all() {
    while (wait_readable(listener_)) {
      const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) continue;
      connections_.emplace_back([this, socket] {
        serve(socket);
        ::close(socket);
      });
    }
  }

  void serve(int socket) {
    std::string buffer;
    const auto read_more = [&] {
      char bytes[16384];
      if (!wait_readable(socket)) return false;
      const ssize_t count = ::recv(socket, bytes, sizeof(bytes), 0);
      if (count > 0) buffer.append(bytes, static_cast<size_t>(count));
      return count > 0;
    };
    for (int number = 0;; ++number) {
      size_t head = 0;
      while ((head = buffer.find("\r\n\r\n")) == std::string::npos) {
        if (!read_more()) return;
      }
      TestRequest request = parse_head(buffer.substr(0, head + 2));
      request.on_connection = number;
      buffer.erase(0, head + 4);
      if (request.headers.contains("expect")) {
        constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
        if (::send(socket, kContinue.data(), kContinue.size(), MSG_NOSIGNAL) < 0) return;
      }
      const auto take = [&](size_t bytes) {
        while (buffer.size() < bytes) {
          if (!read_more()) return false;
        }
        request.body += buffer.substr(0, bytes);
        buffer.erase(0, bytes);
        return true;
      };
      if (request.headers.contains("transfer-encoding")) {  // in chunks, the last of which is empty
        for (size_t chunk = 1; chunk > 0;) {
          size_t line = 0;
          while ((line = buffer.find("\r\n")) == std::string::npos) {
            if (!read_more()) return;
          }
          chunk = std::stoul(buffer, nullptr, 16);
          buffer.erase(0, line + 2);
          if (!take(chunk + 2)) return;
          request.body.resize(request.body.size() - 2);
        }
      } else if (request.headers.contains("content-length")) {
        if (!take(std::stoul(request.headers["content-length"]))) return;
      }
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      const TestAnswer answer = handler_(request);
      if (answer.delivery == TestAnswer::kNone) return;
      std::string text =
          fmt::format("HTTP/1.1 {} Test\r\nContent-Length: {}\r\n", answer.status,
                      answer.head_length.empty() ? std::to_string(answer.body.size()) : answer.head_length);
      for (const auto& [name, value] : answer.headers) text += fmt::format("{}: {}\r\n", name, value);
      text += "\r\n";
      if (request.method != "HEAD") text += answer.body;
      if (answer.delivery == TestAnswer::kCut) text.resize(text.size() - (answer.body.size() + 1) / 2);
      for (size_t sent = 0; sent < text.size();) {
        const ssize_t count = ::send(socket, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
        if (count <= 0) return;
        sent += static_cast<size_t>(count);
      }
      if (answer.delivery == TestAnswer::kCut) return;
    }
  }

  static TestRequest parse_head(const std::string& head) {
    TestRequest request;
    const size_t first = head.find(' ');
    const size_t second = head.find(' ', first + 1);
    request.method = head.substr(0, first);
    request.target = head.substr(first + 1, second - first - 1);
    for (size_t start = head.find("\r\n") + 2; start < head.size();) {
      const size_t end = head.find("\r\n", start);
      const size_t colon = head.find(':', start);
      std::string name = head.substr(start, colon - start);
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      const size_t value = std::min(head.find_first_not_of(' ', colon + 1), end);
      request.headers[name] = head.substr(value, end - value);
      start = end + 2;
    }
    return request;
  }

  Handler handler_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::vector<TestRequest> requests_;
  std::vector<std::thread> connections_;  // of the acceptor's until it has ended
  std::thread acceptor_;
};

// The answer of the server at `url` ("http://127.0.0.1:port") to a request that came here, whose headers it gets as
// they are.
inline TestAnswer pass_on(const TestRequest& request, const std::string& url) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
  std::string text = fmt::format("{} {} HTTP/1.0\r\n", request.method, request.target);  // an answer in one piece
  for (const auto& [name, value] : request.headers) {
    if (name != "connection" && name != "expect" && name != "transfer-encoding" && name != "content-length")
      text += fmt::format("{}: {}\r\n", name, value);
  }
  text += fmt::format("content-length: {}\r\n\r\n", request.body.size()) + request.body;
  std::string answer;
  if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    for (size_t sent = 0; sent < text.size();) {
      const ssize_t count = ::send(socket, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) break;
      sent += static_cast<size_t>(count);
    }
    char bytes[16384];
    for (ssize_t count; (count = ::recv(socket, bytes, sizeof(bytes), 0)) > 0;) {
      answer.append(bytes, static_cast<size_t>(count));
    }
  }
  ::close(socket);
  const size_t head = answer.find("\r\n\r\n");
  if (head == std::string::npos) throw std::runtime_error("the server behind the proxy does not answer");
  TestAnswer passed{.status = std::stoi(answer.substr(answer.find(' ') + 1)), .body = answer.substr(head + 4)};
  for (size_t start = answer.find("\r\n") + 2; start < head + 2;) {
    const size_t end = answer.find("\r\n", start);
    const size_t colon = answer.find(':', start);
    std::string name = answer.substr(start, colon - start);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    const size_t value = std::min(answer.find_first_not_of(' ', colon + 1), end);
    // Of a HEAD, the length is all that there is to tell.
    if (name == "content-length" && request.method == "HEAD") passed.head_length = answer.substr(value, end - value);
    if (name != "content-length" && name != "connection")
      passed.headers.emplace_back(name, answer.substr(value, end - value));
    start = end + 2;
  }
  return passed;
}

}  // namespace floe
