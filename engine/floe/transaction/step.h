// One change of a table on its way into a commit.
#pragma once

#include "floe/catalog/catalog.h"

namespace floe {

class Step {
 public:
  virtual ~Step() = default;

  // One attempt: what to commit on top of `base`. Called again on a newer base after a conflict; what an earlier
  // attempt wrote is the step's own to reuse and to remove. Throws CommitFailed where the step cannot be on top of this
  // base.
  virtual TableCommit build(const LoadedTable& base) = 0;

  // After the commit: removes what only the other attempts needed.
  virtual void succeeded(const TableMetadata&) noexcept {}

  // When surely no attempt was committed: removes all that was written.
  virtual void failed() noexcept {}
};

}  // namespace floe
