#pragma once

#include <string_view>

namespace gemel {

// Ends the process at once, without destructors, exit code 3: what must not go on has failed (the
// disk of the journal), and a start from what is stored is the way to go on. The log says why.
[[noreturn]] void EndProcess(std::string_view because);

}  // namespace gemel
