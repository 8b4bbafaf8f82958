#include "floe/io/io.h"

#include <arrow/buffer.h>
#include <arrow/util/future.h>
#include <arrow/util/io_util.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/io/local.h"
#include "floe/io/object_file.h"
#include "floe/io/stores.h"
#include "floe/secret.h"

namespace floe {
namespace {

using Clock = std::chrono::system_clock;
using FileSystemPtr = std::shared_ptr<arrow::fs::FileSystem>;

constexpr std::chrono::minutes kRenewedBefore{5};  // they expire; of short-lived ones a quarter of their life
constexpr std::chrono::seconds kNextTry{10};

// When the first of the credentials expires.
std::optional<Clock::time_point> expiry_of(const std::vector<VendedCredential>& credentials) {
  constexpr std::string_view kAzure = "adls.sas-token-expires-at-ms.";
  std::optional<Clock::time_point> first;
  for (const VendedCredential& credential : credentials) {
    for (const auto& [name, value] : credential.properties) {
      if (name != "s3.session-token-expires-at-ms" && name != "gcs.oauth2.token-expires-at" &&
          !name.starts_with(kAzure)) {
        continue;
      }
      int64_t ms = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), ms);
      if (error != std::errc() || end != value.data() + value.size()) continue;
      const Clock::time_point expiry = expiry_from_ms(ms);
      first = first ? std::min(*first, expiry) : expiry;
    }
  }
  return first;
}

bool is_secret(std::string_view property) {
  constexpr std::string_view kWords[] = {"secret", "token", "key", "password", "credential", "proxy-uri"};
  if (property.ends_with("-id")) return false;
  return std::ranges::any_of(kWords, [&](std::string_view word) { return property.find(word) != std::string::npos; });
}

// What stands for all that the properties say about stores, without saying it.
std::string identity_of(const Properties& properties) {
  std::string text;
  for (const auto& [name, value] : properties) {
    if (is_of_stores(name)) text += fmt::format("{}={}\n", name, value);
  }
  return text.empty() ? "" : fmt::format("{:016x}", std::hash<std::string>{}(text));
}

// Arrow's S3 gives as many bytes as were asked for even if fewer came, and where less was asked for than the words of
// an error take, the error is lost. What is doubtful is settled by asking for the file's size.
arrow::Result<int64_t> read_range(arrow::fs::FileSystem& store, arrow::io::RandomAccessFile& file,
                                  const arrow::fs::FileInfo& info, int64_t position, int64_t bytes, char* out) {
  constexpr char kUnwritten = '\x5a';
  out[bytes - 1] = kUnwritten;
  arrow::Result<int64_t> read = file.ReadAt(position, bytes, out);
  const bool lost_error = !read.ok() && read.status().message().find("flush response stream") != std::string::npos;
  const bool doubtful = read.ok() && *read == bytes && out[bytes - 1] == kUnwritten;
  if (!lost_error && !doubtful) return read;
  ARROW_ASSIGN_OR_RAISE(const arrow::fs::FileInfo now, store.GetFileInfo(info.path()));
  if (now.type() != arrow::fs::FileType::File) {
    return arrow::internal::IOErrorFromErrno(ENOENT, info.path(), " is not there");
  }
  if (now.size() < position + bytes) return std::max<int64_t>(now.size() - position, 0);
  return read;
}

// Local files, and object stores with the credentials that count now.
class StoresIo final : public Io, public std::enable_shared_from_this<StoresIo> {
 public:
  StoresIo(const Properties& properties, Vending vending, IoPtr local = make_local_io())
      : Io(shared_counters(*local)), local_(std::move(local)), properties_(properties), vending_(std::move(vending)) {
    const std::string identity = identity_of(properties);
    if (!identity.empty() || !vending_.principal.empty()) {
      principal_ = fmt::format("{}|{}", vending_.principal, identity);
    }
    note_expiry();
  }

