#include "gateway/sdk/model.hpp"

// The next version of the echo model, as its author would try it out on what was recorded: another
// limit, no commands, and a field more. Its class has the same name on purpose.
namespace gemel {

struct Echo {
  struct State {
    int64_t alarms = 0;
    Last<int64_t> n;
    Last<double> value;
    Last<Symbol> region;
    int64_t answered = 0;
    int64_t sum = 0;
  };
  static constexpr const char* kName = "echo";
  static constexpr const char* kMeaning = "Raises alerts earlier.";
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {
        computed(&State::alarms, "alarms", "", "Messages above the limit."),
        telemetry(&State::n, "n", "", "Number of the message."),
        telemetry(&State::value, "value", "degC", "Anything measured."),
        topic(&State::region, "region", "Where it is."),
        computed(&State::answered, "answered", "", "Messages answered."),
        computed(&State::sum, "sum", "", "Of their numbers."),
    };
    return kFields;
  }

  explicit Echo(const Setup&) {}

  void on_telemetry(State& state, const Message& message, Context& context) const {
    ++state.answered;
    state.sum += message.get<int64_t>("n");
    if (!message.has(state.value)) return;
    if (state.value.value() > 50) {
      ++state.alarms;
      context.raise(Severity::kMajor, "too_high", "The value is above its limit.",
                    {{"value", state.value}, {"limit", 50.0}});
    } else {
      context.clear("too_high");
    }
  }
};

}  // namespace gemel

GEMEL_EXPORT_MODEL(gemel::Echo)
