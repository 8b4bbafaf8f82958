#include "floe/file/equality_delete.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>

#include "floe/file/test_files.h"

namespace floe {
namespace {

using ::testing::HasSubstr;
using Rows = std::vector<std::vector<Value>>;

Value text(const char* value) { return Value(std::string(value)); }
Value number(int64_t value) { return Value(value); }

class EqualityDeleteTest : public FileTest {
 protected:
  DataFile write_deletes(const Schema& schema, const Rows& rows, std::vector<int32_t> ids) {
    DataFile file = write(schema, rows);
    file.content = FileContent::kEqualityDeletes;
    file.equality_ids = std::move(ids);
    return file;
  }

  // Which of the rows are left, as 0 and 1.
  static std::string left(const EqualityDeletes& deletes, const Rows& rows, int64_t data_sequence_number = 1) {
    std::vector<uint8_t> bits((rows.size() + 7) / 8 + 1, 0xFF);
    deletes.clear_bits(batch_of(deletes.columns(), rows)->columns(), data_sequence_number, bits.data(), 3);
    std::string out;
    for (size_t i = 0; i < rows.size(); ++i) out += bits[(i + 3) / 8] >> ((i + 3) % 8) & 1 ? '1' : '0';
    return out;
  }

  template <typename F>
  static std::string refusal(F&& work) {
    try {
      work();
    } catch (const Error& e) {
      return e.what();
    }
    return "none";
  }
};

Schema animals() {
  return {.fields = {test_field(1, "id", primitive(TypeKind::kLong)),
                     test_field(2, "category", primitive(TypeKind::kString)),
                     test_field(3, "name", primitive(TypeKind::kString))}};
}

// The specification's examples.
TEST_F(EqualityDeleteTest, OtherColumnsOfTheDeleteFileDoNotCount) {
  EqualityDeletes deletes(animals(), {1});
  deletes.add(*io_, write_deletes(animals(), {{number(3), Value(), text("Grizzly")}}, {1}), 2);
  EXPECT_EQ(left(deletes, {{number(1)}, {number(3)}, {Value()}}), "101");
  EXPECT_EQ(deletes.columns().fields.size(), 1);
}

TEST_F(EqualityDeleteTest, Trap15NullsEqualNullsAndNothingElse) {
  EqualityDeletes deletes(animals(), {2, 1});
  EXPECT_EQ(deletes.equality_ids(), (std::vector<int32_t>{1, 2}));
  deletes.add(*io_, write_deletes(animals(), {{number(4), Value(), text("Polar")}}, {1, 2}), 2);
  EXPECT_EQ(left(deletes, {{number(4), Value()}, {number(4), text("")}, {Value(), Value()}, {number(3), Value()}}),
            "0111");
  EqualityDeletes one(animals(), {1});
  one.add(*io_, write_deletes(animals(), {{number(0), Value(), Value()}}, {1}), 2);
  EXPECT_EQ(left(one, {{Value()}, {number(0)}}), "10");
  one.add(*io_, write_deletes(animals(), {{Value(), Value(), Value()}}, {1}), 2);
  EXPECT_EQ(left(one, {{Value()}, {number(0)}, {number(1)}}), "001");
}

TEST_F(EqualityDeleteTest, KeysThatTheDeleteFileLacksDeleteNoNulls) {
  const Schema without{.fields = {test_field(3, "name", primitive(TypeKind::kString))}};
  EqualityDeletes deletes(animals(), {1});
  const DataFile file = write_deletes(without, {{text("Polar")}}, {1});
  EXPECT_THAT(refusal([&] { deletes.add(*io_, file, 2); }), HasSubstr(file.file_path + ": column id"));
}

// A row is deleted by what was added after it, and only by that.
TEST_F(EqualityDeleteTest, Trap14OnlyOlderFilesAreDeletedFrom) {
  EqualityDeletes deletes(animals(), {1});
  deletes.add(*io_, write_deletes(animals(), {{number(1), {}, {}}, {number(2), {}, {}}}, {1}), 5);
  deletes.add(*io_, write_deletes(animals(), {{number(2), {}, {}}, {number(3), {}, {}}}, {1}), 9);
  deletes.add(*io_, write_deletes(animals(), {{number(3), {}, {}}}, {1}), 7);
  const Rows rows = {{number(1)}, {number(2)}, {number(3)}, {number(4)}};
  EXPECT_EQ(left(deletes, rows, 4), "0001");
  EXPECT_EQ(left(deletes, rows, 5), "1001");
  EXPECT_EQ(left(deletes, rows, 8), "1001");
  EXPECT_EQ(left(deletes, rows, 9), "1111");
  EXPECT_EQ(deletes.size(), 3);
}

TEST_F(EqualityDeleteTest, NumbersEqualAsInJava) {
  const Schema schema{
      .fields = {test_field(1, "f", primitive(TypeKind::kFloat)), test_field(2, "d", primitive(TypeKind::kDouble))}};
  EqualityDeletes floats(schema, {1}), doubles(schema, {2});
  const Rows rows = {{Value(0.0F), Value(0.0)}, {Value(std::nanf("")), Value(std::nan(""))}};
  const DataFile file = write_deletes(schema, rows, {});
  floats.add(*io_, file, 2);
  doubles.add(*io_, file, 2);
  EXPECT_EQ(left(floats, {{Value(0.0F)}, {Value(-0.0F)}, {Value(-std::nanf("7"))}, {Value(1.0F)}}), "0101");
  EXPECT_EQ(left(doubles, {{Value(0.0)}, {Value(-0.0)}, {Value(-std::nan("7"))}, {Value(1.0)}}), "0101");
}

// Trap 15: files written before the column was widened.
TEST_F(EqualityDeleteTest, Trap15DeletesOfNarrowerTypesApply) {
  const Schema before{
      .fields = {test_field(1, "i", primitive(TypeKind::kInt)), test_field(2, "f", primitive(TypeKind::kFloat)),
                 test_field(3, "d", decimal_type(9, 2)), test_field(4, "t", primitive(TypeKind::kDate))}};
  const Schema now{.fields = {test_field(1, "i", primitive(TypeKind::kLong)),
                              test_field(2, "f", primitive(TypeKind::kDouble)), test_field(3, "d", decimal_type(20, 2)),
                              test_field(4, "t", primitive(TypeKind::kTimestamp))}};
  const DataFile file =
      write_deletes(before, {{Value(int32_t{-1}), Value(1.5F), Value(Int128{-250}), Value(int32_t{-1})}}, {1, 2, 3, 4});
  EqualityDeletes deletes(now, {1, 2, 3, 4});
  deletes.add(*io_, file, 2);
  EXPECT_EQ(left(deletes, {{number(-1), Value(1.5), Value(Int128{-250}), number(-86'400'000'000)},
                           {number(4294967295), Value(1.5), Value(Int128{-250}), number(-86'400'000'000)}}),
            "01");
}

TEST_F(EqualityDeleteTest, FieldsOfStructsAreNullWhereTheStructIs) {
  const Schema schema{.fields = {test_field(1, "s",
                                            struct_type({test_field(2, "x", primitive(TypeKind::kInt)),
                                                         test_field(3, "y", primitive(TypeKind::kString))})),
                                 test_field(4, "k", primitive(TypeKind::kUuid))}};
  const Value uuid(std::string(16, 'u'));
  EqualityDeletes deletes(schema, {3, 4});
  EXPECT_EQ(children_of(deletes.columns().fields[0].type).size(), 1);
  deletes.add(*io_,
              write_deletes(schema,
                            {{std::vector<Value>{Value(int32_t{1}), text("a")}, uuid},
                             {std::vector<Value>{Value(int32_t{1}), Value()}, uuid}},
                            {3, 4}),
              2);
  EXPECT_EQ(left(deletes, {{std::vector<Value>{text("a")}, uuid},
                           {Value(), uuid},
                           {std::vector<Value>{Value()}, uuid},
                           {std::vector<Value>{text("a")}, Value()},
                           {std::vector<Value>{text("b")}, uuid}}),
            "00011");
}

// Trap 15: a column that was added later has its default in older data files, and a dropped one is still read.
TEST_F(EqualityDeleteTest, Trap15ColumnsThatComeAndGo) {
  Schema later = animals();
  later.fields.push_back(test_field(4, "legs", primitive(TypeKind::kInt)));
  later.fields[3].initial_default = Value(int32_t{4});
  const Schema without_category{.fields = {later.fields[0], later.fields[3]}};
  const DataFile data =
      write(animals(), {{number(1), text("marsupial"), text("Koala")}, {number(2), text("toy"), text("Teddy")}});
  const auto left_of = [&](const std::shared_ptr<EqualityDeletes>& deletes) {
    ParquetReadOptions options;
    options.schema = std::make_shared<const Schema>(without_category);
    options.projection = without_category;
    return read(data, options, {.data_sequence_number = 1, .deletes = {.positions = nullptr, .equality = {deletes}}})
        ->num_rows();
  };
  const auto with = [&](std::vector<int32_t> ids, const std::vector<Value>& key) {
    auto deletes = std::make_shared<EqualityDeletes>(later, std::move(ids));
    deletes->add(batch_of(deletes->columns(), {key})->columns(), 2);
    return deletes;
  };
  EXPECT_EQ(left_of(with({4}, {Value(int32_t{4})})), 0);
  EXPECT_EQ(left_of(with({4}, {Value()})), 2);
  EXPECT_EQ(left_of(with({2}, {text("toy")})), 1);
  EXPECT_EQ(left_of(with({2, 4}, {text("toy"), Value(int32_t{4})})), 1);
}

TEST_F(EqualityDeleteTest, FilesAreAddedByManyThreads) {
  EqualityDeletes deletes(animals(), {1});
  std::vector<DataFile> files;
  for (int64_t f = 0; f < 4; ++f) {
    Rows rows;
    for (int64_t i = 0; i < 1000; ++i) rows.push_back({number(i * 2 + f % 2), {}, {}});
    files.push_back(write_deletes(animals(), rows, {1}));
  }
  std::vector<std::thread> threads;
  for (const DataFile& file : files) threads.emplace_back([&] { deletes.add(*io_, file, 2); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(deletes.size(), 2000);
  EXPECT_LT(deletes.memory_use(), 1 << 20);
}

TEST_F(EqualityDeleteTest, WhatCannotBeAKeyIsRefused) {
  const Schema schema{.fields = {test_field(1, "list", list_type(2, primitive(TypeKind::kInt), false)),
                                 test_field(3, "v", primitive(TypeKind::kVariant))}};
  EXPECT_THAT(refusal([&] { EqualityDeletes(schema, {2}); }), HasSubstr("list.element (id 2): it is inside a list"));
  EXPECT_THAT(refusal([&] { EqualityDeletes(schema, {1}); }), HasSubstr("no primitive"));
  EXPECT_THAT(refusal([&] { EqualityDeletes(schema, {3}); }), HasSubstr("variant"));
  EXPECT_THAT(refusal([&] { EqualityDeletes(schema, {9}); }), HasSubstr("field id 9"));
  EXPECT_THAT(refusal([&] { EqualityDeletes(schema, {}); }), HasSubstr("no equality ids"));
  DataFile file;
  file.file_path = "x.avro";
  file.file_format = FileFormat::kAvro;
  EXPECT_THAT(refusal([&] { EqualityDeletes(animals(), {1}).add(*io_, file, 1); }), HasSubstr("x.avro"));
}

}  // namespace
}  // namespace floe