  std::shared_ptr<arrow::io::RandomAccessFile> open(const std::string& location, int64_t size) override;
  std::shared_ptr<arrow::Buffer> read(const std::string& location, int64_t size) override;
  bool exists(const std::string& location) override;
  std::unique_ptr<OutputFile> create(const std::string& location) override;
  void remove(const std::string& location) override;
  void list(const std::string& prefix, const std::function<void(FileInfo)>& take) override;
  void move(const std::string& from, const std::string& to) override;
  using Io::list;
  const std::string& principal() const override { return principal_.empty() ? local_->principal() : principal_; }

 private:
  // The file system for a location, made when it is first needed.
  FileSystemPtr store(const std::string& location);
  // After a refusal by `refused`: whether there are other credentials now.
  bool renew(const std::string& location, const FileSystemPtr& refused);
  // What `ask(file system)` gives, once more if the credentials were refused and others are to be had.
  template <typename Ask>
  auto ask(const std::string& location, std::string_view doing, Ask&& ask);
  [[noreturn]] void fail(const arrow::Status& status, std::string_view doing, const std::string& location);

  const VendedCredential* credential_for(std::string_view location) const;
  void renew_if_due();
  void renew_now();
  void note_expiry();

  const IoPtr local_;
  const Properties properties_;
  std::string principal_;

  std::mutex mutex_;
  Vending vending_;
  std::optional<Clock::time_point> expiry_, due_;
  Clock::time_point last_renewal_;
  // By credential, kind of store and account: what a location needs is looked up once.
  std::map<std::string, FileSystemPtr, std::less<>> stores_;
};

const VendedCredential* StoresIo::credential_for(std::string_view location) const {
  const std::string path = object_path(location);
  const StoreKind kind = *store_of(location);
  const VendedCredential* longest = nullptr;
  for (const VendedCredential& credential : vending_.credentials) {
    bool covers = credential.prefix.empty();
    if (!covers) {
      const auto other = store_of(credential.prefix);
      // Some servers give the mere scheme.
      covers = credential.prefix.ends_with("://") || !other
                   ? location.starts_with(credential.prefix)
                   : *other == kind && path.starts_with(object_path(credential.prefix));
    }
    if (covers && (longest == nullptr || credential.prefix.size() >= longest->prefix.size())) longest = &credential;
  }
  return longest;
}

void StoresIo::note_expiry() {
  expiry_ = vending_.renew ? expiry_of(vending_.credentials) : std::nullopt;
  if (!expiry_) return;
  const auto now = Clock::now();
  due_ = *expiry_ - std::min<Clock::duration>(kRenewedBefore, std::max<Clock::duration>(*expiry_ - now, {}) / 4);
}

void StoresIo::renew_now() {
  last_renewal_ = Clock::now();
  vending_.credentials = vending_.renew();
  stores_.clear();
  note_expiry();
}

void StoresIo::renew_if_due() {
  const auto now = Clock::now();
  if (!expiry_ || now < *due_) return;
  try {
    renew_now();
  } catch (const Error&) {
    if (now >= *expiry_) throw;
    due_ = now + kNextTry;
  }
}

bool StoresIo::renew(const std::string& location, const FileSystemPtr& refused) {
  {
    const std::lock_guard lock(mutex_);
    if (!vending_.renew) return false;
    if (Clock::now() - last_renewal_ > kNextTry) renew_now();
  }
  return store(location) != refused;
}

FileSystemPtr StoresIo::store(const std::string& location) {
  const std::lock_guard lock(mutex_);
  renew_if_due();
  const StoreKind kind = *store_of(location);
  const VendedCredential* const credential = credential_for(location);
  const auto number = credential == nullptr ? -1 : credential - vending_.credentials.data();
  FileSystemPtr& found = stores_[fmt::format("{}|{}|{}", number, static_cast<int>(kind),
                                             kind == StoreKind::kAzure ? azure_account(location) : "")];
  if (found == nullptr) {
    Properties access = properties_;
    if (credential != nullptr) {
      for (const auto& [name, value] : credential->properties) access.insert_or_assign(name, value);
    }
    found = file_system(kind, location, access);
  }
  return found;
}

