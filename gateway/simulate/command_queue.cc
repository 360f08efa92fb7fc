#include "gateway/simulate/command_queue.h"

#include <cstring>
#include <thread>

namespace gemel::simulate {
namespace {

// A receiver may wait a quarter of the keepalive, which is never below some seconds.
constexpr int kWaitsMax = 1'000;
constexpr std::chrono::milliseconds kWait{1};

struct Header {
  int64_t arrived_ns;
  uint32_t topic_bytes;
  uint32_t payload_bytes;
};

}  // namespace

void CommandQueue::Push(std::string_view topic, std::string_view payload) noexcept {
  const Header header{clock_.Steady().count(), static_cast<uint32_t>(topic.size()),
                      static_cast<uint32_t>(payload.size())};
  const size_t bytes = sizeof header + topic.size() + payload.size();
  std::byte* entry = nullptr;
  if (bytes <= mailbox_.entry_bytes_max()) {
    entry = mailbox_.Reserve(bytes);
    for (int waits = 0; entry == nullptr && waits < kWaitsMax; ++waits) {
      std::this_thread::sleep_for(kWait);
      entry = mailbox_.Reserve(bytes);
    }
  }
  if (entry == nullptr) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  std::memcpy(entry, &header, sizeof header);
  std::memcpy(entry + sizeof header, topic.data(), topic.size());
  std::memcpy(entry + sizeof header + topic.size(), payload.data(), payload.size());
  mailbox_.Publish();
  parker_.Wake();
}

std::optional<CommandQueue::Entry> CommandQueue::Next() noexcept {
  mailbox_.Release();
  const std::span<std::byte> entry = mailbox_.Next();
  if (entry.empty()) return std::nullopt;
  Header header{};
  std::memcpy(&header, entry.data(), sizeof header);
  const char* text = reinterpret_cast<const char*>(entry.data()) + sizeof header;
  return Entry{.arrived = std::chrono::nanoseconds(header.arrived_ns),
               .topic = {text, header.topic_bytes},
               .payload = {text + header.topic_bytes, header.payload_bytes}};
}

void CommandQueue::Rest(std::chrono::nanoseconds longest) noexcept {
  mailbox_.Release();
  parker_.Announce();
  if (mailbox_.is_empty()) {
    parker_.Park(longest);
  } else {
    parker_.Retract();
  }
}

}  // namespace gemel::simulate
