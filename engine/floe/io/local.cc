#include "floe/io/local.h"

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/util/future.h>
#include <arrow/util/io_util.h>
#include <arrow/util/thread_pool.h>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <deque>
#include <mutex>
#include <shared_mutex>
#include <system_error>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/io/input_file.h"

namespace floe {
namespace {

constexpr size_t kWriteBuffer = 64 << 10;         // small writes are gathered up to this
constexpr int64_t kWaitingBytes = 64 << 20;       // handed to the I/O pool and not yet written
constexpr int64_t kWriteBackStep = 16 << 20;      // how often the kernel is told to start writing to disk
constexpr size_t kMaxTransfer = size_t{1} << 30;  // one system call moves at most 2 GiB

std::string describe(int error) { return std::generic_category().message(error); }

[[noreturn]] void throw_errno(int error, std::string_view what, std::string_view location) {
  const std::string message = fmt::format("cannot {} {}: {}", what, location, describe(error));
  if (error == ENOENT || error == ENOTDIR) throw NotFound(message);
  throw IoError(message);
}

// An open file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { close(); }

  bool ok() const { return fd_ >= 0; }
  int get() const { return fd_; }
  int close() { return ok() ? ::close(std::exchange(fd_, -1)) : 0; }

 private:
  int fd_ = -1;
};

// Writing beyond RLIMIT_FSIZE raises SIGXFSZ, which kills a process that does not ignore it. While one of these lives,
// the signal is held back from this thread, and taken back if it came, so that write() fails with EFBIG instead.
class HoldFileSizeSignal {
 public:
  HoldFileSizeSignal() {
    sigemptyset(&signal_);
    sigaddset(&signal_, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &signal_, &before_);
  }
  ~HoldFileSizeSignal() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  void take_back() {
    if (sigismember(&before_, SIGXFSZ)) return;  // the caller's own to handle
    const timespec now = {};
    while (sigtimedwait(&signal_, nullptr, &now) < 0 && errno == EINTR) {
    }
  }

 private:
  sigset_t signal_;
  sigset_t before_;
};

}  // namespace

int write_all(int fd, const char* data, size_t size) {
  HoldFileSizeSignal hold;
  while (size > 0) {
    const ssize_t n = ::write(fd, data, std::min(size, kMaxTransfer));
    if (n < 0) {
      if (errno == EINTR) continue;
      const int error = errno;
      if (error == EFBIG) hold.take_back();
      return error;
    }
    data += n;
    size -= static_cast<size_t>(n);
  }
  return 0;
}

int64_t read_all(int fd, char* data, int64_t size, int64_t position) {
  int64_t done = 0;
  while (done < size) {
    const size_t step = std::min<size_t>(static_cast<size_t>(size - done), kMaxTransfer);
    const ssize_t n = ::pread(fd, data + done, step, position + done);
    if (n < 0) {
      if (errno == EINTR) continue;
      return -errno;
    }
    if (n == 0) break;
    done += n;
  }
  return done;
}

namespace {

std::string parent_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

// Makes the entries of a directory durable. Returns 0 or the errno.
int sync_directory(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok()) return errno;
  // Some network file systems cannot sync directories, and need not.
  return ::fsync(fd.get()) == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : errno;
}

// Held exclusively from making directories until they are durable, so that nobody reports a file durable whose
// directory is not: a writer that found the directory waits for this before it returns.
std::shared_mutex directories_mutex;

void create_directories(const std::string& path, std::string_view location) {
  std::unique_lock lock(directories_mutex);
  std::vector<std::string> missing;
  for (std::string dir = path; dir != "/"; dir = parent_of(dir)) {
    struct stat info;
    if (::stat(dir.c_str(), &info) == 0) {
      if (!S_ISDIR(info.st_mode)) throw IoError(fmt::format("cannot write {}: {} is not a directory", location, dir));
      break;
    }
    if (errno != ENOENT) throw IoError(fmt::format("cannot write {}: {}: {}", location, dir, describe(errno)));
    missing.push_back(dir);
  }
  for (auto dir = missing.rbegin(); dir != missing.rend(); ++dir) {
    // Another process may have been first.
    if (::mkdir(dir->c_str(), 0777) != 0 && errno != EEXIST)
      throw IoError(fmt::format("cannot make directory {} for {}: {}", *dir, location, describe(errno)));
    if (const int error = sync_directory(parent_of(*dir)))
      throw IoError(fmt::format("cannot sync directory {} for {}: {}", parent_of(*dir), location, describe(error)));
  }
}

