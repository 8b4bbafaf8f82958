#include "floe/catalog/metadata_file.h"

#include <arrow/buffer.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <regex>
#include <tuple>

#include "floe/arrow_status.h"
#include "floe/error.h"

namespace floe {

namespace {

constexpr std::string_view kGzipExtension = ".gz.metadata.json";

bool wants_gzip(const Properties& properties) {
  std::string codec = string_property(properties, "write.metadata.compression-codec", "none");
  std::ranges::transform(codec, codec.begin(), [](unsigned char c) { return std::tolower(c); });
  if (codec == "gzip") return true;
  if (codec == "none" || codec == "uncompressed") return false;
  throw InvalidArgument(
      fmt::format("property write.metadata.compression-codec = \"{}\" is neither \"none\" nor \"gzip\"", codec));
}

// The number in "00003-<uuid>.metadata.json"; -1 for files that are named in another way.
int32_t version_of(const std::string& location) {
  static const std::regex pattern(R"((\d{1,9})-[0-9a-fA-F-]{36}(\.\w+)?\.metadata\.json(\.gz)?)");
  const std::string name = location.substr(location.rfind('/') + 1);
  std::smatch match;
  return name.size() < 100 && std::regex_match(name, match, pattern) ? std::stoi(match[1]) : -1;
}

bool is_metadata_file(std::string_view name) {
  return name.ends_with(".metadata.json") || name.ends_with(".metadata.json.gz");
}

std::string_view file_name(std::string_view location) { return location.substr(location.rfind('/') + 1); }

// The leading number of "00003-<anything>.metadata.json" and "v3.metadata.json"; -1 for other names.
int64_t number_of(std::string_view name) {
  if (name.starts_with('v')) name.remove_prefix(1);
  int64_t number = 0;
  size_t digits = 0;
  for (; digits < name.size() && digits < 18 && std::isdigit(static_cast<unsigned char>(name[digits])); ++digits) {
    number = number * 10 + (name[digits] - '0');
  }
  return digits == 0 || (name[digits] != '-' && name[digits] != '.') ? -1 : number;
}

std::string trimmed(std::string_view text) {
  const auto is_space = [](unsigned char c) { return std::isspace(c); };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return std::string(text);
}

// "<folder>/<stem>.metadata.json", or one of the names that it has compressed.
std::optional<std::string> existing(Io& io, const std::string& folder, const std::string& stem) {
  for (const char* extension : {".metadata.json", ".gz.metadata.json", ".metadata.json.gz"}) {
    std::string location = fmt::format("{}/{}{}", folder, stem, extension);
    if (io.exists(location)) return location;
  }
  return std::nullopt;
}

std::string metadata_of_hint(Io& io, const std::string& folder, const std::string& hint_location) {
  constexpr size_t kLongestName = 1000;
  const auto bytes = check(io.open(hint_location)->Read(kLongestName + 1), hint_location);
  const std::string hint = trimmed(std::string_view(*bytes));
  if (hint.empty() || hint.size() > kLongestName || hint.find('/') != std::string::npos) {
    throw CorruptFile(fmt::format("{} names no metadata file: give the location of the file itself", hint_location));
  }
  if (is_metadata_file(hint)) {
    if (const std::string location = folder + "/" + hint; io.exists(location)) return location;
  } else if (!std::ranges::all_of(hint, [](unsigned char c) { return std::isdigit(c); })) {
    if (std::optional<std::string> location = existing(io, folder, hint)) return *location;
  } else if (const int64_t version = number_of(hint + "."); version >= 0) {
    std::optional<std::string> newest = existing(io, folder, fmt::format("v{}", version));
    for (int64_t next = version + 1; newest; ++next) {
      std::optional<std::string> later = existing(io, folder, fmt::format("v{}", next));
      if (!later) return *newest;
      newest = std::move(later);
    }
  }
  throw NotFound(fmt::format("{} names the metadata file {}, which is not there: give the location of another one",
                             hint_location, hint));
}

std::string newest_metadata(Io& io, const std::string& folder) {
  std::optional<FileInfo> newest;
  const auto order = [](const FileInfo& file) {
    return std::tuple(number_of(file_name(file.location)), file.modified_ms, std::string_view(file.location));
  };
  for (const FileInfo& file : io.list(folder + "/")) {
    if (!is_metadata_file(file_name(file.location)) || number_of(file_name(file.location)) < 0) continue;
    if (!newest || order(*newest) < order(file)) newest = file;
  }
  if (newest) return newest->location;
  throw NotFound(fmt::format("there is no table: {} has neither a version-hint.text nor a metadata file", folder));
}

}  // namespace

std::string find_metadata(Io& io, const std::string& location) {
  if (is_metadata_file(location)) return location;
  const std::string folder = location.substr(0, location.find_last_not_of('/') + 1) + "/metadata";
  const std::string hint_location = folder + "/version-hint.text";
  return io.exists(hint_location) ? metadata_of_hint(io, folder, hint_location) : newest_metadata(io, folder);
}

std::string next_metadata_location(const TableMetadata& metadata, const std::string& previous_location) {
  const std::string folder = metadata_folder(metadata);
  const std::string_view extension = wants_gzip(metadata.properties) ? kGzipExtension : ".metadata.json";
  return fmt::format("{}/{:05}-{}{}", folder, version_of(previous_location) + 1, new_uuid(), extension);
}

TableMetadataPtr read_metadata(Io& io, const std::string& location) {
  const std::shared_ptr<arrow::Buffer> bytes = io.read(location);
  return std::make_shared<const TableMetadata>(parse_table_metadata(std::string_view(*bytes), location));
}

TableMetadataPtr write_metadata(Io& io, TableMetadata metadata, const std::string& location,
                                const TableMetadata* previous, const std::string& previous_location) {
  if (previous != nullptr) {
    metadata.metadata_log.push_back({previous->last_updated_ms, previous_location});
    const int64_t kept =
        std::max<int64_t>(1, int_property(metadata.properties, "write.metadata.previous-versions-max", 100));
    const auto have = static_cast<int64_t>(metadata.metadata_log.size());
    if (have > kept) metadata.metadata_log.erase(metadata.metadata_log.begin(), metadata.metadata_log.end() - kept);
  }
  const std::string text = to_json(metadata);
  io.write(location, location.ends_with(kGzipExtension) ? gzip(text) : text);
  return std::make_shared<const TableMetadata>(std::move(metadata));
}

void remove_old_metadata(Io& io, const TableMetadata& previous, const TableMetadata& current) noexcept {
  try {
    if (!bool_property(current.properties, "write.metadata.delete-after-commit.enabled", false)) return;
    for (const MetadataLogEntry& entry : previous.metadata_log) {
      const auto is_it = [&](const MetadataLogEntry& kept) { return kept.metadata_file == entry.metadata_file; };
      if (std::ranges::any_of(current.metadata_log, is_it)) continue;
      try {
        io.remove(entry.metadata_file);
      } catch (const std::exception&) {  // an orphan file is left, which does no harm
      }
    }
  } catch (const std::exception&) {  // a property that cannot be read asks for nothing
  }
}

}  // namespace floe
