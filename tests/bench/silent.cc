#include "gateway/sdk/model.hpp"

// A model that keeps what it is told and says nothing, for throughput.
namespace gemel {

struct Silent {
  struct State {
    Last<int64_t> n;
    Last<double> value;
    Last<Text<62>> note;
    Last<bool> is_on;
    Last<Symbol> region;
    int64_t messages = 0;
  };
  static constexpr const char* kName = "silent";
  static constexpr const char* kMeaning = "Keeps what it is told.";
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {
        telemetry(&State::n, "n", "", "Number of the message."),
        telemetry(&State::value, "value", "degC", "Anything measured."),
        telemetry(&State::note, "note", "", "Anything said."),
        telemetry(&State::is_on, "is_on", "", "Whether it runs."),
        topic(&State::region, "region", "Where it is."),
        computed(&State::messages, "messages", "", "Messages so far."),
    };
    return kFields;
  }
  explicit Silent(const Setup&) {}
  void on_telemetry(State& state, const Message&, Context&) const { ++state.messages; }
};

}  // namespace gemel

GEMEL_EXPORT_MODEL(gemel::Silent)