class LocalFile final : public InputFile {
 public:
  LocalFile(Fd fd, int64_t size, std::string location, std::shared_ptr<IoCounters> counters)
      : InputFile(size, std::move(location), std::move(counters)), fd_(std::move(fd)) {}

  arrow::Status Close() override {
    fd_.close();
    return arrow::Status::OK();
  }
  bool closed() const override { return !fd_.ok(); }
  arrow::Status WillNeed(const std::vector<arrow::io::ReadRange>& ranges) override {
    for (const auto& range : ranges) ::posix_fadvise(fd_.get(), range.offset, range.length, POSIX_FADV_WILLNEED);
    return arrow::Status::OK();
  }

 private:
  arrow::Result<int64_t> read_range(int64_t position, int64_t nbytes, char* out) override {
    const int64_t n = read_all(fd_.get(), out, nbytes, position);
    if (n < 0)  // with its errno as the detail, which tells a failing store from bytes that do not decode
      return arrow::internal::IOErrorFromErrno(static_cast<int>(-n), "cannot read ", location(), ": ",
                                               describe(static_cast<int>(-n)));
    count_read(n);
    if (n < nbytes)
      return arrow::Status::Invalid(location(), " was cut while it was read: ", size(),
                                    " bytes when opened, now at most ", position + n);
    return n;
  }

  Fd fd_;
};

// What all files together have handed to the I/O pool and not yet written.
class WaitingBytes {
 public:
  void add(int64_t bytes) {
    std::unique_lock lock(mutex_);
    less_.wait(lock, [&] { return bytes_ < kWaitingBytes; });
    bytes_ += bytes;
  }
  void subtract(int64_t bytes) {
    std::lock_guard lock(mutex_);
    bytes_ -= bytes;
    less_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable less_;
  int64_t bytes_ = 0;
};
WaitingBytes waiting_bytes;

// Small writes are gathered; large ones go to the disk from a thread of Arrow's I/O pool, while the caller makes the
// next. Errors come with a later call, at the latest with Close.
class LocalOutputStream final : public arrow::io::OutputStream {
 public:
  LocalOutputStream(Fd fd, std::string location, std::shared_ptr<IoCounters> counters)
      : fd_(std::move(fd)), location_(std::move(location)), counters_(std::move(counters)) {
    set_mode(arrow::io::FileMode::WRITE);
  }

  arrow::Status Write(const void* data, int64_t nbytes) override {
    if (closed_) return arrow::Status::Invalid(location_, " is closed");
    position_ += nbytes;
    gathered_.append(static_cast<const char*>(data), static_cast<size_t>(nbytes));
    return gathered_.size() < kWriteBuffer ? arrow::Status::OK() : pass_on_gathered();
  }
  arrow::Status Write(const std::shared_ptr<arrow::Buffer>& data) override {
    if (data->size() < static_cast<int64_t>(kWriteBuffer)) return Write(data->data(), data->size());
    if (closed_) return arrow::Status::Invalid(location_, " is closed");
    position_ += data->size();
    ARROW_RETURN_NOT_OK(pass_on_gathered());
    return pass_on(data);
  }

  // Waits until everything is written.
  arrow::Status Flush() override {
    std::unique_lock lock(mutex_);
    settle(lock);
    write_now(gathered_.data(), static_cast<int64_t>(gathered_.size()));
    gathered_.clear();
    return status();
  }
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Close() override {
    if (std::exchange(closed_, true)) return status();
    return Flush();
  }
  bool closed() const override { return closed_; }

  int fd() const { return fd_.get(); }
  int close_fd() { return fd_.close(); }
  void discard() {
    closed_ = true;
    std::unique_lock lock(mutex_);
    for (const auto& data : waiting_) waiting_bytes.subtract(data->size());
    waiting_.clear();
    settle(lock);
    fd_.close();
  }

 private:
  arrow::Status pass_on_gathered() {
    if (gathered_.empty()) return arrow::Status::OK();
    return pass_on(arrow::Buffer::FromString(std::exchange(gathered_, {})));
  }

  arrow::Status pass_on(std::shared_ptr<arrow::Buffer> data) {
    arrow::internal::Executor* pool = arrow::io::default_io_context().executor();
    if (pool->OwnsThisThread()) {
      std::unique_lock lock(mutex_);
      settle(lock);
      write_now(data->data(), data->size());
      return status();
    }
    waiting_bytes.add(data->size());
    std::unique_lock lock(mutex_);
    waiting_.push_back(std::move(data));
    if (!running_ && !std::exchange(spawned_, true)) {
      const auto self = std::dynamic_pointer_cast<LocalOutputStream>(shared_from_this());
      const auto task = [self] {
        std::unique_lock task_lock(self->mutex_);
        self->spawned_ = false;
        if (!self->running_) self->write_waiting(task_lock);
      };
      if (!pool->Spawn(task).ok()) {  // the pool shuts down
        spawned_ = false;
        settle(lock);
      }
    }
    return status();
  }

