#include "gateway/journal/cursor.h"

#include <algorithm>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/journal/log.h"

namespace gemel::journal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr uint64_t kMiB = 1'024 * 1'024;

// A journal that is written, and the place where its first frame begins.
class CursorTest : public ::testing::Test {
 protected:
  // Opens a journal whose first frame is "begin", which is no cursor's to read.
  JournalPlace Open(uint64_t segment_bytes = 1'024) {
    log_.emplace(segment_bytes);
    log_->Open();
    Append("begin");
    return end();
  }
  void Append(const std::string& text) {
    const Status status = log_->Append(text);
    ASSERT_TRUE(status.ok()) << status.message();
  }
  JournalPlace end() { return log_->journal().place(); }
  // Flips a bit of the segment that a place lies in.
  void Flip(JournalPlace place, uint64_t offset) {
    const std::filesystem::path path = log_->path() / SegmentName(place.segment);
    std::vector<char> bytes = Load(path);
    bytes[offset] ^= 1;
    Store(path, bytes);
  }

  std::optional<Log> log_;
};

std::string TextOf(const Frame& frame) { return reinterpret_cast<const char*>(frame.body.data()); }

// The texts up to a place, and "! " and what is wrong as the last one.
std::vector<std::string> ReadTo(Cursor& cursor, JournalPlace end) {
  std::vector<std::string> texts;
  while (true) {
    const Result<std::optional<Frame>> frame = cursor.Next(end);
    if (!frame.ok()) texts.push_back("! " + frame.status().message());
    if (!frame.ok() || !*frame) return texts;
    texts.push_back(TextOf(**frame));
  }
}

TEST_F(CursorTest, StopsWhereItIsToldThoughMoreWasWritten) {
  const JournalPlace begin = Open(kMiB);
  Append("one");
  Append("two");
  const JournalPlace two = end();
  Append("three");
  Cursor cursor(log_->path(), begin);
  EXPECT_THAT(ReadTo(cursor, begin), ElementsAre());
  EXPECT_THAT(ReadTo(cursor, two), ElementsAre("one", "two"));
  EXPECT_EQ(cursor.place(), two);
  EXPECT_THAT(ReadTo(cursor, two), ElementsAre());
  EXPECT_THAT(ReadTo(cursor, end()), ElementsAre("three"));
  EXPECT_EQ(cursor.place(), end());
}

TEST_F(CursorTest, ReadsWhatIsAppendedBetweenItsReadsThroughManySegments) {
  const JournalPlace begin = Open();
  Cursor cursor(log_->path(), begin);
  std::mt19937 random(1);
  for (int frame = 0; frame < 500;) {
    std::vector<std::string> wanted;
    for (size_t count = random() % 12; count > 0; --count) {
      wanted.push_back("frame " + std::to_string(frame++) + std::string(random() % 200, '.'));
      Append(wanted.back());
    }
    // Now and then it stops on its way.
    const JournalPlace here = cursor.place();
    if (random() % 2 == 0 && !wanted.empty()) {
      EXPECT_EQ(TextOf(*cursor.Next(end()).value()), wanted.front());
      wanted.erase(wanted.begin());
      EXPECT_NE(cursor.place(), here);
    }
    ASSERT_EQ(ReadTo(cursor, end()), wanted);
    ASSERT_EQ(cursor.place(), end());
  }
  EXPECT_GT(log_->segments().size(), 20u);
}

TEST_F(CursorTest, AnotherThreadReadsWhatIsAppendedMeanwhile) {
  constexpr int kFrames = 5'000;
  const JournalPlace begin = Open(16 * 1'024);
  std::mutex mutex;
  JournalPlace written = begin;
  std::jthread reader([&] {
    Cursor cursor(log_->path(), begin);
    int next = 0;
    while (next < kFrames) {
      const JournalPlace end = [&] {
        const std::lock_guard lock(mutex);
        return written;
      }();
      for (const std::string& text : ReadTo(cursor, end)) ASSERT_EQ(text, std::to_string(next++));
      std::this_thread::yield();
    }
  });
  for (int i = 0; i < kFrames; ++i) {
    Append(std::to_string(i));
    const std::lock_guard lock(mutex);
    written = end();
  }
  reader.join();
  EXPECT_GT(log_->segments().size(), 3u);
}

TEST_F(CursorTest, FramesLargerThanItsBufferAreReadWhole) {
  const JournalPlace begin = Open(16 * kMiB);
  std::vector<std::string> texts;
  // Each begins somewhere else in the buffer.
  for (const uint64_t size : {uint64_t{100}, 3 * kMiB, uint64_t{7}, kMiB - 160, kMiB, kMiB + 8,
                              2 * kMiB - 1, uint64_t{1}, 5 * kMiB, 9 * kMiB, uint64_t{3}}) {
    texts.emplace_back(size, static_cast<char>('a' + texts.size()));
    Append(texts.back());
  }
  Cursor cursor(log_->path(), begin);
  for (const std::string& text : texts) {
    const Result<std::optional<Frame>> frame = cursor.Next(end());
    ASSERT_TRUE(frame.ok()) << frame.status().message();
    ASSERT_TRUE(*frame);
    EXPECT_TRUE(TextOf(**frame) == text) << text.size() << " of " << text.front();
    // What parsers are promised; ASan says if it is not so.
    const auto* const behind = (*frame)->body.data() + (*frame)->body.size();
    EXPECT_GE(std::count(behind, behind + kSegmentTailBytes, std::byte{0}), 0);
  }
  EXPECT_THAT(ReadTo(cursor, end()), ElementsAre());
  EXPECT_GT(log_->segments().size(), 1u);
}

TEST_F(CursorTest, AFrameLivesUntilTheNextCallAndBeginsAtAWord) {
  const JournalPlace begin = Open(kMiB);
  Append("one");
  Append("two");
  Cursor cursor(log_->path(), begin);
  while (true) {
    const std::optional<Frame> frame = cursor.Next(end()).value();
    if (!frame) break;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(frame->body.data()) % kFrameAlignment, 0u);
    EXPECT_NE(frame->first, kNoLsn);
  }
}

