// Child processes, for tests that kill them, starve them or run several.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace floe {

// A program that runs until it ends, or is killed when this goes.
class Process {
 public:
  // `file_size_limit`: no file may grow beyond it (RLIMIT_FSIZE).
  explicit Process(const std::vector<std::string>& command, std::optional<rlim_t> file_size_limit = {});
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  void kill();  // SIGKILL
  int wait();   // its exit code, or minus the signal that ended it

  // What it has written, once it has ended.
  const std::string& output() const { return output_; }
  const std::string& errors() const { return errors_; }

 private:
  pid_t pid_ = -1;
  int out_ = -1, err_ = -1;
  std::string output_, errors_;
};

}  // namespace floe
