#include "tests/scenario/trial.h"

#include <algorithm>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace gemel::scenario {
namespace {

using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

constexpr milliseconds kLookEvery{5};
// A broker that comes back sends much more than that at once.
constexpr int64_t kPerSecond = kBusyPerSecond / 4;
// Of each device as much as may come again: Mosquitto 2.0.11 keeps to no receive maximum once a
// session was resumed, so that is all that has waited for the gateway; and a killed one goes back
// to its last save.
constexpr int64_t kRepeatWindow = 4'000;

}  // namespace

Trial::Trial(Options options)
    : options_(std::move(options)),
      seed_(static_cast<uint64_t>(
          FromEnvironment("GEMEL_SEED", static_cast<int64_t>(std::random_device{}())))),
      random_(seed_),
      broker_(options_.broker) {}

bool Trial::Start() {
  std::printf("GEMEL_SEED=%lu\n", seed_);
  const Status status = broker_.Start();
  EXPECT_TRUE(status.ok()) << status.message();
  if (!status.ok()) return false;
  proxy_.emplace(broker_.port(), witness_.Ear());
  EXPECT_TRUE(proxy_->Start().ok());
  nlohmann::json configuration = EchoConfiguration();
  configuration["routes"][0]["message_id"] = "/n";
  configuration["routes"][0]["repeat_window"] = kRepeatWindow;
  configuration["mqtt"]["uri"] = fmt::format("mqtt://127.0.0.1:{}", proxy_->port());
  configuration.merge_patch(options_.changes);
  gateway_.emplace(broker_, configuration);
  const bool is_ready = gateway_->Start(options_.environment) && gateway_->AwaitReceiving();
  EXPECT_TRUE(is_ready) << gateway_->errors();
  if (is_ready) load_.emplace(broker_.port(), FromEnvironment("GEMEL_PER_SECOND", kPerSecond));
  return is_ready;
}

std::optional<milliseconds> Trial::AwaitBack() const {
  const auto begin = Steady::now();
  const Witness::Progress before = witness_.progress();
  while (Steady::now() - begin < support::kPatience) {
    const Witness::Progress now = witness_.progress();
    if (now.taken > before.taken && now.answered > before.answered)
      return std::chrono::duration_cast<milliseconds>(Steady::now() - begin);
    std::this_thread::sleep_for(kLookEvery);  // the state of another process
  }
  return std::nullopt;
}

bool Trial::AwaitAnswer(int64_t number) const {
  auto since = Steady::now();
  size_t answered = 0;
  while (Steady::now() - since < support::kPatience) {
    if (witness_.HasAnswer(number)) return true;
    // A backlog takes as long as it takes.
    if (const size_t now = witness_.progress().answered; now > answered) {
      answered = now;
      since = Steady::now();
    }
    std::this_thread::sleep_for(kLookEvery);
  }
  return false;
}

bool Trial::AwaitBusy() const {
  const auto until = Steady::now() + std::chrono::seconds(5);
  while (Steady::now() < until) {
    if (witness_.highest_taken() < load_->sent()) return true;
  }
  return false;
}

Trial::Verdict Trial::End() {
  Verdict verdict{.published = load_->End()};
  const bool has_last = AwaitAnswer(verdict.published);
  verdict.is_settled = gateway_->AwaitQuiet();
  const Witness::Testimony told = witness_.Testify();
  const Comparison twins = CompareTwins(*gateway_, told.answered);
  // The broker hands over in order, so what is not here after the last number never comes.
  verdict.lost_in_broker = verdict.published - static_cast<int64_t>(told.answered.size());
  std::vector<int64_t> unanswered;
  std::ranges::set_difference(told.taken, told.answered, std::back_inserter(unanswered));
  verdict.lost_in_gateway = static_cast<int64_t>(unanswered.size()) + twins.lost;
  verdict.lost_in_broker -= static_cast<int64_t>(unanswered.size());
  // Only a broker that has dropped some may have dropped the last one too.
  if (!has_last && verdict.lost_in_broker == 0) verdict.is_settled = false;
  verdict.applied_twice = twins.applied_twice;
  verdict.wrong_sums = twins.wrong_sums;
  verdict.doubled = told.doubled;
  verdict.changed = told.changed;
  verdict.redelivered = told.redelivered;
  verdict.repeated = told.repeated;
  return verdict;
}

void Trial::ExpectNothingLostInGateway(const Verdict& verdict) const {
  SCOPED_TRACE("GEMEL_SEED=" + std::to_string(seed_));
  EXPECT_TRUE(verdict.is_settled) << gateway_->errors();
  EXPECT_GT(verdict.published, 0);
  EXPECT_EQ(verdict.lost_in_gateway, 0);
  EXPECT_EQ(verdict.applied_twice, 0);
  EXPECT_EQ(verdict.wrong_sums, 0);
  EXPECT_EQ(verdict.doubled, 0) << "numbers with two ids";
  EXPECT_EQ(verdict.changed, 0) << "ids that mean two things";
  EXPECT_EQ(gateway_->errors().find("Sanitizer"), std::string::npos) << gateway_->errors();
}

milliseconds Trial::DrawTime(milliseconds least, milliseconds most) {
  return least + milliseconds(Draw(static_cast<uint64_t>((most - least).count())));
}

std::string ToString(const Trial::Verdict& verdict) {
  return fmt::format(
      "published={} lost_in_gateway={} applied_twice={} numbers_with_two_ids={} lost_in_broker={} "
      "redelivered={} commands_repeated={}",
      verdict.published, verdict.lost_in_gateway, verdict.applied_twice, verdict.doubled,
      verdict.lost_in_broker, verdict.redelivered, verdict.repeated);
}

}  // namespace gemel::scenario
