#pragma once

#include <string>

#include "gateway/store/twin_batch.h"
#include "gateway/twin/world.h"

namespace gemel::playback {

// Appends all that a twin is as one JSON object, without the line's end, always in the same form:
//
//   {"model":"meter","id":"m-1","lsn":"1a2b","telemetry_us":…,"state":{…},"at_us":{…},"seen_us":{…},
//    "alerts":[…],"timers":[…],"commands":[…],"told":{…},"repeats":"…"}
//
// `state` holds every field of the model: symbols as text, times in microseconds, a number that is
// not finite as text, a negative zero as zero because a saved twin has no other, a text that is no
// UTF-8 as {"bytes":"ff00"}, a window as {"layout":"ring<double,32>/1","bytes":"00…"}. `at_us`
// holds the event times of fields that have one and were reported, `seen_us` the highest by route,
// `alerts`, `timers`, `commands` and `told` what the column of that name, gemel_alerts and so on,
// holds (schema/snapshot.sql), `repeats` gemel_repeats in hexadecimal.
// Two twins are the same exactly if their lines are.
void AppendTwinLine(const store::CopiedTwin& twin, const twin::World& world, uint16_t model,
                    std::string& out);

}  // namespace gemel::playback
