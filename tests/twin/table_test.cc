#include "gateway/twin/table.h"

#include <malloc.h>

#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include <gtest/gtest.h>

#include "tests/twin/probe.h"

namespace gemel::twin {
namespace {

class TableTest : public ::testing::Test {
 protected:
  TableTest() {
    auto model = model::Model::Create(*ModelTable<Probe>(), {.name = "probe"});
    EXPECT_TRUE(model.ok());
    model_ = *std::move(model);
    table_.emplace(*model_);
  }
  static uint64_t HashOf(std::string_view id) { return HashKey("probe", id); }
  Twin* Find(std::string_view id) { return table_->Find(HashOf(id), id); }
  Twin& Create(std::string_view id) { return table_->Create(HashOf(id), id); }
  static int64_t& Number(Twin& twin) {
    return reinterpret_cast<Probe::State*>(twin.state())->calls;
  }

  std::unique_ptr<model::Model> model_;
  std::optional<TwinTable> table_;
};

// Every eighth id is too long for the header.
std::string IdOf(size_t number) {
  std::string id = "device-" + std::to_string(number);
  if (number % 8 == 0) id += std::string(40 + number % 80, 'x');
  return id;
}

TEST_F(TableTest, HundredThousandChangesAgreeWithAnOrdinaryMap) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::unordered_map<std::string, int64_t> wanted;
  for (int64_t i = 0; i < 100'000; ++i) {
    const std::string id = IdOf(random() % 5'000);
    Twin* twin = Find(id);
    ASSERT_EQ(twin != nullptr, wanted.contains(id)) << id;
    ASSERT_TRUE(twin == nullptr || Number(*twin) == wanted[id]) << id;
    if (twin != nullptr && random() % 3 == 0) {
      table_->Delete(*twin);
      wanted.erase(id);
    } else {
      if (twin == nullptr) {
        twin = &Create(id);
        ASSERT_EQ(Number(*twin), 0) << "a new twin has the default state";
      }
      Number(*twin) = wanted[id] = i;
    }
    ASSERT_EQ(table_->size(), wanted.size());
  }
  size_t seen = 0;
  for (size_t slot = 0; slot < table_->slots(); ++slot) {
    Twin* twin = table_->At(slot);
    if (twin == nullptr) continue;
    ++seen;
    ASSERT_EQ(wanted.at(std::string(twin->id())), Number(*twin));
  }
  EXPECT_EQ(seen, wanted.size());
}

TEST_F(TableTest, IdsOfEveryAllowedLengthAreKept) {
  for (size_t size = 1; size <= kIdBytesMax; ++size) {
    EXPECT_EQ(Create(std::string(size, 'i')).id(), std::string(size, 'i'));
  }
  for (size_t size = 1; size <= kIdBytesMax; ++size) {
    ASSERT_NE(Find(std::string(size, 'i')), nullptr) << size;
  }
  EXPECT_EQ(Find("ii "), nullptr);
}

TEST_F(TableTest, IdsOfEqualHashAreToldApart) {
  std::set<Twin*> twins;
  for (int i = 0; i < 100; ++i) twins.insert(&table_->Create(42, "t" + std::to_string(i)));
  EXPECT_EQ(twins.size(), 100u);
  for (int i = 0; i < 100; ++i) {
    const std::string id = "t" + std::to_string(i);
    ASSERT_NE(table_->Find(42, id), nullptr);
    EXPECT_EQ(table_->Find(42, id)->id(), id);
  }
  EXPECT_EQ(table_->Find(42, "t100"), nullptr);
}

TEST_F(TableTest, SlotsNeverMoveAndAreUsedAgainAfterADeletion) {
  std::vector<Twin*> twins;
  for (uint32_t i = 0; i < 1'000; ++i) twins.push_back(&Create(IdOf(i)));
  for (uint32_t i = 0; i < 1'000; ++i) ASSERT_EQ(Find(IdOf(i)), twins[i]);
  Number(*twins[500]) = 5;
  twins[500]->MakeSide().alerts.emplace_back();
  table_->Delete(*twins[500]);
  EXPECT_EQ(Find(IdOf(500)), nullptr);
  EXPECT_EQ(table_->At(500), nullptr);
  Twin& reused = Create("another");
  EXPECT_EQ(&reused, twins[500]);
  EXPECT_EQ(table_->At(500), &reused);
  EXPECT_EQ(table_->slots(), 1'000u);
  EXPECT_EQ(Number(reused), 0);
  EXPECT_EQ(reused.side(), nullptr);
  EXPECT_EQ(reused.applied_lsn, kNoLsn);
  EXPECT_EQ(reused.SeenBy(0), kNoTime);
}

TEST_F(TableTest, HighestTimesAreKeptForEachOfManyRoutes) {
  Twin& twin = Create("x");
  for (uint16_t route = 0; route < 10; ++route) {
    EXPECT_EQ(twin.SeenBy(route), kNoTime);
    twin.SeenBy(route) = Time{Duration{route}};
    EXPECT_EQ(twin.side() != nullptr, route >= 2) << "two routes fit into the header";
  }
  for (uint16_t route = 10; route-- > 0;) EXPECT_EQ(twin.SeenBy(route), Time{Duration{route}});
}

TEST_F(TableTest, StatesAreAligned) {
  for (uint32_t i = 0; i < 300; ++i) {
    ASSERT_EQ(reinterpret_cast<uintptr_t>(Create(IdOf(i)).state()) % model_->state_align(), 0u);
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
size_t BytesInUse() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

TEST_F(TableTest, ATwinTakesAtMostItsStateAnd128Bytes) {
  for (const uint32_t twins : {1'000U, 2'000U, 10'000U, 100'000U}) {
    const size_t before = BytesInUse();
    TwinTable table(*model_);
    for (uint32_t i = 0; i < twins; ++i) {
      const std::string id = "device-of-24-bytes-" + std::to_string(10'000 + i % 90'000);
      table.Create(HashKey("probe", id) + i, id);
    }
    const size_t each = (BytesInUse() - before + table.mapped_bytes()) / twins;
    EXPECT_LE(each, model_->state_size() + 128) << twins;
    EXPECT_GE(each, model_->state_size() + sizeof(Twin)) << "the measure itself is right";
  }
}
#endif

}  // namespace
}  // namespace gemel::twin
