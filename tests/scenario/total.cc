#include "gateway/sdk/model.hpp"

// A model for scenarios: sums what other twins tell it, and counts the beats of a timer.
namespace gemel {

struct Total {
  struct State {
    Last<bool> is_nothing;
    int64_t told = 0;
    int64_t sum = 0;
    int64_t beats = 0;
  };
  static constexpr const char* kName = "total";
  static constexpr const char* kMeaning = "Sums what others tell it.";
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {
        telemetry(&State::is_nothing, "is_nothing", "", "No device tells it anything."),
        computed(&State::told, "told", "", "Messages of other twins."),
        computed(&State::sum, "sum", "", "Of their numbers."),
        computed(&State::beats, "beats", "", "How often its timer was due."),
    };
    return kFields;
  }

  explicit Total(const Setup& setup) { static_cast<void>(setup); }

  void on_init(State& state, Context& context) const {
    static_cast<void>(state);
    context.set_timer("beat", std::chrono::milliseconds(5), std::chrono::milliseconds(5));
  }
  void on_telemetry(State& state, const Message& message, Context& context) const {
    static_cast<void>(state);
    static_cast<void>(message);
    static_cast<void>(context);
  }
  void on_message(State& state, const TwinMessage& message, Context& context) const {
    static_cast<void>(context);
    ++state.told;
    state.sum += message.get<int64_t>("n");
  }
  void on_timer(State& state, std::string_view name, Context& context) const {
    static_cast<void>(name);
    static_cast<void>(context);
    ++state.beats;
  }
};

}  // namespace gemel

GEMEL_EXPORT_MODEL(gemel::Total)
