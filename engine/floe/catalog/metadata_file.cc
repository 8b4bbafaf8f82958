#include "floe/catalog/metadata_file.h"

#include <arrow/buffer.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <regex>

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

}  // namespace

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
