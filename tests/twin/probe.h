#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "gateway/base/limits.h"
#include "gateway/sdk/model.hpp"

namespace gemel::twin {

// The last four values of `a`, in bytes that only the model understands.
struct Recent {
  static constexpr const char* kLayout = "recent<double,4>/1";
  double values[4] = {};
  uint64_t count = 0;
  void Add(double value) { values[count++ % 4] = value; }
};

// A model that does what its messages say: `order` holds words, done one after the other.
struct Probe {
  struct State {
    Last<double> a;
    Last<int64_t> b;
    Last<bool> is_on;
    Last<Time> made;
    Last<Text<62>> order;
    Last<Symbol> kind;
    Last<Symbol> region;
    Last<Text<30>> line;
    double limit = 8;
    Symbol owner;
    Text<30> note;
    int64_t calls = 0;
    int64_t late = 0;
    int64_t drawn = 0;
    int64_t active = 0;
    int64_t fired = 0;
    int64_t told = 0;
    Text<30> last_from;
    Recent recent;
    bool is_ready = false;
  };
  static constexpr const char* kName = "probe";
  static constexpr const char* kMeaning = "Does what it is told.";
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {
        telemetry(&State::a, "a", "degC", "A number."),
        telemetry(&State::b, "b", "m", "An integer."),
        telemetry(&State::is_on, "is_on", "", "A truth."),
        telemetry(&State::made, "made", "", "A time."),
        telemetry(&State::order, "order", "", "What the model does."),
        telemetry(&State::kind, "kind", "", "A symbol."),
        topic(&State::region, "region", "A symbol of the topic."),
        topic(&State::line, "line", "A text of the topic."),
        profile(&State::limit, "limit", "degC", "Of the profile."),
        profile(&State::owner, "owner", "", "A symbol of the profile."),
        profile(&State::note, "note", "", "A text of the profile."),
        computed(&State::calls, "calls", "", "Calls of on_telemetry."),
        computed(&State::late, "late", "", "Late ones of them."),
        computed(&State::drawn, "drawn", "", "The last random number."),
        computed(&State::active, "active", "", "Whether the alert was active."),
        computed(&State::fired, "fired", "", "Calls of on_timer."),
        computed(&State::told, "told", "", "Sum of the numbers that other twins sent."),
        computed(&State::last_from, "last_from", "", "The last of them."),
        window(&State::recent, "recent", "The last values of a."),
        computed(&State::is_ready, "is_ready", "", "Whether on_init was called."),
    };
    return kFields;
  }

  explicit Probe(const Setup&) {}

  void on_init(State& state, Context& context) const {
    if (context.id().starts_with("bad")) throw std::runtime_error("no twin of this name");
    state.is_ready = true;
  }

  void on_telemetry(State& state, const Message& message, Context& context) const {
    ++state.calls;
    state.late += message.is_late() ? 1 : 0;
    if (message.has(state.a)) state.recent.Add(state.a.value());
    std::string_view order = message.find<std::string_view>("order").value_or("");
    while (!order.empty()) {
      const size_t end = order.find(' ');
      Do(order.substr(0, end), state, context);
      order.remove_prefix(end == std::string_view::npos ? order.size() : end + 1);
    }
  }

  void on_timer(State& state, std::string_view name, Context& context) const {
    ++state.fired;
    if (name == "alarm") Do("raise", state, context);
    if (name == "quiet") Do("clear", state, context);
    if (name == "call") Do("reply", state, context);
    if (name == "bomb") throw std::runtime_error("the bomb went off");
    if (name == "chain") context.set_timer("alarm", std::chrono::seconds(1));
  }

  void on_message(State& state, const TwinMessage& message, Context& context) const {
    state.last_from = message.from_id();
    if (message.name() == "add") state.told += message.get<int64_t>("n");
    if (message.name() == "ping") context.send("probe", message.from_id(), "add", {{"n", 1}});
    if (message.name() == "loop") {
      ++state.told;
      context.send("probe", context.id(), "loop");
    }
    if (message.name() == "throw") throw std::runtime_error("told to throw by another twin");
    if (message.name() == "raise") Raise(Severity::kMajor, state, context);
  }

