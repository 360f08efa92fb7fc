#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/base/lsn.h"
#include "gateway/effects/payload.h"
#include "gateway/sdk/types.hpp"
#include "gateway/twin/command.h"
#include "gateway/twin/repeat_window.h"

namespace gemel::twin {

// Who has taken an alert on, and when.
struct Acknowledgement {
  std::string by;
  std::string comment;
  Time time;
  uint32_t severity = 0;  // as it was then: one that grows worse must be acknowledged anew
};

// Who says something of a device's profile.
enum class Teller : uint8_t {
  kPerson,    // or another program, over HTTP: holds until it is said otherwise
  kTopic,     // the same, over MQTT
  kRetained,  // MQTT, what the broker has kept once more: holds where no person has said anything
  kFile,      // the profile's file has changed: holds where nobody has said anything
};

// An alert that a twin has active, or that is over and was never acknowledged.
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
  std::optional<Acknowledgement> ack;
  Time cleared = kNoTime;

  bool is_active() const { return cleared == kNoTime; }
  effects::AlertStatus status() const {
    if (is_active())
      return ack ? effects::AlertStatus::kActiveAcked : effects::AlertStatus::kActiveUnacked;
    return ack ? effects::AlertStatus::kClearedAcked : effects::AlertStatus::kClearedUnacked;
  }
};

// What is said of an alert at `time`. A view.
effects::AlertText TextOf(const Alert& alert, std::string_view model, std::string_view twin,
                          Time time);

// What only some twins have; kept outside of the slot, so that the others do not pay for it.
struct Side {
  uint32_t timers = 0;        // see Twin::timers
  std::vector<Alert> alerts;  // active, one of a code
  // Over and not acknowledged, oldest first; none has the code of another one or of an active one.
  std::vector<Alert> cleared;
  std::vector<Command> commands;                    // that wait for an answer, oldest first
  std::map<std::string, Teller, std::less<>> told;  // profile fields that somebody has set since
  std::vector<std::pair<uint16_t, Time>> seen;      // by routes beyond those in the header
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
  Command* FindCommand(EffectId id) {
    for (Command& command : commands) {
      if (command.id == id) return &command;
    }
    return nullptr;
  }
  // Active or not.
  Alert* FindAlert(EffectId id) {
    for (std::vector<Alert>* some : {&alerts, &cleared}) {
      for (Alert& alert : *some) {
        if (alert.id == id) return &alert;
      }
    }
    return nullptr;
  }
};

}  // namespace gemel::twin
