#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "gateway/base/lsn.h"
#include "gateway/base/refusal.h"
#include "gateway/base/status.h"
#include "gateway/effects/outbox.h"
#include "gateway/effects/sender.h"
#include "gateway/history/alert_query.h"
#include "gateway/history/command_query.h"
#include "gateway/http/resources.h"
#include "gateway/sdk/types.hpp"
#include "gateway/twin/acknowledgement.h"
#include "gateway/twin/command.h"
#include "gateway/twin/shard_set.h"
#include "gateway/twin/world.h"

namespace gemel::effects {
class WebhookOutbox;
}

namespace gemel::http {

// Whether messages really flow, and if not, why, for the person on call.
struct Readiness {
  bool is_ready = true;
  std::string because;
};

struct IntakeCounts {
  std::vector<uint64_t> received;  // by route, in the order of World::routes
  std::array<uint64_t, kRefusals> refused{};
  uint64_t symbols_refused = 0;
  uint64_t profiles = 0;
};

// What lies on the disk.
struct StorageCounts {
  uint64_t lag_bytes = 0;      // of records that wait to be applied
  uint64_t journal_bytes = 0;  // written since the start
  double snapshot_age_seconds = 0;
  double snapshot_seconds = 0;  // that the last one took
  uint64_t snapshots = 0;
  uint64_t twins_saved = 0;
  bool has_failed = false;  // the last snapshot
  uint64_t history_written = 0;
  uint64_t history_dropped = 0;
};

// What has become of an acknowledgement that is recorded.
struct AckAnswer {
  std::string json;        // the alert as it is then; while that is not known, its id
  bool is_applied = true;  // otherwise it will be, as far as it still can
};

// The twin whose device is told something.
struct Addressee {
  uint16_t model = 0;
  std::string id;
};

// What the API looks at. References and pointers outlive the server; functions are called by any
// thread of it, several at once, and must not wait.
struct Sources {
  const twin::World& world;
  twin::ShardSet& shards;
  const effects::Outbox& outbox;
  std::function<Time()> now;  // record time as it stands
  // Of the connections to the broker; the outbox is looked at here.
  std::function<Readiness()> readiness;
  std::function<IntakeCounts()> intake;          // empty: none is shown
  std::function<StorageCounts()> storage;        // empty: none is shown
  const effects::SenderStats* sender = nullptr;  // nullptr: none is shown
  std::span<const std::unique_ptr<effects::WebhookOutbox>> webhooks;
  std::string version;
  // The story of an alert, as JSON, with so many of the messages before it. Reads the journal, so
  // it may take seconds; empty: there is none.
  std::function<Result<std::string>(EffectId alert, size_t records)> why;
  // Records that somebody has acknowledged an alert. NotFound if there is none of this id, Invalid
  // if it was over, acknowledged or worse by then. Waits for a shard, seconds at most; empty:
  // nobody can.
  std::function<Result<AckAnswer>(EffectId alert, const twin::AckText& ack)> acknowledge = {};
  // What has become of alerts, as JSON. Waits for the disk; empty: none is kept.
  std::function<Result<std::string>(const history::AlertQuery& query)> alert_history = {};
  // Records a command, and returns what is known of it as JSON. NotFound if there is no such twin,
  // Invalid if no topic leads to its device. Waits for a shard, seconds at most; empty: nobody can.
  std::function<Result<std::string>(const Addressee& to, const twin::Order& order)> send_command =
      {};
  // Records values of profile fields, null for none, which were read by twin::ReadProfileFields;
  // whether the twin has them by now. NotFound if there is no such twin and none is to be made,
  // Invalid for an id that no twin can have. Waits for a shard, seconds at most; empty: nobody can.
  std::function<Result<bool>(const Addressee& to, const nlohmann::json& fields, bool creates)>
      set_profile = {};
  // Commands whose devices answer, as JSON. Waits for the disk; empty: none are kept.
  std::function<Result<std::string>(const history::CommandQuery& query)> commands = {};
};

// All that answers over HTTP.
std::vector<Resource> MakeApi(Sources sources);

}  // namespace gemel::http
