#include "gateway/effects/outbox.h"

#include <cstring>

namespace gemel::effects {
namespace {

// What stands before topic and payload in a batch.
struct Head {
  uint64_t lsn;
  int64_t lifetime_us;
  uint32_t ordinal;
  uint32_t payload_size;
  uint16_t topic_size;
  uint16_t model;
  EffectKind kind;
  bool is_retained;
  bool has_more;
  uint8_t reserved;
  int64_t decided_us;
  uint64_t key_hash;
};
static_assert(sizeof(Head) == 48);

// Dead letters may fill this share of the bound; a flood of bad messages must not hold good ones
// up.
constexpr size_t kDeadLetterShare = 8;
// And by this share the bound is passed while the effects thread waits for a connection.
constexpr size_t kSlackShare = 8;

}  // namespace

std::string Outbox::why_over() const {
  return "the outbox is full: the broker takes effects too slowly";
}

void Outbox::Append(const Effect& effect) {
  const size_t size = sizeof(Head) + effect.topic.size() + effect.payload.size();
  if (effect.kind == EffectKind::kDeadLetter && bytes() > bytes_max_ / kDeadLetterShare) {
    dead_letters_dropped_.Add();
    return;
  }
  const Head head{effect.id.lsn,
                  effect.lifetime.count(),
                  effect.id.ordinal,
                  static_cast<uint32_t>(effect.payload.size()),
                  static_cast<uint16_t>(effect.topic.size()),
                  effect.model,
                  effect.kind,
                  effect.is_retained,
                  effect.has_more,
                  0,
                  effect.decided.time_since_epoch().count(),
                  effect.key_hash};
  bytes_.fetch_add(size, std::memory_order_relaxed);
  effects_.fetch_add(1, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  if (must_drop() && bytes() > bytes_max_ + bytes_max_ / kSlackShare) DropWaiting();
  const size_t at = waiting_.size();
  waiting_.resize(at + size);
  std::byte* to = waiting_.data() + at;
  std::memcpy(to, &head, sizeof head);
  if (!effect.topic.empty())
    std::memcpy(to + sizeof head, effect.topic.data(), effect.topic.size());
  if (!effect.payload.empty()) {
    std::memcpy(to + sizeof head + effect.topic.size(), effect.payload.data(),
                effect.payload.size());
  }
  has_some_.store(true, std::memory_order_release);
}

void Outbox::DropWaiting() {
  while (waiting_from_ < waiting_.size() && bytes() > bytes_max_ + bytes_max_ / kSlackShare) {
    Head head;
    std::memcpy(&head, waiting_.data() + waiting_from_, sizeof head);
    const size_t size = sizeof head + head.topic_size + head.payload_size;
    waiting_from_ += size;
    Forget(size);
    CountDropped();
  }
  if (waiting_from_ <= waiting_.size() / 2) return;
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(waiting_from_));
  waiting_from_ = 0;
}

std::vector<std::byte> Outbox::Waiting() {
  const std::lock_guard lock(mutex_);
  return {waiting_.begin() + static_cast<std::ptrdiff_t>(waiting_from_), waiting_.end()};
}

bool Outbox::Take(std::vector<std::byte>& batch) {
  batch.clear();
  const std::lock_guard lock(mutex_);
  if (waiting_.empty()) return false;
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(waiting_from_));
  waiting_from_ = 0;
  batch.swap(waiting_);
  has_some_.store(false, std::memory_order_release);
  return true;
}

bool BatchReader::Next(Effect& effect, size_t& bytes) {
  if (at_ == batch_.size()) return false;
  Head head;
  const auto* from = reinterpret_cast<const char*>(batch_.data() + at_);
  std::memcpy(&head, from, sizeof head);
  effect.id = {head.lsn, head.ordinal};
  effect.kind = head.kind;
  effect.model = head.model;
  effect.is_retained = head.is_retained;
  effect.has_more = head.has_more;
  effect.decided = Time{Duration{head.decided_us}};
  effect.lifetime = Duration{head.lifetime_us};
  effect.key_hash = head.key_hash;
  effect.topic = {from + sizeof head, head.topic_size};
  effect.payload = {from + sizeof head + head.topic_size, head.payload_size};
  bytes = sizeof head + head.topic_size + head.payload_size;
  at_ += bytes;
  return true;
}

}  // namespace gemel::effects
