// Files in object stores, over Arrow's. Internal to the engine: users call make_io.
#pragma once

#include <arrow/filesystem/filesystem.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "floe/io/io.h"

namespace floe {

// A store's trouble with a location, as an exception of ours: NotFound, or IoError. `words` are the store's, without
// secrets.
bool is_missing(const arrow::Status& status);
bool is_refused(const arrow::Status& status);  // it does not know who asks, or does not let them
[[noreturn]] void throw_store_error(const arrow::Status& status, std::string_view doing, std::string_view location,
                                    std::string_view words);

// Reads ranges by `read(position, bytes, out)`, which gives the number of bytes and throws. Reads of a little fetch
// what follows, too, so that a small file is one request. Counts requests and their bytes, asks for no more than there
// is, and says of a file that ends early that it is cut.
std::shared_ptr<arrow::io::RandomAccessFile> object_file(
    int64_t size, std::string location, std::shared_ptr<IoCounters> counters,
    std::function<int64_t(int64_t position, int64_t bytes, void* out)> read);

// An upload, which becomes a file when it is closed. What is handed over and not sent yet is bounded. `remove` removes
// what an upload that was given up may have left, `fail` throws what a status means.
std::unique_ptr<OutputFile> object_output_file(std::shared_ptr<arrow::io::OutputStream> stream, std::string location,
                                               std::shared_ptr<IoCounters> counters, std::function<void()> remove,
                                               std::function<void(const arrow::Status&)> fail);

}  // namespace floe
