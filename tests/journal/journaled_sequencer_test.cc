#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/journal/cursor.h"
#include "gateway/journal/reader.h"
#include "gateway/journal/sequencer.h"
#include "tests/journal/sequencing.h"
#include "tests/support/temp_dir.h"

namespace gemel::journal {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

// A sequencer of two shards whose records are journaled, as model "m" and route "r".
class JournaledSequencerTest : public SequencerTest {
 protected:
  static constexpr size_t kMailboxBytes = 4'096;

  void Open(uint64_t segment_bytes = 1 << 20, Time last = kNoTime) {
    Make(2, kMailboxBytes);
    Result<std::unique_ptr<Journal>> journal = Journal::Open(
        {.folder = folder_.path(), .segment_bytes = segment_bytes, .sync_every = {}}, {});
    ASSERT_TRUE(journal.ok()) << journal.status().message();
    journal_ = *std::move(journal);
    sequencer_->Attach(*journal_, catalog_, last);
    // An id of each shard.
    for (int i = 0; ids_[0].empty() || ids_[1].empty(); ++i) {
      const std::string id = "id-" + std::to_string(i);
      ids_[sequencer_->ShardOf(HashKey("m", id))] = id;
    }
  }
  // One message of a record for each of these shards; waits for the next segment where it takes
  // one.
  Sequencer::Outcome AppendFrame(const std::vector<std::pair<uint32_t, std::string>>& items) {
    std::vector<Record> frame;
    frame.reserve(items.size());
    for (const auto& [shard, payload] : items) frame.push_back(RecordOf(ids_[shard], payload));
    Sequencer::Outcome outcome = Sequencer::Outcome::kFull;
    while (outcome == Sequencer::Outcome::kFull) outcome = sequencer_->Append(frame);
    return outcome;
  }
  Sequencer::Outcome Append(uint32_t shard, const std::string& payload) {
    return AppendFrame({{shard, payload}});
  }
  // Appends until the shard is behind; how many records were appended.
  int AppendUntilBehind(uint32_t shard) {
    int count = 0;
    for (; !sequencer_->IsBehind(shard); ++count) {
      EXPECT_EQ(Append(shard, std::string(700, 'x')), Sequencer::Outcome::kAppended);
    }
    return count;
  }

  // Numbers of the records that wait in a mailbox; it is empty afterwards.
  std::vector<uint64_t> TakeAll(uint32_t shard) {
    std::vector<uint64_t> numbers;
    while (const auto record = Take(shard)) numbers.push_back(NumberOf(*record));
    mailboxes_[shard]->Release();
    return numbers;
  }
  // Numbers of the records of a shard in the journal from a place to another one, and `place`
  // there.
  std::vector<uint64_t> ReadTo(Cursor& cursor, uint32_t shard, JournalPlace end) {
    std::vector<uint64_t> numbers;
    while (true) {
      const Result<std::optional<Frame>> frame = cursor.Next(end);
      EXPECT_TRUE(frame.ok()) << frame.status().message();
      if (!frame.ok() || !*frame) return numbers;
      EntryReader entries((*frame)->body);
      while (const std::optional<Entry> entry = entries.Next()) {
        if (entry->kind != EntryKind::kRecord) continue;
        const RecordView record(entry->content);
        if (sequencer_->ShardOf(record.key_hash()) == shard) numbers.push_back(NumberOf(record));
      }
    }
  }
  // What the journal holds, read as a process that was started anew reads it: "number id".
  std::vector<std::string> Journaled() {
    std::vector<std::string> told;
    Symbols symbols;
    Translation translation(catalog_, symbols);
    Result<JournalReader> reader = JournalReader::Open(folder_.path());
    Lsn segment = kNoLsn;
    while (true) {
      const Result<std::optional<Frame>> frame = reader->Next();
      EXPECT_TRUE(frame.ok()) << frame.status().message();
      if (!frame.ok() || !*frame) return told;
      if (std::exchange(segment, reader->end().segment) != segment) translation.BeginSegment();
      EntryReader entries((*frame)->body);
      while (const std::optional<Entry> entry = entries.Next()) {
        if (entry->kind != EntryKind::kRecord) {
          EXPECT_TRUE(translation.Define(*entry).ok());
          continue;
        }
        std::vector<uint64_t> words(entry->content.size() / sizeof(uint64_t) + 1);
        std::memcpy(words.data(), entry->content.data(), entry->content.size());
        const auto bytes = std::as_writable_bytes(std::span(words)).first(entry->content.size());
        const Status status = translation.Apply(bytes);
        EXPECT_TRUE(status.ok()) << status.message();
        const RecordView record(bytes);
        told.push_back(fmt::format("{} {}", NumberOf(record), record.id()));
      }
    }
  }

