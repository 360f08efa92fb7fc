#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/journal/journal.h"
#include "gateway/journal/reader.h"
#include "tests/support/temp_dir.h"

namespace gemel::journal {

// A journal in a folder of its own, whose frames hold short texts.
class Log {
 public:
  // Small segments, so that a few frames fill one; synced when a test says so.
  explicit Log(uint64_t segment_bytes = 1'024) : segment_bytes_(segment_bytes) {}

  // Begins to append behind what is there.
  void Open() {
    JournalEnd end;
    ReadAll(&end);
    Result<std::unique_ptr<Journal>> journal =
        Journal::Open({.folder = path(), .segment_bytes = segment_bytes_, .sync_every = {}}, end);
    ASSERT_TRUE(journal.ok()) << journal.status().message();
    journal_ = *std::move(journal);
    ++epoch_;
    counter_ = 0;
  }
  void Close() { journal_.reset(); }

  // Waits for the next segment where it takes one.
  Status Append(const std::string& text) {
    std::vector<std::byte> frame(kFrameHeadBytes + (text.size() + kFrameAlignment) /
                                                       kFrameAlignment * kFrameAlignment);
    std::memcpy(frame.data() + kFrameHeadBytes, text.data(), text.size());
    Status status;
    do {
      status =
          journal_->Append(MakeLsn(epoch_, counter_ + 1), Time{std::chrono::seconds(1)}, frame);
    } while (status.code() == Code::kFull && journal_->spare_failure().ok());
    if (status.ok()) ++counter_;
    return status;
  }
  void Append(int first, int last) {
    for (int i = first; i <= last; ++i) {
      const Status status = Append("frame " + std::to_string(i));
      ASSERT_TRUE(status.ok()) << status.message();
    }
  }
  Journal& journal() { return *journal_; }

  // The texts, separated by "|", and "! " and what is wrong at the end of it.
  std::string ReadAll(JournalEnd* end = nullptr) {
    std::string texts;
    Result<JournalReader> reader = JournalReader::Open(path());
    if (!reader.ok()) return "! " + reader.status().message();
    while (true) {
      const Result<std::optional<Frame>> frame = reader->Next();
      if (!frame.ok()) return texts + "! " + frame.status().message();
      if (!*frame) break;
      if (!texts.empty()) texts += '|';
      texts += reinterpret_cast<const char*>((*frame)->body.data());
    }
    if (reader->torn_bytes() > 0) texts += " torn";
    if (!reader->lost_segments().empty()) texts += " lost";
    if (end != nullptr) *end = reader->end();
    return texts;
  }
  Status Cut() {
    Result<JournalReader> reader = JournalReader::Open(path());
    GEMEL_ASSERT(reader.ok());
    while (true) {
      GEMEL_TRY_LET(const std::optional<Frame> frame, reader->Next());
      if (!frame) return reader->Cut();
    }
  }

  const std::filesystem::path& path() const { return folder_.path(); }
  std::vector<std::filesystem::path> segments() const { return FindSegments(path()).value(); }

 private:
  const uint64_t segment_bytes_;
  support::TempDir folder_;
  std::unique_ptr<Journal> journal_;
  uint64_t epoch_ = 0;
  uint64_t counter_ = 0;
};

inline std::vector<char> Load(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void Store(const std::filesystem::path& path, const std::vector<char>& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace gemel::journal
