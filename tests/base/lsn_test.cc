#include "gateway/base/lsn.h"

#include <array>
#include <string>

#include <gtest/gtest.h>

namespace gemel {
namespace {

TEST(LsnTest, TheEpochOutranksTheCounter) {
  EXPECT_LT(MakeLsn(1, (uint64_t{1} << kLsnCounterBits) - 1), MakeLsn(2, 0));
  EXPECT_LT(MakeLsn(kEpochMax, (uint64_t{1} << kLsnCounterBits) - 1), uint64_t{1} << 63);
}

TEST(LsnTest, AnEffectsIdShowsKindNumberAndOrdinal) {
  EXPECT_EQ(FormatEffectId('c', {0x1A2B, 0}), "c-1a2b-0");
  EXPECT_EQ(FormatEffectId('a', {255, 12}), "a-ff-12");
}

// The partition of a twin is a contract: other systems compute it too.
TEST(LsnTest, TheHashIsXxh3OfModelSlashId) {
  EXPECT_EQ(HashKey("truck", "42"), HashKey("truck", "42"));
  EXPECT_NE(HashKey("truck", "42"), HashKey("truck4", "2"));
  EXPECT_EQ(PartitionOf(uint64_t{63} << 58), 63u);
}

TEST(LsnTest, PartitionsAreFilledEvenly) {
  std::array<int, kPartitions> twins{};
  for (int i = 0; i < 64'000; ++i)
    ++twins[PartitionOf(HashKey("truck", "truck-" + std::to_string(i)))];
  for (const int count : twins) EXPECT_NEAR(count, 1'000, 200);
}

}  // namespace
}  // namespace gemel
