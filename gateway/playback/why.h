#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "gateway/base/lsn.h"
#include "gateway/base/status.h"
#include "gateway/store/bases.h"
#include "gateway/twin/world.h"

namespace gemel::playback {

// Where the history of twins lies.
struct History {
  std::filesystem::path journal;
  std::vector<store::Base> bases;  // the oldest first
};

// Why an alert was raised: folds its twin once more up to the record that raised it and tells what
// the twin heard, what of its state each message changed, what the model said, and what became of
// the alert since. Described in schema/why.schema.json. Of the messages before, at most
// `records_max` are told, the last ones.
//
// NotFound, saying how far the journal goes back, if it does not hold that record or has no base
// before it, and if the record raises no such alert; Damaged or Unavailable as reading the journal
// does.
Result<nlohmann::ordered_json> Why(EffectId alert, const History& history, const twin::World& world,
                                   size_t records_max);

}  // namespace gemel::playback
