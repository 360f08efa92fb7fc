#include "tests/support/temp_dir.h"

#include <stdlib.h>

#include <string>
#include <system_error>

#include "gateway/base/assert.h"

namespace gemel::support {

TempDir::TempDir() {
  std::string name = std::filesystem::temp_directory_path() / "gemel-test-XXXXXX";
  GEMEL_ASSERT(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace gemel::support
