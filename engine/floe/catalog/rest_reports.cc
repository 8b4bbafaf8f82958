#include "floe/catalog/rest_reports.h"

#include <arrow/util/cancel.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "floe/per_process.h"
#include "floe/spec/table_metadata.h"
#include "floe/stop.h"

namespace floe {

namespace {

constexpr size_t kWaiting = 100;
constexpr std::chrono::seconds kPatience{1};  // at the end

}  // namespace

struct RestReports::Trouble {
  std::mutex mutex;
  std::optional<std::string> text;
  bool said = false;

  void note(const std::string& what) {
    const std::lock_guard lock(mutex);
    if (!text) text = what;
  }
};

class RestReports::Sender {
 public:
  struct Report {
    std::shared_ptr<RestSession> session;
    std::shared_ptr<Trouble> trouble;
    TableIdentifier table;
    std::string json;
  };

  ~Sender() { finish(std::chrono::seconds(0)); }

  void add(Report report) {
    const std::lock_guard lock(mutex_);
    if (ended_ || waiting_.size() >= kWaiting) return;
    waiting_.push_back(std::move(report));
    if (!thread_.joinable()) thread_ = std::thread([this] { send_all(); });
    changed_.notify_all();
  }

  void finish(std::chrono::seconds patience) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, patience, [&] { return waiting_.empty() && !sending_; });
      ended_ = true;
      waiting_.clear();
    }
    stop_.RequestStop();
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void send_all() {
    const StopScope scope(stop_.token());
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return ended_ || !waiting_.empty(); });
      if (ended_) return;
      const Report report = std::move(waiting_.front());
      waiting_.pop_front();
      sending_ = true;
      lock.unlock();
      send(report);
      lock.lock();
      sending_ = false;
      changed_.notify_all();
    }
  }

  static void send(const Report& report) {
    try {
      report.session->call(
          {.method = "POST", .path = kRestMetrics, .about = report.table, .query = {}, .body = report.json});
    } catch (const std::exception& error) {
      report.trouble->note(error.what());
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Report> waiting_;
  bool sending_ = false, ended_ = false;
  arrow::StopSource stop_;
  std::thread thread_;
};

RestReports::Sender& RestReports::the_sender() {
  static PerProcess<Sender> sender;
  return sender.get();
}

RestReports::RestReports(std::shared_ptr<RestSession> session)
    : session_(std::move(session)),
      wanted_(bool_property(session_->properties(), "rest-metrics-reporting-enabled", true) &&
              session_->has("POST", kRestMetrics)),
      trouble_(std::make_shared<Trouble>()) {}

void RestReports::send(const TableIdentifier& table, std::string report) const {
  if (wanted_) the_sender().add({session_, trouble_, table, std::move(report)});
}

std::optional<std::string> RestReports::trouble() const {
  const std::lock_guard lock(trouble_->mutex);
  if (!trouble_->text || trouble_->said) return std::nullopt;
  trouble_->said = true;
  return trouble_->text;
}

ReportTaker* report_taker(Catalog& catalog) {
  auto* const taker = dynamic_cast<ReportTaker*>(&catalog);
  return taker != nullptr && taker->takes_reports() ? taker : nullptr;
}

void finish_reports() { RestReports::the_sender().finish(kPatience); }

}  // namespace floe
