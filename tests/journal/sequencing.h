#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/journal/sequencer.h"

namespace gemel::journal {

inline constexpr Time kStart{std::chrono::seconds{1'700'000'000}};

inline Record RecordOf(std::string_view id, std::string_view payload = "{}") {
  Record record;
  record.id = id;
  record.payload = payload;
  record.key_hash = HashKey("m", id);
  return record;
}

// A sequencer and the mailboxes that it fills.
class SequencerTest : public ::testing::Test {
 protected:
  void Make(uint32_t shards, size_t mailbox_bytes = 1 << 20) {
    mailboxes_.clear();
    parkers_.clear();
    std::vector<ShardInbox> inboxes;
    for (uint32_t i = 0; i < shards; ++i) {
      mailboxes_.push_back(std::make_unique<Mailbox>(mailbox_bytes));
      parkers_.push_back(std::make_unique<Parker>());
      inboxes.push_back({mailboxes_.back().get(), parkers_.back().get()});
    }
    sequencer_ = std::make_unique<Sequencer>(3, clock_, inboxes);
  }
  Sequencer::Outcome Append(Record record) { return sequencer_->Append({&record, 1}); }
  // Takes the next record of a shard's mailbox.
  std::optional<RecordView> Take(uint32_t shard) {
    const auto bytes = mailboxes_[shard]->Next();
    if (bytes.empty()) return std::nullopt;
    return RecordView(bytes);
  }

  ManualClock clock_{kStart};
  std::vector<std::unique_ptr<Mailbox>> mailboxes_;
  std::vector<std::unique_ptr<Parker>> parkers_;
  std::unique_ptr<Sequencer> sequencer_;
};

}  // namespace gemel::journal