void StoresIo::fail(const arrow::Status& status, std::string_view doing, const std::string& location) {
  std::string words = status.message();
  const auto hide = [&](const Properties& properties) {
    for (const auto& [name, value] : properties) {
      if (value.size() > 3 && is_of_stores(name) && is_secret(name)) words = without(std::move(words), Secret(value));
    }
  };
  hide(properties_);
  {
    const std::lock_guard lock(mutex_);
    for (const VendedCredential& credential : vending_.credentials) hide(credential.properties);
  }
  throw_store_error(status, doing, location, words);
}

template <typename Ask>
auto StoresIo::ask(const std::string& location, std::string_view doing, Ask&& ask) {
  const FileSystemPtr first = store(location);
  auto answer = ask(*first);
  if (!answer.ok() && is_refused(arrow::ToStatus(answer)) && renew(location, first)) {
    answer = ask(*store(location));
  }
  if (!answer.ok()) fail(arrow::ToStatus(answer), doing, location);
  return std::move(answer).ValueOrDie();
}

std::shared_ptr<arrow::io::RandomAccessFile> StoresIo::open(const std::string& location, int64_t size) {
  if (!store_of(location)) return local_->open(location, size);
  arrow::fs::FileInfo info(object_path(location), arrow::fs::FileType::File);
  if (size < 0) {
    size = ask(location, "open", [&](arrow::fs::FileSystem& store) -> arrow::Result<int64_t> {
      ARROW_ASSIGN_OR_RAISE(const auto file, store.OpenInputFile(info.path()));
      return file->GetSize();
    });
  }
  info.set_size(size);
  counters().files_opened.fetch_add(1, std::memory_order_relaxed);
  // By the credentials that count now, so that long reads outlive those that they began with.
  struct Opened {
    std::mutex mutex;
    FileSystemPtr store;
    std::shared_ptr<arrow::io::RandomAccessFile> file;
  };
  const auto opened = std::make_shared<Opened>();
  const auto read = [self = shared_from_this(), location, info, opened](int64_t position, int64_t bytes, void* out) {
    return self->ask(location, "read", [&](arrow::fs::FileSystem& store) -> arrow::Result<int64_t> {
      std::shared_ptr<arrow::io::RandomAccessFile> file;
      {
        const std::lock_guard lock(opened->mutex);
        if (opened->store.get() != &store) {
          ARROW_ASSIGN_OR_RAISE(opened->file, store.OpenInputFile(info));
          opened->store = store.shared_from_this();
        }
        file = opened->file;
      }
      return read_range(store, *file, info, position, bytes, static_cast<char*>(out));
    });
  };
  return object_file(size, location, shared_counters(), read);
}

std::shared_ptr<arrow::Buffer> StoresIo::read(const std::string& location, int64_t size) {
  if (!store_of(location)) return local_->read(location, size);
  const auto file = open(location, size);
  return check(file->ReadAt(0, check(file->GetSize(), location)), location);
}

bool StoresIo::exists(const std::string& location) {
  if (!store_of(location)) return local_->exists(location);
  const auto info =
      ask(location, "look for", [&](arrow::fs::FileSystem& store) { return store.GetFileInfo(object_path(location)); });
  return info.type() == arrow::fs::FileType::File;
}

std::unique_ptr<OutputFile> StoresIo::create(const std::string& location) {
  if (!store_of(location)) return local_->create(location);
  if (location.ends_with('/')) throw InvalidArgument(fmt::format("{} names a directory, not a file", location));
  auto stream = ask(location, "write", [&](arrow::fs::FileSystem& store) {
    return store.OpenOutputStream(object_path(location), nullptr);
  });
  const auto self = shared_from_this();
  // S3 has nothing of an upload that was given up; the others' clients may have made a file of it.
  const auto clean = [self, location] {
    if (store_of(location) != StoreKind::kS3) self->remove(location);
  };
  const auto failed = [self, location](const arrow::Status& status) { self->fail(status, "write", location); };
  return object_output_file(std::move(stream), location, shared_counters(), clean, failed);
}

