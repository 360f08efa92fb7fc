#pragma once

#include <cstdint>
#include <optional>

#include "gateway/base/status.h"
#include "gateway/config/config.h"
#include "gateway/ingest/intake.h"
#include "gateway/model/model.h"
#include "gateway/route/template.h"
#include "gateway/twin/world.h"

namespace gemel::ingest {

// A configured route, checked against its model and split into what intake and the shards need.
struct CompiledRoute {
  twin::Route route;
  Plan plan;
  std::optional<route::Template> command_ack;  // where answers to its commands come in
};

// Invalid, in one line that names key and value, if the topic is malformed, a named segment fits no
// field of the model, the id is named twice or never, a command topic names what the route does not
// fill, or a pointer, unit or value of "fields" does not fit.
Result<CompiledRoute> CompileRoute(const config::Route& route, uint16_t model_index,
                                   const model::Model& model);

}  // namespace gemel::ingest
