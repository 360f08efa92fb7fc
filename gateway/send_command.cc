// The part of the gateway that tells devices what people want, and people what became of it.

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "gateway/base/end_process.h"
#include "gateway/base/quote.h"
#include "gateway/gateway.h"
#include "gateway/route/id.h"

namespace gemel {
namespace {

constexpr std::chrono::seconds kSendPatience{5};
constexpr std::chrono::milliseconds kReachPatience{2'000};
constexpr std::chrono::milliseconds kCommandsPatience{1'000};

}  // namespace

Result<std::string> Gateway::SendCommand(const http::Addressee& to, const twin::Order& order) {
  if (!has_recovered_.load()) return Unavailable("the journal is replayed; try again");
  const std::string& model = compiled_->world.models[to.model].model->name();
  if (const auto wrong = route::CheckId(to.id)) return NotFound("no twin has this id: " + *wrong);
  const uint64_t key_hash = HashKey(model, to.id);
  const auto reach = std::make_shared<std::promise<twin::Engine::Reach>>();
  std::future<twin::Engine::Reach> reached = reach->get_future();
  const auto look = [reach, key_hash, to](twin::Engine& engine) {
    reach->set_value(engine.ReachOf(to.model, key_hash, to.id));
    return true;
  };
  if (!shards_->Ask(sequencer_->ShardOf(key_hash), look)) return Unavailable("the gateway stops");
  if (reached.wait_for(kReachPatience) != std::future_status::ready)
    return Unavailable("the gateway is behind; try again");
  switch (reached.get()) {
    case twin::Engine::Reach::kNoTwin:
      return NotFound(fmt::format("no twin {} of model {}", Quote(to.id), model));
    case twin::Engine::Reach::kNoTopic:
      return Invalid(
          fmt::format("{}/{}: no route that it was heard on has a command topic", model, to.id));
    case twin::Engine::Reach::kReached:
      break;
  }
  const std::string payload = twin::EncodeOrder(order);
  journal::Record record{.kind = journal::RecordKind::kOperatorCommand,
                         .model = to.model,
                         .key_hash = key_hash,
                         .id = to.id,
                         .payload = payload};
  const auto outcome = AppendWithin(kSendPatience, record);
  if (outcome == journal::Sequencer::Outcome::kFailed) EndProcess(sequencer_->failure());
  if (outcome != journal::Sequencer::Outcome::kAppended)
    return Unavailable("the journal has no room; try again");
  // It is the first effect of its record.
  return fmt::format("{{\"id\":\"{}\",\"status\":\"recorded\"}}\n",
                     FormatEffectId('c', {record.lsn, 0}));
}

Result<std::string> Gateway::Commands(const history::CommandQuery& query) const {
  if (!has_recovered_.load()) return Unavailable("the journal is replayed; try again");
  static_cast<void>(history_->Flush(kCommandsPatience));
  return history::ReadCommands(config_.history.path, query);
}

}  // namespace gemel
