#include "gateway/sdk/alarm.hpp"
#include "gateway/sdk/model.hpp"

namespace {

using gemel::Last, gemel::Severity;

constexpr gemel::Alarm kTooWarm{Severity::kMajor, "too_warm", "Warmer than its limit"};

class Template {
 public:
  struct State {
    Last<double> temperature_c;
    bool is_warm = false;
  };
  static constexpr const char* kName = "template";
  static constexpr const char* kMeaning = "A thing with a temperature: copy it to begin a model.";
  static const gemel::Fields<State>& fields() {
    static const gemel::Fields<State> kFields = {
        gemel::telemetry(&State::temperature_c, "temperature_c", "degC", "Temperature inside."),
        gemel::computed(&State::is_warm, "is_warm", "", "Warmer than its limit."),
    };
    return kFields;
  }

  explicit Template(const gemel::Setup& setup) : limit_c_(setup.number("limit_c", 8)) {}

  void on_telemetry(State& state, const gemel::Message& message, gemel::Context& context) const {
    if (message.is_late()) return;
    const double temperature_c = state.temperature_c.value_or(0);
    const bool is_warm = temperature_c > limit_c_;
    if (Follow(context, state.is_warm, is_warm, kTooWarm, {{"temperature_c", temperature_c}})) {
      context.reply("cool_down", {{"target_c", limit_c_ - 2}});
    }
  }

 private:
  double limit_c_;
};

}  // namespace

GEMEL_EXPORT_MODEL(Template)
