// Branches and tags, which snapshot is current, and the publishing of snapshots that were staged or made elsewhere.
//
// Changes of refs are committed on the state that they were made of: if another writer has moved the ref meanwhile, the
// commit throws CommitFailed. Throws NotFound for a snapshot or ref that is not there, InvalidArgument for what cannot
// be.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "floe/transaction/transaction.h"

namespace floe {

enum class RefChange { kCreate, kReplace, kCreateOrReplace };

// Points a branch or tag at a snapshot. One that is there already has to be of the same kind, and is an AlreadyExists
// for kCreate; kReplace leaves it what it keeps (retention), where `ref` does not say.
void set_ref(Transaction& transaction, const std::string& name, const SnapshotRef& ref, RefChange change);

// The main branch cannot go.
void remove_ref(Transaction& transaction, const std::string& name, bool is_branch);
void rename_branch(Transaction& transaction, const std::string& name, const std::string& new_name);

// Moves a branch to where another branch or tag is, if that descends from it; a branch that is not there begins there.
void fast_forward(Transaction& transaction, const std::string& branch, const std::string& to);

// What a ref keeps. What is not given stays as it is; tags have a greatest age alone.
struct Retention {
  std::optional<int32_t> min_snapshots_to_keep;
  std::optional<int64_t> max_snapshot_age_ms;
  std::optional<int64_t> max_ref_age_ms;
};
void set_retention(Transaction& transaction, const std::string& ref, const Retention& retention);

// Moves the main branch to any snapshot.
void set_current_snapshot(Transaction& transaction, int64_t snapshot_id);
// The same, to an ancestor of the current snapshot alone; to the last one that is older than the time.
void rollback_to_snapshot(Transaction& transaction, int64_t snapshot_id);
void rollback_to_timestamp(Transaction& transaction, int64_t timestamp_ms);

// Brings what a snapshot changed onto the main branch. If it is the very next one, main moves to it. Otherwise an
// append is done again, and an overwrite of partitions (see overwrite_partitions) if nobody has added rows to them
// since; the new snapshot's summary has "source-snapshot-id", and "published-wap-id" if the picked one has a "wap.id".
// Throws NotSupported for changes of other kinds, InvalidArgument for a snapshot that is on main already, by itself or
// by its wap.id. The commit throws ConflictFound if rows came to the partitions meanwhile.
void cherry_pick(Transaction& transaction, int64_t snapshot_id);

// Write, audit, publish: cherry-picks the snapshot that was staged with this "wap.id" in its summary. Returns its id.
int64_t publish_changes(Transaction& transaction, const std::string& wap_id);

// A snapshot of its own that changes no rows, as the branch's next one. Returns its id.
int64_t create_snapshot(Transaction& transaction, const std::string& branch,
                        const Properties& snapshot_properties = {});

}  // namespace floe
