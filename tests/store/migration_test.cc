// A model's table has changed since its twins were saved: by field name, with a rule for each
// change.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/sdk/model.hpp"
#include "gateway/sqlite/database.h"
#include "gateway/store/store.h"
#include "tests/support/temp_dir.h"
#include "tests/twin/lab.h"

namespace gemel::store {
namespace {

// The parts that each version of the model has in common.
template <typename S>
struct Versioned {
  using State = S;
  static constexpr const char* kName = "meter";
  static constexpr const char* kMeaning = "A meter, as some version saw it.";
  explicit Versioned(const Setup&) {}
  void on_telemetry(State&, const Message&, Context&) const {}
};

struct FirstState {
  Last<int64_t> litres;
  Last<Symbol> kind;
  Last<bool> is_open;
  double limit = 1;
  int64_t seen = 0;
};
struct First : Versioned<FirstState> {
  using Versioned::Versioned;
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {
        telemetry(&State::litres, "litres", "", "."), telemetry(&State::kind, "kind", "", "."),
        telemetry(&State::is_open, "is_open", "", "."), profile(&State::limit, "limit", "", "."),
        computed(&State::seen, "seen", "", ".")};
    return kFields;
  }
};

// Of another order; litres and is_open hold more, kind is a text, limit went, a field came.
struct SecondState {
  double added = 42;
  Time seen = kNoTime;
  Last<Text<10>> kind;
  Last<double> litres;
  Last<int64_t> is_open;
};
struct Second : Versioned<SecondState> {
  using Versioned::Versioned;
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {
        computed(&State::added, "added", "", "."), computed(&State::seen, "seen", "", "."),
        telemetry(&State::kind, "kind", "", "."), telemetry(&State::litres, "litres", "", "."),
        telemetry(&State::is_open, "is_open", "", ".")};
    return kFields;
  }
};

struct WrongState {
  Last<bool> litres;
};
struct Wrong : Versioned<WrongState> {
  using Versioned::Versioned;
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {telemetry(&State::litres, "litres", "", ".")};
    return kFields;
  }
};

// A window of three layouts; the state has another default in each version.
struct SmallWindow {
  static constexpr const char* kLayout = "ring<int64,2>/1";
  int64_t values[2] = {1, 1};
};
struct OtherWindow {  // of the same size
  static constexpr const char* kLayout = "ring<int64,2>/2";
  int64_t values[2] = {2, 2};
};
struct LargeWindow {
  static constexpr const char* kLayout = "ring<int64,2>/1";
  int64_t values[512] = {3, 3};
};
template <typename Window>
struct WindowState {
  int64_t kept = 0;
  Window recent;
};
template <typename Window>
struct Windowed : Versioned<WindowState<Window>> {
  using State = WindowState<Window>;
  using Versioned<State>::Versioned;
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {computed(&State::kept, "kept", "", "."),
                                          window(&State::recent, "recent", ".")};
    return kFields;
  }
};
struct NoMoreState {
  double recent = 0;
};
struct NoMore : Versioned<NoMoreState> {
  using Versioned::Versioned;
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {computed(&State::recent, "recent", "", ".")};
    return kFields;
  }
};

// A store for one version of the model.
template <typename Version>
class VersionedSite {
 public:
  VersionedSite(const std::filesystem::path& folder, uint64_t epoch)
      : gate_(sink_),
        shards_(MakeWorld(), gate_, 1, 64 * 1'024),
        sequencer_(epoch, clock_, shards_.inboxes()),
        journal_(*journal::Journal::Open({.folder = folder}, {})),
        store_(*Store::Open(folder / "gemel.db", world_, shards_)) {}
  ~VersionedSite() { shards_.DrainAndStop(); }

  Status Restore() {
    Result<Restored> restored = store_->Restore(gate_);
    return std::move(restored).status();
  }
  typename Version::State& Make(std::string_view id) {
    twin::Twin& twin = shards_.engine(0).Restore(0, HashKey("meter", id), id);
    shards_.engine(0).table(0).MarkDirty(twin);
    return *reinterpret_cast<typename Version::State*>(twin.state());
  }
  const typename Version::State& Find(std::string_view id) {
    twin::Twin* const twin = shards_.engine(0).table(0).Find(HashKey("meter", id), id);
    GEMEL_ASSERT(twin != nullptr);
    return *reinterpret_cast<const typename Version::State*>(twin->state());
  }
  Symbol Intern(std::string_view text) { return *symbols_.Intern(text); }
  Status Save() {
    if (!is_started_) shards_.Start(sequencer_);
    is_started_ = true;
    Result<Saved> saved =
        store_->Save({.sequencer = sequencer_, .journal = *journal_, .effects = [] {
                        return std::vector<effects::OwnedEffect>();
                      }});
    return std::move(saved).status();
  }

 private:
  const twin::World& MakeWorld() {
    world_.symbols = &symbols_;
    twin::ModelEntry entry;
    entry.model = *model::Model::Create(*ModelTable<Version>(), {.name = "meter"});
    world_.models.push_back(std::move(entry));
    return world_;
  }

  Symbols symbols_;
  twin::World world_;
  twin::KeptSink sink_;
  effects::Gate gate_;
  twin::ShardSet shards_;
  ManualClock clock_{twin::kStart};
  journal::Sequencer sequencer_;
  std::unique_ptr<journal::Journal> journal_;
  std::unique_ptr<Store> store_;
  bool is_started_ = false;
};

class MigrationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    VersionedSite<First> first(folder_.path(), 1);
    ASSERT_TRUE(first.Restore().ok());
    FirstState& state = first.Make("m1");
    state.litres.Set(7, twin::kStart);
    state.kind.Set(first.Intern("water"), twin::kStart);
    state.is_open.Set(true, twin::kStart);
    state.limit = 5;
    state.seen = 1'000'000;
    first.Make("m2");  // that has reported nothing
    ASSERT_TRUE(first.Save().ok());
  }
  support::TempDir folder_;
};

