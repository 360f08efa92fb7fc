#include "gateway/journal/frame.h"

#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gemel::journal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The models, routes and symbols of one process, with numbers of its own.
struct Process {
  explicit Process(size_t symbols_max = kSymbolsMax) : symbols(symbols_max) {
    catalog.symbols = &symbols;
  }
  uint32_t Number(std::string_view text) { return symbols.Intern(text).value().number; }

  Symbols symbols;
  Catalog catalog;
};

struct Writer : Process {
  Writer() {
    catalog.models = {{"bus", {"line"}}, {"truck", {"speed", "region", "door"}}};
    catalog.routes = {"stops", "fleet"};
    Number("north");
    Number("south");
  }
};
// Of a Writer.
constexpr uint16_t kBus = 0;
constexpr uint16_t kTruck = 1;
constexpr uint16_t kStops = 0;
constexpr uint16_t kFleet = 1;
constexpr uint32_t kNorth = 1;
constexpr uint32_t kSouth = 2;

Record MakeRecord(std::string_view id, uint16_t model = kTruck, uint16_t route = kFleet) {
  return {.model = model, .route = route, .id = id};
}

std::span<const std::byte> BodyOf(std::span<const std::byte> frame) {
  return frame.subspan(kFrameHeadBytes);
}

template <typename T>
T TakeFrom(std::span<const std::byte>& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes = bytes.subspan(sizeof value);
  return value;
}

std::string Told(const Entry& entry) {
  constexpr std::array kKinds = {"?", "record", "model", "route", "symbol"};
  std::string text = kKinds.at(static_cast<size_t>(entry.kind));
  if (entry.kind == EntryKind::kRecord)
    return fmt::format("{} {}", text, RecordView(entry.content).id());
  std::span<const std::byte> content = entry.content;
  text += fmt::format(" {}", TakeFrom<uint32_t>(content));
  for (auto texts = TakeFrom<uint32_t>(content); texts > 0; --texts) {
    const auto size = TakeFrom<uint16_t>(content);
    text +=
        fmt::format(" {}", std::string_view(reinterpret_cast<const char*>(content.data()), size));
    content = content.subspan(size);
  }
  EXPECT_TRUE(content.empty());
  return text;
}

// What a frame's entries say, one after the other.
std::vector<std::string> Told(std::span<const std::byte> frame) {
  std::vector<std::string> told;
  EntryReader entries(BodyOf(frame));
  while (const std::optional<Entry> entry = entries.Next()) told.push_back(Told(*entry));
  EXPECT_TRUE(entries.is_at_end());
  return told;
}

TEST(FrameBuilderTest, AFrameDefinesWhatARecordNamesBeforeIt) {
  Writer writer;
  FrameBuilder builder(writer.catalog);
  const std::vector<RecordSymbol> symbols = {{1, 0, kSouth}};
  std::vector<Record> records = {MakeRecord("t-1"), MakeRecord("b-1", kBus, kStops)};
  records[1].symbols = symbols;
  EXPECT_THAT(Told(builder.Build(records)),
              ElementsAre("model 1 truck speed region door", "route 1 fleet", "record t-1",
                          "model 0 bus line", "route 0 stops", "symbol 2 south", "record b-1"));
}

TEST(FrameBuilderTest, ASegmentDefinesEachNameOnce) {
  Writer writer;
  FrameBuilder builder(writer.catalog);
  const std::vector<RecordSymbol> symbols = {{1, 0, kNorth}, {2, 0, kNorth}};
  std::vector<Record> records(2, MakeRecord("t-1"));
  for (Record& record : records) record.symbols = symbols;
  const std::vector<std::string> defining = {"model 1 truck speed region door", "route 1 fleet",
                                             "symbol 1 north", "record t-1", "record t-1"};
  EXPECT_EQ(Told(builder.Build(records)), defining);
  EXPECT_THAT(Told(builder.Build(records)), ElementsAre("record t-1", "record t-1"));
  builder.BeginSegment();
  EXPECT_EQ(Told(builder.Build(records)), defining);
}

