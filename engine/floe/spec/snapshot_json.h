// Snapshots and what hangs on them, to and from JSON as parts of a larger document. Internal to the engine; the codecs
// of schemas, specs and sort orders are in json_codec.h.
#pragma once

#include "floe/spec/json.h"
#include "floe/spec/json_writer.h"
#include "floe/spec/snapshot.h"

namespace floe::json {

// A map of strings. Numbers and booleans, which some writers leave there, become their text.
Properties properties_from_node(const Node& node);

// A missing sequence number (v1, and v2 snapshots written before an upgrade) is 0.
Snapshot snapshot_from_node(const Node& node);
// Drops what tables of this version do not have, and so would not write.
void keep_fields_of(Snapshot& snapshot, int32_t format_version);
SnapshotRef snapshot_ref_from_node(const Node& node);
StatisticsFile statistics_from_node(const Node& node);
PartitionStatisticsFile partition_statistics_from_node(const Node& node);
EncryptedKey encrypted_key_from_node(const Node& node);

void write(Writer& out, const Properties& properties);
void write(Writer& out, const Snapshot& snapshot, int32_t format_version);
void write_members(Writer& out, const SnapshotRef& ref);  // without the braces
void write(Writer& out, const StatisticsFile& file);
void write(Writer& out, const PartitionStatisticsFile& file);
void write(Writer& out, const EncryptedKey& key);

// The text, once it is known to be UTF-8, so that what is written can be read again. Throws InvalidArgument if not.
std::string finish(Writer& out, std::string_view what);

}  // namespace floe::json
