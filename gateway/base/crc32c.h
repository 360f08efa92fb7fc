#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace gemel {

// CRC-32C (Castagnoli, RFC 3720 B.4) of `bytes`, continuing `crc`, which is 0 or what an earlier
// part gave. By the processor's own instruction where it has one. Any thread.
uint32_t Crc32c(uint32_t crc, std::span<const std::byte> bytes) noexcept;

// The same without that instruction, for processors that lack it and for tests.
uint32_t Crc32cByTable(uint32_t crc, std::span<const std::byte> bytes) noexcept;

}  // namespace gemel
