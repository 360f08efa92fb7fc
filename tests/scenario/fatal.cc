#include <cstdlib>

#include "gateway/sdk/model.hpp"

// A model for scenarios that ends its process in whatever way a message tells it to.
namespace gemel {

struct Fatal {
  struct State {
    Last<int64_t> n;
    Last<Text<62>> note;
    int64_t counted = 0;
    int64_t sum = 0;
  };
  static constexpr const char* kName = "fatal";
  static constexpr const char* kMeaning = "Ends its process when told to.";
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {
        telemetry(&State::n, "n", "", "Number of the message."),
        telemetry(&State::note, "note", "", "Empty, or how to end the process."),
        computed(&State::counted, "counted", "", "Messages counted."),
        computed(&State::sum, "sum", "", "Of their numbers."),
    };
    return kFields;
  }

  explicit Fatal(const Setup& setup) { static_cast<void>(setup); }

  void on_timer(State& state, std::string_view name, Context& context) const {
    static_cast<void>(state);
    static_cast<void>(context);
    if (name == "abort") std::abort();
  }

  void on_telemetry(State& state, const Message& message, Context& context) const {
    const std::string_view note =
        message.has(state.note) ? state.note.value().view() : std::string_view();
    if (note == "segv") WriteTo(nullptr);
    if (note == "abort") std::abort();
    if (note == "exit") std::exit(0);
    if (note == "recurse") Recurse(1);
    if (note == "timer") context.set_timer("abort", std::chrono::milliseconds(1));
    ++state.counted;
    state.sum += message.get<int64_t>("n");
  }

 private:
  static void WriteTo(volatile int* place) { *place = 1; }
  // Without end, and not as a loop.
  static int Recurse(int depth) {  // NOLINT(misc-no-recursion)
    volatile char room[4'096] = {};
    room[0] = static_cast<char>(depth);
    return depth == 0 ? 0 : Recurse(depth + 1) + room[0];
  }
};

}  // namespace gemel

GEMEL_EXPORT_MODEL(gemel::Fatal)
