#include "gateway/store/twin_batch.h"

#include <algorithm>
#include <cstring>

#include "gateway/twin/side_text.h"

namespace gemel::store {
namespace {

struct Head {
  uint64_t applied_lsn;
  int64_t last_telemetry_us;
  uint32_t slot;
  uint32_t id_size;
  uint32_t seen_size;
  uint32_t alerts_size;
  uint32_t timers_size;
  uint32_t commands_size;
  uint32_t told_size;
  uint32_t repeats_size;
};
static_assert(sizeof(Head) == 48);

constexpr size_t RoundUp(size_t bytes) { return (bytes + 15) / 16 * 16; }

int64_t Microseconds(Time time) { return time.time_since_epoch().count(); }

std::byte* Put(std::byte* to, const void* from, size_t size) {
  if (size > 0) std::memcpy(to, from, size);
  return to + size;
}

}  // namespace

std::byte* TwinBatch::Grow(size_t bytes) {
  const size_t at = size_;
  size_ += RoundUp(bytes);
  if (lines_.size() * sizeof(Line) < size_) lines_.resize(size_ / sizeof(Line) * 2);
  return reinterpret_cast<std::byte*>(lines_.data()) + at;
}

void TwinBatch::Add(const twin::Twin& twin, size_t state_size, const twin::Engine& engine) {
  const twin::World& world = engine.world();
  twin::WriteSeen(twin, world, seen_);
  twin::WriteTimers(twin, engine.timers(), world, timers_);
  twin::WriteAlerts(twin.side(), alerts_);
  twin::WriteCommands(twin.side(), world, commands_);
  twin::WriteTold(twin.side(), told_);
  twin::WriteRepeats(twin.side(), world, repeats_);
  const Head head{twin.applied_lsn,
                  Microseconds(twin.last_telemetry),
                  twin.slot(),
                  static_cast<uint32_t>(twin.id().size()),
                  static_cast<uint32_t>(seen_.size()),
                  static_cast<uint32_t>(alerts_.size()),
                  static_cast<uint32_t>(timers_.size()),
                  static_cast<uint32_t>(commands_.size()),
                  static_cast<uint32_t>(told_.size()),
                  static_cast<uint32_t>(repeats_.size())};
  std::byte* to =
      Grow(RoundUp(sizeof head) + RoundUp(state_size) + twin.id().size() + seen_.size() +
           alerts_.size() + timers_.size() + commands_.size() + told_.size() + repeats_.size());
  Put(to, &head, sizeof head);
  to += RoundUp(sizeof head);
  Put(to, twin.state(), state_size);
  to += RoundUp(state_size);
  to = Put(to, twin.id().data(), twin.id().size());
  to = Put(to, seen_.data(), seen_.size());
  to = Put(to, alerts_.data(), alerts_.size());
  to = Put(to, timers_.data(), timers_.size());
  to = Put(to, commands_.data(), commands_.size());
  to = Put(to, told_.data(), told_.size());
  Put(to, repeats_.data(), repeats_.size());
}

CopiedTwin TwinBatch::Read(size_t state_size, size_t& at) const {
  const std::byte* from = reinterpret_cast<const std::byte*>(lines_.data()) + at;
  Head head;
  std::memcpy(&head, from, sizeof head);
  from += RoundUp(sizeof head);
  CopiedTwin copied{.slot = head.slot,
                    .applied_lsn = head.applied_lsn,
                    .last_telemetry = Time{Duration{head.last_telemetry_us}},
                    .state = from};
  from += RoundUp(state_size);
  const auto text = [&from](size_t size) {
    const std::string_view taken(reinterpret_cast<const char*>(from), size);
    from += size;
    return taken;
  };
  copied.id = text(head.id_size);
  copied.seen = text(head.seen_size);
  copied.alerts = text(head.alerts_size);
  copied.timers = text(head.timers_size);
  copied.commands = text(head.commands_size);
  copied.told = text(head.told_size);
  copied.repeats = {from, head.repeats_size};
  at += RoundUp(RoundUp(sizeof head) + RoundUp(state_size) + head.id_size + head.seen_size +
                head.alerts_size + head.timers_size + head.commands_size + head.told_size +
                head.repeats_size);
  return copied;
}

}  // namespace gemel::store
