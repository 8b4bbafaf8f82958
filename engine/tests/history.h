// What concurrent writers did to a table, and whether the table shows exactly that.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "floe/table.h"

namespace floe {

// How a commit went, as its writer saw it.
enum class Reported { kSucceeded, kFailed, kUnknown };

// Every commit that was tried, by its id. The commit with the id n adds the rows commit_rows(n), and its snapshot has n
// as the property "commit".
using History = std::map<int64_t, Reported>;

constexpr int64_t kRowsOfCommit = 3;
constexpr int64_t first_row(int64_t commit) { return commit * kRowsOfCommit; }

// One line for each commit ("succeeded 17") as the writers print it.
std::string line_of(int64_t commit, Reported reported);
void read_lines(const std::string& lines, History& history);

// Fails the test for everything that the history does not explain: the snapshots are one chain with ascending sequence
// numbers, each of another commit; each success is there once with all its rows, no failure left a row, a snapshot or a
// file (`files`: all files of the table), an unknown outcome is there whole or not at all.
void expect_history(const Table& table, const History& history, const std::set<std::string>& files);

}  // namespace floe