TEST_F(MigrationTest, EachFieldIsFoundByNameAndConvertedWhereNothingIsLost) {
  for (uint64_t epoch = 2; epoch < 4; ++epoch) {  // the second time from what the first has saved
    VersionedSite<Second> second(folder_.path(), epoch);
    const Status status = second.Restore();
    ASSERT_TRUE(status.ok()) << status.message();
    const SecondState& state = second.Find("m1");
    EXPECT_EQ(state.litres.value(), 7.0);
    EXPECT_EQ(state.litres.at(), twin::kStart);
    EXPECT_EQ(state.kind.value().view(), "water");
    EXPECT_EQ(state.is_open.value(), 1);
    EXPECT_EQ(state.seen, Time{std::chrono::seconds(1)});
    EXPECT_EQ(state.added, 42) << "the model's default";
    EXPECT_FALSE(second.Find("m2").litres.has_value());
    ASSERT_TRUE(second.Save().ok());
  }
}

TEST_F(MigrationTest, AChangeThatNoRuleFitsIsRefusedAndNamesTheField) {
  VersionedSite<Wrong> wrong(folder_.path(), 2);
  const Status status = wrong.Restore();
  EXPECT_EQ(status.code(), Code::kInvalid);
  EXPECT_THAT(status.message(), testing::HasSubstr("model meter: field litres was saved as int64 "
                                                   "and is bool now"));
}

// Writes checksums of rows as they are now; their sum.
int64_t SignRows(sqlite::Database& database, const std::string& table, const std::string& key) {
  auto select = database.Prepare("SELECT * FROM " + table);
  std::string parameters = "?1";
  for (int i = 2; i <= select->columns(); ++i) parameters += ", ?" + std::to_string(i);
  auto scratch = database.Prepare("SELECT " + parameters);
  std::vector<std::pair<std::string, int64_t>> signatures;
  int64_t sum = 0;
  while (*select->Step()) {
    RowWriter writer;
    writer.Begin(*scratch, table);
    for (int i = key == "gemel_row" ? 1 : 0; i + 1 < select->columns(); ++i) {
      switch (select->type(i)) {
        case sqlite::Type::kNull:
          writer.AddNull();
          break;
        case sqlite::Type::kInteger:
          writer.Add(select->integer(i));
          break;
        case sqlite::Type::kReal:
          writer.Add(select->real(i));
          break;
        case sqlite::Type::kText:
          writer.Add(select->text(i));
          break;
        case sqlite::Type::kBlob:
          writer.AddBlob(select->blob(i));
          break;
      }
    }
    signatures.emplace_back(select->text(0), writer.Finish());
    sum += signatures.back().second;
    scratch->Reset();
  }
  for (const auto& [row, checksum] : signatures) {
    EXPECT_TRUE(database
                    .Run(fmt::format("UPDATE {} SET gemel_crc = {} WHERE {} = '{}'", table,
                                     checksum, key, row))
                    .ok());
  }
  return sum;
}

