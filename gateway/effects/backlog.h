#pragma once

#include <cstdint>
#include <string>

namespace gemel::effects {

// What becomes of new effects when a sink's outbox has reached its bound: intake is held until some
// have left, or the oldest are dropped, which no promise covers. A shard is never held.
enum class WhenFull : uint8_t { kHold, kDropOldest };

// Effects that wait for their sinks, as intake sees them: whether it must stop until they leave.
class Backlog {
 public:
  virtual ~Backlog() = default;
  // Any thread. Whether nothing more may come, and why, if so.
  virtual bool is_over() const = 0;
  virtual std::string why_over() const = 0;
  // Whether so little waits that more may come again.
  virtual bool has_recovered() const = 0;
};

}  // namespace gemel::effects
