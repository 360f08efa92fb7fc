#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"

namespace gemel::codec {

// Where something stands in a payload: a JSON pointer (RFC 6901), with "^" before it if it is
// looked for in the whole message though the route splits it into items.
struct Pointer {
  bool is_outer = false;
  std::string text;                 // without the "^"
  std::vector<std::string> tokens;  // unescaped; none: the whole document
};

// "" is the whole document. Invalid, naming the pointer, if it does not begin with "/" or "^/", has
// a "~" that is neither
// "~0" nor "~1", or names more levels than a payload may have.
Result<Pointer> ParsePointer(std::string_view text);

}  // namespace gemel::codec
