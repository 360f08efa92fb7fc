#pragma once

#include <filesystem>
#include <string_view>

#include "gateway/base/status.h"
#include "gateway/twin/engine.h"

namespace gemel::store {

// Makes one twin as a database has it in an engine that has none of that key: nullptr if it is not
// there. The database may be in use. Fails as Store::Restore does.
Result<twin::Twin*> RestoreOne(const std::filesystem::path& database, uint16_t model,
                               std::string_view id, twin::Engine& engine);

}  // namespace gemel::store
