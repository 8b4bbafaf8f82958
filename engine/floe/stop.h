// The stop token of the call that a thread works for, for what is too deep to be handed one: requests to a catalog.
#pragma once

#include <arrow/util/cancel.h>

#include <utility>

namespace floe {

// While this lives, what its thread does stops when the token asks for it.
class StopScope {
 public:
  explicit StopScope(arrow::StopToken token) : outer_(std::exchange(token_(), std::move(token))) {}
  StopScope(const StopScope&) = delete;
  StopScope& operator=(const StopScope&) = delete;
  ~StopScope() { token_() = std::move(outer_); }

  static const arrow::StopToken& current() { return token_(); }

 private:
  static arrow::StopToken& token_() {
    thread_local arrow::StopToken token = arrow::StopToken::Unstoppable();
    return token;
  }

  arrow::StopToken outer_;
};

}  // namespace floe