TEST(FrameBuilderTest, WhatARecordDoesNotNameIsNotDefined) {
  Writer writer;
  FrameBuilder builder(writer.catalog);
  const std::vector<RecordSymbol> refused = {{1, 1, 0}};
  std::vector<Record> records = {MakeRecord("gone"), MakeRecord("")};
  records[0].kind = RecordKind::kTwinDeleted;
  records[0].symbols = refused;
  records[1].kind = RecordKind::kEffectsSent;
  EXPECT_THAT(Told(builder.Build(records)),
              ElementsAre("model 1 truck speed region door", "record gone", "record "));
}

TEST(FrameBuilderTest, RecordsReadBackFromTheFrameAndByTheirIndex) {
  Writer writer;
  FrameBuilder builder(writer.catalog);
  // Ids of all lengths, so that records end anywhere in a word.
  std::vector<std::string> ids;
  for (size_t size = 1; size <= 40; ++size) ids.emplace_back(size, 'x');
  std::vector<Record> records;
  for (const std::string& id : ids) {
    records.push_back(MakeRecord(id));
    records.back().payload = std::string_view(R"({"speed":1})").substr(0, id.size() % 12);
  }
  for (int round = 0; round < 2; ++round) {
    const std::span<const std::byte> frame = builder.Build(records);
    EXPECT_EQ(frame.size() % kFrameAlignment, 0u);
    EntryReader entries(BodyOf(frame));
    size_t index = 0;
    while (const std::optional<Entry> entry = entries.Next()) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(entry->content.data()) % kFrameAlignment, 0u);
      if (entry->kind != EntryKind::kRecord) continue;
      ASSERT_TRUE(IsRecord(entry->content));
      const RecordView view(entry->content);
      EXPECT_EQ(view.id(), records[index].id);
      EXPECT_EQ(view.payload(), records[index].payload);
      const std::span<const std::byte> record = builder.record(index++);
      EXPECT_EQ(record.data(), entry->content.data());
      EXPECT_EQ(record.size(), entry->content.size());
    }
    EXPECT_EQ(index, records.size());
  }
}

// FORMAT.md says the same in words.
TEST(FrameBuilderTest, TheBytesOfEntriesAreThoseOfTheFormat) {
  Process process;
  process.catalog.models = {{"m", {"f", "gh"}}};
  process.catalog.routes = {"rou"};
  const uint32_t symbol = process.Number("text");
  FrameBuilder builder(process.catalog);
  Record record = MakeRecord("i", 0, 0);
  const std::vector<RecordSymbol> symbols = {{0, 0, symbol}};
  record.symbols = symbols;
  std::string bytes;
  size_t column = 0;
  for (const std::byte byte : BodyOf(builder.Build({&record, 1})).first(96)) {
    bytes += fmt::format("{:02x}{}", static_cast<unsigned>(byte), ++column % 8 == 0 ? "|" : " ");
  }
  EXPECT_EQ(bytes,
            "12 00 00 00 02 00 00 00|00 00 00 00 03 00 00 00|"
            "01 00 6d 01 00 66 02 00|67 68 00 00 00 00 00 00|"  // m, f, gh
            "0d 00 00 00 03 00 00 00|00 00 00 00 01 00 00 00|"
            "03 00 72 6f 75 00 00 00|"  // rou
            "0e 00 00 00 04 00 00 00|01 00 00 00 01 00 00 00|"
            "04 00 74 65 78 74 00 00|"  // text
            "59 00 00 00 01 00 00 00|00 00 00 00 00 00 00 00|");
}

TEST(EntryReaderTest, BytesThatAreNoEntryEndItBeforeTheEnd) {
  Writer writer;
  FrameBuilder builder(writer.catalog);
  const Record record = MakeRecord("t-1");
  const std::span<const std::byte> body = BodyOf(builder.Build({&record, 1}));
  for (size_t size = 0; size < body.size(); ++size) {
    EntryReader entries(body.first(size));
    size_t bytes = 0;
    while (const std::optional<Entry> entry = entries.Next()) {
      bytes += 8 + (entry->content.size() + 7) / 8 * 8;
      ASSERT_LE(entry->content.data() + entry->content.size(), body.data() + size);
    }
    EXPECT_EQ(entries.is_at_end(), bytes == size) << size;
  }
  const std::array<uint32_t, 4> endless = {UINT32_MAX, 1, 0, 0};
  EntryReader entries(std::as_bytes(std::span(endless)));
  EXPECT_FALSE(entries.Next());
  EXPECT_FALSE(entries.is_at_end());
}

