// A snapshot's summary: a map of strings that is kept in one block of memory, since tables have thousands of snapshots
// and metadata is read and copied as a whole. Small and seldom asked, so look-up is a walk.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace floe {

using Properties = std::map<std::string, std::string, std::less<>>;

// Reads like a map whose keys and values are string_views into it; entries stay in the order in which they were added.
class Summary {
 public:
  using value_type = std::pair<std::string_view, std::string_view>;

  class const_iterator {
   public:
    using difference_type = std::ptrdiff_t;
    using value_type = Summary::value_type;

    const_iterator() = default;
    const_iterator(const Summary* summary, size_t index) : summary_(summary), index_(index) {}

    value_type operator*() const { return {summary_->text(2 * index_), summary_->text(2 * index_ + 1)}; }
    struct Arrow {
      value_type entry;
      const value_type* operator->() const { return &entry; }
    };
    Arrow operator->() const { return {**this}; }
    const_iterator& operator++() {
      ++index_;
      return *this;
    }
    const_iterator operator++(int) { return {summary_, index_++}; }
    bool operator==(const const_iterator& other) const { return index_ == other.index_; }

   private:
    const Summary* summary_ = nullptr;
    size_t index_ = 0;
  };

  Summary() = default;
  Summary(const Properties& properties) {  // NOLINT: the same thing in another shape
    for (const auto& [key, value] : properties) add(key, value);
  }
  Summary(std::initializer_list<value_type> entries) {
    for (const auto& [key, value] : entries) add(key, value);
  }

  // `key` is not there yet.
  void add(std::string_view key, std::string_view value) {
    text_.append(key);
    ends_.push_back(static_cast<uint32_t>(text_.size()));
    text_.append(value);
    ends_.push_back(static_cast<uint32_t>(text_.size()));
  }

  // As a map does it: what is there stays.
  void emplace(std::string_view key, std::string_view value) {
    if (!contains(key)) add(key, value);
  }
  template <typename Iterator>
  void insert(Iterator first, Iterator last) {
    for (; first != last; ++first) emplace(first->first, first->second);
  }

  const_iterator begin() const { return {this, 0}; }
  const_iterator end() const { return {this, size()}; }
  size_t size() const { return ends_.size() / 2; }
  bool empty() const { return ends_.empty(); }

  const_iterator find(std::string_view key) const {
    size_t i = 0;
    while (i < size() && text(2 * i) != key) ++i;
    return {this, i};
  }
  bool contains(std::string_view key) const { return find(key) != end(); }

  // The value, or an empty text.
  std::string_view get(std::string_view key) const {
    const auto found = find(key);
    return found == end() ? std::string_view() : found->second;
  }

  Properties to_map() const {
    Properties map;
    for (const auto& [key, value] : *this) map.emplace(key, value);
    return map;
  }

  // The same entries, in whatever order.
  friend bool operator==(const Summary& a, const Summary& b) {
    return (a.ends_ == b.ends_ && a.text_ == b.text_) || (a.size() == b.size() && a.to_map() == b.to_map());
  }

 private:
  // Texts are numbered key, value, key, value, ...
  std::string_view text(size_t i) const {
    const uint32_t start = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(text_).substr(start, ends_[i] - start);
  }

  std::string text_;
  std::vector<uint32_t> ends_;  // of each text within text_
};

}  // namespace floe