TEST_F(CursorTest, FromASegmentsEndItGoesOnInTheNextOne) {
  const JournalPlace begin = Open();
  JournalPlace full = begin;
  std::string last;
  for (int i = 0; end().segment == begin.segment; ++i) {
    full = end();
    last = "frame " + std::to_string(i);
    Append(last);
  }
  Cursor cursor(log_->path(), full);
  EXPECT_THAT(ReadTo(cursor, full), ElementsAre());
  EXPECT_THAT(ReadTo(cursor, end()), ElementsAre(last));
  // The same for one that read as far when there was no next one yet.
  Cursor reader(log_->path(), begin);
  ReadTo(reader, full);
  EXPECT_THAT(ReadTo(reader, end()), ElementsAre(last));
}

TEST_F(CursorTest, ASegmentThatEndsWithItsLastFrameIsFollowedByTheNext) {
  const JournalPlace begin = Open();
  Append("one");
  log_->Close();
  std::filesystem::resize_file(log_->segments()[0], begin.offset + kFrameHeadBytes + 8);
  log_->Open();
  Append("two");
  Cursor cursor(log_->path(), begin);
  EXPECT_THAT(ReadTo(cursor, end()), ElementsAre("one", "two"));
}

TEST_F(CursorTest, AFlippedByteIsDamageThatNamesFileAndOffset) {
  const JournalPlace begin = Open(kMiB);
  Append("one");
  const JournalPlace two = end();
  Append("two");
  Append("three");
  const std::string name = SegmentName(begin.segment);
  // In the size, in the checksum, in the LSN, in the body.
  for (const uint64_t byte : {0U, 2U, 5U, 9U, 24U}) {
    Flip(two, two.offset + byte);
    Cursor cursor(log_->path(), begin);
    ASSERT_EQ(TextOf(*cursor.Next(end()).value()), "one");
    const Status status = cursor.Next(end()).status();
    EXPECT_EQ(status.code(), Code::kDamaged) << byte;
    EXPECT_THAT(status.message(), HasSubstr(name + ": at offset " + std::to_string(two.offset)));
    Flip(two, two.offset + byte);
  }
  Cursor cursor(log_->path(), begin);
  EXPECT_THAT(ReadTo(cursor, end()), ElementsAre("one", "two", "three"));
}

TEST_F(CursorTest, AFrameThatIsGoneFromTheMiddleOfASegmentIsDamage) {
  const JournalPlace begin = Open();
  std::vector<JournalPlace> places = {begin};
  while (end().segment == begin.segment) {
    Append("frame");
    places.push_back(end());
  }
  const std::filesystem::path path = log_->path() / SegmentName(begin.segment);
  std::vector<char> bytes = Load(path);
  const auto at = static_cast<std::ptrdiff_t>(places[1].offset);
  std::fill(bytes.begin() + at, bytes.begin() + at + kFrameHeadBytes, 'x');
  Store(path, bytes);
  Cursor cursor(log_->path(), begin);
  EXPECT_THAT(ReadTo(cursor, end()), ElementsAre("frame", StartsWith("! " + path.string())));
}

TEST_F(CursorTest, AMissingFileIsNamed) {
  const JournalPlace begin = Open();
  while (log_->segments().size() < 2) Append("frame");
  const std::vector<std::filesystem::path> segments = log_->segments();
  std::filesystem::remove(segments[1]);
  Cursor into(log_->path(), begin);
  EXPECT_THAT(ReadTo(into, end()).back(), HasSubstr(segments[0].string() + ": no segment follows"));
  Cursor cursor(log_->path(), {end().segment, kSegmentHeadBytes});
  const Status status = cursor.Next(end()).status();
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), StartsWith(segments[1].string() + ": cannot be read: "));
}

}  // namespace
}  // namespace gemel::journal
