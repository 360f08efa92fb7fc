#include "tests/http/fleet.h"

#include <cstring>
#include <latch>
#include <thread>
#include <utility>
#include <vector>

#include "gateway/http/target.h"
#include "gateway/sdk/model.hpp"

namespace gemel::http {
namespace {

enum class Mood : uint8_t { kCold, kWarm };
constexpr const char* kMoods[] = {"cold", "warm"};

struct Tail {
  static constexpr const char* kLayout = "tail<double,2>/1";
  double values[2] = {};
};

// Warm above its limit; then it raises an alert and tells the device.
struct Fridge {
  struct State {
    Last<double> temperature_c;
    Last<int64_t> opened;
    Last<Text<30>> note;
    double limit_c = 8;
    Tail tail;
    Mood mood = Mood::kCold;
  };
  static constexpr const char* kName = "fridge";
  static constexpr const char* kMeaning = "A refrigerator.";
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {
        telemetry(&State::temperature_c, "temperature_c", "degC", "Inside."),
        telemetry(&State::opened, "opened", "", "Times that the door was opened."),
        telemetry(&State::note, "note", "", "What someone wrote on it."),
        profile(&State::limit_c, "limit_c", "degC", "Warm above this."),
        computed(&State::mood, "mood", kMoods, "How it is."),
        window(&State::tail, "tail", "The last two."),
    };
    return kFields;
  }
  explicit Fridge(const Setup&) {}
  void on_telemetry(State& state, const Message&, Context& context) const {
    state.mood = state.temperature_c.value_or(0) > state.limit_c ? Mood::kWarm : Mood::kCold;
    if (state.mood == Mood::kCold) return context.clear("warm");
    context.raise(Severity::kMajor, "warm", "Too warm", {{"limit_c", state.limit_c}});
    context.reply("cool_down");
  }
};

}  // namespace

Fleet::Fleet() {
  world_.symbols = &symbols_;
  auto model = model::Model::Create(*ModelTable<Fridge>(), {.name = "fridge"});
  EXPECT_TRUE(model.ok()) << model.status().message();
  auto fields = codec::FieldMap::Compile((*model)->fields(), {});
  EXPECT_TRUE(fields.ok()) << fields.status().message();
  auto limit = [table = (*model)->fields()](std::string_view id, std::byte* state) {
    if (id != "f2") return;
    const double limit_c = 4;
    std::memcpy(state + table[3].offset, &limit_c, sizeof limit_c);
  };
  world_.models.push_back({*std::move(model), limit});
  world_.routes.push_back({.name = "kitchen/\"x\"",
                           .model = 0,
                           .telemetry = *route::Template::Parse("kitchen/{id}"),
                           .fields = *std::move(fields),
                           .command = *route::Template::Parse("kitchen/{id}/do")});
  sender_.commands = std::vector<effects::SenderStats::Commands>(1);
  intake_.received = {7};
  shards_ = std::make_unique<twin::ShardSet>(world_, outbox_, 2, kMailboxBytes);
  sequencer_ = std::make_unique<journal::Sequencer>(1, clock_, shards_->inboxes());
  shards_->Start(*sequencer_);
}

Fleet::~Fleet() { shards_->DrainAndStop(); }

void Fleet::Feed(std::string_view id, std::string_view payload) {
  const auto applied = [&] {
    uint64_t sum = 0;
    for (size_t i = 0; i < shards_->size(); ++i) {
      const twin::Engine& engine = (*shards_)[i].engine();
      sum += engine.stats(0).applied.value();
      for (const Counter& refused : engine.refused()) sum += refused.value();
    }
    return sum;
  };
  const uint64_t before = applied();
  std::string padded(payload);
  padded.append(codec::kPadding, '\0');
  journal::Record record{.codec = static_cast<uint8_t>(codec::Codec::kJson),
                         .key_hash = HashKey("fridge", id),
                         .id = id,
                         .payload = {padded.data(), payload.size()}};
  ASSERT_EQ(sequencer_->Append({&record, 1}), journal::Sequencer::Outcome::kAppended);
  while (applied() == before) std::this_thread::yield();
  // Asked of the shard's thread, so answered once it is done with the record.
  shards_->Get(0, id);
}

