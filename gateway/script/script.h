#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "gateway/base/status.h"
#include "gateway/model/model.h"
#include "gateway/script/interpreter.h"

namespace gemel::script {

// A model written in Lua 5.4, for model::Model::Create. The source is read once here for its table
// (see models/README.md), and once by every thread that runs it. Invalid names the script, the line
// and what is wrong; nothing of the script can harm the process: see Interpreter.
Result<model::Interpreted> LoadScript(const std::filesystem::path& path, const Limits& limits);
// `name` stands in messages.
Result<model::Interpreted> ParseScript(std::string name, std::string source, const Limits& limits);

}  // namespace gemel::script
