#include "gateway/base/symbols.h"

#include "gateway/base/assert.h"

namespace gemel {

Symbols::Symbols(size_t symbols_max)
    : symbols_max_(symbols_max),
      blocks_(std::make_unique<std::atomic<std::string*>[]>(symbols_max / kBlock + 1)) {}

Symbols::~Symbols() {
  for (size_t block = 0; block <= symbols_max_ / kBlock; ++block) delete[] blocks_[block].load();
}

std::optional<Symbol> Symbols::Intern(std::string_view text) {
  if (text.empty()) return Symbol{};
  const std::lock_guard lock(mutex_);
  if (const auto found = numbers_.find(text); found != numbers_.end()) return Symbol{found->second};
  const size_t index = size_.load(std::memory_order_relaxed);
  if (index >= symbols_max_) return std::nullopt;
  std::string* block = blocks_[index / kBlock].load(std::memory_order_relaxed);
  if (block == nullptr) {
    block = new std::string[kBlock];
    blocks_[index / kBlock].store(block, std::memory_order_release);
  }
  block[index % kBlock] = text;
  const auto number = static_cast<uint32_t>(index + 1);
  numbers_.emplace(text, number);
  size_.store(index + 1, std::memory_order_release);
  return Symbol{number};
}

std::optional<Symbol> Symbols::Find(std::string_view text) {
  if (text.empty()) return Symbol{};
  const std::lock_guard lock(mutex_);
  const auto found = numbers_.find(text);
  return found == numbers_.end() ? std::nullopt : std::optional(Symbol{found->second});
}

std::string_view Symbols::TextOf(Symbol symbol) const {
  if (symbol.number == 0) return {};
  const size_t index = symbol.number - 1;
  GEMEL_ASSERT(index < size_.load(std::memory_order_acquire));
  return blocks_[index / kBlock].load(std::memory_order_acquire)[index % kBlock];
}

}  // namespace gemel
