#pragma once

#include <filesystem>
#include <string>

#include "gateway/base/status.h"
#include "gateway/sdk/model.h"

namespace gemel::model {

// Opens a shared object and returns its table, checked by CheckTable. The object stays loaded for
// the life of the process: twins may hold pointers to its code. Each failure is one line that names
// the file and says what is wrong: no such file, no ELF, a missing symbol, another ABI version.
Result<const gemel_model*> LoadPlugin(const std::filesystem::path& path);

// Where a plug-in named in a configuration is: an absolute path or one with a folder in it is taken
// as it is (relative to `configuration_folder`), a bare name is looked up beside the program's
// build and in /usr/lib/gemel/models. NotFound names the places looked at.
Result<std::filesystem::path> FindPlugin(const std::string& name,
                                         const std::filesystem::path& configuration_folder);

// SHA-256 of a plug-in's file, in hexadecimal: which build of a model it is.
Result<std::string> HashOf(const std::filesystem::path& path);

// Whether the host can run the model: ABI version, sizes, functions, and a field table in which
// every field lies inside the state, is aligned, of its type's size, and overlaps no other. One
// line otherwise.
Status CheckTable(const gemel_model& table);
// The same for a model that has neither `create` nor `construct`.
Status CheckInterpreted(const gemel_model& table);

}  // namespace gemel::model
