#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "gateway/effects/effect.h"
#include "gateway/twin/world.h"

namespace gemel::playback {

// An effect as a line of JSON.
struct EffectLine {
  EffectId id;
  std::string json;
};

// Keeps the effects that a fold decides, instead of sending them.
class Collector final : public effects::Sink {
 public:
  // The world outlives the collector.
  explicit Collector(const twin::World& world) : world_(world) {}

  // Any thread.
  void Append(const effects::Effect& effect) override;
  void Flush() noexcept override {}

  // What came since the last call, by id; messages of the same id in their order. Each line is
  //
  //   {"id":"1a2b-0","kind":"alert","model":"meter","twin":"m-1","topic":"…","is_retained":true,
  //    "time_us":…,"lifetime_us":0,"payload":{…}}
  //
  // with a null payload where a retained message is emptied.
  std::vector<EffectLine> Take();

 private:
  const twin::World& world_;
  std::mutex mutex_;
  std::vector<EffectLine> lines_;
};

}  // namespace gemel::playback
