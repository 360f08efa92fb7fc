// The engine alone, fed from memory on one core: intake (match, envelope, sequence) and engine
// (decode, find, merge, model, effects) over the truck model, 100,000 twins and 240-byte JSON
// messages.

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "gateway/base/assert.h"
#include "gateway/base/clock.h"
#include "gateway/ingest/intake.h"
#include "gateway/twin/engine.h"
#include "tests/bench/truck.h"

namespace gemel {
namespace {

using Steady = std::chrono::steady_clock;

struct Message {
  std::string_view topic;
  std::string_view payload;
};

// Messages one behind the other, as a socket's buffer holds them: what is measured is not how long
// memory takes to bring scattered texts.
class Messages {
 public:
  Messages(size_t count, size_t bytes) {
    texts_.reserve(count * bytes);
    messages_.reserve(count);
  }
  // REQUIRES: the texts fit into what was reserved, because views point into it.
  void Add(std::string_view topic, std::string_view payload) {
    GEMEL_ASSERT(texts_.size() + topic.size() + payload.size() <= texts_.capacity());
    messages_.push_back({Append(topic), Append(payload)});
    payload_bytes_ += payload.size();
  }
  const Message& operator[](size_t index) const { return messages_[index]; }
  size_t size() const { return messages_.size(); }
  double payload_bytes() const {
    return static_cast<double>(payload_bytes_) / static_cast<double>(size());
  }

