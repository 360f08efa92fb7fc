#include "gateway/codec/lines.h"

#include <zlib.h>

#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace gemel::codec {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

std::string Gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  std::string in = text;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

class LinesTest : public testing::Test {
 protected:
  std::filesystem::path File(const std::string& bytes) {
    std::filesystem::path path = folder_ / ("file" + std::to_string(++files_));
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  // All lines, or the message of the failure as the last one.
  static std::vector<std::string> Lines(const std::filesystem::path& path) {
    std::vector<std::string> lines;
    auto reader = LineReader::Open(path);
    if (!reader.ok()) return {reader.status().message()};
    for (;;) {
      const auto line = reader->Next();
      if (!line.ok()) {
        lines.push_back(line.status().message());
        return lines;
      }
      if (!line->has_value()) return lines;
      lines.emplace_back(**line);
      EXPECT_EQ(reader->line(), lines.size());
    }
  }

  support::TempDir folder_;
  int files_ = 0;
};

TEST_F(LinesTest, PlainLinesComeWithoutTheirEnds) {
  EXPECT_THAT(Lines(File("a\r\n\nb\rc\nlast")), ElementsAre("a", "", "b\rc", "last"));
  EXPECT_THAT(Lines(File("a\n")), ElementsAre("a"));
  EXPECT_THAT(Lines(File("")), ElementsAre());
  EXPECT_THAT(Lines(File("\n")), ElementsAre(""));
  EXPECT_THAT(Lines(File("x")), ElementsAre("x"));
}

TEST_F(LinesTest, GzipIsRecognisedByItsBytesAlsoInSeveralMembers) {
  EXPECT_THAT(Lines(File(Gzip("a\nb\n"))), ElementsAre("a", "b"));
  EXPECT_THAT(Lines(File(Gzip("a\nb") + Gzip("c\n"))), ElementsAre("a", "bc"));
}

TEST_F(LinesTest, ByteOrderMarkIsSkippedAtTheStartOnly) {
  EXPECT_THAT(Lines(File("\xEF\xBB\xBF"
                         "a\n\xEF\xBB\xBF"
                         "b\n")),
              ElementsAre("a",
                          "\xEF\xBB\xBF"
                          "b"));
}

TEST_F(LinesTest, LinesMayCrossAnyNumberOfChunks) {
  std::string text;
  std::vector<std::string> expected;
  for (size_t i = 0; i < 40; ++i) {
    expected.emplace_back(i * 9'973, static_cast<char>('a' + i % 26));
    text += expected.back() + '\n';
  }
  EXPECT_EQ(Lines(File(text)), expected);
  EXPECT_EQ(Lines(File(Gzip(text))), expected);
}

TEST_F(LinesTest, LineAboveTheBoundIsInvalidAndOneOfItIsNot) {
  const std::string longest(kRowBytesMax, 'x');
  EXPECT_THAT(Lines(File("a\n" + longest + "\n")), ElementsAre("a", longest));
  EXPECT_THAT(Lines(File("a\n" + longest + "x\n")),
              ElementsAre("a", EndsWith(":2: a line of more than 1048576 bytes")));
  EXPECT_THAT(Lines(File("a\n" + longest + longest)),
              ElementsAre("a", EndsWith(":2: a line of more than 1048576 bytes")));
}

TEST_F(LinesTest, BrokenFilesAreNamed) {
  const auto missing = LineReader::Open(folder_ / "none");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.status().code(), Code::kNotFound);
  EXPECT_THAT(missing.status().message(), HasSubstr("none: can't be opened: No such file"));
  EXPECT_THAT(Lines(folder_.path()), ElementsAre(HasSubstr("can't be read: Is a directory")));

  std::string text;
  for (int i = 0; i < 100'000; ++i) text += std::to_string(i * 7'919) + '\n';
  const std::string whole = Gzip(text);
  EXPECT_THAT(Lines(File(whole.substr(0, whole.size() / 2))).back(),
              EndsWith("gzip data ends too early"));
  std::string flipped = whole;
  flipped[whole.size() / 2] = static_cast<char>(~flipped[whole.size() / 2]);
  EXPECT_THAT(Lines(File(flipped)).back(), HasSubstr("gzip data is broken"));
  auto reader = LineReader::Open(File(flipped));
  auto line = reader->Next();
  while (line.ok() && line->has_value()) line = reader->Next();
  EXPECT_EQ(line.status().code(), Code::kDamaged);
}

TEST_F(LinesTest, FirstByteTellsJsonFromCsv) {
  EXPECT_EQ(*FirstByte(File("\xEF\xBB\xBF \r\n\t{\"a\":1}")), '{');
  EXPECT_EQ(*FirstByte(File(Gzip("id,name\n"))), 'i');
  EXPECT_EQ(*FirstByte(File(" \n")), std::nullopt);
}

TEST_F(LinesTest, WrongNamesFileAndLine) {
  LineReader reader(ByteWindow::OfText("a\nb\n", "rows.jsonl"));
  ASSERT_TRUE(reader.Next().ok());
  ASSERT_TRUE(reader.Next().ok());
  EXPECT_EQ(reader.Wrong("no JSON").message(), "rows.jsonl:2: no JSON");
  EXPECT_EQ(reader.Wrong("no JSON").code(), Code::kInvalid);
}

}  // namespace
}  // namespace gemel::codec
