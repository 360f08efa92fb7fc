#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "gateway/twin/side.h"
#include "gateway/twin/table.h"
#include "gateway/twin/timers.h"
#include "gateway/twin/world.h"

namespace gemel::twin {

// What a twin is beside its state, as texts and bytes: the same ones for the same twin, always.
// `out` is overwritten.

// JSON object: the highest event times in microseconds, by the names of the routes.
void WriteSeen(const Twin& twin, const World& world, std::string& out);
// JSON array of the alerts, active ones first; empty if there are none.
void WriteAlerts(const Side* side, std::string& out);
// JSON array of the commands that wait for an answer, by the names of their routes; empty if there
// are none.
void WriteCommands(const Side* side, const World& world, std::string& out);
// JSON object of the profile fields that somebody has set, and who: "person" or "topic"; empty if
// there are none.
void WriteTold(const Side* side, std::string& out);
// JSON array of the armed timers by their names; empty if there are none.
void WriteTimers(const Twin& twin, const Timers& timers, const World& world, std::string& out);
// The messages that would be repeats, by route.
void WriteRepeats(const Side* side, const World& world, std::vector<std::byte>& out);

// And back, into a twin that was just made. Routes that the world has no more are left out. False
// if it is nothing that was written so.
bool RestoreSeen(std::string_view seen, const World& world, Twin& twin);
bool RestoreAlerts(std::string_view alerts, Twin& twin);
bool RestoreCommands(std::string_view commands, const World& world, Twin& twin);
bool RestoreTold(std::string_view told, Twin& twin);
// Whether it is what WriteTold writes.
bool IsTold(const nlohmann::json& told);
bool RestoreTimers(std::string_view text, const World& world, uint16_t model, Timers& timers,
                   Twin& twin);
bool RestoreRepeats(std::span<const std::byte> repeats, const World& world, Twin& twin);

}  // namespace gemel::twin
