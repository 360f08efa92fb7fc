// What it costs to append a message to the journal: through the sequencer, as intake does it, and
// through the journal alone, against a plain write() of the same bytes to a file whose room is
// reserved. Synced each second; messages of 300 bytes.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "gateway/base/assert.h"
#include "gateway/base/clock.h"
#include "gateway/journal/descriptor.h"
#include "gateway/journal/sequencer.h"
#include "tests/bench/truck.h"
#include "tests/support/temp_dir.h"

namespace gemel::journal {
namespace {

constexpr size_t kTwins = 1'000;
constexpr size_t kPayloadBytes = 300;
constexpr uint64_t kSegmentBytes = 64 * 1'024 * 1'024;

// One record for each twin.
struct Messages {
  Messages() : payload(kPayloadBytes, 'x') {
    for (size_t twin = 0; twin < kTwins; ++twin) ids.push_back(fmt::format("truck-{}", twin));
    symbol = {0, 0, symbols.Intern("r1")->number};
    for (const std::string& id : ids) {
      records.push_back({.key_hash = HashKey("truck", id),
                         .id = id,
                         .payload = payload,
                         .symbols = {&symbol, 1}});
    }
  }
  Catalog CatalogOf() const {
    return {.models = {{.name = "truck", .fields = {"region"}}},
            .routes = {"bench"},
            .symbols = &symbols};
  }

  Symbols symbols;
  std::string payload;
  std::vector<std::string> ids;
  RecordSymbol symbol;
  std::vector<Record> records;
};

std::unique_ptr<Journal> OpenJournal(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  return Required(Journal::Open({.folder = folder, .segment_bytes = kSegmentBytes}, {}));
}

// Nanoseconds a message, each from the end of the one before.
struct Times {
  std::vector<double> took;
  double At(double share) const {
    return took[static_cast<size_t>(share * static_cast<double>(took.size() - 1))];
  }
};

// Calls append(i) for each message and times it; `between` runs every 256 and is not timed.
template <typename Append, typename Between>
Times Time(size_t count, const Append& append, const Between& between) {
  Times times;
  times.took.reserve(count);
  uint64_t before = Ticks();
  for (size_t i = 0; i < count; ++i) {
    if (i % 256 == 0) {
      between();
      before = Ticks();
    }
    append(i);
    const uint64_t after = Ticks();
    times.took.push_back(TicksToNanoseconds(after - before));
    before = after;
  }
  std::ranges::sort(times.took);
  return times;
}

Times ThroughSequencer(const std::filesystem::path& folder, size_t count) {
  Messages messages;
  SystemClock clock;
  Mailbox mailbox(size_t{1} << 20);
  Parker parker;
  Sequencer sequencer(1, clock, {{&mailbox, &parker}});
  const auto journal = OpenJournal(folder);
  sequencer.Attach(*journal, messages.CatalogOf(), kNoTime);
  return Time(
      count,
      [&](size_t i) {
        Record& record = messages.records[i % kTwins];
        const auto outcome = sequencer.Append({&record, 1});
        GEMEL_ASSERT(outcome == Sequencer::Outcome::kAppended);
      },
      [&] {
        while (!mailbox.Next().empty()) continue;
        mailbox.Release();
      });
}

Times ThroughJournal(const std::filesystem::path& folder, size_t count) {
  Messages messages;
  const auto journal = OpenJournal(folder);
  FrameBuilder builder(messages.CatalogOf());
  messages.records[0].lsn = MakeLsn(1, 1);
  builder.Build({messages.records.data(), 1});  // what it defines it defines once
  const std::span<std::byte> frame = builder.Build({messages.records.data(), 1});
  return Time(
      count, [&](size_t i) { Required(journal->Append(MakeLsn(1, i + 1), gemel::Time{}, frame)); },
      [] {});
}

Times PlainWrites(const std::filesystem::path& folder, size_t count) {
  Messages messages;
  FrameBuilder builder(messages.CatalogOf());
  builder.Build({messages.records.data(), 1});
  const std::span<std::byte> frame = builder.Build({messages.records.data(), 1});
  std::filesystem::create_directories(folder);
  const Descriptor file(::open((folder / "plain").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0640));
  const auto bytes = static_cast<off_t>(frame.size() * count);
  GEMEL_ASSERT(::posix_fallocate(file.number, 0, bytes) == 0 && ::fsync(file.number) == 0);
  return Time(
      count,
      [&](size_t) {
        const ssize_t size = ::write(file.number, frame.data(), frame.size());
        GEMEL_ASSERT(size == static_cast<ssize_t>(frame.size()));
      },
      [] {});
}

void Print(int rounds, size_t count) {
  std::vector<double> p50[3], p99[3], ratio[2];
  for (int round = 0; round < rounds; ++round) {
    const support::TempDir folder;
    const Times times[3] = {PlainWrites(folder / "plain", count),
                            ThroughJournal(folder / "journal", count),
                            ThroughSequencer(folder / "sequencer", count)};
    for (size_t i = 0; i < 3; ++i) {
      p50[i].push_back(times[i].At(0.5) / 1e3);
      p99[i].push_back(times[i].At(0.99) / 1e3);
    }
    for (size_t i = 0; i < 2; ++i) ratio[i].push_back(p50[i + 1].back() / p50[0].back());
  }
  fmt::print(
      "journal write_us={:.2f}/{:.2f} append_us={:.2f}/{:.2f} sequencer_us={:.2f}/{:.2f} "
      "append_ratio={:.2f} sequencer_ratio={:.2f} messages={} rounds={}\n",
      Median(p50[0]), Median(p99[0]), Median(p50[1]), Median(p99[1]), Median(p50[2]),
      Median(p99[2]), Median(ratio[0]), Median(ratio[1]), count, rounds);
}

}  // namespace
}  // namespace gemel::journal

int main(int argc, char** argv) {
  gemel::journal::Print(argc > 1 ? std::stoi(argv[1]) : 5, 200'000);
  return 0;
}
