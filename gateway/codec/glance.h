#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "gateway/codec/scalar.h"
#include "gateway/codec/trie.h"

namespace gemel::codec {

// Reads a few members near the beginning of a JSON object without looking at the rest of it, for
// intake: whether the document is valid as a whole is seen by whoever decodes it. Holds simdjson's
// buffers, which are reused. One thread.
class Glance {
 public:
  Glance();
  ~Glance();

  // Calls visit(node, value) for the members of the document that have a leaf in `trie`, until
  // `wanted` of them were met or the object ends. False at a container there and where the document
  // is found to be broken: then nothing is known, and the whole document must be read. REQUIRES:
  // the trie is packed and one level deep; kPadding readable bytes behind the text
  template <typename Visit>
  bool Read(std::string_view text, const Trie& trie, size_t wanted, const Visit& visit) {
    return ReadEach(
        text, trie, wanted,
        [](const void* to, uint32_t node, const Scalar& value) {
          (*static_cast<const Visit*>(to))(node, value);
        },
        &visit);
  }

 private:
  using VisitFunction = void (*)(const void* visit, uint32_t node, const Scalar& value);
  bool ReadEach(std::string_view text, const Trie& trie, size_t wanted, VisitFunction function,
                const void* visit);

  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace gemel::codec