  static uint64_t NumberOf(const RecordView& record) { return record.lsn() - MakeLsn(3, 0); }
  static std::vector<uint64_t> Numbers(uint64_t first, uint64_t last) {
    std::vector<uint64_t> numbers;
    for (uint64_t i = first; i <= last; ++i) numbers.push_back(i);
    return numbers;
  }

  support::TempDir folder_;
  Symbols symbols_;
  Catalog catalog_{.models = {{"m", {"f"}}}, .routes = {"r"}, .symbols = &symbols_};
  std::unique_ptr<Journal> journal_;
  std::string ids_[2];
};

TEST_F(JournaledSequencerTest, WhatIsAppendedIsInJournalAndMailboxInOneOrder) {
  Open();
  ASSERT_EQ(Append(0, "a"), Sequencer::Outcome::kAppended);
  ASSERT_EQ(Append(1, "b"), Sequencer::Outcome::kAppended);
  ASSERT_EQ(AppendFrame({{1, "c"}, {0, "d"}, {1, "e"}}), Sequencer::Outcome::kAppended);
  EXPECT_THAT(Journaled(), ElementsAre("1 " + ids_[0], "2 " + ids_[1], "3 " + ids_[1],
                                       "4 " + ids_[0], "5 " + ids_[1]));
  const auto first = Take(0);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->payload(), "a");
  EXPECT_EQ(first->record_time(), kStart);
  EXPECT_EQ(std::string_view(first->payload().data() + 1, kReadAhead), std::string(64, '\0'));
  EXPECT_EQ(Take(0)->payload(), "d");
  EXPECT_FALSE(Take(0));
  EXPECT_THAT(TakeAll(1), ElementsAre(2, 3, 5));
}

TEST_F(JournaledSequencerTest, WhatBecameOfEffectsIsJournaledAndNoShardsToApply) {
  Open();
  for (const RecordKind kind : {RecordKind::kEffectsSent, RecordKind::kEffectOutcome}) {
    Record record{.kind = kind, .payload = "0123456789abcdef"};
    EXPECT_EQ(sequencer_->Append({&record, 1}), Sequencer::Outcome::kAppended);
  }
  EXPECT_THAT(Journaled(), ElementsAre("1 ", "2 "));
  EXPECT_TRUE(TakeAll(0).empty());
  EXPECT_TRUE(TakeAll(1).empty());
  EXPECT_EQ(sequencer_->lag(), 0u) << "nobody would ever apply it";
}

TEST_F(JournaledSequencerTest, AShardWhoseMailboxIsFullFindsItsRecordsInTheJournal) {
  Open();
  const auto before = static_cast<uint64_t>(AppendUntilBehind(1)) - 1;
  EXPECT_FALSE(sequencer_->IsBehind(0));
  ASSERT_EQ(Append(0, "other"), Sequencer::Outcome::kAppended);
  ASSERT_EQ(AppendFrame({{0, "other"}, {1, "later"}}), Sequencer::Outcome::kAppended);
  EXPECT_EQ(TakeAll(0), Numbers(before + 2, before + 3)) << "the other shard goes on";
  EXPECT_EQ(TakeAll(1), Numbers(1, before));
  ASSERT_EQ(Append(1, "still behind"), Sequencer::Outcome::kAppended);
  EXPECT_TRUE(TakeAll(1).empty()) << "though there is room, what comes before it is not applied";

  Cursor cursor(sequencer_->journal_folder(), sequencer_->BehindFrom(1));
  JournalPlace end = sequencer_->CatchUp(1, cursor.place());
  EXPECT_TRUE(sequencer_->IsBehind(1));
  std::vector<uint64_t> read = ReadTo(cursor, 1, end);
  ASSERT_EQ(Append(1, "meanwhile"), Sequencer::Outcome::kAppended);
  end = sequencer_->CatchUp(1, cursor.place());
  EXPECT_TRUE(sequencer_->IsBehind(1)) << "one more has come";
  for (const uint64_t number : ReadTo(cursor, 1, end)) read.push_back(number);
  EXPECT_THAT(read, ElementsAre(before + 1, before + 4, before + 5, before + 6));
  EXPECT_EQ(sequencer_->CatchUp(1, cursor.place()), cursor.place());
  EXPECT_FALSE(sequencer_->IsBehind(1));
  ASSERT_EQ(Append(1, "again"), Sequencer::Outcome::kAppended);
  EXPECT_THAT(TakeAll(1), ElementsAre(before + 7));
}