  // Waits only for a task that runs; what none has begun is written here. So no thread of a pool waits for another
  // task.
  void settle(std::unique_lock<std::mutex>& lock) {
    while (running_ || !waiting_.empty()) {
      if (running_) {
        idle_.wait(lock);
      } else {
        write_waiting(lock);
      }
    }
  }

  void write_waiting(std::unique_lock<std::mutex>& lock) {
    running_ = true;
    while (!waiting_.empty()) {
      const std::shared_ptr<arrow::Buffer> data = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      write_now(data->data(), data->size());
      waiting_bytes.subtract(data->size());
      lock.lock();
    }
    running_ = false;
    idle_.notify_all();
  }

  // Once a write has failed the file is spoilt, and every later one fails alike.
  void write_now(const void* data, int64_t nbytes) {
    if (nbytes == 0 || error_ != 0) return;
    if (const int error = write_all(fd_.get(), static_cast<const char*>(data), static_cast<size_t>(nbytes))) {
      error_ = error;
      return;
    }
    written_ += nbytes;
    counters_->bytes_written.fetch_add(nbytes, std::memory_order_relaxed);
    if (written_ - started_ >= kWriteBackStep) {
      // The disk works while we encode, and the sync at the end finds little left to do. Only a hint: it may fail.
      ::sync_file_range(fd_.get(), started_, written_ - started_, SYNC_FILE_RANGE_WRITE);
      started_ = written_;
    }
  }
  arrow::Status status() const {
    if (error_ == 0) return arrow::Status::OK();
    return arrow::Status::IOError("cannot write ", location_, ": ", describe(error_));
  }

  Fd fd_;
  const std::string location_;
  const std::shared_ptr<IoCounters> counters_;
  std::string gathered_;
  int64_t position_ = 0;
  bool closed_ = false;

  std::mutex mutex_;
  std::condition_variable idle_;
  std::deque<std::shared_ptr<arrow::Buffer>> waiting_;
  bool spawned_ = false;  // a task that will write what waits
  bool running_ = false;  // somebody writes, and alone touches the next two meanwhile
  int64_t written_ = 0;
  int64_t started_ = 0;
  std::atomic<int> error_ = 0;
};

// A file without a name, or with one beside its final place.
struct Aside {
  Fd fd;
  std::string path;  // empty: it has no name
};

std::string random_name() {
  uint64_t bits[2] = {};
  if (::getrandom(bits, sizeof bits, 0) != sizeof bits) throw IoError("the system gives no random bytes");
  return fmt::format(".floe-tmp-{:016x}{:016x}", bits[0], bits[1]);
}

// Fails with ENOENT if the directory is not there.
Aside open_aside(const std::string& directory, bool anonymous) {
  if (anonymous) {
    Fd fd(::open(directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666));
    // Publishing goes through /proc, which a container may lack.
    if (fd.ok() && ::access(fmt::format("/proc/self/fd/{}", fd.get()).c_str(), F_OK) == 0) return {std::move(fd), {}};
    if (!fd.ok() && errno == ENOENT) return {};
  }
  std::string path = (directory == "/" ? "" : directory) + "/" + random_name();
  Fd fd(::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666));
  return {std::move(fd), std::move(path)};
}

