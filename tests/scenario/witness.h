#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "tests/support/proxy.h"

namespace gemel::scenario {

// Reads along what passes between a gateway with the echo model and its broker (MQTT 5, QoS 1), and
// so knows apart from both which numbers the gateway took over and how it answered them. What a
// broker loses is missing here as well; what is here and not in the twins, the gateway has lost.
class Witness {
 public:
  // For support::Proxy.
  support::Proxy::Witness Ear() {
    return
        [this](uint64_t link, support::Way way, std::string_view bytes) { Hear(link, way, bytes); };
  }

  // What was heard so far.
  struct Testimony {
    std::set<int64_t> taken;     // numbers that the gateway has acknowledged
    std::set<int64_t> answered;  // numbers whose command the broker has acknowledged
    int64_t doubled = 0;         // numbers that were answered under more than one id
    int64_t changed = 0;         // ids that came with two contents
    int64_t repeated = 0;        // commands sent again as they were
    int64_t redelivered = 0;     // messages that came to the gateway again
  };
  Testimony Testify() const;
  // The highest number that the gateway has acknowledged; 0 before the first.
  int64_t highest_taken() const;
  // How many numbers the gateway has acknowledged, and how many are answered: each counts once.
  struct Progress {
    size_t taken = 0;
    size_t answered = 0;
  };
  Progress progress() const;
  // Whether this number is answered.
  bool HasAnswer(int64_t number) const;

 private:
  // Of one direction of a connection: what is not a whole packet yet, and what waits to be
  // acknowledged from the other side, by packet id.
  struct Stream {
    std::string bytes;
    std::map<uint16_t, int64_t> numbers;
  };

  void Hear(uint64_t link, support::Way way, std::string_view bytes);
  void Take(uint64_t link, support::Way way, uint8_t first, std::string_view body);
  void TakeMessage(Stream& stream, support::Way way, uint8_t first, std::string_view body);
  void TakeCommand(int64_t number, std::string_view payload);

  mutable std::mutex mutex_;  // between the proxy's thread, which tells, and the test, which asks
  std::map<std::pair<uint64_t, support::Way>, Stream> streams_;
  Testimony told_;
  std::map<std::string, std::string, std::less<>> payloads_;  // by command id
  std::map<int64_t, int> ids_;                                // how many a number has
  std::set<int64_t> delivered_;
};

}  // namespace gemel::scenario
