#pragma once

#include <string>
#include <string_view>

#include "gateway/journal/record.h"
#include "gateway/twin/world.h"

namespace gemel::twin {

// What stands for levels that a record does not hold, because its route's template leaves them
// open.
struct OpenLevels {
  std::string_view any;   // for "+"
  std::string_view rest;  // for "#"
};

// Writes the topic that a record of telemetry came on. False if a named segment of it is not known
// any more, and then empty: its symbol was refused, or the model has no such field now.
// REQUIRES: the record has this process's numbers
bool WriteTelemetryTopic(const journal::RecordView& record, const World& world, OpenLevels open,
                         std::string& topic);

}  // namespace gemel::twin