// A process that reads what another one wrote.
struct Reader : Process {
  explicit Reader(size_t symbols_max = kSymbolsMax) : Process(symbols_max) {
    catalog.models = {{"crane", {}}, {"truck", {"door", "weight", "region"}}, {"bus", {"line"}}};
    catalog.routes = {"crane", "stops", "x", "fleet"};
  }

  // Stops at what can't be read. Entries of the kind `without` are taken for missing.
  Status Read(std::span<const std::byte> frame, std::optional<EntryKind> without = {}) {
    EntryReader entries(BodyOf(frame));
    while (const std::optional<Entry> entry = entries.Next()) {
      if (entry->kind == without) continue;
      if (entry->kind != EntryKind::kRecord) {
        GEMEL_TRY(translation.Define(*entry));
        continue;
      }
      std::vector<uint64_t>& words = records.emplace_back(entry->content.size() / 8 + 1);
      std::memcpy(words.data(), entry->content.data(), entry->content.size());
      const auto record = std::as_writable_bytes(std::span(words)).first(entry->content.size());
      GEMEL_TRY(translation.Apply(record));
      EXPECT_TRUE(IsRecord(record));
    }
    return Status::Ok();
  }
  RecordView record(size_t index) const {
    return RecordView(std::as_bytes(std::span(records[index])));
  }

  Translation translation{catalog, symbols};
  std::vector<std::vector<uint64_t>> records;
};

TEST(TranslationTest, ARecordOfAnotherProcessGetsOurNumbers) {
  Writer writer;
  FrameBuilder builder(writer.catalog);
  const std::vector<RecordSymbol> symbols = {{1, 0, kSouth}, {1, 1, 0}, {1, 0, kNorth}};
  const std::vector<RecordCapture> captures = {{2, "open"}, {1, ""}, {2, "shut"}};
  std::vector<Record> records = {MakeRecord("t-1"), MakeRecord("b-1", kBus, kStops)};
  records[0].payload = R"({"speed":3})";
  records[0].symbols = symbols;
  records[0].captures = captures;
  records[0].repeat_key = 7;
  Reader reader;
  reader.Number("other");
  reader.Number("north");
  const Status status = reader.Read(builder.Build(records));
  ASSERT_TRUE(status.ok()) << status.message();
  const RecordView truck = reader.record(0);
  EXPECT_EQ(truck.model(), 1);
  EXPECT_EQ(truck.route(), 3);
  EXPECT_EQ(truck.id(), "t-1");
  EXPECT_EQ(truck.payload(), records[0].payload);
  EXPECT_EQ(truck.repeat_key(), 7u);
  ASSERT_EQ(truck.symbols().size(), 3u);
  EXPECT_EQ(truck.symbols()[0].field, 2);
  EXPECT_EQ(reader.symbols.TextOf(Symbol{truck.symbols()[0].number}), "south");
  EXPECT_EQ(truck.symbols()[1].is_refused, 1) << "it was refused then, and is for ever";
  EXPECT_EQ(truck.symbols()[2].number, reader.Number("north"));
  std::vector<std::pair<uint16_t, std::string>> seen;
  truck.ForEachCapture(
      [&](uint16_t field, std::string_view text) { seen.emplace_back(field, text); });
  EXPECT_THAT(seen, ElementsAre(std::pair(0, "open"), std::pair(2, ""), std::pair(0, "shut")));
  EXPECT_EQ(reader.record(1).model(), 2);
  EXPECT_EQ(reader.record(1).route(), 1);
}

TEST(TranslationTest, AFieldThatTheModelHasNoMoreIsNoField) {
  Writer writer;
  FrameBuilder builder(writer.catalog);
  // Of speed, which the reader's trucks lack, and of one that not even the writer's had.
  const std::vector<RecordSymbol> symbols = {{0, 0, kNorth}, {9, 0, kNorth}};
  const std::vector<RecordCapture> captures = {{0, "88"}, {1, "east"}};
  Record record = MakeRecord("t-1");
  record.symbols = symbols;
  record.captures = captures;
  Reader reader;
  ASSERT_TRUE(reader.Read(builder.Build({&record, 1})).ok());
  EXPECT_EQ(reader.record(0).symbols()[0].field, kNoField);
  EXPECT_EQ(reader.record(0).symbols()[1].field, kNoField);
  std::vector<uint16_t> fields;
  reader.record(0).ForEachCapture(
      [&](uint16_t field, std::string_view) { fields.push_back(field); });
  EXPECT_THAT(fields, ElementsAre(kNoField, 2));
}

