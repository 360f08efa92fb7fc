#include "gateway/journal/record.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace gemel::journal {
namespace {

std::vector<uint64_t> Encoded(const Record& record) {
  std::vector<uint64_t> bytes((EncodedSize(record) + 7) / 8);
  Encode(record, reinterpret_cast<std::byte*>(bytes.data()));
  return bytes;
}

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

}  // namespace
}  // namespace gemel::journal
