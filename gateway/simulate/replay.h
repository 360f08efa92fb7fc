#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "gateway/base/clock.h"
#include "gateway/base/status.h"
#include "gateway/mqtt/client.h"
#include "gateway/simulate/replay_rows.h"

namespace gemel::simulate {

struct ReplayOptions {
  int qos = 1;
  // The time of ReplayRow::due goes by so many times faster than the clock; nothing: as fast as the
  // broker takes it.
  std::optional<double> speed;
  // Without a connection or an acknowledgement for so long it fails.
  std::chrono::milliseconds patience{60'000};
};

struct ReplaySummary {
  uint64_t rows = 0;          // with those skipped
  uint64_t sent = 0;          // rows handed to the broker, each once
  uint64_t acknowledged = 0;  // of those
  uint64_t skipped = 0;
  uint64_t sent_again = 0;  // after a lost connection
  double seconds = 0;
  Time first = kNoTime;  // event times
  Time last = kNoTime;
};

struct ReplayProgress {
  uint64_t acknowledged = 0;
  uint64_t rows = 0;  // to be sent in all; 0: nobody knows
};

// Where messages come from, in the order in which they go.
class ReplaySource {
 public:
  virtual ~ReplaySource() = default;
  // The next message, which lives until the next call; nullptr at the end. A failure ends the
  // replay.
  virtual Result<const ReplayRow*> Next() = 0;
  virtual uint64_t rows() const { return 0; }     // to come in all; 0: nobody knows
  virtual uint64_t skipped() const { return 0; }  // so far
};

// What a replay needs of the world. Sleep waits so long at most, or not at all in a test.
struct ReplayWorld {
  const Clock& clock;
  mqtt::Publisher& publisher;
  std::function<void(std::chrono::nanoseconds)> sleep;
  std::function<void(const ReplayProgress&)> on_progress;  // may be empty; called often
};

// Publishes what the source gives, in its order, each when it is due, and returns when the broker
// has acknowledged all. What is not acknowledged when the connection breaks is sent again, so a row
// may arrive twice and rows may overtake each other there. Connects, and disconnects at the end.
//
// Unavailable if the first attempt to connect fails, or when patience is over; Invalid for a
// message that no broker takes; or what the source fails with.
Result<ReplaySummary> Replay(ReplaySource& source, const ReplayOptions& options,
                             const ReplayWorld& world);
// The rows of a set, in their order.
Result<ReplaySummary> Replay(const ReplaySet& set, const ReplayOptions& options,
                             const ReplayWorld& world);

}  // namespace gemel::simulate
