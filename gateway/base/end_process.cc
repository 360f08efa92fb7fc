#include "gateway/base/end_process.h"

#include <cstdlib>

#include "gateway/base/log.h"

namespace gemel {
namespace {

// "It failed", as everywhere in the command line.
constexpr int kExitCode = 3;

}  // namespace

void EndProcess(std::string_view because) {
  log::Error("stopped=at_once because={}", log::Quoted(because));
  std::_Exit(kExitCode);
}

}  // namespace gemel
