#include "gateway/base/crc32c.h"

#include <array>
#include <cstring>

namespace gemel {
namespace {

constexpr uint32_t kPolynomial = 0x82F6'3B78;  // bits reversed

constexpr std::array<uint32_t, 256> kTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    table[byte] = crc;
  }
  return table;
}();

#ifdef __x86_64__
__attribute__((target("sse4.2"))) uint32_t ByInstruction(uint32_t crc,
                                                         std::span<const std::byte> bytes) {
  uint64_t state = ~crc;
  const std::byte* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= sizeof(uint64_t); left -= sizeof(uint64_t), at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    state = __builtin_ia32_crc32di(state, word);
  }
  auto last = static_cast<uint32_t>(state);
  for (; left > 0; --left, ++at) last = __builtin_ia32_crc32qi(last, std::to_integer<uint8_t>(*at));
  return ~last;
}
#endif

}  // namespace

uint32_t Crc32cByTable(uint32_t crc, std::span<const std::byte> bytes) noexcept {
  crc = ~crc;
  for (const std::byte byte : bytes) {
    crc = (crc >> 8) ^ kTable[(crc ^ std::to_integer<uint32_t>(byte)) & 0xFF];
  }
  return ~crc;
}

uint32_t Crc32c(uint32_t crc, std::span<const std::byte> bytes) noexcept {
#ifdef __x86_64__
  static const bool kHasInstruction = __builtin_cpu_supports("sse4.2") != 0;
  if (kHasInstruction) return ByInstruction(crc, bytes);
#endif
  return Crc32cByTable(crc, bytes);
}

}  // namespace gemel
