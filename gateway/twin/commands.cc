// The part of the engine that keeps commands until their devices have answered.
//
// The gateway sends a command once to the broker, which holds it for a device with a persistent
// session. One without may have missed it, and shows by its telemetry that it is back: with the
// first that comes after command_retry, twice as long each time, the command is sent again under
// its id. So a device that is away costs nothing. One whose answer is on its way may get a command
// again, and knows it by its id.

#include <algorithm>
#include <utility>

#include "gateway/base/limits.h"
#include "gateway/effects/payload.h"
#include "gateway/twin/engine.h"

namespace gemel::twin {
namespace {

// Retries are numbered from here on: what the model decides has the same ids whether or not devices
// answer.
constexpr uint32_t kRetryOrdinals = 1U << 16;

// Between two of the same command, unless the route wants more.
constexpr Duration kRetryMax = std::chrono::minutes(10);

Time RetryFrom(const Route& route, const Command& command) {
  Duration after = route.command_retry;
  for (uint32_t i = 1; i < command.sent && after < kRetryMax; ++i) after *= 2;
  return command.last_sent + std::min(after, std::max(kRetryMax, route.command_retry));
}

}  // namespace

Time Engine::EndOf(const Command& command) const {
  return command.expires != kNoTime
             ? command.expires
             : command.decided + world_.routes[command.route].command_timeout;
}

void Engine::ArmCommands(uint16_t model, Twin& twin) {
  if (twin.side() != nullptr) {
    // Restored, their route may feed another model by now.
    std::erase_if(twin.side()->commands, [&](const Command& command) {
      return world_.routes[command.route].model != model;
    });
  }
  const Timers::Handle armed = timers_.Find(twin, Timer::kCommands);
  const bool has_some = twin.side() != nullptr && !twin.side()->commands.empty();
  if (!has_some) {
    if (armed != Timers::kNone) timers_.Disarm(twin, armed);
    return;
  }
  Time first = Time::max();
  for (const Command& command : twin.side()->commands) first = std::min(first, EndOf(command));
  first = std::chrono::ceil<std::chrono::milliseconds>(first);
  if (armed != Timers::kNone && timers_.At(armed).due == first) return;
  if (armed != Timers::kNone) timers_.Disarm(twin, armed);
  timers_.Arm(twin, model, {.name = Timer::kCommands, .due = first, .cause = {}});
}

void Engine::TrackCommand(const journal::RecordView& record, Twin& twin, Command command) {
  std::vector<Command>& commands = twin.MakeSide().commands;
  if (commands.size() >= kOpenCommandsPerTwinMax) {
    const Command oldest = std::exchange(commands.front(), {});
    commands.erase(commands.begin());
    EndCommand(record, twin, oldest, CommandStatus::kTimeout,
               "too many commands wait for an answer");
  }
  commands.push_back(std::move(command));
  SendCommandChange(record, twin, commands.back(), CommandStatus::kSent, {});
  ArmCommands(record.model(), twin);
}

void Engine::ApplyCommandReply(const journal::RecordView& record) {
  Twin* const twin = tables_[record.model()]->Find(record.key_hash(), record.id());
  if (twin != nullptr && record.lsn() <= twin->applied_lsn) return;
  ModelStats& stats = *stats_[record.model()];
  const auto reply = ReadCommandReply(record.payload());
  Side* const side = twin == nullptr ? nullptr : twin->side();
  // It may be over, or of another twin, or be answered for the second time.
  Command* const found =
      reply.ok() && side != nullptr ? side->FindCommand(reply->command) : nullptr;
  if (found == nullptr) {
    stats.command_replies_stale.Add();
    return;
  }
  const Command command = std::move(*found);
  side->commands.erase(side->commands.begin() + (found - side->commands.data()));
  twin->applied_lsn = record.lsn();
  tables_[record.model()]->MarkDirty(*twin);
  EndCommand(record, *twin, command,
             reply->is_successful ? CommandStatus::kSuccessful : CommandStatus::kFailed,
             reply->reason);
  ArmCommands(record.model(), *twin);
  sink_.Flush();
}

Engine::Reach Engine::ReachOf(uint16_t model, uint64_t key_hash, std::string_view id) {
  const Twin* const twin = tables_[model]->Find(key_hash, id);
  if (twin == nullptr) return Reach::kNoTwin;
  const Route* const route = ReplyRoute(model, *twin);
  return route != nullptr && RenderCommandTopic(*route, *twin) ? Reach::kReached : Reach::kNoTopic;
}

void Engine::ApplyOrder(const journal::RecordView& record) {
  Twin* const twin = tables_[record.model()]->Find(record.key_hash(), record.id());
  if (twin == nullptr || record.lsn() <= twin->applied_lsn) return;
  const auto order = ReadOrder(record.payload());
  const Route* const route = ReplyRoute(record.model(), *twin);
  if (!order.ok() || route == nullptr) {
    // Whoever sent it has checked both, so the twin has changed since.
    stats_[record.model()]->commands_unroutable.Add();
    return;
  }
  twin->applied_lsn = record.lsn();
  tables_[record.model()]->MarkDirty(*twin);
  Intent intent{.kind = Intent::Kind::kReply, .after = order->lifetime};
  intent.name = order->name;
  intent.arguments = order->arguments;
  CommitReply(record, *route, *twin, intent);
  sink_.Flush();
}

void Engine::ApplyCommandsDue(const journal::RecordView& record) {
  Twin* const twin = tables_[record.model()]->Find(record.key_hash(), record.id());
  if (twin == nullptr || record.lsn() <= twin->applied_lsn || twin->side() == nullptr) return;
  twin->applied_lsn = record.lsn();
  tables_[record.model()]->MarkDirty(*twin);
  std::vector<Command>& commands = twin->side()->commands;
  const auto is_open = [&](const Command& command) {
    return EndOf(command) > record.record_time();
  };
  const auto over = std::stable_partition(commands.begin(), commands.end(), is_open);
  const std::vector<Command> ended(std::make_move_iterator(over),
                                   std::make_move_iterator(commands.end()));
  commands.erase(over, commands.end());
  for (const Command& command : ended) {
    EndCommand(record, *twin, command,
               command.expires == kNoTime ? CommandStatus::kTimeout : CommandStatus::kExpired, {});
  }
  ArmCommands(record.model(), *twin);
  sink_.Flush();
}

void Engine::RetryCommands(const journal::RecordView& record, Twin& twin) {
  bool has_sent = false;
  for (Command& command : twin.side()->commands) {
    const Route& route = world_.routes[command.route];
    const bool is_due = route.command_retry > Duration::zero() &&
                        RetryFrom(route, command) <= record.record_time() &&
                        EndOf(command) > record.record_time();
    if (!is_due || !RenderCommandTopic(route, twin)) continue;
    ++command.sent;
    command.last_sent = record.record_time();
    has_sent = true;
    effects::WriteCommand(
        {command.id, command.decided, command.name, command.arguments, command.expires}, payload_);
    const Duration left =
        command.expires == kNoTime ? Duration::zero() : command.expires - record.record_time();
    Send({.id = {record.lsn(), kRetryOrdinals + retries_++},
          .kind = effects::EffectKind::kCommand,
          .lifetime = left},
         record);
    stats_[record.model()]->commands_repeated.Add();
    SendCommandChange(record, twin, command, CommandStatus::kSent, {});
  }
  if (has_sent) sink_.Flush();
}

void Engine::EndCommands(const journal::RecordView& record, Twin& twin, std::string_view why) {
  if (twin.side() == nullptr) return;
  for (const Command& command : std::exchange(twin.side()->commands, {}))
    EndCommand(record, twin, command, CommandStatus::kTimeout, why);
}

void Engine::EndCommand(const journal::RecordView& record, const Twin& twin, const Command& command,
                        CommandStatus status, std::string_view reason) {
  stats_[record.model()]->commands_ended[static_cast<size_t>(status)].Add();
  SendCommandChange(record, twin, command, status, reason);
}

void Engine::SendCommandChange(const journal::RecordView& record, const Twin& twin,
                               const Command& command, CommandStatus status,
                               std::string_view reason) {
  topic_.clear();
  WriteCommandChange(command,
                     {.status = status,
                      .model = world_.models[record.model()].model->name(),
                      .twin = twin.id(),
                      .time = record.record_time(),
                      .reason = reason},
                     payload_);
  Send({.id = {record.lsn(), changes_++}, .kind = effects::EffectKind::kCommandChange}, record);
}

}  // namespace gemel::twin