TEST_F(JournaledSequencerTest, AFrameGoesToAShardInOneWay) {
  Open();
  const std::string large(500, 'x');
  ASSERT_EQ(Append(1, large), Sequencer::Outcome::kAppended);
  ASSERT_EQ(AppendFrame({{1, large}, {0, "small"}, {1, large}, {1, large}, {1, "small"}}),
            Sequencer::Outcome::kAppended);
  EXPECT_TRUE(sequencer_->IsBehind(1));
  EXPECT_THAT(TakeAll(1), ElementsAre(1)) << "some of the frame would have fit";
  EXPECT_THAT(TakeAll(0), ElementsAre(3));
  Cursor cursor(sequencer_->journal_folder(), sequencer_->BehindFrom(1));
  EXPECT_THAT(ReadTo(cursor, 1, sequencer_->CatchUp(1, {})), ElementsAre(2, 4, 5, 6));
}

TEST_F(JournaledSequencerTest, WhatNoMailboxCanHoldGoesByTheJournal) {
  Open();
  ASSERT_EQ(Append(0, std::string(3 * kMailboxBytes, 'x')), Sequencer::Outcome::kAppended);
  EXPECT_TRUE(sequencer_->IsBehind(0));
  EXPECT_TRUE(TakeAll(0).empty());
  Cursor cursor(sequencer_->journal_folder(), sequencer_->BehindFrom(0));
  EXPECT_THAT(ReadTo(cursor, 0, sequencer_->CatchUp(0, {})), ElementsAre(1));
}

