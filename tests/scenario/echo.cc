#include <string>

#include "gateway/sdk/model.hpp"

// A model for scenarios: answers every message with a command that carries its number (and soon
// expires, when told so), raises an alert above a limit, or when it was told to remind and nobody
// said in time that all is done, and throws when told to.
namespace gemel {

struct Echo {
  struct State {
    Last<int64_t> n;
    Last<double> value;
    Last<Text<62>> note;
    Last<Symbol> kind;
    Last<Symbol> region;
    Last<bool> is_on;
    Last<Time> made;
    int64_t answered = 0;
    int64_t sum = 0;
  };
  static constexpr const char* kName = "echo";
  static constexpr const char* kMeaning = "Answers each message with its number.";
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {
        telemetry(&State::n, "n", "", "Number of the message."),
        telemetry(&State::value, "value", "degC", "Anything measured."),
        telemetry(&State::note, "note", "", "Anything said; \"throw\" makes the model fail."),
        telemetry(&State::kind, "kind", "", "Kind of device."),
        topic(&State::region, "region", "Where it is."),
        telemetry(&State::is_on, "is_on", "", "Whether it runs."),
        telemetry(&State::made, "made", "", "When it was made."),
        computed(&State::answered, "answered", "", "Messages answered."),
        computed(&State::sum, "sum", "", "Of their numbers."),
    };
    return kFields;
  }

  explicit Echo(const Setup& setup)
      : limit_(setup.number("limit", 100.0)), tells_total_(setup.flag("tells_total", false)) {}

  void on_telemetry(State& state, const Message& message, Context& context) const {
    if (message.has(state.note) && state.note.value().view() == "throw") {
      throw std::runtime_error("told to throw");
    }
    ++state.answered;
    const auto n = message.get<int64_t>("n");
    state.sum += n;
    const std::string_view note =
        message.has(state.note) ? state.note.value().view() : std::string_view();
    const bool is_soon = note == "soon";
    if (note == "remind") context.set_timer("remind", std::chrono::seconds(1));
    if (note == "done") context.cancel_timer("remind");
    context.reply("answer", {{"n", n}}, std::chrono::seconds(is_soon ? 2 : 0));
    if (tells_total_) context.send("total", "t" + std::to_string(n % 7), "add", {{"n", n}});
    if (!message.has(state.value)) return;
    if (state.value.value() > limit_) {
      context.raise(Severity::kMajor, "too_high", "The value is above its limit.",
                    {{"value", state.value}, {"limit", limit_}});
    } else {
      context.clear("too_high");
    }
  }

  void on_timer(State&, std::string_view, Context& context) const {
    context.raise(Severity::kMinor, "not_done", "Nobody has said that it is done.");
  }

 private:
  double limit_;
  bool tells_total_;  // what it was told, to twins of another model
};

}  // namespace gemel

GEMEL_EXPORT_MODEL(gemel::Echo)
