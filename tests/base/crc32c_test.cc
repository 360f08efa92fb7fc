#include "gateway/base/crc32c.h"

#include <random>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace gemel {
namespace {

std::span<const std::byte> BytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

// RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
TEST(Crc32cTest, GivesThePublishedValues) {
  EXPECT_EQ(Crc32c(0, {}), 0u);
  EXPECT_EQ(Crc32c(0, BytesOf("123456789")), 0xE3069283u);
  EXPECT_EQ(Crc32c(0, std::vector<std::byte>(32, std::byte{0})), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(0, std::vector<std::byte>(32, std::byte{0xFF})), 0x62A8AB43u);
}

TEST(Crc32cTest, TableAndInstructionAgreeAndPartsAddUp) {
  std::mt19937 random(1);
  std::vector<std::byte> bytes(300);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  const std::span<const std::byte> all(bytes);
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const uint32_t whole = Crc32c(0, all.first(size));
    ASSERT_EQ(whole, Crc32cByTable(0, all.first(size))) << size;
    ASSERT_EQ(whole, Crc32c(Crc32c(0, all.first(size / 3)), all.first(size).subspan(size / 3)));
  }
}

}  // namespace
}  // namespace gemel