TEST(TranslationTest, AModelOrRouteThatIsGoneIsNamed) {
  Writer writer;
  FrameBuilder builder(writer.catalog);
  const Record record = MakeRecord("t-1");
  const std::span<const std::byte> frame = builder.Build({&record, 1});
  Reader without_model;
  without_model.catalog.models.erase(without_model.catalog.models.begin() + 1);
  const Status no_model = without_model.Read(frame);
  EXPECT_EQ(no_model.code(), Code::kNotFound);
  EXPECT_EQ(no_model.message(), "model \"truck\"");
  Reader without_route;
  without_route.catalog.routes.back() = "fleets";
  const Status no_route = without_route.Read(frame);
  EXPECT_EQ(no_route.code(), Code::kNotFound);
  EXPECT_EQ(no_route.message(), "route \"fleet\"");
}

TEST(TranslationTest, WhatIsGoneMattersOnlyToItsRecords) {
  Writer writer;
  FrameBuilder builder(writer.catalog);
  const std::vector<Record> records = {MakeRecord("t-1"), MakeRecord("b-1", kBus, kStops)};
  Reader reader;
  reader.catalog.models.pop_back();
  EXPECT_EQ(reader.Read(builder.Build(records)).message(), "model \"bus\"");
  EXPECT_EQ(reader.record(0).model(), 1) << "the truck's record came before";
}

TEST(TranslationTest, ASymbolThatDoesNotFitReadsAsNull) {
  Writer writer;
  FrameBuilder builder(writer.catalog);
  const std::vector<RecordSymbol> symbols = {{1, 0, kNorth}, {1, 0, kSouth}};
  Record record = MakeRecord("t-1");
  record.symbols = symbols;
  Reader reader(2);
  reader.Number("first");
  ASSERT_TRUE(reader.Read(builder.Build({&record, 1})).ok());
  EXPECT_EQ(reader.record(0).symbols()[0].is_refused, 0);
  EXPECT_EQ(reader.record(0).symbols()[0].number, reader.Number("north"));
  EXPECT_EQ(reader.record(0).symbols()[1].is_refused, 1);
  EXPECT_EQ(reader.record(0).symbols()[1].number, 0u);
}

TEST(TranslationTest, TheEmptySymbolStaysIt) {
  Writer writer;
  FrameBuilder builder(writer.catalog);
  const std::vector<RecordSymbol> symbols = {{1, 0, 0}};
  Record record = MakeRecord("t-1");
  record.symbols = symbols;
  Reader reader;
  ASSERT_TRUE(reader.Read(builder.Build({&record, 1})).ok());
  EXPECT_EQ(reader.record(0).symbols()[0].number, 0u);
  EXPECT_EQ(reader.record(0).symbols()[0].is_refused, 0);
}

TEST(TranslationTest, WhatASegmentDoesNotDefineIsInvalid) {
  Writer writer;
  FrameBuilder builder(writer.catalog);
  const std::vector<RecordSymbol> symbols = {{1, 0, kNorth}};
  Record record = MakeRecord("t-1");
  record.symbols = symbols;
  const std::span<const std::byte> frame = builder.Build({&record, 1});
  for (const auto& [kind, name] :
       {std::pair(EntryKind::kModel, "model"), std::pair(EntryKind::kRoute, "route"),
        std::pair(EntryKind::kSymbol, "symbol")}) {
    Reader reader;
    const Status status = reader.Read(frame, kind);
    EXPECT_EQ(status.code(), Code::kInvalid);
    EXPECT_EQ(status.message(),
              fmt::format("a record of a {} that its segment does not name", name));
  }
}

