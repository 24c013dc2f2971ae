#include "store/database.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "store/test_folder.h"

namespace portolan::store {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kFirst[] = {"CREATE TABLE t (id TEXT PRIMARY KEY, n BIGINT)"};
constexpr std::string_view kSecond[] = {"CREATE TABLE u (id TEXT PRIMARY KEY)", "INSERT INTO u SELECT id FROM t"};
constexpr std::string_view kBroken[] = {"CREATE TABLE v (id TEXT)", "CREATE NONSENSE"};
constexpr Migration kOne[] = {{1, "first", kFirst}};
constexpr Migration kTwo[] = {{1, "first", kFirst}, {2, "second", kSecond}};
constexpr Migration kThree[] = {{1, "first", kFirst}, {2, "second", kSecond}, {3, "broken", kBroken}};
constexpr Migration kOther[] = {{1, "other", kFirst}};

Result<std::unique_ptr<Database>> open(const std::filesystem::path& path, std::span<const Migration> migrations = kOne,
                                       milliseconds busy = milliseconds(50)) {
  return Database::open(path, "test database", migrations, busy);
}

mode_t mode_of(const std::filesystem::path& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
}

class DatabaseTest : public StoreTest {};

TEST_F(DatabaseTest, IsPrivateAndDurable) {
  auto database = open(path_);
  ASSERT_TRUE(database) << database.error().message;
  ASSERT_TRUE((*database)->run("INSERT INTO t VALUES ('a', 1)"));
  for (const auto* file : {"data.db", "data.db-wal", "data.db-shm"}) EXPECT_EQ(mode_of(folder_ / file), 0600U) << file;
  EXPECT_EQ(integer_in((*(*database)->select_one("PRAGMA synchronous", {}, "i"))[0]), 2);
  EXPECT_EQ(integer_in((*(*database)->select_one("PRAGMA foreign_keys", {}, "i"))[0]), 1);
  Cells mode = *(*database)->select_one("PRAGMA journal_mode", {}, "t");
  EXPECT_EQ(text_in(mode[0]), "wal");
  database->reset();
  ASSERT_EQ(::chmod(path_.c_str(), 0644), 0);
  ASSERT_TRUE(open(path_));
  EXPECT_EQ(mode_of(path_), 0600U);
}

TEST_F(DatabaseTest, BindsEveryKindOfValue) {
  auto database = *open(path_);
  const std::string odd = std::string("'; DROP TABLE t; --\0 :x ? \"", 27) + "\xff";
  ASSERT_TRUE(database->run("INSERT INTO t VALUES (:id, :n)", {odd, Cell(-5LL)}));
  ASSERT_TRUE(database->run("INSERT INTO t VALUES (:id, :n)", {text(""), Cell()}));
  ASSERT_TRUE(database->run("INSERT INTO t VALUES (:id, :n)", {text(std::string(300'000, 'x')), integer(1ULL << 62)}));
  Cells row = *database->select_one("SELECT id, n FROM t WHERE id = :id", {odd}, "ti");
  EXPECT_EQ(text_in(row[0]), odd);
  EXPECT_EQ(integer_in(row[1]), -5);
  row = *database->select_one("SELECT id, n FROM t WHERE n IS NULL", {}, "ti");
  EXPECT_EQ(text_in(row[0]), "");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(row[1]));
  row = *database->select_one("SELECT id, n FROM t WHERE n = :n", {integer(1ULL << 62)}, "ti");
  EXPECT_EQ(text_in(row[0]).size(), 300'000U);
  EXPECT_EQ(database->select_one("SELECT id FROM t WHERE id = :id", {text("none")}, "t").error().code, Code::kNotFound);
  EXPECT_EQ(*database->run("UPDATE t SET n = 1"), 3U);
  EXPECT_EQ(*database->run("INSERT INTO t VALUES ('', 1) ON CONFLICT (id) DO NOTHING"), 0U);
}

TEST_F(DatabaseTest, TransactionsAreAllOrNothing) {
  auto database = *open(path_);
  const auto count = [&] { return integer_in((*database->select_one("SELECT count(*) FROM t", {}, "i"))[0]); };
  const auto failed = database->transaction(Database::Access::kWrite, [&]() -> Result<> {
    PL_CHECK(database->run("INSERT INTO t VALUES ('a', 1)"));
    return fail(Code::kInvalid, "no");
  });
  EXPECT_EQ(failed.error().message, "no");
  EXPECT_EQ(count(), 0);
  EXPECT_THROW(static_cast<void>(database->transaction(Database::Access::kWrite,
                                                       [&]() -> Result<> {
                                                         PL_CHECK(database->run("INSERT INTO t VALUES ('a', 1)"));
                                                         throw std::runtime_error("bug");
                                                       })),
               std::runtime_error);
  EXPECT_EQ(count(), 0);
  ASSERT_TRUE(database->transaction(Database::Access::kWrite, [&]() -> Result<> {
    PL_CHECK(database->run("INSERT INTO t VALUES ('a', 1)"));
    const auto twice = database->run("INSERT INTO t VALUES ('a', 2)");  // undoes itself alone
    EXPECT_EQ(twice.error().code, Code::kConflict);
    return {};
  }));
  EXPECT_EQ(count(), 1);
}

TEST_F(DatabaseTest, ErrorsDoNotRepeatValues) {
  auto database = *open(path_);
  ASSERT_TRUE(database->run("INSERT INTO t VALUES (:id, 1)", {text("hush")}));
  const auto twice = database->run("INSERT INTO t VALUES (:id, 1)", {text("hush")});
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().message.find("hush"), std::string::npos) << twice.error().message;
  EXPECT_EQ(database->run("NONSENSE").error().code, Code::kInternal);
}

TEST_F(DatabaseTest, Migrates) {
  {
    auto database = *open(path_);
    ASSERT_TRUE(database->run("INSERT INTO t VALUES ('a', 1)"));
  }
  {
    const auto broken = open(path_, kThree);
    ASSERT_FALSE(broken);
    EXPECT_EQ(broken.error().code, Code::kInternal);
  }
  {
    auto database = *open(path_, kTwo);  // nothing of the broken migration is left in its way
    EXPECT_TRUE(database->select_one("SELECT id FROM u WHERE id = 'a'", {}, "t"));
    EXPECT_FALSE(database->select_one("SELECT id FROM v", {}, "t"));
  }
  const auto newer = open(path_, kOne);
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().code, Code::kInvalid);
  EXPECT_NE(newer.error().message.find("newer version (form 2, this one knows 1); update Portolan"), std::string::npos)
      << newer.error().message;
  const auto other = open(path_, kOther);
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("another kind"), std::string::npos) << other.error().message;
}

TEST_F(DatabaseTest, SaysWhoIsInTheWay) {
  auto database = *open(path_);
  auto second = *open(path_);
  ASSERT_TRUE(second->run("BEGIN IMMEDIATE"));
  const auto write = database->run("INSERT INTO t VALUES ('a', 1)");
  ASSERT_FALSE(write);
  EXPECT_EQ(write.error().code, Code::kUnavailable);
  EXPECT_NE(write.error().message.find("locked by another process"), std::string::npos) << write.error().message;
  EXPECT_TRUE(database->select_one("SELECT count(*) FROM t", {}, "i")) << "reading goes on";
  EXPECT_EQ(open(path_).error().code, Code::kUnavailable);
  ASSERT_TRUE(second->run("ROLLBACK"));
  EXPECT_TRUE(database->run("INSERT INTO t VALUES ('a', 1)"));
}

TEST_F(DatabaseTest, RefusesWhatIsNoDatabase) {
  std::ofstream(path_) << std::string(8192, 'x');
  const auto garbage = open(path_);
  ASSERT_FALSE(garbage);
  EXPECT_EQ(garbage.error().code, Code::kIo);
  EXPECT_NE(garbage.error().message.find("test database " + path_.string() +
                                         ": is damaged or no database; restore it from a backup"),
            std::string::npos)
      << garbage.error().message;
  EXPECT_EQ(open(folder_).error().message, "test database " + folder_.string() + ": is not a file");
  const auto missing = open(folder_ / "none" / "data.db");
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  for (const char* odd : {"a name = with  marks;'.db", "a\"b", "a?mode=memory"}) {
    EXPECT_TRUE(open(folder_ / odd));
    EXPECT_TRUE(std::filesystem::exists(folder_ / odd)) << odd;
  }
}

TEST_F(DatabaseTest, NoticesDamageInUse) {
  auto database = *open(path_);
  ASSERT_TRUE(database->transaction(Database::Access::kWrite, [&]() -> Result<> {
    for (std::uint64_t i = 0; i < 500; ++i)
      PL_CHECK(database->run("INSERT INTO t VALUES (:id, :n)", {text(make_token(60)), integer(i)}));
    return {};
  }));
  database.reset();
  {
    std::fstream file(path_, std::ios::in | std::ios::out);
    for (std::size_t page = 8; page < std::filesystem::file_size(path_) / 4096; ++page) {
      file.seekp(static_cast<std::streamoff>(page * 4096));
      file << std::string(512, '\xee');
    }
  }
  auto opened = open(path_);
  ASSERT_TRUE(opened) << opened.error().message;
  database = std::move(*opened);
  const auto read = database->select("SELECT id, n FROM t", {}, "ti", [](Cells&) { return true; });
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("is damaged"), std::string::npos) << read.error().message;
}

TEST_F(DatabaseTest, SurvivesAFullDisk) {
  auto database = *open(path_);
  ASSERT_TRUE(database->run("INSERT INTO t VALUES ('a', 1)"));
  auto full = std::make_unique<FullDisk>(64 * 1024);
  const auto write = database->transaction(Database::Access::kWrite, [&]() -> Result<> {
    PL_CHECK(database->run("INSERT INTO t VALUES ('b', 1)"));
    PL_CHECK(database->run("INSERT INTO t VALUES (:id, 1)", {text(std::string(1'000'000, 'x'))}));
    return {};
  });
  full.reset();
  ASSERT_FALSE(write);
  EXPECT_EQ(write.error().code, Code::kIo) << write.error().message;
  EXPECT_EQ(integer_in((*database->select_one("SELECT count(*) FROM t", {}, "i"))[0]), 1);
  EXPECT_TRUE(database->run("INSERT INTO t VALUES ('b', 1)")) << "goes on when there is space again";
}

TEST_F(DatabaseTest, ALimitOfPagesIsAFullDisk) {
  auto database = *open(path_);
  ASSERT_TRUE(database->run("PRAGMA max_page_count = 20"));
  const auto write = database->run("INSERT INTO t VALUES (:id, 1)", {text(std::string(1'000'000, 'x'))});
  ASSERT_FALSE(write);
  EXPECT_EQ(write.error().code, Code::kIo);
  EXPECT_NE(write.error().message.find("the disk is full; free some space"), std::string::npos)
      << write.error().message;
}

// Commits leave the log alone; the file gets what is in it when somebody has time.
TEST_F(DatabaseTest, ACheckpointWaitsUntilItIsAskedFor) {
  auto database = *open(path_);
  database->defer_checkpoints();
  const auto size = [&] { return std::filesystem::file_size(path_); };
  const auto write = [&](const std::string& id) {
    return database->transaction(Database::Access::kWrite, [&]() -> Result<> {
      PL_CHECK(database->run("INSERT INTO t VALUES (:id, 1)", {text(id + std::string(1'000'000, 'x'))}));
      return {};
    });
  };
  ASSERT_TRUE(write("a"));
  database->checkpoint();
  const auto before = size();
  EXPECT_LT(before, 1'000'000U) << "a short log is left";
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(write(std::to_string(i)));
  EXPECT_EQ(size(), before);
  database->checkpoint();
  EXPECT_GT(size(), 6'000'000U);
  ASSERT_TRUE(write("b"));
  database = *open(path_);
  EXPECT_EQ(integer_in((*database->select_one("SELECT count(*) FROM t", {}, "i"))[0]), 7);
}

// The superuser may write everything: a child gives that up first.
TEST_F(DatabaseTest, SaysThatItIsReadOnly) {
  {
    auto database = *open(path_);
  }
  ASSERT_EQ(::chmod(folder_.c_str(), 0755), 0);
  ASSERT_EQ(::chmod(path_.c_str(), 0400), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(path_.c_str(), 65534, 65534), 0);
  } else {
    ASSERT_EQ(::chmod(folder_.c_str(), 0555), 0);
  }
  const auto try_to_open = [&] {
    if (::geteuid() == 0 && ::setuid(65534) != 0) std::_Exit(2);
    const auto database = open(path_);
    if (!database) std::fputs(database.error().message.c_str(), stderr);
    std::_Exit(database ? 1 : 0);
  };
  EXPECT_EXIT(try_to_open(), testing::ExitedWithCode(0),
              "is read-only; check the owner and mode|cannot be opened; check");
  ASSERT_EQ(::chmod(folder_.c_str(), 0755), 0);
}

}  // namespace
}  // namespace portolan::store
