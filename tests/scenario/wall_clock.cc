#include <chrono>

#include "gateway/sdk/model.hpp"

// A model that breaks the rules: what it remembers of a message depends on the clock on the wall.
namespace gemel {

struct WallClock {
  struct State {
    Last<int64_t> n;
    int64_t heard_us = 0;
  };
  static constexpr const char* kName = "wall_clock";
  static constexpr const char* kMeaning = "Looks at the clock on the wall.";
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {
        telemetry(&State::n, "n", "", "Number of the message."),
        computed(&State::heard_us, "heard_us", "us", "When it was heard."),
    };
    return kFields;
  }

  explicit WallClock(const Setup&) {}

  void on_telemetry(State& state, const Message&, Context&) const {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    state.heard_us = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  }
};

}  // namespace gemel

GEMEL_EXPORT_MODEL(gemel::WallClock)