void StoresIo::remove(const std::string& location) {
  if (!store_of(location)) return local_->remove(location);
  const bool removed = ask(location, "delete", [&](arrow::fs::FileSystem& store) -> arrow::Result<bool> {
    ARROW_ASSIGN_OR_RAISE(const auto gone, delete_s3_object(store, object_path(location)));
    if (gone) return *gone;
    const arrow::Status status = store.DeleteFile(object_path(location));
    if (is_missing(status)) return false;
    ARROW_RETURN_NOT_OK(status);
    return true;
  });
  if (removed) counters().files_deleted.fetch_add(1, std::memory_order_relaxed);
}

void StoresIo::list(const std::string& prefix, const std::function<void(FileInfo)>& take) {
  if (!store_of(prefix)) return local_->list(prefix, take);
  arrow::fs::FileSelector selector;
  selector.base_dir = object_path(prefix);
  while (selector.base_dir.ends_with('/')) selector.base_dir.pop_back();
  selector.recursive = true;
  selector.allow_not_found = true;
  // In the prefix's own words: another scheme, or an account.
  std::string start = prefix;
  while (start.ends_with('/')) start.pop_back();
  // The first page by the credentials that count; those of a listing that takes longer than they last end it.
  auto pages = store(prefix)->GetFileInfoGenerator(selector);
  while (true) {
    const auto page = pages().result();
    if (!page.ok()) fail(page.status(), "list", prefix);
    if (page->empty()) return;
    for (const arrow::fs::FileInfo& info : *page) {
      if (info.type() != arrow::fs::FileType::File || !info.path().starts_with(selector.base_dir)) continue;
      const auto modified = std::chrono::duration_cast<std::chrono::milliseconds>(info.mtime().time_since_epoch());
      take({start + info.path().substr(selector.base_dir.size()), info.size(), modified.count()});
    }
  }
}

void StoresIo::move(const std::string& from, const std::string& to) {
  if (!store_of(from) && !store_of(to)) return local_->move(from, to);
  if (exists(to)) throw AlreadyExists(fmt::format("{} exists already; files are never replaced", to));
  Io::move(from, to);
}

}  // namespace

void Io::write(const std::string& location, std::string_view bytes) {
  std::unique_ptr<OutputFile> file = create(location);
  check(file->stream()->Write(bytes.data(), static_cast<int64_t>(bytes.size())), "write");
  file->close();
}

std::vector<FileInfo> Io::list(const std::string& prefix) {
  std::vector<FileInfo> files;
  list(prefix, [&](FileInfo file) { files.push_back(std::move(file)); });
  std::ranges::sort(files, {}, &FileInfo::location);
  return files;
}

void Io::move(const std::string& from, const std::string& to) {
  constexpr int64_t kPiece = 8 << 20;
  const auto source = open(from);
  const int64_t size = check(source->GetSize(), from);
  const std::unique_ptr<OutputFile> copy = create(to);
  for (int64_t done = 0; done < size;) {
    const auto piece = check(source->ReadAt(done, std::min(kPiece, size - done)), from);
    if (piece->size() == 0) throw IoError(fmt::format("{} was cut while it was moved", from));
    check(copy->stream()->Write(piece), to);
    done += piece->size();
  }
  copy->close();
  remove(from);
}

IoPtr make_io(const Properties& properties, Vending vending) {
  // These two do to files what we do; a class of the user's own may do anything.
  const auto impl = properties.find("py-io-impl");
  if (impl != properties.end() && impl->second != "pyiceberg.io.pyarrow.PyArrowFileIO" &&
      impl->second != "pyiceberg.io.fsspec.FsspecFileIO") {
    throw NotSupported(fmt::format("py-io-impl={}: this engine does its own I/O; remove the property", impl->second));
  }
  return std::make_shared<StoresIo>(properties, std::move(vending));
}

}  // namespace floe
