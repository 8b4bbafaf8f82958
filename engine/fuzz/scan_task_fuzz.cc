// Scan tasks of any content. What can be read is the same when it is written again, and can be split further.
#include <string>
#include <string_view>

#include "floe/error.h"
#include "floe/scan/plan_tasks.h"
#include "floe/scan/scan_task.h"

namespace floe {
namespace {

void check(bool condition) {
  if (!condition) __builtin_trap();
}

void check_sizes(const ScanPlan& plan) {
  for (const ScanPlan::Part& part : plan.parts) {
    check(part.entries.size() == part.manifest->size);
    check(part.splits.empty() || part.splits.size() == part.entries.size());
  }
}

// Values that manifests can have and nobody may write are refused.
void write_again(const ScanTask& task) {
  std::string bytes;
  try {
    bytes = to_bytes(task.table, task.plan, task.options, task.io);
  } catch (const Error&) {
    return;
  }
  const ScanTask again = scan_task_from_bytes(bytes);
  check(again.plan.filter == task.plan.filter && again.io == task.io);
  check(again.plan.parts.size() == task.plan.parts.size());
  for (size_t i = 0; i < task.plan.parts.size(); ++i) {
    const ScanPlan::Part &was = task.plan.parts[i], &is = again.plan.parts[i];
    check(is.splits == was.splits && is.manifest->file_path.data == was.manifest->file_path.data);
  }
}

void split(const ScanTask& task) {
  try {
    for (const ScanPlan& piece : plan_tasks(task.plan, {.target_bytes = 1 << 20})) check(!piece.parts.empty());
  } catch (const Error&) {
  }
}

// 't': a task. Else: what comes after the prefix of one, with the header's end marked by a zero byte, so that changes
// of its length lead somewhere.
std::string task_of(std::string_view data) {
  if (data.starts_with('t')) return std::string(data.substr(1));
  const std::string_view header = data.substr(0, data.find('\0'));
  const std::string_view manifests = data.substr(std::min(header.size() + 1, data.size()));
  std::string bytes = "FLST\x01";
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(header.size() >> (8 * i)));
  return bytes.append(header).append(manifests);
}

void fuzz(std::string_view data) {
  try {
    const ScanTask task = scan_task_from_bytes(task_of(data));
    check_sizes(task.plan);
    write_again(task);
    split(task);
  } catch (const Error&) {
  }
}

}  // namespace
}  // namespace floe

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  floe::fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
