#include "gateway/base/mailbox.h"

#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace gemel {
namespace {

bool Push(Mailbox& mailbox, std::string_view text) {
  std::byte* entry = mailbox.Reserve(text.size());
  if (entry == nullptr) return false;
  std::memcpy(entry, text.data(), text.size());
  mailbox.Publish();
  return true;
}

std::string TextOf(std::span<std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(MailboxTest, EntriesComeOutInOrderThroughManyWraps) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  Mailbox mailbox(4'096);
  std::deque<std::string> model;
  for (int step = 0; step < 100'000; ++step) {
    if (random() % 2 == 0) {
      const std::string text(random() % 900 + 1, static_cast<char>('a' + step % 26));
      if (Push(mailbox, text)) model.push_back(text);
    } else {
      const auto entry = mailbox.Next();
      ASSERT_EQ(entry.empty(), model.empty());
      if (entry.empty()) continue;
      ASSERT_EQ(TextOf(entry), model.front());
      model.pop_front();
      mailbox.Release();
    }
  }
}

TEST(MailboxTest, WhatHasRoomSaysFitsAlwaysFits) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  Mailbox mailbox(8'192);
  for (int step = 0; step < 20'000; ++step) {
    std::vector<size_t> sizes(random() % 5 + 1);
    size_t bytes = 0;
    for (size_t& size : sizes) bytes += size = random() % 700 + 1;
    if (mailbox.HasRoom(bytes + 8 * sizes.size(), sizes.size())) {
      for (const size_t size : sizes) ASSERT_NE(mailbox.Reserve(size), nullptr);
      mailbox.Publish();
    }
    for (uint64_t i = random() % 6; i > 0; --i) mailbox.Next();
    mailbox.Release();
  }
}

TEST(MailboxTest, FullIsAnAnswerAndSpaceComesBackWithRelease) {
  Mailbox mailbox(4'096);
  const std::string text(1'000, 'x');
  int pushed = 0;
  while (Push(mailbox, text)) ++pushed;
  EXPECT_EQ(pushed, 4);
  EXPECT_FALSE(mailbox.Next().empty());
  EXPECT_FALSE(Push(mailbox, text)) << "looked at, but not released";
  mailbox.Release();
  EXPECT_TRUE(Push(mailbox, text));
}

TEST(MailboxTest, AnEntryOfMoreThanHalfNeverFits) {
  Mailbox mailbox(4'096);
  EXPECT_EQ(mailbox.Reserve(mailbox.entry_bytes_max() + 8), nullptr);
  EXPECT_NE(mailbox.Reserve(mailbox.entry_bytes_max()), nullptr);
}

TEST(MailboxTest, WhatIsNotPublishedIsNotSeen) {
  Mailbox mailbox(4'096);
  mailbox.Reserve(8);
  EXPECT_TRUE(mailbox.Next().empty());
  EXPECT_TRUE(mailbox.is_empty());
  mailbox.Publish();
  EXPECT_FALSE(mailbox.is_empty());
  EXPECT_EQ(mailbox.Next().size(), 8u);
}

TEST(MailboxTest, TwoThreadsAndAParkerLoseNothing) {
  constexpr uint64_t kCount = 200'000;
  Mailbox mailbox(4'096);
  Parker parker;
  std::jthread consumer([&] {
    uint64_t expected = 0;
    while (expected < kCount) {
      const auto entry = mailbox.Next();
      if (!entry.empty()) {
        uint64_t number = 0;
        std::memcpy(&number, entry.data(), sizeof number);
        ASSERT_EQ(number, expected++);
        mailbox.Release();
        continue;
      }
      parker.Announce();
      if (mailbox.is_empty()) {
        parker.Park(std::nullopt);
      } else {
        parker.Retract();
      }
    }
  });
  for (uint64_t number = 0; number < kCount;) {
    std::byte* entry = mailbox.Reserve(sizeof number + number % 40);
    if (entry == nullptr) {
      std::this_thread::yield();
      continue;
    }
    std::memcpy(entry, &number, sizeof number);
    mailbox.Publish();
    parker.Wake();
    ++number;
  }
}

}  // namespace
}  // namespace gemel
