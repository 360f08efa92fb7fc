#pragma once

#include "gateway/base/status.h"
#include "gateway/config/config.h"
#include "gateway/config/origin.h"

namespace gemel::config {

// What no schema can say: how values fit together. Invalid with the first mistake. Opens no file.
Status Check(const Config& config, const Origin& origin);

// Adds to config.notes what is allowed but weaker than one may expect. REQUIRES: Check is Ok
void AddNotes(Config& config);

}  // namespace gemel::config