Result<AckAnswer> Fleet::Acknowledge(EffectId alert, const twin::AckText& ack) {
  const auto owner = shards_->FindAlert(alert);
  if (!owner) return NotFound("no such alert");
  if (ack.by == "slow")
    return AckAnswer{R"({"id":")" + FormatEffectId('a', alert) + R"(","status":"recorded"})",
                     false};
  if (ack.by == "late") return Invalid("somebody else has");
  const std::string payload = twin::EncodeAck({alert, ack});
  journal::Record record{.kind = journal::RecordKind::kAlertAcknowledged,
                         .key_hash = owner->key_hash,
                         .id = owner->id,
                         .payload = payload};
  Apply(record);
  return AckAnswer{"{\"twin\":\"" + owner->id + "\"}"};
}

void Fleet::Apply(journal::Record& record) {
  EXPECT_EQ(sequencer_->Append({&record, 1}), journal::Sequencer::Outcome::kAppended);
  std::latch applied(1);
  shards_->Ask(sequencer_->ShardOf(record.key_hash), [&](const twin::Engine& engine) {
    if (engine.applied() < record.lsn) return false;
    applied.count_down();
    return true;
  });
  applied.wait();
}

Result<bool> Fleet::SetProfile(const Addressee& to, const nlohmann::json& fields, bool creates) {
  if (!creates && !shards_->Get(to.model, to.id)) return NotFound("no such twin");
  if (to.id == "slow") return false;
  twin::ProfileChange change = twin::ChangeOf(fields, world_.models[to.model], to.id, symbols_);
  change.creates = creates;
  const std::string payload = twin::EncodeProfileChange(change);
  journal::Record record{.kind = journal::RecordKind::kProfileChanged,
                         .key_hash = HashKey("fridge", to.id),
                         .id = to.id,
                         .payload = payload};
  Apply(record);
  return true;
}

Result<std::string> Fleet::SendCommand(const Addressee& to, const twin::Order& order) {
  if (!shards_->Get(to.model, to.id)) return NotFound("no such twin");
  if (order.name == "nowhere") return Invalid("no route has a command topic");
  if (order.name == "full") return Unavailable("the journal has no room");
  const std::lock_guard lock(orders_mutex_);
  orders_.push_back(order);
  return std::string(R"({"id":"c-1-0","status":"recorded"})");
}

std::vector<twin::Order> Fleet::orders() const {
  const std::lock_guard lock(orders_mutex_);
  return orders_;
}

Sources Fleet::sources() {
  return {.world = world_,
          .shards = *shards_,
          .outbox = outbox_,
          .now = [this] { return clock_.Now(); },
          .readiness = [this] { return readiness_; },
          .intake = [this] { return intake_; },
          .sender = &sender_,
          .version = "1.2.3",
          .acknowledge = [this](EffectId alert,
                                const twin::AckText& ack) { return Acknowledge(alert, ack); },
          .send_command = [this](const Addressee& to,
                                 const twin::Order& order) { return SendCommand(to, order); },
          .set_profile = [this](const Addressee& to, const nlohmann::json& fields,
                                bool creates) { return SetProfile(to, fields, creates); },
          .commands = [](const history::CommandQuery& query) -> Result<std::string> {
            return "[" + query.model + "," + query.twin + "," + query.id + "," + query.status + "]";
          }};
}

Response Fleet::Get(std::string_view target) {
  const auto parsed = ParseTarget(target);
  const std::vector<Resource> api = MakeApi(sources());
  const Resource* resource = parsed ? FindResource(api, parsed->path, "GET").resource : nullptr;
  if (resource == nullptr) return {.status = 404};
  return resource->handle(
      {.method = "GET", .path = parsed->path, .query = parsed->query, .body = {}});
}

Response Fleet::Post(std::string_view target, std::string_view body, std::string_view type) {
  return Change("POST", target, body, type);
}

Response Fleet::Patch(std::string_view target, std::string_view body, std::string_view type) {
  return Change("PATCH", target, body, type);
}

Response Fleet::Change(std::string_view method, std::string_view target, std::string_view body,
                       std::string_view type) {
  const auto parsed = ParseTarget(target);
  const std::vector<Resource> api = MakeApi(sources());
  Found found;
  if (parsed) found = FindResource(api, parsed->path, method);
  if (found.resource == nullptr) return {.status = found.allowed.empty() ? 404 : 405};
  return found.resource->handle({.method = std::string(method),
                                 .path = parsed->path,
                                 .query = parsed->query,
                                 .content_type = std::string(type),
                                 .body = std::string(body)});
}

}  // namespace gemel::http
