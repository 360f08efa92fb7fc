#pragma once

namespace gemel::cli {

// `gemel models`: the models of a running gateway, with how many twins each has. Exit code 3 if the
// gateway can't be reached.
int ModelsMain(int count, const char* const* arguments);

}  // namespace gemel::cli