TEST_F(MigrationTest, ATableOfVersion2HasNoTimersAndGetsRoomForThem) {
  {
    auto database =
        sqlite::Database::Open(folder_ / "gemel.db", sqlite::Database::Mode::kReadWrite);
    ASSERT_TRUE(database.ok()) << database.status().message();
    for (const char* column : {"gemel_timers", "gemel_commands", "gemel_told"}) {
      ASSERT_TRUE(database->Run(fmt::format("ALTER TABLE meter DROP COLUMN {}", column)).ok());
    }
    const int64_t sum = SignRows(*database, "meter", "gemel_row");
    ASSERT_TRUE(database
                    ->Run(fmt::format("UPDATE gemel_tables SET checksums = {} WHERE name = 'meter';"
                                      "PRAGMA user_version = 2",
                                      sum))
                    .ok());
    SignRows(*database, "gemel_tables", "name");
  }
  for (uint64_t epoch = 2; epoch < 4; ++epoch) {
    VersionedSite<First> first(folder_.path(), epoch);
    const Status status = first.Restore();
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(first.Find("m1").litres.value(), 7);
    ASSERT_TRUE(first.Save().ok());
    auto database = sqlite::Database::Open(folder_ / "gemel.db", sqlite::Database::Mode::kReadOnly);
    EXPECT_EQ(*database->Integer("SELECT count(*) FROM meter WHERE gemel_timers IS NULL"), 2);
    EXPECT_EQ(*database->Integer("PRAGMA user_version"), 5);
  }
}

class WindowMigrationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    VersionedSite<Windowed<SmallWindow>> first(folder_.path(), 1);
    ASSERT_TRUE(first.Restore().ok());
    WindowState<SmallWindow>& state = first.Make("m1");
    state.kept = 5;
    state.recent.values[0] = INT64_MIN;
    state.recent.values[1] = 7;
    ASSERT_TRUE(first.Save().ok());
  }
  template <typename Window>
  WindowState<Window> After(uint64_t epoch) {
    VersionedSite<Windowed<Window>> site(folder_.path(), epoch);
    const Status status = site.Restore();
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(site.Save().ok());
    return site.Find("m1");
  }
  support::TempDir folder_;
};

TEST_F(WindowMigrationTest, AWindowOfTheSameLayoutAndSizeComesBackToTheByte) {
  const auto state = After<SmallWindow>(2);
  EXPECT_EQ(state.recent.values[0], INT64_MIN);
  EXPECT_EQ(state.recent.values[1], 7);
  auto database = sqlite::Database::Open(folder_ / "gemel.db", sqlite::Database::Mode::kReadOnly);
  EXPECT_EQ(*database->Integer("SELECT length(recent) FROM meter WHERE typeof(recent) = 'blob'"),
            16);
}

TEST_F(WindowMigrationTest, OneOfAnotherLayoutBeginsAnewAndTheOtherFieldsStay) {
  const auto state = After<OtherWindow>(2);
  EXPECT_EQ(state.kept, 5);
  EXPECT_EQ(state.recent.values[0], 2) << "the new model's default";
  EXPECT_EQ(After<OtherWindow>(3).recent.values[1], 2) << "as saved";
  EXPECT_EQ(After<SmallWindow>(4).recent.values[1], 1) << "what was lost does not come back";
}

TEST_F(WindowMigrationTest, OneOfAnotherSizeBeginsAnewToo) {
  EXPECT_EQ(After<LargeWindow>(2).recent.values[0], 3);
  EXPECT_EQ(After<LargeWindow>(3).kept, 5);
}

TEST_F(WindowMigrationTest, AWindowIsTurnedIntoNothingElse) {
  VersionedSite<NoMore> site(folder_.path(), 2);
  EXPECT_THAT(site.Restore().message(), testing::HasSubstr("field recent was saved as window and "
                                                           "is double now"));
}

TEST_F(WindowMigrationTest, AChangedByteOfAWindowIsDamage) {
  {
    auto database =
        sqlite::Database::Open(folder_ / "gemel.db", sqlite::Database::Mode::kReadWrite);
    ASSERT_TRUE(database->Run("UPDATE meter SET recent = zeroblob(15) || x'01'").ok());
  }
  VersionedSite<Windowed<SmallWindow>> site(folder_.path(), 2);
  EXPECT_EQ(site.Restore().code(), Code::kDamaged);
}

TEST_F(MigrationTest, TheSameTableComesBackAsItWas) {
  VersionedSite<First> first(folder_.path(), 2);
  ASSERT_TRUE(first.Restore().ok());
  EXPECT_EQ(first.Find("m1").litres.value(), 7);
  EXPECT_EQ(first.Find("m1").kind.value(), first.Intern("water"));
  EXPECT_EQ(first.Find("m1").limit, 5);
}

}  // namespace
}  // namespace gemel::store