 private:
  std::string_view Append(std::string_view text) {
    texts_ += text;
    return std::string_view(texts_).substr(texts_.size() - text.size());
  }
  std::string texts_;
  std::vector<Message> messages_;
  size_t payload_bytes_ = 0;
};

Messages MakeMessages(size_t twins, size_t rounds, int64_t start_ms) {
  Messages messages(twins * rounds, 320);
  std::mt19937_64 random(1);
  std::vector<size_t> order(twins);
  for (size_t i = 0; i < twins; ++i) order[i] = i;
  for (size_t round = 0; round < rounds; ++round) {
    std::ranges::shuffle(order, random);
    for (const size_t twin : order) {
      messages.Add(fmt::format("fleet/r{}/truck/truck-{}/telemetry", twin % 10, twin),
                   PayloadOf(start_ms + static_cast<int64_t>(round) * 1'000, round + 1, random));
    }
  }
  return messages;
}

struct Rig {
  // Whether the route names a sequence, by which each twin recognises repeats.
  Rig(const std::string& plugin, bool has_sequence) : clock() {
    ingest::CompiledRoute compiled = AddTruck(plugin, has_sequence, symbols, world);
    const route::Template topic = compiled.route.telemetry;
    world.routes.push_back(std::move(compiled.route));
    std::vector<ingest::Plan> plans;
    plans.push_back(std::move(compiled.plan));
    sequencer.emplace(1, clock, std::vector<journal::ShardInbox>{{&mailbox, &parker}});
    intake.emplace(world, std::move(plans), Required(route::Router::Build({&topic, 1})), *sequencer,
                   nullptr, sink, clock, ingest::IntakeOptions{});
    engine.emplace(world, sink);
  }
  // As a shard does it.
  void Drain() {
    constexpr size_t kAhead = 3;
    std::array<std::span<std::byte>, 16> batch;
    while (true) {
      size_t count = 0;
      while (count < batch.size() && !(batch[count] = mailbox.Next()).empty()) {
        engine->PrefetchIndex(journal::RecordView(batch[count++]));
      }
      if (count == 0) return;
      for (size_t i = 0; i < std::min(kAhead, count); ++i)
        engine->PrefetchTwin(journal::RecordView(batch[i]));
      for (size_t i = 0; i < count; ++i) {
        if (i + kAhead < count) engine->PrefetchTwin(journal::RecordView(batch[i + kAhead]));
        engine->Apply(journal::RecordView(batch[i]));
      }
      mailbox.Release();
    }
  }

  SystemClock clock;
  Symbols symbols;
  NullSink sink;
  twin::World world;
  Mailbox mailbox{size_t{1} << 20};
  Parker parker;
  std::optional<journal::Sequencer> sequencer;
  std::optional<ingest::Intake> intake;
  std::optional<twin::Engine> engine;
};

double Seconds(Steady::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

void Throughput(const std::string& plugin, bool has_sequence, size_t twins, size_t rounds) {
  const int64_t start_ms =
      std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now())
          .time_since_epoch()
          .count() -
      3'600'000;
  const Messages messages = MakeMessages(twins, rounds + 1, start_ms);
  Rig rig(plugin, has_sequence);
  size_t next = 0;
  const auto feed = [&](size_t count) {
    Steady::duration intake_time{};
    const auto start = Steady::now();
    while (count > 0) {
      const size_t batch = std::min<size_t>(count, 256);
      const auto before = Steady::now();
      for (size_t i = 0; i < batch; ++i, ++next) {
        rig.intake->Handle(
            {.topic = messages[next].topic, .payload = messages[next].payload, .qos = 1});
      }
      intake_time += Steady::now() - before;
      rig.Drain();
      count -= batch;
    }
    return std::pair{Seconds(Steady::now() - start), Seconds(intake_time)};
  };
  feed(twins);  // makes the twins
  std::vector<double> rates;
  double intake_seconds = 0;
  double seconds = 0;
  for (size_t round = 0; round < rounds; ++round) {
    const auto [all, intake] = feed(twins);
    rates.push_back(static_cast<double>(twins) / all);
    seconds += all;
    intake_seconds += intake;
  }
  std::ranges::sort(rates);
  const double total = static_cast<double>(twins * rounds);
  fmt::print(
      "engine repeats={} messages_per_second_core={:.0f} intake_ns={:.0f} shard_ns={:.0f} "
      "payload_bytes={:.0f} twins={} "
      "effects={} refused={}\n",
      has_sequence ? "known" : "unknown", rates[rates.size() / 2], intake_seconds / total * 1e9,
      (seconds - intake_seconds) / total * 1e9, messages.payload_bytes(),
      rig.engine->table(0).size(), rig.sink.effects, rig.sink.dead_letters);
}

// From malloc and, past it, in huge pages.
size_t AllocatedBytes(Rig& rig) {
  const auto heap = mallinfo2();
  return heap.uordblks + heap.hblkhd + rig.engine->table(0).mapped_bytes();
}

void Memory(const std::string& plugin, bool has_sequence, size_t twins) {
  Rig rig(plugin, has_sequence);
  std::mt19937_64 random(1);
  const std::string payload = PayloadOf(1'700'000'000'000, 1, random);
  const size_t before = AllocatedBytes(rig);
  for (size_t twin = 0; twin < twins; ++twin) {
    rig.intake->Handle(
        {.topic = fmt::format("fleet/r{}/truck/truck-{:016}/telemetry", twin % 10, twin),
         .payload = payload,
         .qos = 1});
    if (twin % 256 == 0) rig.Drain();
  }
  rig.Drain();
  const size_t after = AllocatedBytes(rig);
  const double bytes = static_cast<double>(after - before) / static_cast<double>(twins);
  const uint32_t state = rig.world.models[0].model->state_size();
  fmt::print("memory repeats={} twins={} bytes_per_twin={:.0f} state={} beyond_state={:.0f}\n",
             has_sequence ? "known" : "unknown", twins, bytes, state, bytes - state);
}

}  // namespace
}  // namespace gemel

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) {
    fmt::print(stderr, "usage: engine_bench TRUCK_PLUGIN [throughput|memory]\n");
    return 2;
  }
  const std::string part = argc == 3 ? argv[2] : "";
  for (const bool has_sequence : {false, true}) {
    if (part != "memory") gemel::Throughput(argv[1], has_sequence, 100'000, 9);
    if (part == "throughput") continue;
    for (const size_t twins : {1'000, 100'000, 1'000'000})
      gemel::Memory(argv[1], has_sequence, twins);
  }
  return 0;
}
