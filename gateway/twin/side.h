#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/base/lsn.h"
#include "gateway/sdk/types.hpp"
#include "gateway/twin/repeat_window.h"

namespace gemel::twin {

// An alert that a twin has active.
struct Alert {
  EffectId id;  // of the record and effect that raised it
  uint32_t severity = 0;
  uint8_t severities = 0;  // that it has had, this one included: effects::SeverityBit
  std::string code;
  std::string message;
  std::string properties;  // JSON object, as of the last raise
  Time first;
  Time last;
  int64_t count = 1;
};

// What only some twins have; kept outside of the slot, so that the others do not pay for it.
struct Side {
  uint32_t timers = 0;  // see Twin::timers
  std::vector<Alert> alerts;
  std::vector<std::pair<uint16_t, Time>> seen;             // by routes beyond those in the header
  std::vector<std::pair<uint16_t, RepeatWindow>> repeats;  // by routes that name what repeats
  RepeatWindow& RepeatsOf(uint16_t route) {
    for (auto& [known, window] : repeats) {
      if (known == route) return window;
    }
    return repeats.emplace_back(route, RepeatWindow{}).second;
  }
  Alert* FindAlert(std::string_view code) {
    for (Alert& alert : alerts) {
      if (alert.code == code) return &alert;
    }
    return nullptr;
  }
};

}  // namespace gemel::twin
