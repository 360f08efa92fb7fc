#include "gateway/playback/fold.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/journal/segment.h"
#include "tests/playback/life.h"
#include "tests/support/temp_dir.h"

namespace gemel::playback {
namespace {

using store::Line;
using testing::HasSubstr;
using testing::IsEmpty;

#if defined(__SANITIZE_THREAD__)
constexpr uint32_t kShardCounts[] = {1, 3};
#else
constexpr uint32_t kShardCounts[] = {1, 2, 3, 7};
#endif

// What a fold came to.
struct Folded {
  Status status;
  std::vector<std::string> lines;
  std::vector<std::string> effects;
  uint64_t records = 0;
};

Folded FoldIn(const twin::World& world, const FoldSource& source, uint32_t shards) {
  Fold fold(world, shards);
  Result<store::Recovered> recovered = fold.Run(source);
  if (!recovered.ok()) return {.status = std::move(recovered).status(), .lines = {}, .effects = {}};
  return {.status = {},
          .lines = fold.TwinLines(),
          .effects = TextsOf(fold.TakeEffects()),
          .records = recovered->records};
}

Folded FoldOf(const FoldSource& source, uint32_t shards) {
  FoldWorld world;
  return FoldIn(world.probes.world, source, shards);
}

class FoldTest : public ::testing::Test {
 protected:
  FoldTest() { RecordProperty("seed", std::to_string(seed_)); }

  std::filesystem::path journal() const { return folder_ / "journal"; }
  std::filesystem::path base() const { return folder_ / "base.db"; }
  std::vector<Line> Lines(size_t count) { return RandomLines(random_, count); }
  // A process that has had these messages and ended; its lines.
  std::vector<std::string> Live(const std::vector<Line>& lines, uint64_t epoch = 1) {
    Life life(folder_.path(), {.epoch = epoch, .shards = 3});
    const Status started = life.Start();
    EXPECT_TRUE(started.ok()) << started.message();
    life.site.AppendAll(lines);
    return life.Lines();
  }
  void ExpectFailure(const FoldSource& source, Code code, const std::string& named) {
    for (const uint32_t shards : {1U, 3U}) {
      const Status status = FoldOf(source, shards).status;
      EXPECT_EQ(status.code(), code) << status.message();
      EXPECT_THAT(status.message(), HasSubstr(named));
    }
  }

