#include "gateway/sdk/model.hpp"

// A cold room, written so that it uses each call of the SDK once. tutorial.lua is the same model as
// a script, and tutorial_test.cc holds both to the same scenario.
namespace {

using gemel::Last, gemel::LogLevel, gemel::Severity, gemel::Symbol, gemel::Time;
using std::chrono::seconds;

enum class Door : uint8_t { kUnknown, kClosed, kOpen };
constexpr const char* kDoors[] = {"unknown", "closed", "open"};

class Tutorial {
 public:
  struct State {
    Last<double> temperature_c;
    Last<bool> is_open;
    Last<Symbol> site;
    double limit_c = gemel::kNoNumber;
    Door door = Door::kUnknown;
    Time open_since = gemel::kNoTime;
    int64_t openings = 0;
    gemel::Text<32> note;
  };
  static constexpr const char* kName = "tutorial";
  static constexpr const char* kMeaning = "A cold room: a model that uses each call once.";
  static const gemel::Fields<State>& fields() {
    using namespace gemel;  // NOLINT(google-build-using-namespace): the words of the table
    static const Fields<State> kFields = {
        telemetry(&State::temperature_c, "temperature_c", "degC", "Temperature inside."),
        telemetry(&State::is_open, "is_open", "", "Whether the door is open."),
        topic(&State::site, "site", "Where the room is."),
        profile(&State::limit_c, "limit_c", "degC", "Too warm above this."),
        computed(&State::door, "door", kDoors, "What the door does, as far as is known."),
        computed(&State::open_since, "open_since", "", "Since when the door is open."),
        computed(&State::openings, "openings", "", "How often the door was opened."),
        computed(&State::note, "note", "", "The last word of another twin."),
    };
    return kFields;
  }

  explicit Tutorial(const gemel::Setup& setup)
      : limit_c_(setup.number("limit_c", 8.0)),
        hold_(gemel::FromSeconds(setup.number("hold_s", 30.0))),
        site_model_(setup.text("site_model", "site")) {}

  void on_init(State&, gemel::Context& context) const {
    context.log(LogLevel::kInfo, "a new room");
    // Not all rooms of a fleet at the same moment.
    context.set_timer("report", gemel::FromSeconds(60 + 10 * context.uniform()), seconds(60));
  }

  void on_telemetry(State& state, const gemel::Message& message, gemel::Context& context) const {
    if (message.is_late()) return;
    if (message.has(state.temperature_c)) FollowTemperature(state, context);
    if (message.has(state.is_open)) FollowDoor(state, message, context);
  }

  void on_timer(State& state, std::string_view name, gemel::Context& context) const {
    if (name == "door") {
      context.raise(Severity::kWarning, "door_open", "The door stands open",
                    {{"seconds", gemel::ToSeconds(context.now() - state.open_since)}});
      return;
    }
    context.send(site_model_, context.text(state.site.value()), "room",
                 {{"room", context.id()}, {"temperature_c", state.temperature_c.value_or(0)}});
  }

  void on_message(State& state, const gemel::TwinMessage& message, gemel::Context& context) const {
    if (message.name() == "retire") {
      context.remove();
    } else if (message.name() == "replaces") {
      context.remove("tutorial", message.get<std::string_view>("room"));
    } else if (message.name() == "ping") {
      context.send(message.from_model(), message.from_id(), "pong",
                   {{"token", static_cast<int64_t>(context.random())}});
    } else {
      state.note.Assign(message.get<std::string_view>("text"));
    }
  }

 private:
  void FollowTemperature(const State& state, gemel::Context& context) const {
    const double temperature_c = state.temperature_c.value();
    // Of the profile, which may be set and unset while the twin lives.
    const double limit_c = std::isnan(state.limit_c) ? limit_c_ : state.limit_c;
    if (temperature_c <= limit_c) {
      context.clear("too_warm");
      return;
    }
    if (!context.is_active("too_warm"))
      context.reply("cool_down", {{"target_c", limit_c - 2}}, seconds(60));
    context.raise(Severity::kMajor, "too_warm", "Warmer than its limit",
                  {{"temperature_c", temperature_c}});
  }

  void FollowDoor(State& state, const gemel::Message& message, gemel::Context& context) const {
    if (!state.is_open.value()) {
      state.door = Door::kClosed;
      state.open_since = gemel::kNoTime;
      context.cancel_timer("door");
      context.clear("door_open");
      return;
    }
    if (state.door != Door::kOpen) {
      state.door = Door::kOpen;
      state.open_since = message.time();
      ++state.openings;
    }
    if (!context.has_timer("door") && !context.is_active("door_open"))
      context.set_timer("door", hold_);
  }

  double limit_c_;
  gemel::Duration hold_;
  std::string site_model_;
};

}  // namespace

GEMEL_EXPORT_MODEL(Tutorial)
