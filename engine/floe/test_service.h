// For tests: a service of testing/fixtures.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace floe {

// A server that lives as long as this: the one at the URL in the environment variable `given`, else one of this
// process's own, which testing/fixtures/<script> starts, and stops when this process ends, however it does.
class TestService {
 public:
  TestService(const char* given, const char* script) {
    if (const char* url = std::getenv(given)) {
      url_ = url;
      return;
    }
    const auto path = std::filesystem::path(__FILE__).parent_path() / "../../testing/fixtures" / script;
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(in[0], STDIN_FILENO);
      ::dup2(out[1], STDOUT_FILENO);
      ::execl(path.c_str(), path.c_str(), "serve", nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    stdin_ = in[1];
    for (char c; ::read(out[0], &c, 1) == 1 && c != '\n';) url_ += c;
    ::close(out[0]);
    if (url_.empty()) throw std::runtime_error(fmt::format("{} did not start a server", path.string()));
  }
  TestService(const TestService&) = delete;
  TestService& operator=(const TestService&) = delete;
  ~TestService() {
    if (pid_ < 0) return;
    ::close(stdin_);
    ::waitpid(pid_, nullptr, 0);
  }

  const std::string& url() const { return url_; }

 private:
  std::string url_;
  pid_t pid_ = -1;
  int stdin_ = -1;
};

inline const std::string& postgresql_url() {
  static const TestService server("FLOE_TEST_POSTGRESQL", "postgresql");
  return server.url();
}

inline const std::string& mysql_url() {
  static const TestService server("FLOE_TEST_MYSQL", "mysql");
  return server.url();
}

inline const std::string& s3_url() {  // of SeaweedFS; its key is "floe", its secret "floe-secret"
  static const TestService server("FLOE_TEST_SEAWEEDFS", "seaweedfs");
  return server.url();
}

inline const std::string& minio_url() {  // its key is "floe", its secret "floe-secret"
  static const TestService server("FLOE_TEST_MINIO", "minio");
  return server.url();
}

inline const std::string& gcs_url() {
  static const TestService server("FLOE_TEST_FAKE_GCS_SERVER", "fake-gcs-server");
  return server.url();
}

inline constexpr const char* kAzuriteKey =  // of every installation
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
inline const std::string& azurite_url() {
  static const TestService server("FLOE_TEST_AZURITE", "azurite");
  return server.url();
}

inline const std::string& rest_url() {  // of Iceberg's REST reference server
  static const TestService server("FLOE_TEST_ICEBERG_REST", "iceberg-rest");
  return server.url();
}

}  // namespace floe
