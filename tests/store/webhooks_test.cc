// What waits for webhooks is saved by webhook, and each gets it once.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/effects/fanout.h"
#include "gateway/sqlite/database.h"
#include "gateway/store/store.h"
#include "gateway/store/verify.h"
#include "tests/store/site.h"
#include "tests/support/temp_dir.h"

namespace gemel::store {
namespace {

using effects::OwnedEffect;
using journal::EffectOutcome;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

using Since = std::map<std::string, Lsn, std::less<>>;

// Collects what comes through the gate, as "webhook lsn.ordinal payload".
class Through final : public effects::Sink {
 public:
  void Append(const effects::Effect& effect) override {
    all.push_back(fmt::format("{} {:x}.{} {}", effect.webhook, effect.id.lsn, effect.id.ordinal,
                              effect.payload));
    last = effect;
  }
  void Flush() noexcept override {}
  std::vector<std::string> all;
  effects::Effect last;
};

class WebhookStoreTest : public ::testing::Test {
 protected:
  WebhookStoreTest() { std::filesystem::create_directories(folder_ / "journal"); }

  static std::shared_ptr<const OwnedEffect> Waiting(const std::string& webhook, Lsn lsn,
                                                    const std::string& payload = "{}") {
    return std::make_shared<const OwnedEffect>(
        effects::Effect{.id = {lsn, 1},
                        .kind = effects::EffectKind::kAlert,
                        .key_hash = UINT64_MAX - lsn,
                        .decided = Time{std::chrono::seconds(5)},
                        .lifetime = std::chrono::seconds(60),
                        .payload = payload,
                        .webhook = webhook});
  }
  // One process of a gateway, as far as its store goes.
  struct Process {
    explicit Process(const std::filesystem::path& folder, uint64_t epoch)
        : site(folder / "journal", {.epoch = epoch}) {
      auto opened = Store::Open(folder / "gemel.db", site.probes.world, site.shards());
      EXPECT_TRUE(opened.ok()) << opened.status().message();
      store = *std::move(opened);
      const auto restored = store->Restore(gate);
      EXPECT_TRUE(restored.ok()) << restored.status().message();
      checkpoint = restored->checkpoint;
    }
    Status Save(const Store::WebhookEffects& waiting) {
      return store
          ->Save({.sequencer = site.sequencer(),
                  .journal = site.journal(),
                  .effects = [] { return std::vector<OwnedEffect>(); },
                  .webhook_effects = [&] { return waiting; }})
          .status();
    }
    Since Enrol(const std::vector<std::string>& names, Lsn next) {
      const auto since = store->EnrolWebhooks(names, next);
      EXPECT_TRUE(since.ok()) << since.status().message();
      return since.ok() ? *since : Since{};
    }

    Through through;
    effects::Gate gate{through};
    Site site;
    std::unique_ptr<Store> store;
    Lsn checkpoint = kNoLsn;
  };
  std::vector<std::string> Restored(uint64_t epoch) {
    Process process(folder_.path(), epoch);
    process.gate.Open(Time{std::chrono::seconds(5)});
    return process.through.all;
  }

