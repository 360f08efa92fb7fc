#include "gateway/store/recovery.h"

#include <array>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/store/site.h"
#include "tests/support/temp_dir.h"

namespace gemel::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

std::vector<char> BytesOf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void Overwrite(const std::filesystem::path& path, const std::vector<char>& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::vector<Line> RandomLines(std::mt19937_64& random, size_t count) {
  constexpr std::array kOrders = {"",     "reply", "soon",  "raise",       "minor", "clear",
                                  "draw", "throw", "flood", "clear raise", "fill",  "look"};
  constexpr std::array kRegions = {"north", "south", "east", "west"};
  std::vector<Line> lines;
  for (size_t i = 0; i < count; ++i) {
    Line line{.id = "device-" + std::to_string(random() % 40),
              .json = fmt::format(R"({{"a": {}, "order": "{}"}})", random() % 1'000,
                                  kOrders[random() % kOrders.size()]),
              .route = static_cast<uint16_t>(random() % twin::kRoutes),
              .region = kRegions[random() % kRegions.size()]};
    if (random() % 20 == 0) line.json = "{";
    if (random() % 2 == 0) line.event_time = twin::kStart + std::chrono::seconds(random() % 100);
    if (random() % 2 == 0) line.message_id = random() % 12;
    line.is_deletion = random() % 50 == 0;
    lines.push_back(line);
  }
  return lines;
}

std::string Told(const twin::Kept& kept) {
  return fmt::format("{}{} {} {}", FormatEffectId('e', kept.id),
                     kept.is_retained ? " retained" : "", kept.topic, kept.payload);
}

// What a new process has to send of this: neither what was acknowledged, nor dead letters.
std::vector<std::string> Left(const std::vector<twin::Kept>& effects,
                              const std::vector<EffectId>& acknowledged = {}) {
  std::vector<std::string> left;
  for (const twin::Kept& kept : effects) {
    const bool is_left = kept.kind != effects::EffectKind::kDeadLetter &&
                         std::ranges::find(acknowledged, kept.id) == acknowledged.end();
    if (is_left) left.push_back(Told(kept));
  }
  return left;
}

std::vector<std::string> Told(const std::vector<twin::Kept>& effects) {
  std::vector<std::string> told;
  told.reserve(effects.size());
  for (const twin::Kept& kept : effects) told.push_back(Told(kept));
  return told;
}

class RecoveryTest : public ::testing::Test {
 protected:
  // A process that has written these messages and ended.
  void Write(const std::vector<Line>& lines) {
    Site site(path());
    site.Start();
    site.AppendAll(lines);
  }
  // What is wrong when a new process recovers; empty if nothing.
  std::string Failure() {
    Site site(path());
    return site.Recover(site.CatalogOf()).status().message();
  }
  std::vector<std::filesystem::path> segments() const {
    return journal::FindSegments(path()).value();
  }
  const std::filesystem::path& path() const { return folder_.path(); }

  support::TempDir folder_;
};

TEST_F(RecoveryTest, TwinsAndEffectsAreTheSameAgainWhateverTheNumberOfShards) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<std::string> twins;
  std::vector<std::string> left;
  {
    Site site(path(), {.shards = 3});
    site.Start();
    site.AppendAll(RandomLines(random, 1'500));
    std::vector<twin::Kept> effects = site.Effects();
    std::vector<EffectId> acknowledged;
    for (const twin::Kept& kept : effects) {
      if (kept.kind != effects::EffectKind::kDeadLetter && kept.id.lsn % 3 != 0)
        acknowledged.push_back(kept.id);
    }
    site.Acknowledge(acknowledged);
    site.AppendAll(RandomLines(random, 500));
    for (const twin::Kept& kept : site.Effects()) effects.push_back(kept);
    twins = site.Twins();
    left = Left(effects, acknowledged);
  }
  EXPECT_GT(segments().size(), 3u);
  EXPECT_GT(left.size(), 100u);
  for (const uint32_t shards : {1U, 2U, 7U}) {
    Site site(path(), {.epoch = 2, .shards = shards});
    site.Start();
    EXPECT_EQ(site.Twins(), twins) << shards;
    EXPECT_EQ(Told(site.Effects()), left) << shards;
  }
}

TEST_F(RecoveryTest, WhatIsAppendedAfterARecoveryIsRecoveredToo) {
  std::mt19937_64 random(1);
  std::vector<std::string> twins;
  std::vector<std::string> left;
  for (uint64_t epoch = 1; epoch <= 4; ++epoch) {
    Site site(path(), {.epoch = epoch, .shards = static_cast<uint32_t>(epoch)});
    const Recovered recovered = site.Start();
    EXPECT_EQ(recovered.records, 300 * (epoch - 1));
    EXPECT_EQ(site.Twins(), twins);
    std::vector<std::string> sent = Told(site.Effects());
    EXPECT_EQ(sent, left);
    site.AppendAll(RandomLines(random, 300));
    twins = site.Twins();
    for (const std::string& effect : Left(site.Effects())) left.push_back(effect);
  }
}

TEST_F(RecoveryTest, AnEmptyFolderIsANewBeginning) {
  Site site(path());
  const Recovered recovered = site.Start();
  EXPECT_EQ(recovered.records, 0u);
  EXPECT_EQ(recovered.last, kNoTime);
  EXPECT_EQ(recovered.end.segment, kNoLsn);
  EXPECT_EQ(site.progress.share(), 1);
  EXPECT_THAT(site.Twins(), IsEmpty());
  Site nowhere(path() / "missing");
  EXPECT_EQ(nowhere.Recover(nowhere.CatalogOf()).status().code(), Code::kUnavailable);
}

TEST_F(RecoveryTest, EffectsStayBehindTheGateUntilItIsOpened) {
  std::vector<std::string> left;
  {
    Site site(path());
    site.Start();
    site.AppendAll({{.json = R"({"order": "raise"})"},
                    {.json = "{"},
                    {.json = R"({"order": "clear reply"})"}});
    left = Left(site.Effects());
    EXPECT_EQ(left.size(), 4u) << "raised, cleared, emptied, a command; but no dead letter";
  }
  Site closed(path());
  ASSERT_TRUE(closed.Recover(closed.CatalogOf()).ok());
  EXPECT_THAT(closed.Effects(), IsEmpty());
  Site open(path());
  open.Start();
  EXPECT_EQ(open.held, 3u) << "the two messages of the alert that was cleared are one effect";
  EXPECT_EQ(Told(open.Effects()), left);
}

TEST_F(RecoveryTest, WhatWasAcknowledgedIsNotSentAgainUnderAnyNumberOfRestarts) {
  {
    Site site(path());
    site.Start();
    for (int i = 0; i < 10; ++i) site.Append({.json = R"({"order": "reply soon"})"});
    const std::vector<twin::Kept> effects = site.Effects();
    ASSERT_EQ(effects.size(), 20u);
    site.Acknowledge(std::array{effects[0].id, effects[1].id, effects[3].id});
  }
  std::vector<EffectId> sent;
  {
    Site site(path(), {.epoch = 2});
    site.Start();
    for (const twin::Kept& kept : site.Effects()) sent.push_back(kept.id);
    EXPECT_EQ(sent.size(), 17u);
    EXPECT_EQ(sent.front(), (EffectId{MakeLsn(1, 2), 0}));
    site.Acknowledge(sent);
  }
  Site site(path(), {.epoch = 3});
  site.Start();
  EXPECT_THAT(site.Effects(), IsEmpty());
}

TEST_F(RecoveryTest, ARepeatIsStillKnown) {
  Write({{.message_id = 1}, {.message_id = 2}});
  Site site(path(), {.epoch = 2});
  site.Start();
  site.AppendAll({{.message_id = 2}, {.message_id = 3}, {.message_id = 1}});
  site.Twins();
  EXPECT_EQ(site.repeated(), 2u);
}

TEST_F(RecoveryTest, SymbolsGetTheNumbersOfTheNewProcess) {
  Write({{.id = "a", .region = "north"}, {.id = "b", .region = "south"}});
  Site site(path(), {.epoch = 2});
  for (const char* other : {"south", "somewhere", "else"}) site.probes.symbols.Intern(other);
  site.Start();
  EXPECT_THAT(site.Twins(),
              ElementsAre(HasSubstr(R"(region="north")"), HasSubstr(R"(region="south")")));
  EXPECT_EQ(site.probes.symbols.size(), 4u);
}

TEST_F(RecoveryTest, RecordTimeAndTheEndOfTheJournalAreTold) {
  Lsn segment = kNoLsn;
  {
    Site site(path());
    site.Start();
    site.AppendAll(std::vector<Line>(1'000));
    segment = site.journal().place().segment;
  }
  Site site(path(), {.epoch = 2});
  const Recovered recovered = site.Start();
  EXPECT_EQ(recovered.records, 1'000u);
  EXPECT_EQ(recovered.last, twin::kStart + std::chrono::seconds(1));
  EXPECT_EQ(recovered.end.segment, segment);
  EXPECT_EQ(recovered.end.frame, MakeLsn(1, 1'000));
  EXPECT_EQ(recovered.torn_bytes, 0u);
  EXPECT_EQ(recovered.lost_segments, 0u);
  EXPECT_EQ(site.progress.share(), 1);
}

TEST_F(RecoveryTest, WhatLiesUpToTheCheckpointIsNotReplayed) {
  Write(std::vector<Line>(1'000));
  ASSERT_GT(segments().size(), 2u);
  for (const uint64_t checkpoint : {0, 1, 500, 999, 1'000}) {
    Site site(path(), {.epoch = 2});
    const auto recovered = site.Recover(site.CatalogOf(), MakeLsn(1, checkpoint));
    ASSERT_TRUE(recovered.ok()) << recovered.status().message();
    EXPECT_EQ(recovered->records, 1'000 - checkpoint);
    EXPECT_EQ(recovered->last, twin::kStart + std::chrono::seconds(1)) << checkpoint;
    EXPECT_EQ(recovered->end.frame, MakeLsn(1, 1'000)) << checkpoint;
  }
}

TEST_F(RecoveryTest, AMailboxThatIsFullIsWaitedFor) {
  Write(std::vector<Line>(3'000, {.json = R"({"order": "draw"})"}));
  Site site(path(), {.epoch = 2, .shards = 1, .mailbox_bytes = 4'096});
  EXPECT_EQ(site.Start().records, 3'000u);
  EXPECT_THAT(site.Twins(), ElementsAre(HasSubstr("calls=3000")));
}

TEST_F(RecoveryTest, AFrameThatWasBeingWrittenIsCutOffAndSaid) {
  Site whole(path());
  whole.Start();
  whole.AppendAll({{.id = "a"}, {.id = "b"}});
  const std::vector<std::string> twins = whole.Twins();
  const uint64_t end = whole.journal().place().offset;
  whole.Append({.id = "a"});
  const uint64_t last = whole.journal().place().offset;
  const std::vector<char> bytes = BytesOf(segments()[0]);
  for (const uint64_t size : {end + 8, end + 60, last - 1}) {
    support::TempDir folder;
    const std::filesystem::path segment = folder / segments()[0].filename();
    Overwrite(segment, {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)});
    {
      Site site(folder.path(), {.epoch = 2});
      const Recovered recovered = site.Start();
      EXPECT_EQ(recovered.records, 2u);
      EXPECT_GT(recovered.torn_bytes, 0u);
      EXPECT_LE(recovered.torn_bytes, size - end);
      EXPECT_EQ(std::filesystem::file_size(segment), end);
      EXPECT_EQ(site.Twins(), twins);
      site.Append({.id = "c"});
    }
    Site site(folder.path(), {.epoch = 3});
    const Recovered recovered = site.Start();
    EXPECT_EQ(recovered.torn_bytes, 0u) << "it is said once";
    EXPECT_EQ(site.Twins().size(), 3u);
  }
}

TEST_F(RecoveryTest, AModelOrRouteThatIsGoneIsNamedWithWhatToDo) {
  Write({{.route = twin::kMute}});
  for (const char* gone : {"route \"mute\"", "model \"probe\""}) {
    Site site(path(), {.epoch = 2});
    journal::Catalog catalog = site.CatalogOf();
    if (std::string_view(gone).starts_with("route")) {
      catalog.routes[twin::kMute] = "other";
    } else {
      catalog.models[0].name = "other";
    }
    const Status status = site.Recover(catalog).status();
    EXPECT_EQ(status.code(), Code::kInvalid);
    EXPECT_THAT(status.message(), StartsWith(segments()[0].string() + ": "));
    EXPECT_THAT(status.message(), HasSubstr(gone));
    EXPECT_THAT(status.message(), HasSubstr("start with one that has it"));
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
  }
}

TEST_F(RecoveryTest, AChangedByteIsDamageThatNamesItsFile) {
  {
    Site site(path());
    site.Start();
    site.AppendAll(std::vector<Line>(1'000));
    ASSERT_TRUE(site.journal().Sync().ok());
    site.Append({});
  }
  const std::filesystem::path segment = segments()[1];
  const std::vector<char> whole = BytesOf(segment);
  std::mt19937 random(1);
  for (int i = 0; i < 20; ++i) {
    std::vector<char> bytes = whole;
    // Not of the zeros at its end.
    const size_t at = random() % (bytes.size() - 1'000);
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
    Overwrite(segment, bytes);
    Site site(path(), {.epoch = 2});
    const Status status = site.Recover(site.CatalogOf()).status();
    EXPECT_EQ(status.code(), Code::kDamaged) << at;
    EXPECT_THAT(status.message(), StartsWith(segment.string() + ": ")) << at;
  }
  Overwrite(segment, whole);
  EXPECT_EQ(Failure(), "");
}

// A frame that is as it was written, by a program that writes something else.
TEST_F(RecoveryTest, AnEntryThatMakesNoSenseIsDamageThatNamesItsFrame) {
  struct Foreign {
    uint32_t bytes;
    uint16_t kind;
    const char* said;
  };
  for (const Foreign& foreign :
       {Foreign{8, 1, "an entry that is no record"}, Foreign{8, 2, "an entry that defines nothing"},
        Foreign{11, 9, "an entry of kind 9, which this program does not know"},
        Foreign{1'000, 1, "an entry that does not end"}}) {
    support::TempDir folder;
    {
      auto journal = journal::Journal::Open({.folder = folder.path(), .segment_bytes = 4'096}, {});
      ASSERT_TRUE(journal.ok());
      // A definition, if it is one: of number 0, one text, "x".
      std::array<uint64_t, journal::kFrameHeadBytes / 8 + 3> frame{};
      frame[3] = foreign.bytes | uint64_t{foreign.kind} << 32;
      frame[4] = foreign.bytes == 11 ? uint64_t{1} << 32 : 0;
      frame[5] = 1 | uint64_t{'x'} << 16;
      const auto bytes = std::as_writable_bytes(std::span(frame));
      ASSERT_TRUE((*journal)->Append(MakeLsn(1, 0xAB), twin::kStart, bytes).ok());
    }
    Site site(folder.path(), {.epoch = 2});
    const Status status = site.Recover(site.CatalogOf()).status();
    EXPECT_EQ(status.code(), Code::kDamaged);
    EXPECT_THAT(status.message(),
                HasSubstr(fmt::format("the frame {:x} holds {}", MakeLsn(1, 0xAB), foreign.said)));
    EXPECT_THAT(status.message(), StartsWith(folder.path().string()));
  }
}

TEST_F(RecoveryTest, ARecordThatNoMailboxCanHoldIsRecoveredToo) {
  Write({{.json = "{}" + std::string(10'000, ' ')}});
  Site site(path(), {.epoch = 2, .mailbox_bytes = 16 * 1'024});
  EXPECT_EQ(site.Start().records, 1u);
  EXPECT_EQ(site.Twins().size(), 1u);
}

// What processes have left that died in this record so often.
std::unique_ptr<journal::Attempts> DiedIn(const std::filesystem::path& journal, Lsn lsn,
                                          uint64_t deaths) {
  for (uint64_t death = 1; death <= deaths; ++death)
    journal::Attempts::Open(journal, death).value()->slot(0) = lsn;
  return *journal::Attempts::Open(journal, deaths + 1);
}

TEST_F(RecoveryTest, ARecordThatAProcessDiedInIsAppliedOnceMoreAndForgotten) {
  std::mt19937_64 random(5);
  std::vector<std::string> twins;
  {
    Site site(path());
    site.Start();
    site.AppendAll(RandomLines(random, 200));
    twins = site.Twins();
  }
  const auto attempts = DiedIn(path(), MakeLsn(1, 100), 1);
  Site site(path(), {.epoch = 2, .attempts = attempts.get()});
  const Recovered recovered = site.Start();
  EXPECT_TRUE(recovered.set_aside.empty());
  EXPECT_EQ(site.Twins(), twins);
  EXPECT_THAT(attempts->counts(), IsEmpty());
}

TEST_F(RecoveryTest, ARecordThatTwoProcessesDiedInIsLeftOutByThisStartAndByAllAfterIt) {
  constexpr Lsn kCulprit = MakeLsn(1, 2);
  Write({{.json = R"({"a": 1})"}, {.json = R"({"a": 2, "b": 2})"}, {.id = "y"}});
  std::vector<std::string> twins;
  {
    const auto attempts = DiedIn(path(), kCulprit, 2);
    Site site(path(), {.epoch = 2, .attempts = attempts.get()});
    const Recovered recovered = site.Start();
    ASSERT_EQ(recovered.set_aside.size(), 1u);
    EXPECT_EQ(recovered.set_aside[0].view().lsn(), kCulprit);
    EXPECT_EQ(recovered.set_aside[0].view().payload(), R"({"a": 2, "b": 2})");
    EXPECT_EQ(attempts->CountOf(kCulprit), 2u) << "until the journal names it";
    twins = site.Twins();
    EXPECT_THAT(twins, ElementsAre(HasSubstr("a=1 b=null"), StartsWith("y ")));
    site.Skip(kCulprit);
  }
  Site site(path(), {.epoch = 3});
  EXPECT_TRUE(site.Start().set_aside.empty());
  EXPECT_EQ(site.Twins(), twins);
}

TEST_F(RecoveryTest, ProgressEndsAtOneThoughTheLastSegmentWasNotFull) {
  Site killed(path());  // its journal is not closed
  killed.Start();
  killed.AppendAll(std::vector<Line>(1'000));
  Site site(path(), {.epoch = 2});
  ASSERT_TRUE(site.Recover(site.CatalogOf()).ok());
  EXPECT_EQ(site.progress.share(), 1);
}

}  // namespace
}  // namespace gemel::store
