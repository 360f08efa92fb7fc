#pragma once

#include <cstddef>
#include <string_view>

#include "gateway/codec/json.h"

namespace gemel::codec {

// The texts of the items of an array, one after the other, cut out of the document as they are.
class ItemTexts {
 public:
  // REQUIRES: the tape is of this text, and an array begins at `array`
  ItemTexts(std::string_view text, const Tape& tape, size_t array);

  // REQUIRES: there is another item
  std::string_view Next();

 private:
  std::string_view NextToken();

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace gemel::codec