  const uint64_t seed_ = std::random_device()();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937_64 random_{seed_};
  support::TempDir folder_;
};

TEST_F(FoldTest, FromTheBeginningTwinsAreThoseOfTheGatewayWhateverTheShards) {
  const std::vector<std::string> live = Live(Lines(3'000));
  ASSERT_GT(live.size(), 20u);
  const Folded first = FoldOf({.base = {}, .journal = journal()}, 1);
  for (const uint32_t shards : kShardCounts) {
    const Folded folded = FoldOf({.base = {}, .journal = journal()}, shards);
    ASSERT_TRUE(folded.status.ok()) << folded.status.message();
    EXPECT_EQ(folded.lines, live) << shards << " shards";
    EXPECT_EQ(folded.effects, first.effects) << shards << " shards";
    EXPECT_EQ(folded.records, 3'000u);
  }
}

// The live process is started again several times, each time from what it had saved.
TEST_F(FoldTest, FromABaseTwinsAndEffectsAreThoseOfTheGatewayWhateverTheShards) {
  std::vector<std::string> live;
  std::vector<std::string> since;  // effects decided after the base
  for (uint64_t epoch = 1; epoch <= 4; ++epoch) {
    Life life(folder_.path(), {.epoch = epoch, .shards = static_cast<uint32_t>(1 + epoch % 3)});
    ASSERT_TRUE(life.Start().ok());
    for (const Line& line : Lines(700)) {
      life.site.Append(line);
      if (random_() % 300 == 0) {
        ASSERT_TRUE(life.Save().ok());
      }
    }
    life.Lines();  // waits, so that the base is of one moment
    if (epoch == 2) {
      ASSERT_TRUE(life.Save().ok());
      life.CopyTo(base());
      life.site.Effects();
    }
    if (epoch >= 2) life.site.AppendAll(Lines(100));
    live = life.Lines();
    if (epoch != 2) continue;
    for (const twin::Kept& kept : life.site.Effects()) since.push_back(kept.payload);
  }
  std::vector<std::string> first;
  for (const uint32_t shards : kShardCounts) {
    const Folded folded = FoldOf({.base = base(), .journal = journal()}, shards);
    ASSERT_TRUE(folded.status.ok()) << folded.status.message();
    EXPECT_EQ(folded.lines, live) << shards << " shards";
    EXPECT_EQ(folded.records, 100u + 2 * 800u);
    if (first.empty()) first = folded.effects;
    EXPECT_EQ(folded.effects, first) << shards << " shards";
    ASSERT_GE(folded.effects.size(), since.size());
    for (size_t i = 0; i < since.size(); ++i) {
      const auto payload = nlohmann::json::parse(folded.effects[i])["payload"];
      EXPECT_EQ(payload, since[i].empty() ? nlohmann::json() : nlohmann::json::parse(since[i]));
    }
  }
}

TEST_F(FoldTest, TimersThatFiredAreFoldedAsTheyFiredWhateverTheShards) {
  std::vector<std::string> live;
  {
    Life life(folder_.path(), {.shards = 3, .is_timing = true});
    ASSERT_TRUE(life.Start().ok());
    life.site.AppendAll(store::DerivedLines(random_, 1'000));
    life.Lines();
    ASSERT_TRUE(life.Save().ok());
    life.CopyTo(base());
    life.site.AppendAll(store::DerivedLines(random_, 1'000));
    live = life.Lines();
    EXPECT_GT(life.site.fired(), 500u);
  }
  for (const bool has_base : {false, true}) {
    for (const uint32_t shards : kShardCounts) {
      const Folded folded = FoldOf(
          {.base = has_base ? base() : std::filesystem::path(), .journal = journal()}, shards);
      ASSERT_TRUE(folded.status.ok()) << folded.status.message();
      EXPECT_EQ(folded.lines, live) << shards << " shards";
    }
  }
}

// Rows without a journal: time is theirs.
TEST_F(FoldTest, InVirtualTimeTimersFireAtTheirMomentsWhateverTheShards) {
  const std::vector<Line> lines = store::DerivedLines(random_, 400);
  std::vector<std::string> first;
  std::vector<std::string> first_effects;
  for (const uint32_t shards : kShardCounts) {
    FoldWorld world;
    Fold fold(world.probes.world, shards);
    fold.Start();
    Time now = twin::kStart;
    for (const Line& line : lines) {
      now += line.wait;
      fold.AdvanceTo(now);
      journal::Record record{.kind = line.is_deletion ? journal::RecordKind::kTwinDeleted
                                                      : journal::RecordKind::kTelemetry,
                             .key_hash = HashKey("probe", line.id),
                             .id = line.id,
                             .payload = line.json};
      ASSERT_EQ(fold.sequencer().Append({&record, 1}), journal::Sequencer::Outcome::kAppended);
    }
    fold.Finish();
    const std::vector<std::string> twins = fold.TwinLines();
    const std::vector<std::string> effects = TextsOf(fold.TakeEffects());
    if (first.empty()) {
      first = twins;
      first_effects = effects;
      EXPECT_GT(effects.size(), 20u);
    }
    EXPECT_EQ(twins, first) << shards << " shards";
    EXPECT_EQ(effects, first_effects) << shards << " shards";
  }
}

TEST_F(FoldTest, AtAMomentWhatComesFromOutsideIsBeforeTheTimers) {
  FoldWorld world;
  Fold fold(world.probes.world, 2);
  fold.Start();
  const auto say = [&](std::string_view id, std::string_view order, Time at) {
    fold.AdvanceTo(at);
    const std::string json = fmt::format(R"({{"order": "{}"}})", order);
    journal::Record record{.key_hash = HashKey("probe", id), .id = id, .payload = json};
    ASSERT_EQ(fold.sequencer().Append({&record, 1}), journal::Sequencer::Outcome::kAppended);
  };
  using std::chrono::seconds;
  say("late", "alarm", twin::kStart);
  say("early", "alarm", twin::kStart);
  say("early", "disarm", twin::kStart + seconds(10));
  say("late", "disarm", twin::kStart + seconds(10) + Duration(1));
  fold.Finish();
  EXPECT_THAT(fold.TwinLines(),
              testing::ElementsAre(HasSubstr(R"("fired":0)"), HasSubstr(R"("fired":1)")));
}

TEST_F(FoldTest, TheBaseAloneGivesTheTwinsThatWereSaved) {
  std::vector<std::string> saved;
  {
    Life life(folder_.path());
    ASSERT_TRUE(life.Start().ok());
    life.site.AppendAll(Lines(800));
    saved = life.Lines();
    ASSERT_TRUE(life.Save().ok());
    life.CopyTo(base());
    life.site.AppendAll(Lines(100));
    EXPECT_NE(life.Lines(), saved);
  }
  for (const uint32_t shards : kShardCounts) {
    FoldWorld world;
    Fold fold(world.probes.world, shards);
    ASSERT_TRUE(fold.RunBase(base()).ok());
    EXPECT_EQ(fold.TwinLines(), saved);
    EXPECT_EQ(fold.twins(), saved.size());
    EXPECT_THAT(fold.TakeEffects(), IsEmpty());
  }
}

TEST_F(FoldTest, UntilARecordTwinsAreWhatTheyWereThen) {
  const std::vector<Line> lines = Lines(600);
  Live(lines);
  for (const size_t until : {0u, 1u, 299u, 300u, 599u, 600u, 10'000u}) {
    support::TempDir other;
    Life life(other.path());
    ASSERT_TRUE(life.Start().ok());
    const size_t applied = std::min(until, lines.size());
    life.site.AppendAll({lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(applied)});
    const Folded folded = FoldOf({.base = {}, .journal = journal(), .until = MakeLsn(1, until)}, 2);
    ASSERT_TRUE(folded.status.ok()) << folded.status.message();
    EXPECT_EQ(folded.lines, life.Lines()) << until;
    EXPECT_EQ(folded.records, applied);
  }
}

TEST_F(FoldTest, OnlyWantedRecordsAreApplied) {
  const std::vector<std::string> live = Live(Lines(1'000));
  ASSERT_FALSE(live.empty());
  // One that nothing has deleted in the end.
  const auto twin = nlohmann::json::parse(live.front());
  const std::string id = twin["id"];
  const uint64_t key = HashKey(twin["model"].get<std::string>(), id);
  const Folded folded = FoldOf(
      {.base = {},
       .journal = journal(),
       .wants = [key](const journal::RecordView& record) { return record.key_hash() == key; }},
      3);
  ASSERT_EQ(folded.lines.size(), 1u);
  EXPECT_EQ(folded.lines[0], live.front());
  for (const std::string& effect : folded.effects)
    EXPECT_EQ(nlohmann::json::parse(effect)["twin"], id);
}

TEST_F(FoldTest, NeitherBaseNorJournalIsWrittenTo) {
  {
    Life life(folder_.path());
    ASSERT_TRUE(life.Start().ok());
    life.site.AppendAll(Lines(300));
    life.Lines();
    ASSERT_TRUE(life.Save().ok());
    life.CopyTo(base());
    life.site.AppendAll(Lines(300));
  }
  const auto segments = journal::FindSegments(journal()).value();
  // As a kill leaves it: a frame that was being written.
  std::ofstream(segments.back(), std::ios::binary | std::ios::app) << "half a frame";
  const auto before = FilesOf(folder_.path());
  for (const uint32_t shards : {1U, 7U}) {
    const Folded folded = FoldOf({.base = base(), .journal = journal()}, shards);
    ASSERT_TRUE(folded.status.ok()) << folded.status.message();
    EXPECT_EQ(folded.records, 300u);
    EXPECT_EQ(FilesOf(folder_.path()), before);
  }
}

TEST_F(FoldTest, NumbersOfModelsAndRoutesMeanNothingOutsideTheProcess) {
  const std::vector<Line> lines = Lines(800);
  const std::vector<std::string> live = Live(lines);
  FoldWorld world;
  const uint16_t added = world.probes.AddModel("other");
  twin::World& its = world.probes.world;
  std::swap(its.models[0], its.models[added]);
  for (twin::Route& route : its.routes) route.model = route.model == 0 ? added : 0;
  std::ranges::reverse(its.routes);
  for (const char* text : {"east", "k\"3", "never seen"})
    ASSERT_TRUE(world.probes.symbols.Intern(text));
  const Folded folded = FoldIn(its, {.base = {}, .journal = journal()}, 3);
  ASSERT_TRUE(folded.status.ok()) << folded.status.message();
  EXPECT_EQ(folded.lines, live);
}

// The table was full for the gateway; that the fold's has room changes nothing.
TEST_F(FoldTest, ASymbolThatWasRefusedStaysNull) {
  std::vector<std::string> live;
  {
    Life life(folder_.path());
    ASSERT_TRUE(life.Start().ok());
    const journal::RecordSymbol refused{
        static_cast<uint16_t>(life.site.probes.model().FieldIndex("region").value()), 1, 0};
    journal::Record record{.key_hash = HashKey("probe", "x"),
                           .id = "x",
                           .payload = R"({"order":"reply raise"})",
                           .symbols = {&refused, 1}};
    ASSERT_EQ(life.site.sequencer().Append({&record, 1}), journal::Sequencer::Outcome::kAppended);
    live = life.Lines();
  }
  ASSERT_THAT(live[0], HasSubstr(R"("region":null)"));
  const Folded folded = FoldOf({.base = {}, .journal = journal()}, 2);
  EXPECT_EQ(folded.lines, live);
  ASSERT_EQ(folded.effects.size(), 1u);  // no command: nobody knows where to
  EXPECT_THAT(folded.effects[0], HasSubstr(R"("kind":"alert")"));
}

TEST_F(FoldTest, ABaseThatIsNotThereIsNamed) {
  Live(Lines(10));
  ExpectFailure({.base = base(), .journal = journal()}, Code::kNotFound, base().string());
  FoldWorld world;
  Fold fold(world.probes.world, 2);
  EXPECT_EQ(fold.RunBase(base()).code(), Code::kNotFound);
}

TEST_F(FoldTest, ADamagedBaseIsRefusedWithTheRow) {
  {
    Life life(folder_.path());
    ASSERT_TRUE(life.Start().ok());
    life.site.Append({.id = "device-1", .json = R"({"a":1})"});
    life.Lines();
    ASSERT_TRUE(life.Save().ok());
    life.CopyTo(base());
  }
  {
    auto database = sqlite::Database::Open(base(), sqlite::Database::Mode::kReadWrite);
    ASSERT_TRUE(database->Run("UPDATE probe SET a = 2").ok());
  }
  ExpectFailure({.base = base(), .journal = journal()}, Code::kDamaged, "device-1");
  ExpectFailure({.base = base(), .journal = journal()}, Code::kDamaged, base().string());
  std::ofstream(base(), std::ios::binary | std::ios::trunc) << "no database at all, but bytes";
  ExpectFailure({.base = base(), .journal = journal()}, Code::kDamaged, base().string());
}

TEST_F(FoldTest, AJournalThatIsDamagedInTheMiddleIsRefusedWithTheFile) {
  {
    Life life(folder_.path(), {.segment_bytes = 16 * 1'024});
    ASSERT_TRUE(life.Start().ok());
    life.site.AppendAll(Lines(300));
    ASSERT_TRUE(life.site.journal().Sync().ok());
    life.site.AppendAll(Lines(300));
    life.Lines();
  }
  const auto segments = journal::FindSegments(journal()).value();
  ASSERT_GT(segments.size(), 3u);
  std::string bytes = BytesOf(segments[1]);
  bytes[4'000] = static_cast<char>(bytes[4'000] ^ 1);
  std::ofstream(segments[1], std::ios::binary | std::ios::trunc) << bytes;
  ExpectFailure({.base = {}, .journal = journal()}, Code::kDamaged, segments[1].string());
  std::filesystem::remove(segments[1]);
  ExpectFailure({.base = {}, .journal = journal()}, Code::kDamaged, segments[2].string());
}

TEST_F(FoldTest, AJournalThatIsNotThereIsNamed) {
  ExpectFailure({.base = {}, .journal = folder_ / "nowhere"}, Code::kUnavailable, "nowhere");
}

TEST_F(FoldTest, AModelOrRouteThatTheWorldLacksIsNamed) {
  Live({{.route = twin::kDropping}});
  FoldWorld world;
  world.probes.world.routes[twin::kDropping].name = "renamed";
  const Status no_route = FoldIn(world.probes.world, {.base = {}, .journal = journal()}, 2).status;
  EXPECT_EQ(no_route.code(), Code::kInvalid);
  EXPECT_THAT(no_route.message(), HasSubstr("route \"drop\""));
  twin::World other;
  Symbols symbols;
  other.symbols = &symbols;
  twin::ModelEntry entry;
  entry.model = model::Model::Create(*ModelTable<twin::Probe>(), {.name = "other"}).value();
  other.models.push_back(std::move(entry));
  const Status no_model = FoldIn(other, {.base = {}, .journal = journal()}, 2).status;
  EXPECT_EQ(no_model.code(), Code::kInvalid);
  EXPECT_THAT(no_model.message(), HasSubstr("model \"probe\""));
}

}  // namespace
}  // namespace gemel::playback