  support::TempDir folder_;
};

TEST_F(WebhookStoreTest, WhatWaitsIsSavedByWebhookAndOnlyWhatWaits) {
  {
    Process first(folder_.path(), 1);
    first.site.Start();
    const auto one = Waiting("pager", 1, "first");
    const auto two = Waiting("pager", 2, "second");
    const auto three = Waiting("chat", 1, "third");
    ASSERT_TRUE(first.Save({one, two, three}).ok());
    ASSERT_TRUE(first.Save({two, three}).ok());
    ASSERT_TRUE(first.Save({two, three, Waiting("chat", 3, "fourth")}).ok());
  }
  EXPECT_TRUE(VerifyDatabase(folder_ / "gemel.db").ok());
  EXPECT_THAT(Restored(2), ElementsAre("chat 1.1 third", "pager 2.1 second", "chat 3.1 fourth"));
  {
    Process next(folder_.path(), 3);
    next.site.Start();
    ASSERT_TRUE(next.Save({}).ok());
  }
  EXPECT_THAT(Restored(4), IsEmpty());
}

TEST_F(WebhookStoreTest, AllOfAnEffectComesBack) {
  {
    Process first(folder_.path(), 1);
    first.site.Start();
    ASSERT_TRUE(first.Save({Waiting("pager", 7)}).ok());
  }
  Process next(folder_.path(), 2);
  next.gate.Open(Time{std::chrono::seconds(15)});
  EXPECT_THAT(next.through.all, ElementsAre("pager 7.1 {}"));
  EXPECT_EQ(next.through.last.key_hash, UINT64_MAX - 7);
  EXPECT_EQ(next.through.last.lifetime, std::chrono::seconds(50));
  EXPECT_EQ(next.through.last.kind, effects::EffectKind::kAlert);
}

TEST_F(WebhookStoreTest, ADamagedRowIsFoundAndRefused) {
  {
    Process first(folder_.path(), 1);
    first.site.Start();
    ASSERT_TRUE(first.Save({Waiting("pager", 7)}).ok());
  }
  auto database = sqlite::Database::Open(folder_ / "gemel.db", sqlite::Database::Mode::kReadWrite);
  ASSERT_TRUE(database->Run("UPDATE gemel_webhook_outbox SET payload = '[]'").ok());
  EXPECT_EQ(VerifyDatabase(folder_ / "gemel.db").status().code(), Code::kDamaged);
  Site site(folder_ / "journal");
  auto store = Store::Open(folder_ / "gemel.db", site.probes.world, site.shards());
  ASSERT_TRUE(store.ok());
  EXPECT_EQ((*store)->Restore(site.gate()).status().code(), Code::kDamaged);
}

TEST_F(WebhookStoreTest, ANewWebhookGetsNothingOfWhatWasBeforeIt) {
  {
    Process first(folder_.path(), 1);
    EXPECT_THAT(first.Enrol({"pager"}, MakeLsn(1, 0)), ElementsAre(Pair("pager", kNoLsn)))
        << "nothing was saved, so what the journal holds was sent to nobody";
    first.site.Start();
    first.site.Append({});
    first.site.Twins();
    ASSERT_TRUE(first.Save({}).ok());
  }
  {
    Process second(folder_.path(), 2);
    EXPECT_THAT(second.Enrol({"chat", "pager"}, MakeLsn(2, 0)),
                ElementsAre(Pair("chat", MakeLsn(2, 0)), Pair("pager", kNoLsn)));
  }
  EXPECT_TRUE(VerifyDatabase(folder_ / "gemel.db").ok());
  {
    Process third(folder_.path(), 3);
    EXPECT_THAT(third.Enrol({"chat"}, MakeLsn(3, 0)), ElementsAre(Pair("chat", MakeLsn(2, 0))));
  }
  Process fourth(folder_.path(), 4);
  EXPECT_THAT(fourth.Enrol({"chat", "pager"}, MakeLsn(4, 0)),
              ElementsAre(Pair("chat", MakeLsn(2, 0)), Pair("pager", MakeLsn(4, 0))))
      << "taken out and named again, it is another one";
}

TEST_F(WebhookStoreTest, ADatabaseOfTheVersionBeforeIsBroughtUpToDate) {
  {
    Process first(folder_.path(), 1);
    first.site.Start();
    first.site.Append({});
    first.site.Twins();
    ASSERT_TRUE(first.Save({}).ok());
  }
  {
    auto database =
        sqlite::Database::Open(folder_ / "gemel.db", sqlite::Database::Mode::kReadWrite);
    ASSERT_TRUE(database
                    ->Run("DROP TABLE gemel_webhooks; DROP TABLE gemel_webhook_outbox;"
                          "DELETE FROM gemel_tables WHERE name LIKE 'gemel_webhook%';"
                          "PRAGMA user_version = 1")
                    .ok());
  }
  Process next(folder_.path(), 2);
  EXPECT_EQ(next.checkpoint, MakeLsn(1, 1));
  next.site.Start(next.checkpoint);
  ASSERT_TRUE(next.Save({Waiting("pager", 7)}).ok());
  EXPECT_THAT(Restored(3), ElementsAre("pager 7.1 {}"));
}

// The journal alone: what a webhook is done with is decided once more, and dropped for that one.
TEST_F(WebhookStoreTest, AReplayDecidesForEachSinkWhatThatOneHasNotGot) {
  {
    Process first(folder_.path(), 1);
    first.site.Start();
    for (int i = 0; i < 2; ++i) {
      first.site.Append({.json = R"({"order": "raise"})"});
      first.site.Append({.json = R"({"order": "clear"})"});
    }
    ASSERT_EQ(first.site.Effects().size(), 6u);
    first.site.Acknowledge(std::vector<EffectId>{{MakeLsn(1, 1), 0}, {MakeLsn(1, 2), 0}});
    const auto raised = journal::EndedEffect{{MakeLsn(1, 1), 0}, EffectOutcome::kDelivered};
    const auto cleared = journal::EndedEffect{{MakeLsn(1, 2), 0}, EffectOutcome::kExpired};
    first.site.End("pager", std::vector{raised});
    first.site.End("gone", std::vector{raised, cleared});
    first.site.End("chat", std::vector{raised, cleared});
  }
  Through through;
  effects::Gate gate(through);
  effects::Fanout fanout(gate, {{.name = "pager"}, {.name = "chat"}});
  twin::ProbeWorld probes;
  twin::ShardSet shards(probes.world, fanout, 2, 64 * 1'024);
  SystemClock clock;
  journal::Sequencer sequencer(2, clock, shards.inboxes());
  shards.Start(sequencer);
  RecoveryProgress progress;
  Site catalogs(folder_ / "journal");
  journal::Catalog catalog = catalogs.CatalogOf();
  catalog.symbols = &probes.symbols;
  const auto recovered =
      Recover({.journal = folder_ / "journal",
               .on_done = [&](EffectId id, std::string_view at) { gate.MarkDone(id, at); }},
              catalog, probes.symbols, sequencer, shards, progress);
  ASSERT_TRUE(recovered.ok()) << recovered.status().message();
  gate.Open(sequencer.Now());
  std::vector<std::string> got;
  for (const std::string& line : through.all) got.push_back(line.substr(0, line.find(" {")));
  const auto at = [](const char* webhook, uint64_t counter) {
    return fmt::format("{} {:x}.0", webhook, MakeLsn(1, counter));
  };
  std::vector<std::string> wanted = {at("pager", 2)};
  for (const uint64_t counter : {3, 4})
    for (const char* webhook : {"pager", "chat"}) wanted.push_back(at(webhook, counter));
  std::erase_if(got, [](const std::string& line) { return line.starts_with(' '); });
  EXPECT_EQ(got, wanted);
  shards.DrainAndStop();
}

}  // namespace
}  // namespace gemel::store
