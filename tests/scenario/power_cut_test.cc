// The power fails at any moment: what the journal was told to sync is there, at most sync_every of
// what was acknowledged is lost (nothing with "always"), the database is never ahead of the
// journal, and no id of a command comes again with another meaning. GEMEL_CUTS and GEMEL_SEED set
// how many moments are tried, and from which seed; GEMEL_KEEP a folder that keeps the disk of one
// that failed.

#include "tests/scenario/power_cut.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/base/lsn.h"
#include "tests/scenario/gateway_process.h"
#include "tests/scenario/numbered_load.h"
#include "tests/support/raw_client.h"
#include "tests/support/tail.h"

namespace gemel::scenario {
namespace {

using std::chrono::milliseconds;
using support::Broker;
using support::Tail;

constexpr size_t kFrameHeadBytes = 24;
// Numbers that no load reaches, for messages that are sent after the cut.
constexpr int64_t kFirstProbe = 1'000'000'000;
constexpr int64_t kProbes = 20;

// Zero: each message before it is acknowledged.
std::string TextOf(milliseconds sync_every) {
  return sync_every.count() == 0 ? "always" : fmt::format("{}ms", sync_every.count());
}

nlohmann::json Configuration(milliseconds sync_every) {
  nlohmann::json configuration = EchoConfiguration();
  configuration["routes"][0]["message_id"] = "/n";
  configuration["store"]["snapshot_every"] = "100ms";
  configuration["journal"]["segment_size"] = "1MiB";
  configuration["journal"]["sync_every"] = TextOf(sync_every);
  configuration["journal"]["retention"] = {{"time", "0s"}, {"size", "1MiB"}};
  return configuration;
}

// A frame that the journal has written.
struct Written {
  size_t event = 0;
  int64_t time_ns = 0;
  Lsn lsn = kNoLsn;
  Lsn synced = kNoLsn;            // the last frame that the journal knew to be synced
  std::optional<int64_t> number;  // of the message that it holds
};

std::vector<Written> FramesOf(const DiskHistory& history) {
  constexpr std::string_view kNumber = R"({"n":)";
  std::vector<Written> frames;
  for (size_t i = 0; i < history.events().size(); ++i) {
    const DiskHistory::Event& event = history.events()[i];
    // A journal's frame begins with the size of what follows its head.
    uint32_t body = 0;
    if (event.entry.op != DiskOp::kWrite || event.bytes.size() <= kFrameHeadBytes) continue;
    std::memcpy(&body, event.bytes.data(), sizeof body);
    if (body != event.bytes.size() - kFrameHeadBytes) continue;
    Written& frame = frames.emplace_back();
    frame.event = i;
    frame.time_ns = event.entry.time_ns;
    std::memcpy(&frame.lsn, event.bytes.data() + 8, sizeof frame.lsn);
    std::memcpy(&frame.synced, event.bytes.data() + 16, sizeof frame.synced);
    const size_t at = event.bytes.find(kNumber);
    if (at == std::string_view::npos) continue;
    const char* const digits = event.bytes.data() + at + kNumber.size();
    int64_t number = 0;
    std::from_chars(digits, event.bytes.data() + event.bytes.size(), number);
    frame.number = number;
  }
  return frames;
}

// All that was written before a cut.
struct Before {
  std::map<int64_t, const Written*> messages;  // the first frame of each
  std::set<Lsn> lsns;
  const Written* last = nullptr;
  Lsn synced = kNoLsn;  // the last frame that the gateway knew to be synced
};

Before LookBack(const std::vector<Written>& frames, size_t cut) {
  Before before;
  for (const Written& frame : frames) {
    if (frame.event >= cut) break;
    if (frame.number) before.messages.try_emplace(*frame.number, &frame);
    before.lsns.insert(frame.lsn);
    before.last = &frame;
    before.synced = std::max(before.synced, frame.synced);
  }
  return before;
}

Lsn LsnOf(const support::Seen& command) {
  const std::string id = nlohmann::json::parse(command.payload)["id"];
  Lsn lsn = kNoLsn;
  std::from_chars(id.data() + 2, id.data() + id.size(), lsn, 16);
  return lsn;
}

struct Figures {
  int64_t cuts = 0;
  int64_t with_loss = 0;
  int64_t lost = 0;
  double worst_ms = 0;
  int64_t torn = 0;      // journals that ended in the middle of a frame
  int64_t repeated = 0;  // commands that came again under their id
};

class PowerCutTest : public ::testing::Test {
 protected:
  void Treat(milliseconds sync_every) {
    const auto seed = static_cast<uint64_t>(
        FromEnvironment("GEMEL_SEED", static_cast<int64_t>(std::random_device{}() / 2)));
    SCOPED_TRACE("GEMEL_SEED=" + std::to_string(seed));
    random_.seed(seed);
    ASSERT_NO_FATAL_FAILURE(Live(sync_every));
    Figures figures;
    for (int64_t cut = FromEnvironment("GEMEL_CUTS", 5); cut > 0; --cut)
      Cut(RandomCut(), random_(), sync_every, figures);
    std::printf(
        "sync_every=%s cuts=%ld messages=%zu events=%zu torn=%ld with_loss=%ld lost=%ld "
        "worst_ms=%.0f longest_sync_ms=%.0f commands_repeated=%ld seed=%lu\n",
        TextOf(sync_every).c_str(), figures.cuts, frames_.size(), history_->events().size(),
        figures.torn, figures.with_loss, figures.lost, figures.worst_ms, LongestSyncMs(),
        figures.repeated, seed);
    if (sync_every.count() == 0) {
      EXPECT_EQ(figures.lost, 0);
    } else {
      // And what the disk and a busy machine take on top of it.
      EXPECT_LE(figures.worst_ms,
                static_cast<double>(sync_every.count()) + LongestSyncMs() + 1'000);
    }
  }

  // A gateway's life: killed twice, stopped once, and killed again. What it did to its disk and
  // what it told the devices is kept.
  void Live(milliseconds sync_every) {
    Broker broker;
    ASSERT_TRUE(broker.Start().ok());
    GatewayProcess gateway(broker, Configuration(sync_every));
    const std::filesystem::path log = folder_ / "log";
    const auto start = [&](size_t die_behind) {
      return gateway.Start({"LD_PRELOAD=" GEMEL_BUILD_DIR "/lib/disk_log.so",
                            "GEMEL_DISK_ROOT=" + gateway.folder().path().string(),
                            "GEMEL_DISK_LOG=" + log.string(),
                            "GEMEL_DISK_DIE=" + std::to_string(die_behind),
                            "ASAN_OPTIONS=verify_asan_link_order=0"});
    };
    ASSERT_TRUE(start(SIZE_MAX)) << gateway.errors();
    ASSERT_TRUE(gateway.AwaitReceiving());
    Tail commands(broker, {"scenario/+/+/out"});
    // A sync for each message takes a while, and what gathers while it is down must not keep the
    // next one from being ready.
    const bool is_always = sync_every.count() == 0;
    const int64_t per_second = kBusyPerSecond / (is_always ? 40 : 2);
    const size_t lifetime = is_always ? 500 : 2'000;
    NumberedLoad load(broker.port(), per_second);
    const auto busy = [&](int64_t messages) {
      const int64_t until = load.sent() + messages;
      commands.WaitFor([&](const auto&) { return load.sent() >= until; });
    };
    busy(per_second);
    ASSERT_EQ(gateway.Stop(), 0) << gateway.errors();
    for (int kill = 0; kill < 2; ++kill) {
      // It may die before it is ready.
      static_cast<void>(start(lifetime + random_() % (2 * lifetime)));
      ASSERT_TRUE(gateway.AwaitEnd(support::kPatience));
    }
    // On a busy machine it is not ready as long as so much waits for it.
    static_cast<void>(start(SIZE_MAX));
    ASSERT_TRUE(gateway.is_running()) << gateway.errors();
    busy(2 * per_second);
    const int64_t published = load.End();
    Answers answers;
    commands.WaitFor(
        [&](const auto& seen) {
          answers.Take(seen);
          return answers.numbers() == published;
        },
        4 * support::kPatience);
    gateway.Kill();
    ASSERT_EQ(answers.numbers(), published);
    commands_ = commands.seen();
    history_.emplace(log);
    frames_ = FramesOf(*history_);
  }

  // Anywhere, shortly behind a change of names or shortly behind a sync, each as often.
  size_t RandomCut() {
    const auto events = history_->events();
    const auto is_name = [](const DiskHistory::Event& event) {
      return event.entry.op != DiskOp::kSyncBegin && event.entry.op != DiskOp::kSyncEnd &&
             !event.path.empty();
    };
    const auto is_sync = [](const DiskHistory::Event& event) {
      return event.entry.op == DiskOp::kSyncEnd;
    };
    const uint64_t kind = random_() % 3;
    std::vector<size_t> places;
    for (size_t i = 0; i < events.size(); ++i) {
      const bool is_place = kind == 0 || (kind == 1 ? is_name(events[i]) : is_sync(events[i]));
      if (is_place) places.push_back(i);
    }
    const size_t near = kind == 0 ? 1 : 1 + random_() % 20;
    return std::min(places[random_() % places.size()] + near, events.size());
  }

  // One cut, and what a gateway makes of what is left.
  void Cut(size_t cut, uint64_t seed, milliseconds sync_every, Figures& figures) {
    SCOPED_TRACE(fmt::format("cut={} seed={}", cut, seed));
    Broker broker;
    ASSERT_TRUE(broker.Start().ok());
    GatewayProcess gateway(broker, Configuration(sync_every));
    history_->Restore(cut, seed, gateway.folder().path());
    Keep(gateway, cut, seed);
    support::Process verify({GemelProgram(), "verify", gateway.folder() / "gemel.json"});
    const auto whole = verify.ReadLineWith("its end was being written", milliseconds(10'000));
    EXPECT_NE(verify.Wait(), 1) << verify.errors();
    figures.torn += whole ? 1 : 0;
    Tail commands(broker, {"scenario/+/+/out"});
    ASSERT_TRUE(gateway.Start()) << gateway.errors();
    ASSERT_TRUE(gateway.AwaitReceiving());
    const Before before = LookBack(frames_, cut);
    CompareTwins(gateway, before, cut, sync_every.count() == 0, figures);
    CompareCommands(broker, before, commands, figures);
    gateway.Kill();
    ++figures.cuts;
    if (!HasFailure()) Forget(cut, seed);
  }

  // How long the disk took at most.
  double LongestSyncMs() const {
    std::map<uint32_t, int64_t> begun;
    int64_t longest = 0;
    for (const DiskHistory::Event& event : history_->events()) {
      if (event.entry.op == DiskOp::kSyncBegin) begun[event.entry.thread] = event.entry.time_ns;
      if (event.entry.op == DiskOp::kSyncEnd)
        longest = std::max(longest, event.entry.time_ns - begun[event.entry.thread]);
    }
    return static_cast<double>(longest) / 1e6;
  }

  std::mt19937_64 random_;
  support::TempDir folder_;
  std::optional<DiskHistory> history_;
  std::vector<Written> frames_;
  std::vector<support::Seen> commands_;

 private:
  static std::optional<std::filesystem::path> KeptAs(size_t cut, uint64_t seed) {
    const char* const keep = std::getenv("GEMEL_KEEP");
    if (keep == nullptr) return std::nullopt;
    return std::filesystem::path(keep) / fmt::format("{}-{}", cut, seed);
  }
  static void Keep(const GatewayProcess& gateway, size_t cut, uint64_t seed) {
    if (const auto kept = KeptAs(cut, seed)) {
      std::filesystem::create_directories(kept->parent_path());
      std::filesystem::copy(gateway.folder().path(), *kept,
                            std::filesystem::copy_options::recursive);
    }
  }
  static void Forget(size_t cut, uint64_t seed) {
    if (const auto kept = KeptAs(cut, seed)) std::filesystem::remove_all(*kept);
  }

  // Each twin has seen the first messages of its device, each once; what it has not seen was
  // written too shortly before the cut to be synced.
  void CompareTwins(const GatewayProcess& gateway, const Before& before, size_t cut, bool is_always,
                    Figures& figures) const {
    std::map<std::string, std::vector<const Written*>> by_device;
    for (const auto& [number, frame] : before.messages)
      by_device[DeviceOf(number)].push_back(frame);
    int64_t lost = 0;
    const int64_t cut_ns = history_->events()[cut - 1].entry.time_ns;
    for (const auto& [device, written] : by_device) {
      const HttpAnswer answer = gateway.Get("/api/v1/twins/echo/" + device);
      const nlohmann::json state = answer.status == 200 ? answer.Json()["state"] : nlohmann::json();
      const size_t answered = answer.status == 200 ? state["answered"].get<size_t>() : 0;
      ASSERT_LE(answered, written.size()) << device << " has seen what was never written";
      int64_t sum = 0;
      for (size_t i = 0; i < answered; ++i) sum += *written[i]->number;
      EXPECT_EQ(answered > 0 ? state["sum"].get<int64_t>() : 0, sum) << device;
      for (size_t i = answered; i < written.size(); ++i) {
        const Written& frame = *written[i];
        EXPECT_GT(frame.lsn, before.synced) << "lost, though it was synced: " << *frame.number;
        // The receiver's thread appends one message after the other.
        const bool is_acknowledged = !is_always || &frame != before.last;
        if (!is_acknowledged) continue;
        ++lost;
        figures.worst_ms =
            std::max(figures.worst_ms, static_cast<double>(cut_ns - frame.time_ns) / 1e6);
      }
    }
    figures.lost += lost;
    figures.with_loss += lost > 0 ? 1 : 0;
  }

  void CompareCommands(const Broker& broker, const Before& before, Tail& commands,
                       Figures& figures) const {
    Answers answers;
    std::vector<support::Seen> all;
    std::ranges::copy_if(commands_, std::back_inserter(all), [&](const support::Seen& command) {
      return before.lsns.contains(LsnOf(command));
    });
    answers.Take(all);
    const int64_t repeated = answers.repeated();
    const int64_t numbers = answers.numbers();
    support::RawClient client;
    ASSERT_TRUE(client.Connect(broker.port(), "probe").ok());
    for (int64_t probe = 0; probe < kProbes; ++probe) {
      const int64_t number = kFirstProbe + probe;
      client.Publish("scenario/wa/" + DeviceOf(number) + "/in",
                     fmt::format(R"({{"n":{}}})", number));
    }
    size_t taken = 0;
    while (client.in_flight() > 0) ASSERT_TRUE(client.Pump(milliseconds(10)).ok());
    commands.WaitFor([&](const auto& seen) {
      all.insert(all.end(), seen.begin() + static_cast<std::ptrdiff_t>(taken), seen.end());
      taken = seen.size();
      answers.Take(all);
      return answers.numbers() == numbers + kProbes;
    });
    EXPECT_GE(answers.numbers(), numbers + kProbes) << "commands that never came";
    EXPECT_EQ(answers.changed(), 0) << "ids that mean two things";
    EXPECT_EQ(answers.doubled(), 0) << "numbers with two ids";
    figures.repeated += answers.repeated() - repeated;
  }
};

TEST_F(PowerCutTest, AtMostSyncEveryIsLostAndNothingIsBelievedThatWasNotWritten) {
  Treat(milliseconds(200));
}

TEST_F(PowerCutTest, WithAlwaysNothingIsLostThatWasAcknowledged) { Treat(milliseconds(0)); }

}  // namespace
}  // namespace gemel::scenario