TEST_F(JournaledSequencerTest, AShardThatFallsBehindInOneSegmentReadsOnInTheNext) {
  Open(4'096);
  AppendUntilBehind(1);
  Cursor cursor(sequencer_->journal_folder(), sequencer_->BehindFrom(1));
  const size_t waiting = TakeAll(1).size();
  for (int i = 0; i < 40; ++i) Append(1, std::string(300, 'x'));
  EXPECT_EQ(ReadTo(cursor, 1, sequencer_->CatchUp(1, {})), Numbers(waiting + 1, waiting + 41));
  EXPECT_GT(FindSegments(folder_.path()).value().size(), 1u);
}

// The next segment takes the disk longer than the appends that fill this one.
TEST_F(JournaledSequencerTest, WhatAFullJournalRefusesLeavesNoGapAndIsMissedByNobody) {
  Open(1'024);
  int full = 0;
  int appended = 0;
  while (full < 20 || appended < 20) {
    // Each time with a name that the segment may not define yet.
    const RecordSymbol symbol{0, 0, symbols_.Intern(std::to_string(appended % 7)).value().number};
    Record record = RecordOf(ids_[appended % 2]);
    record.payload = std::string_view("a payload that fills the segment soon").substr(full % 8);
    record.symbols = {&symbol, 1};
    const Sequencer::Outcome outcome = sequencer_->Append({&record, 1});
    if (outcome == Sequencer::Outcome::kFull) {
      ++full;
      continue;
    }
    ASSERT_EQ(outcome, Sequencer::Outcome::kAppended);
    ASSERT_EQ(record.lsn, MakeLsn(3, static_cast<uint64_t>(++appended)));
  }
  const std::vector<std::string> journaled = Journaled();
  ASSERT_EQ(journaled.size(), static_cast<size_t>(appended));
  for (int i = 0; i < appended; ++i)
    EXPECT_EQ(journaled[static_cast<size_t>(i)], fmt::format("{} {}", i + 1, ids_[i % 2]));
}

TEST_F(JournaledSequencerTest, WhatNoSegmentCanHoldIsTooLargeAndLeavesNoGap) {
  Open(4'096);
  ASSERT_EQ(Append(0, "before"), Sequencer::Outcome::kAppended);
  EXPECT_EQ(Append(0, std::string(4'096, 'x')), Sequencer::Outcome::kTooLarge);
  EXPECT_EQ(AppendFrame({{0, std::string(2'000, 'x')}, {1, std::string(2'000, 'x')}}),
            Sequencer::Outcome::kTooLarge);
  ASSERT_EQ(Append(0, "after"), Sequencer::Outcome::kAppended);
  EXPECT_THAT(Journaled(), ElementsAre("1 " + ids_[0], "2 " + ids_[0]));
  EXPECT_THAT(TakeAll(0), ElementsAre(1, 2));
  EXPECT_TRUE(TakeAll(1).empty());
}

TEST_F(JournaledSequencerTest, LagIsWhatWasAppendedAndNotApplied) {
  Counter applied;
  Make(1, kMailboxBytes);
  sequencer_ = std::make_unique<Sequencer>(
      3, clock_, std::vector<ShardInbox>{{mailboxes_[0].get(), parkers_[0].get(), &applied}});
  Result<std::unique_ptr<Journal>> journal = Journal::Open({.folder = folder_.path()}, {});
  ASSERT_TRUE(journal.ok());
  sequencer_->Attach(**journal, catalog_, kNoTime);
  EXPECT_EQ(sequencer_->lag(), 0u);
  const Record small = RecordOf("a");
  const std::string payload(2 * kMailboxBytes, 'x');
  const Record large = RecordOf("b", payload);
  SequencerTest::Append(small);
  SequencerTest::Append(large);
  EXPECT_TRUE(sequencer_->IsBehind(0));
  EXPECT_EQ(sequencer_->lag(), EncodedSize(small) + EncodedSize(large)) << "whichever way it goes";
  applied.Add(EncodedSize(small));
  EXPECT_EQ(sequencer_->lag(), EncodedSize(large));
  applied.Add(EncodedSize(large) + 1);
  EXPECT_EQ(sequencer_->lag(), 0u) << "a number that is not negative, whatever is counted";
}

TEST_F(JournaledSequencerTest, RecordTimeGoesOnFromTheLastRecord) {
  const Time last = kStart + hours(3);
  Open(1 << 20, last);
  EXPECT_EQ(sequencer_->Now(), last);
  Append(0, "{}");
  clock_.Advance(hours(1));
  Append(0, "{}");
  EXPECT_EQ(Take(0)->record_time(), last);
  EXPECT_EQ(Take(0)->record_time(), last) << "the clock is still behind it";
  clock_.Advance(hours(2) + seconds(1));
  Append(0, "{}");
  EXPECT_EQ(Take(0)->record_time(), last + seconds(1));
}

TEST_F(SequencerTest, AReplayedRecordReachesItsShardWithItsOwnNumberAndTime) {
  Make(2, 4'096);
  Record record = RecordOf("a", "payload");
  record.lsn = MakeLsn(1, 77);
  record.record_time = kStart - hours(9);
  std::vector<uint64_t> words(EncodedSize(record) / sizeof(uint64_t) + 1);
  Encode(record, reinterpret_cast<std::byte*>(words.data()));
  const auto bytes = std::as_bytes(std::span(words)).first(EncodedSize(record) - kReadAhead);
  int count = 0;
  while (sequencer_->Replay(bytes)) ++count;
  EXPECT_GT(count, 10) << "until the mailbox is full";
  EXPECT_EQ(sequencer_->lag(), static_cast<uint64_t>(count) * EncodedSize(record));
  const uint32_t shard = sequencer_->ShardOf(record.key_hash);
  EXPECT_FALSE(Take(1 - shard));
  for (; count > 0; --count) {
    const auto taken = Take(shard);
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->lsn(), record.lsn);
    EXPECT_EQ(taken->record_time(), record.record_time);
    EXPECT_EQ(taken->payload(), "payload");
    EXPECT_EQ(std::string_view(taken->payload().data() + 7, kReadAhead), std::string(64, '\0'));
  }
  mailboxes_[shard]->Release();
  EXPECT_TRUE(sequencer_->Replay(bytes)) << "there is room again";
}

TEST_F(JournaledSequencerTest, WhatWasTooLargeDefinesNothingThatLaterRecordsLeanOn) {
  Open(4'096);
  ASSERT_EQ(Append(0, "before"), Sequencer::Outcome::kAppended);
  const RecordSymbol symbol{0, 0, symbols_.Intern("north").value().number};
  const std::string large(4'096, 'x');
  for (const std::string_view payload : {std::string_view(large), std::string_view("after")}) {
    Record record = RecordOf(ids_[0], payload);
    record.symbols = {&symbol, 1};
    sequencer_->Append({&record, 1});
  }
  EXPECT_THAT(Journaled(), ElementsAre("1 " + ids_[0], "2 " + ids_[0]));
}

}  // namespace
}  // namespace gemel::journal