// Gives the file its final name unless something has that name. Returns 0 or the errno.
int publish(int fd, const std::string& aside, const std::string& path) {
  if (aside.empty()) {
    const std::string handle = fmt::format("/proc/self/fd/{}", fd);
    return ::linkat(AT_FDCWD, handle.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
  }
  if (::renameat2(AT_FDCWD, aside.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) return errno;
  if (::link(aside.c_str(), path.c_str()) != 0) return errno;
  ::unlink(aside.c_str());
  return 0;
}

class LocalOutputFile final : public OutputFile {
 public:
  LocalOutputFile(Aside aside, std::string path, std::string location, std::shared_ptr<IoCounters> counters)
      : aside_(std::move(aside.path)), path_(std::move(path)), location_(std::move(location)), counters_(counters) {
    local_ = std::make_shared<LocalOutputStream>(std::move(aside.fd), location_, std::move(counters));
    stream_ = local_;
  }
  ~LocalOutputFile() override { abort(); }

  const std::shared_ptr<arrow::io::OutputStream>& stream() override { return stream_; }

  void close() override {
    if (finished_) throw InvalidArgument(fmt::format("{} was closed or aborted before", location_));
    try {
      make_durable();
    } catch (...) {
      abort();
      throw;
    }
    finished_ = true;
    counters_->files_written.fetch_add(1, std::memory_order_relaxed);
  }

  void abort() noexcept override {
    if (std::exchange(finished_, true)) return;
    local_->discard();
    if (!aside_.empty()) ::unlink(aside_.c_str());
  }

 private:
  void make_durable() {
    const arrow::Status written = local_->Close();
    if (!written.ok()) throw IoError(written.message());
    if (::fsync(local_->fd()) != 0) throw_io("sync", errno);
    if (const int error = publish(local_->fd(), aside_, path_)) {
      if (error == EEXIST) throw AlreadyExists(fmt::format("{} exists already; files are never replaced", location_));
      throw_io("publish", error);
    }
    aside_.clear();
    int error = sync_directory(parent_of(path_));
    if (local_->close_fd() != 0 && error == 0) error = errno;
    if (error != 0) {
      ::unlink(path_.c_str());  // ours: publishing did not replace anything
      throw_io("sync", error);
    }
    std::shared_lock wait_for_directories(directories_mutex);
  }

  [[noreturn]] void throw_io(std::string_view what, int error) const {
    throw IoError(fmt::format("cannot {} {}: {}", what, location_, describe(error)));
  }

  std::string aside_;
  const std::string path_;
  const std::string location_;
  const std::shared_ptr<IoCounters> counters_;
  std::shared_ptr<LocalOutputStream> local_;
  std::shared_ptr<arrow::io::OutputStream> stream_;
  bool finished_ = false;
};

int64_t milliseconds(const timespec& time) { return int64_t{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000; }

class LocalIo final : public Io {
 public:
  explicit LocalIo(bool anonymous_files) : anonymous_files_(anonymous_files) {}

  std::shared_ptr<arrow::io::RandomAccessFile> open(const std::string& location, int64_t size) override {
    return open_local(location, size).first;
  }

  std::shared_ptr<arrow::Buffer> read(const std::string& location, int64_t size) override {
    auto [file, actual] = open_local(location, size);
    return check(file->ReadAt(0, actual), "read");
  }

  bool exists(const std::string& location) override {
    struct stat info;
    if (::stat(local_path(location).c_str(), &info) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    throw_errno(errno, "look for", location);
  }

  std::unique_ptr<OutputFile> create(const std::string& location) override {
    std::string path = local_path(location);
    if (path.ends_with('/')) throw InvalidArgument(fmt::format("{} names a directory, not a file", location));
    const std::string directory = parent_of(path);
    Aside aside = open_aside(directory, anonymous_files_);
    if (!aside.fd.ok() && errno == ENOENT) {
      create_directories(directory, location);
      aside = open_aside(directory, anonymous_files_);
    }
    if (!aside.fd.ok()) throw IoError(fmt::format("cannot write {}: {}", location, describe(errno)));
    return std::make_unique<LocalOutputFile>(std::move(aside), std::move(path), location, shared_counters());
  }

  void remove(const std::string& location) override {
    if (::unlink(local_path(location).c_str()) == 0) {
      counters().files_deleted.fetch_add(1, std::memory_order_relaxed);
    } else if (errno != ENOENT && errno != ENOTDIR) {
      throw_errno(errno, "delete", location);
    }
  }

  // Links to directories below the prefix are neither followed (they may lead in circles) nor listed (whoever deletes
  // what is listed would cut them). What goes away while we look was not there.
  void list(const std::string& prefix, const std::function<void(FileInfo)>& take) override {
    std::string root = prefix;
    while (root.ends_with('/') && local_path(root).size() > 1) root.pop_back();
    struct stat info;
    if (::stat(local_path(root).c_str(), &info) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) return;
      throw_errno(errno, "list", prefix);
    }
    if (S_ISREG(info.st_mode)) return take({root, info.st_size, milliseconds(info.st_mtim)});
    if (!S_ISDIR(info.st_mode)) return;
    std::vector<std::string> pending = {root};  // directories; no recursion: they may be nested deeply
    while (!pending.empty()) {
      const std::string location = std::move(pending.back());
      pending.pop_back();
      list_directory(location, take, pending);
    }
  }

  void move(const std::string& from, const std::string& to) override {
    const std::string source = local_path(from), target = local_path(to);
    if (::access(source.c_str(), F_OK) != 0) throw_errno(errno, "move", from);
    create_directories(parent_of(target), to);
    if (const int error = publish(-1, source, target)) {
      if (error == EXDEV) return Io::move(from, to);
      if (error == EEXIST) throw AlreadyExists(fmt::format("{} exists already; files are never replaced", to));
      throw_errno(error, "move", from);
    }
    if (const int error = sync_directory(parent_of(target))) throw_errno(error, "sync", to);
  }

  const std::string& principal() const override { return principal_; }

 private:
  std::pair<std::shared_ptr<LocalFile>, int64_t> open_local(const std::string& location, int64_t size) {
    // Not to wait for the other end, should somebody have put a pipe here.
    Fd fd(::open(local_path(location).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!fd.ok()) throw_errno(errno, "open", location);
    struct stat info;
    if (::fstat(fd.get(), &info) != 0) throw_errno(errno, "open", location);
    if (!S_ISREG(info.st_mode)) throw IoError(fmt::format("cannot open {}: it is not a regular file", location));
    if (info.st_size < size) {
      throw CorruptFile(fmt::format("{} was cut: it has {} bytes, the table's metadata says {}", location,
                                    int64_t{info.st_size}, size));
    }
    counters().files_opened.fetch_add(1, std::memory_order_relaxed);
    return {std::make_shared<LocalFile>(std::move(fd), info.st_size, location, shared_counters()), info.st_size};
  }

  static void list_directory(const std::string& location, const std::function<void(FileInfo)>& take,
                             std::vector<std::string>& pending) {
    const auto close = [](DIR* open) { ::closedir(open); };
    std::unique_ptr<DIR, decltype(close)> dir(::opendir(local_path(location).c_str()), close);
    if (!dir) {
      if (errno == ENOENT || errno == ENOTDIR) return;
      throw_errno(errno, "list", location);
    }
    const std::string_view slash = location.ends_with('/') ? "" : "/";
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(dir.get());
      if (entry == nullptr) {
        if (errno != 0) throw_errno(errno, "list", location);
        return;
      }
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      struct stat info;
      int failed = ::fstatat(::dirfd(dir.get()), entry->d_name, &info, AT_SYMLINK_NOFOLLOW);
      const bool link = failed == 0 && S_ISLNK(info.st_mode);
      if (link) failed = ::fstatat(::dirfd(dir.get()), entry->d_name, &info, 0);
      if (failed != 0) {
        if (errno == ENOENT || errno == ENOTDIR || (link && errno == ELOOP)) continue;
        throw_errno(errno, "list", fmt::format("{}{}{}", location, slash, name));
      }
      if (S_ISREG(info.st_mode)) {
        take({fmt::format("{}{}{}", location, slash, name), info.st_size, milliseconds(info.st_mtim)});
      } else if (S_ISDIR(info.st_mode) && !link) {
        pending.push_back(fmt::format("{}{}{}", location, slash, name));
      }
    }
  }

  const bool anonymous_files_;
  const std::string principal_ = "file";
};

}  // namespace

std::string local_path(std::string_view location) {
  const auto refuse = [&](std::string_view why) {
    throw InvalidArgument(fmt::format("location '{}' {}", location.substr(0, location.find('\0')), why));
  };
  std::string_view path = location;
  const size_t colon = location.find_first_of(":/");
  if (colon != std::string_view::npos && location[colon] == ':') {
    std::string scheme(location.substr(0, colon));
    std::transform(scheme.begin(), scheme.end(), scheme.begin(), [](unsigned char c) { return std::tolower(c); });
    if (scheme != "file") {
      // Not the location: its host or query may hold credentials.
      throw NotSupported(
          fmt::format("locations of scheme '{}' are not supported yet; local ones are: file:///path or "
                      "an absolute path",
                      scheme));
    }
    path.remove_prefix(colon + 1);
    if (path.starts_with("//")) {
      path.remove_prefix(2);
      if (path.starts_with("localhost/")) path.remove_prefix(9);
      if (!path.starts_with('/')) refuse("names another host; write file:///path for a local file");
    }
  }
  if (!path.starts_with('/')) refuse("is not an absolute path");
  if (path.find('\0') != std::string_view::npos) refuse("has a NUL byte in it");
  for (size_t at = path.find("/.."); at != std::string_view::npos; at = path.find("/..", at + 1)) {
    if (at + 3 == path.size() || path[at + 3] == '/') refuse("has a '..' segment; write the path without it");
  }
  return std::string(path);
}

IoPtr make_local_io(bool anonymous_files) { return std::make_shared<LocalIo>(anonymous_files); }

}  // namespace floe
