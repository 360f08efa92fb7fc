#include "tests/support/process.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gemel::support {
namespace {

using std::chrono_literals::operator""ms;

TEST(ProcessTest, GivesLinesAsTheyComeAndTheExitCode) {
  Process shell({"sh", "-c", "echo one; echo two; printf three; exit 7"});
  EXPECT_EQ(shell.ReadLine(), "one");
  EXPECT_EQ(shell.ReadLine(), "two");
  EXPECT_EQ(shell.ReadLine(), "three");
  EXPECT_EQ(shell.ReadLine(), std::nullopt);
  EXPECT_EQ(shell.Wait(), 7);
  EXPECT_FALSE(shell.is_running());
}

TEST(ProcessTest, ReadingGivesUpAtItsDeadlineAndTheChildGoesOn) {
  Process cat({"cat"});
  EXPECT_EQ(cat.ReadLine(1ms), std::nullopt);
  EXPECT_TRUE(cat.is_running());
  EXPECT_EQ(cat.Wait(1ms), std::nullopt);
  cat.Write("late\n");
  EXPECT_EQ(cat.ReadLine(), "late");
  cat.CloseInput();
  EXPECT_EQ(cat.Wait(), 0);
}

TEST(ProcessTest, SkipsToTheLineThatIsWaitedFor) {
  Process shell({"sh", "-c", "echo starting; echo ready http=1; echo more"});
  EXPECT_EQ(shell.ReadLineWith("ready "), "ready http=1");
  EXPECT_EQ(shell.ReadLineWith("never"), std::nullopt);
}

TEST(ProcessTest, ASignalEndsTheChildAndIsItsExit) {
  Process cat({"cat"});
  cat.Signal(SIGTERM);
  EXPECT_EQ(cat.Wait(), -SIGTERM);
}

TEST(ProcessTest, AProgramThatIsNotThereExitsWith127AndSaysWhich) {
  Process missing({"gemel-no-such-program"});
  EXPECT_EQ(missing.Wait(), 127);
  EXPECT_EQ(missing.ReadLine(), std::nullopt);
  EXPECT_THAT(missing.errors(), ::testing::HasSubstr("gemel-no-such-program"));
}

TEST(ProcessTest, RunsWithItsOwnEnvironmentAndFolder) {
  Process shell({"sh", "-c", "echo $GEMEL_NAME; pwd"},
                {.environment = {"GEMEL_NAME=value"}, .directory = "/usr"});
  EXPECT_EQ(shell.ReadLine(), "value");
  EXPECT_EQ(shell.ReadLine(), "/usr");
}

TEST(ProcessTest, AChildThatFillsBothPipesIsNeverHeldUp) {
  Process shell({"sh", "-c", "yes out | head -c 1000000; yes err | head -c 1000000 >&2"});
  EXPECT_EQ(shell.Wait(), 0);
  EXPECT_EQ(shell.ReadLine(), "out");
}

TEST(ProcessTest, TheDestructorEndsGrandchildrenToo) {
  pollfd ended{-1, POLLIN, 0};
  {
    Process shell({"sh", "-c", "sleep 1000 & echo $!; wait"});
    const pid_t grandchild = std::stoi(shell.ReadLine().value_or("0"));
    ended.fd = static_cast<int>(::syscall(SYS_pidfd_open, grandchild, 0));
    ASSERT_GE(ended.fd, 0);
    EXPECT_EQ(::poll(&ended, 1, 0), 0);
  }
  EXPECT_EQ(::poll(&ended, 1, static_cast<int>(kPatience.count())), 1);
  ::close(ended.fd);
}

}  // namespace
}  // namespace gemel::support
