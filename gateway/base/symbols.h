#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "gateway/base/limits.h"
#include "gateway/sdk/types.hpp"

namespace gemel {

// Interned texts: the process's one table from text to number and back. Numbers start at 1, are
// never reused, and mean nothing outside the process. Entries live as long as the table.
class Symbols {
 public:
  explicit Symbols(size_t symbols_max = kSymbolsMax);
  ~Symbols();

  // Any thread. Nothing if the text is new and the table is full; the empty text is symbol 0.
  std::optional<Symbol> Intern(std::string_view text);
  // Any thread. Nothing if the text was never interned.
  std::optional<Symbol> Find(std::string_view text);
  // Any thread, without a lock. REQUIRES: the symbol came from this table.
  std::string_view TextOf(Symbol symbol) const;
  size_t size() const { return size_.load(std::memory_order_acquire); }

 private:
  static constexpr size_t kBlock = 64;
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  const size_t symbols_max_;
  // A lock, because a symbol is read by intake, profiles and HTTP alike, and a message would make
  // each of them wait for an answer. Held for one hash look-up.
  std::mutex mutex_;
  std::unordered_map<std::string, uint32_t, Hash, std::equal_to<>> numbers_;
  // Blocks never move, so TextOf needs no lock.
  std::unique_ptr<std::atomic<std::string*>[]> blocks_;
  std::atomic<size_t> size_{0};
};

}  // namespace gemel
