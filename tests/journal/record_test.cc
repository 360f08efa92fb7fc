#include "gateway/journal/record.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/exact_bytes.h"

namespace gemel::journal {
namespace {

std::vector<uint64_t> Encoded(const Record& record) {
  std::vector<uint64_t> bytes((EncodedSize(record) + 7) / 8);
  Encode(record, reinterpret_cast<std::byte*>(bytes.data()));
  return bytes;
}

// Without what parsers may read behind it.
size_t SizeOf(const Record& record) { return EncodedSize(record) - kReadAhead; }

RecordView View(const std::vector<uint64_t>& bytes) {
  return RecordView(std::as_bytes(std::span(bytes)));
}

TEST(RecordTest, EverythingReadsBackAsItWasWritten) {
  const std::vector<RecordSymbol> symbols = {{3, 0, 77}, {5, 1, 0}};
  const std::vector<RecordCapture> captures = {{1, "north"}, {9, ""}};
  Record record;
  record.lsn = MakeLsn(2, 9);
  record.model = 4;
  record.route = 6;
  record.codec = 2;
  record.repeat = RepeatKey::kSequence;
  record.item = 11;
  record.key_hash = 0xFEDCBA9876543210;
  record.record_time = Time{Duration{1'700'000'000'000'001}};
  record.event_time = Time{Duration{-5}};
  record.repeat_key = 99;
  record.id = "truck-17";
  record.payload = R"({"a":1})";
  record.outer = R"({"0":2})";
  record.symbols = symbols;
  record.captures = captures;
  const auto bytes = Encoded(record);
  const RecordView view = View(bytes);
  EXPECT_EQ(view.lsn(), record.lsn);
  EXPECT_EQ(view.kind(), RecordKind::kTelemetry);
  EXPECT_EQ(view.model(), 4);
  EXPECT_EQ(view.route(), 6);
  EXPECT_EQ(view.codec(), 2);
  EXPECT_EQ(view.repeat(), RepeatKey::kSequence);
  EXPECT_EQ(view.item(), 11u);
  EXPECT_EQ(view.key_hash(), record.key_hash);
  EXPECT_EQ(view.record_time(), record.record_time);
  EXPECT_EQ(view.event_time(), record.event_time);
  EXPECT_EQ(view.repeat_key(), 99u);
  EXPECT_EQ(view.id(), "truck-17");
  EXPECT_EQ(view.payload(), record.payload);
  EXPECT_EQ(view.outer(), record.outer);
  ASSERT_EQ(view.symbols().size(), 2u);
  EXPECT_EQ(view.symbols()[0].number, 77u);
  EXPECT_EQ(view.symbols()[1].is_refused, 1u);
  std::vector<std::pair<uint16_t, std::string>> seen;
  view.ForEachCapture(
      [&](uint16_t field, std::string_view text) { seen.emplace_back(field, text); });
  EXPECT_EQ(seen, (std::vector<std::pair<uint16_t, std::string>>{{1, "north"}, {9, ""}}));
}

TEST(RecordTest, WithoutAnEventTimeItIsTheRecordTime) {
  Record record;
  record.id = "x";
  record.record_time = Time{Duration{42}};
  const auto bytes = Encoded(record);
  EXPECT_EQ(View(bytes).event_time(), record.record_time);
}

TEST(RecordTest, ParsersMayReadBehindThePayload) {
  Record record;
  record.id = "x";
  record.payload = "{}";
  const auto bytes = Encoded(record);
  const std::string_view payload = View(bytes).payload();
  const char* end = reinterpret_cast<const char*>(bytes.data() + bytes.size());
  EXPECT_GE(end - (payload.data() + payload.size()), 64);
  EXPECT_EQ(std::string_view(payload.data() + 2, 64), std::string(64, '\0'));
}

// FORMAT.md says the same in words.
TEST(RecordTest, ItsBytesAreThoseOfTheFormat) {
  const std::vector<RecordSymbol> symbols = {{0x0102, 1, 0x03040506}};
  const std::vector<RecordCapture> captures = {{0x0708, "ab"}};
  const Record record{.lsn = 0x11,
                      .kind = RecordKind::kTwinDeleted,
                      .model = 0x21,
                      .route = 0x22,
                      .codec = 0x23,
                      .repeat = RepeatKey::kSequence,
                      .item = 0x24,
                      .key_hash = 0x12,
                      .record_time = Time{Duration{0x13}},
                      .event_time = Time{Duration{-2}},
                      .repeat_key = 0x15,
                      .id = "id",
                      .payload = "pay",
                      .outer = "outer",
                      .symbols = symbols,
                      .captures = captures};
  const std::vector<uint64_t> words = Encoded(record);
  std::string bytes;
  size_t column = 0;
  for (const std::byte byte : std::as_bytes(std::span(words)).first(SizeOf(record))) {
    bytes += fmt::format("{:02x}{}", static_cast<unsigned>(byte), ++column % 8 == 0 ? "|" : " ");
  }
  EXPECT_EQ(bytes,
            "11 00 00 00 00 00 00 00|12 00 00 00 00 00 00 00|"
            "13 00 00 00 00 00 00 00|fe ff ff ff ff ff ff ff|"
            "15 00 00 00 00 00 00 00|0c 00 21 00 22 00 23 02|"
            "24 00 00 00 02 00 01 00|01 00 00 00 02 00 00 00|"
            "08 00 00 00 03 00 00 00|0b 00 00 00 05 00 00 00|"
            "02 01 01 00 06 05 04 03|"  // the symbol
            "69 64 08 07 02 00 61 62|"  // id, and the capture
            "70 61 79 6f 75 74 65 72|");
}

// Records of all shapes.
std::vector<Record> Shapes() {
  static const std::vector<RecordSymbol> kSymbols = {{3, 0, 77}, {5, 1, 0}, {6, 0, 1}};
  static const std::vector<RecordCapture> kCaptures = {{1, "north"}, {9, ""}, {2, "x"}};
  Record whole{.id = "truck-17",
               .payload = R"({"a":1})",
               .outer = R"({"0":2})",
               .symbols = kSymbols,
               .captures = kCaptures};
  std::vector<Record> shapes(8, whole);
  shapes[1].outer = {};
  shapes[2].payload = {};
  shapes[3].captures = {};
  shapes[4].symbols = {};
  shapes[5].captures = std::span(kCaptures).first(2);
  shapes[5].payload = shapes[5].outer = {};
  shapes[6] = {.id = "x"};
  shapes[7] = {};
  return shapes;
}

bool LiesIn(std::span<const std::byte> bytes, const void* at, size_t size) {
  const auto* const first = static_cast<const std::byte*>(at);
  return first >= bytes.data() && first + size <= bytes.data() + bytes.size();
}

// That a view of these bytes sees nothing that lies outside of them.
void ExpectSeesOnly(std::span<const std::byte> bytes) {
  const RecordView view(bytes);
  for (const std::string_view text : {view.id(), view.payload(), view.outer()})
    EXPECT_TRUE(LiesIn(bytes, text.data(), text.size()));
  EXPECT_TRUE(LiesIn(bytes, view.symbols().data(), view.symbols().size_bytes()));
  view.ForEachCapture([&](uint16_t, std::string_view text) {
    EXPECT_TRUE(LiesIn(bytes, text.data(), text.size()));
  });
}

TEST(IsRecordTest, WhatWasEncodedIsARecordAndNoBeginningOfIt) {
  for (const Record& record : Shapes()) {
    const std::vector<uint64_t> words = Encoded(record);
    const auto whole = std::as_bytes(std::span(words)).first(SizeOf(record));
    EXPECT_TRUE(IsRecord(support::ExactBytes(whole).span()));
    ExpectSeesOnly(whole);
    for (size_t size = 0; size < whole.size(); ++size)
      EXPECT_FALSE(IsRecord(support::ExactBytes(whole.first(size)).span()))
          << size << " of " << whole.size();
  }
}

TEST(IsRecordTest, ASizeOrOffsetThatLeadsOutsideIsRefused) {
  // Offset and bytes of all fields that say where something lies.
  constexpr std::pair<size_t, size_t> kPlaces[] = {{52, 2}, {54, 2}, {56, 2}, {60, 4},
                                                   {64, 4}, {68, 4}, {72, 4}, {76, 4}};
  for (const Record& record : Shapes()) {
    const std::vector<uint64_t> words = Encoded(record);
    const auto whole = std::as_bytes(std::span(words)).first(SizeOf(record));
    for (const auto& [offset, size] : kPlaces) {
      support::ExactBytes largest(whole);
      std::ranges::fill(largest.span().subspan(offset, size), std::byte{0xFF});
      EXPECT_FALSE(IsRecord(largest.span())) << offset;
    }
  }
}

TEST(IsRecordTest, WhicheverBitIsFlippedNothingOutsideIsEverSeen) {
  int refused = 0;
  for (const Record& record : Shapes()) {
    const std::vector<uint64_t> words = Encoded(record);
    support::ExactBytes bytes(std::as_bytes(std::span(words)).first(SizeOf(record)));
    for (size_t bit = 0; bit < 8 * bytes.span().size(); ++bit) {
      std::byte& byte = bytes.span()[bit / 8];
      byte ^= std::byte{1} << bit % 8;
      if (IsRecord(bytes.span())) {
        ExpectSeesOnly(bytes.span());
      } else {
        ++refused;
      }
      byte ^= std::byte{1} << bit % 8;
    }
  }
  EXPECT_GT(refused, 500);
}

TEST(EffectsSentTest, EveryIdReadsBackInItsOrder) {
  for (const size_t count : {size_t{0}, size_t{1}, size_t{1'024}}) {
    std::vector<EffectId> ids;
    for (size_t i = 0; i < count; ++i)
      ids.push_back({MakeLsn(kEpochMax, count - i), static_cast<uint32_t>(UINT32_MAX - i)});
    std::string payload = "of the last one";
    EncodeSent(ids, payload);
    EXPECT_EQ(payload.size(), 16 * count);
    std::vector<EffectId> read;
    ForEachSent(payload, [&](EffectId id) { read.push_back(id); });
    EXPECT_EQ(read, ids);
  }
}

TEST(EffectsSentTest, HalfAnIdIsNone) {
  const std::vector<EffectId> ids = {{MakeLsn(1, 2), 3}, {MakeLsn(1, 2), 4}};
  std::string payload;
  EncodeSent(ids, payload);
  for (size_t size = 0; size < payload.size(); ++size) {
    size_t read = 0;
    ForEachSent(std::string_view(payload).substr(0, size), [&](EffectId) { ++read; });
    EXPECT_EQ(read, size / 16);
  }
}

TEST(EffectOutcomeTest, WhatIsWrittenIsReadAndHalfOfItIsNothing) {
  const std::vector<EndedEffect> ended = {
      {{MakeLsn(kEpochMax, 1), UINT32_MAX}, EffectOutcome::kFailed},
      {{MakeLsn(1, 2), 0}, EffectOutcome::kDropped}};
  std::string payload = "of the last one";
  EncodeOutcomes(ended, payload);
  ASSERT_EQ(payload.size(), 32u);
  for (size_t size = 0; size <= payload.size(); ++size) {
    std::vector<EndedEffect> read;
    ForEachOutcome(std::string_view(payload).substr(0, size),
                   [&](const EndedEffect& one) { read.push_back(one); });
    EXPECT_EQ(read,
              std::vector(ended.begin(), ended.begin() + static_cast<std::ptrdiff_t>(size / 16)));
  }
}

TEST(EffectOutcomeTest, RecordsThatTellOfEffectsAreOfNoTwin) {
  EXPECT_FALSE(IsOfTwin(RecordKind::kEffectOutcome));
  EXPECT_FALSE(IsOfTwin(RecordKind::kEffectsSent));
  EXPECT_TRUE(IsOfTwin(RecordKind::kTelemetry));
  EXPECT_TRUE(IsOfTwin(RecordKind::kTwinDeleted));
}

}  // namespace
}  // namespace gemel::journal