TEST(TranslationTest, ASegmentIsReadByItsOwnDefinitions) {
  Writer writer;
  FrameBuilder builder(writer.catalog);
  const Record record = MakeRecord("t-1");
  Reader reader;
  ASSERT_TRUE(reader.Read(builder.Build({&record, 1})).ok());
  ASSERT_TRUE(reader.Read(builder.Build({&record, 1})).ok());
  reader.translation.BeginSegment();
  EXPECT_EQ(reader.Read(builder.Build({&record, 1})).code(), Code::kInvalid);
  builder.BeginSegment();
  EXPECT_TRUE(reader.Read(builder.Build({&record, 1})).ok());
}

TEST(TranslationTest, EffectsThatWereSentAreOfNoModel) {
  Writer writer;
  FrameBuilder builder(writer.catalog);
  const std::vector<EffectId> ids = {{MakeLsn(1, 7), 0}, {MakeLsn(1, 7), 3}};
  std::string payload;
  EncodeSent(ids, payload);
  const Record record{.kind = RecordKind::kEffectsSent, .model = 99, .payload = payload};
  Reader reader;
  ASSERT_TRUE(reader.Read(builder.Build({&record, 1})).ok());
  std::vector<EffectId> read;
  ForEachSent(reader.record(0).payload(), [&](EffectId id) { read.push_back(id); });
  EXPECT_EQ(read, ids);
}

// The content of an entry that defines: a number, how many texts there are, and they.
std::vector<std::byte> Definition(uint32_t number, const std::vector<std::string>& texts) {
  std::string bytes(2 * sizeof number, '\0');
  const auto count = static_cast<uint32_t>(texts.size());
  std::memcpy(bytes.data(), &number, sizeof number);
  std::memcpy(bytes.data() + sizeof number, &count, sizeof count);
  for (const std::string& text : texts) {
    const auto size = static_cast<uint16_t>(text.size());
    bytes.append(reinterpret_cast<const char*>(&size), sizeof size);
    bytes += text;
  }
  const auto* const first = reinterpret_cast<const std::byte*>(bytes.data());
  return {first, first + bytes.size()};
}

TEST(TranslationTest, ADefinitionThatIsCutOffAnywhereIsRefused) {
  Reader reader;
  const std::vector<std::byte> whole = Definition(3, {"truck", "speed", ""});
  for (size_t size = 0; size < whole.size(); ++size) {
    const Status status =
        reader.translation.Define({EntryKind::kModel, std::span(whole).first(size)});
    EXPECT_EQ(status.code(), Code::kInvalid) << size;
  }
  EXPECT_TRUE(reader.translation.Define({EntryKind::kModel, whole}).ok());
}

TEST(TranslationTest, DefinitionsThatMakeNoSenseAreRefused) {
  Reader reader;
  const auto define = [&](EntryKind kind, uint32_t number, const std::vector<std::string>& texts) {
    return reader.translation.Define({kind, Definition(number, texts)});
  };
  EXPECT_FALSE(define(EntryKind::kModel, 0, {}).ok());
  EXPECT_FALSE(define(EntryKind::kRoute, 0, {}).ok());
  EXPECT_FALSE(define(EntryKind::kRoute, 0, {"a", "b"}).ok());
  EXPECT_FALSE(define(EntryKind::kSymbol, 1, {"a", "b"}).ok());
  EXPECT_FALSE(define(EntryKind::kSymbol, kSymbolsMax + 1, {"a"}).ok());
  EXPECT_FALSE(define(EntryKind::kSymbol, UINT32_MAX, {"a"}).ok());
  EXPECT_FALSE(define(EntryKind::kSymbol, 1, {std::string(kSymbolBytesMax + 1, 'x')}).ok());
  EXPECT_EQ(reader.symbols.size(), 0u) << "nothing of what was refused is interned";
  EXPECT_TRUE(define(EntryKind::kSymbol, kSymbolsMax, {std::string(kSymbolBytesMax, 'x')}).ok());
  EXPECT_FALSE(define(EntryKind::kRecord, 0, {"a"}).ok());
  const Status unknown = define(EntryKind{5}, 0, {"a"});
  EXPECT_EQ(unknown.code(), Code::kInvalid);
  EXPECT_THAT(unknown.message(), HasSubstr("kind 5, which this program does not know"));
}

}  // namespace
}  // namespace gemel::journal
