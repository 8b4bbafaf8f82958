#include "process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

namespace floe {
namespace {

std::string read_to_end(int fd) {
  std::string text;
  char chunk[4096];
  for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) > 0;) text.append(chunk, n);
  return text;
}

}  // namespace

Process::Process(const std::vector<std::string>& command, std::optional<rlim_t> file_size_limit) {
  std::vector<char*> args;
  for (const std::string& arg : command) args.push_back(const_cast<char*>(arg.c_str()));
  args.push_back(nullptr);
  int out[2], err[2];  // pipes, whose buffers hold all that these programs say
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ > 0) {
    close(out[1]);
    close(err[1]);
    out_ = out[0];
    err_ = err[0];
    return;
  }
  // Only what is safe after a fork of a process with threads.
  dup2(out[1], STDOUT_FILENO);
  dup2(err[1], STDERR_FILENO);
  if (file_size_limit) {
    signal(SIGXFSZ, SIG_IGN);  // stays so in the program: a file that may not grow is an error, not the end
    const rlimit limit{*file_size_limit, *file_size_limit};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  execv(args[0], args.data());
  _exit(127);
}

Process::~Process() {
  if (pid_ > 0) {
    kill();
    wait();
  }
  close(out_);
  close(err_);
}

void Process::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

int Process::wait() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0) {
    if (errno != EINTR) throw std::runtime_error("waitpid");
  }
  pid_ = -1;
  output_ = read_to_end(out_);
  errors_ = read_to_end(err_);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace floe