 private:
  static void Tell(std::string_view word, const State& state, Context& context) {
    if (word == "sum") context.send("probe", "sum", "add", {{"n", state.b.value_or(1)}});
    if (word == "sum_twice") {
      context.send("probe", "sum", "add", {{"n", 1}});
      context.send("probe", "sum", "add", {{"n", 2}});
    }
    for (const char* name : {"ping", "loop"}) {
      if (word == name) context.send("probe", "other", name);
    }
    if (word == "tell_throw") context.send("probe", "other", "throw");
    if (word == "tell_raise") context.send("probe", "other", "raise");
    if (word == "tell_feed") context.send("feed", "lab", "is_gone");
    if (word == "remove_feed") context.remove("feed", "lab");
    if (word == "tell_nobody") context.send("nobody", "x", "add");
    if (word == "tell_long") context.send("probe", "other", "add", {{std::string(300, 'n'), 1}});
    if (word == "tell_bad") context.send("probe", "a+b", "add");
    if (word == "remove") context.remove();
    if (word == "remove_other") context.remove("probe", "other");
  }
  static void Time(std::string_view word, State& state, Context& context) {
    using std::chrono::seconds;
    for (const char* name : {"alarm", "call", "bomb", "chain", "other"}) {
      if (word == name) context.set_timer(name, seconds(10));
    }
    if (word == "tick") context.set_timer("tick", seconds(5), seconds(5));
    if (word == "at_once") context.set_timer("alarm", seconds(0));
    if (word == "hush") context.set_timer("quiet", seconds(0));
    if (word == "never") context.set_timer("alarm", seconds(-1));
    if (word == "bad_timer") context.set_timer("Alarm!", seconds(1));
    if (word == "disarm") context.cancel_timer("alarm");
    if (word == "armed") state.active = context.has_timer("alarm") ? 1 : 0;
  }
  static void Do(std::string_view word, State& state, Context& context) {
    if (word == "throw") throw std::runtime_error("told to throw");
    if (word == "swallow") {
      try {
        context.raise(Severity::kMajor, "No Code", "Refused");
      } catch (const std::runtime_error&) {
        return;
      }
    }
    if (word == "throw_int") throw 7;
    if (word == "draw") state.drawn = static_cast<int64_t>(context.random() >> 1);
    if (word == "reply") context.reply("rest", {{"b", state.b}, {"minutes", 30}});
    if (word == "soon") context.reply("hurry", {}, std::chrono::seconds(5));
    if (word == "raise") Raise(Severity::kMajor, state, context);
    if (word == "minor") Raise(Severity::kMinor, state, context);
    if (word == "clear") context.clear("hot");
    if (word == "look") state.active = context.is_active("hot") ? 1 : 0;
    if (word == "raise_offline") context.raise(Severity::kMajor, "offline", "x");
    if (word == "clear_offline") context.clear("offline");
    if (word == "bad_code") context.raise(Severity::kMajor, "Too Hot", "x");
    if (word == "long") context.raise(Severity::kInfo, "long", "x" + Euros());
    if (word == "fill") Raises(kEffectsPerRecordMax, context);
    if (word == "flood") Raises(kEffectsPerRecordMax + 1, context);
    Time(word, state, context);
    Tell(word, state, context);
  }
  static void Raise(Severity severity, const State& state, Context& context) {
    context.raise(severity, "hot", "a is high", {{"a", state.a}});
  }
  static void Raises(size_t count, Context& context) {
    for (size_t i = 0; i < count; ++i) {
      context.raise(Severity::kInfo, "code_" + std::to_string(i), "one of many");
    }
  }
  static std::string Euros() {
    std::string text;
    while (text.size() < 2 * kAlertMessageBytesMax) text += "\u20ac";
    return text;
  }
};

}  // namespace gemel::twin
