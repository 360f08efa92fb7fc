#include "gateway/route/template.h"

#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gemel::route {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Template Parsed(std::string_view text) {
  Result<Template> parsed = Template::Parse(text);
  EXPECT_TRUE(parsed.ok()) << parsed.status().message();
  return *std::move(parsed);
}

std::string Problem(std::string_view text) {
  const Result<Template> parsed = Template::Parse(text);
  EXPECT_FALSE(parsed.ok()) << text;
  return parsed.ok() ? "" : parsed.status().message();
}

// An example that both match, or "".
std::string Shared(std::string_view a, std::string_view b) {
  std::string one;
  std::string other;
  const bool overlaps = Parsed(a).Overlaps(Parsed(b), &one);
  EXPECT_EQ(overlaps, Parsed(b).Overlaps(Parsed(a), &other));
  EXPECT_EQ(one, other);
  return one;
}

TEST(TemplateTest, KnowsItsLevelsNamesAndFilter) {
  const Template topic = Parsed("fleet/{region}/dev-{id}.json/+/#");
  EXPECT_THAT(topic.names(), ElementsAre("region", "id"));
  EXPECT_EQ(topic.filter(), "fleet/+/+/+/#");
  EXPECT_EQ(topic.levels()[2].prefix, "dev-");
  EXPECT_EQ(topic.levels()[2].suffix, ".json");
  EXPECT_EQ(topic.text(), "fleet/{region}/dev-{id}.json/+/#");
}

TEST(TemplateTest, RefusesWhatIsNoTopicFilter) {
  EXPECT_THAT(Problem(""), HasSubstr("empty"));
  EXPECT_THAT(Problem("a/#/b"), HasSubstr("last"));
  EXPECT_THAT(Problem("a/b+"), HasSubstr("alone"));
  EXPECT_THAT(Problem("a/b#"), HasSubstr("alone"));
  EXPECT_THAT(Problem("$SYS/{id}"), HasSubstr("'$'"));
  EXPECT_THAT(Problem("$share/g/{id}"), HasSubstr("'$'"));
  EXPECT_THAT(Problem("a/\xff"), HasSubstr("UTF-8"));
  EXPECT_THAT(Problem(std::string_view("a\0b", 3)), HasSubstr("control"));
  EXPECT_THAT(Problem(std::string(40, '/')), HasSubstr("levels"));
}

TEST(TemplateTest, RefusesCapturesThatCannotBeToldApart) {
  EXPECT_THAT(Problem("a/{x}{y}"), HasSubstr("told apart"));
  EXPECT_THAT(Problem("a/{x}-{y}"), HasSubstr("told apart"));
}

TEST(TemplateTest, RefusesBadBracesAndNamesAndSaysWhere) {
  for (const char* text : {"a/{x", "a/x}", "a/}x{", "a/{{x}", "a/{x}}", "a/{x}{"}) {
    EXPECT_THAT(Problem(text), HasSubstr("brace")) << text;
  }
  for (const char* text : {"a/{}", "a/{X}", "a/{1x}", "a/{x-y}", "a/{ x}"}) {
    EXPECT_THAT(Problem(text), HasSubstr("no name")) << text;
  }
  EXPECT_EQ(Problem("a/{x}/{x}"), "topic \"a/{x}/{x}\": level \"{x}\": {x} is used twice");
}

TEST(TemplateTest, TellsApartWhatIsDifferent) {
  EXPECT_EQ(Shared("a/{id}", "b/{id}"), "");
  EXPECT_EQ(Shared("a/{id}", "a/{id}/b"), "");
  EXPECT_EQ(Shared("a/{x}/b", "a/c/d"), "");
  EXPECT_EQ(Shared("a/x-{id}", "a/y-{id}"), "");
  EXPECT_EQ(Shared("a/{id}.json", "a/{id}.cbor"), "");
  EXPECT_EQ(Shared("a/dev-{id}", "a/dev"), "");
  EXPECT_EQ(Shared("a/ab{id}bc", "a/abc"), "");
  EXPECT_EQ(Shared("a/b/#", "a"), "");
}

TEST(TemplateTest, FindsOverlapsAndShowsAnExample) {
  EXPECT_EQ(Shared("a/{id}", "a/{x}"), "a/x");
  EXPECT_EQ(Shared("a/{id}", "a/b"), "a/b");
  EXPECT_EQ(Shared("a/{id}", "+/b"), "a/b");
  EXPECT_EQ(Shared("a/#", "a"), "a");
  EXPECT_EQ(Shared("a/#", "a/b/{id}"), "a/b/x");
  EXPECT_EQ(Shared("#", "a/b"), "a/b");
  EXPECT_EQ(Shared("#", "#"), "x");
  EXPECT_EQ(Shared("/#", "/#"), "/");
  EXPECT_EQ(Shared("#", "/#"), "/");
  EXPECT_EQ(Shared("a/#", "+/b/#"), "a/b");
  EXPECT_EQ(Shared("a/dev-{id}", "a/{x}.json"), "a/dev-x.json");
  EXPECT_EQ(Shared("a/dev-{id}", "a/dev-{x}.json"), "a/dev-x.json");
  EXPECT_EQ(Shared("a/dev-{id}", "a/dev-7"), "a/dev-7");
}

TEST(TemplateTest, RendersATopic) {
  std::string out;
  Render(Parsed("fleet/{region}/dev-{id}.x/command"), out,
         [](std::string_view name, std::string& topic) { topic += name == "id" ? "42" : "wa"; });
  EXPECT_EQ(out, "fleet/wa/dev-42.x/command");
}

}  // namespace
}  // namespace gemel::route
