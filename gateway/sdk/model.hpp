#pragma once

#include <concepts>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>

#include "gateway/sdk/arguments.hpp"
#include "gateway/sdk/device.hpp"
#include "gateway/sdk/fields.hpp"
#include "gateway/sdk/model.h"
#include "gateway/sdk/twin_message.hpp"
#include "gateway/sdk/types.hpp"

// All that the author of a model needs. A model is a class of this shape, exported by one line:
//
//   struct Fridge {
//     struct State { Last<double> temperature_c; bool is_warm = false; };
//     static constexpr const char* kName = "fridge";
//     static constexpr const char* kMeaning = "A refrigerator with a door.";
//     static const Fields<State>& fields();
//
//     explicit Fridge(const Setup& setup) : limit_c_(setup.number("limit_c", 8.0)) {}
//     void on_telemetry(State& state, const Message& message, Context& context) const;
//     // optional: void on_init(State& state, Context& context) const;
//     // optional: void on_timer(State& state, std::string_view name, Context& context) const;
//     // optional: void on_message(State& state, const TwinMessage& message, Context& context)
//     const;
//    private:
//     double limit_c_;  // immutable: all twins of the model share one object, on several threads
//   };
//   GEMEL_EXPORT_MODEL(Fridge)
//
// State holds everything that changes; the model object holds parameters and never changes. What a
// call may depend on is (state, message, context) and nothing else: no wall clock, no globals, no
// files. That is what lets the gateway replay, compare and explain every decision.
//
// A call may throw: the twin keeps its state of before the call, its effects are dropped, and the
// message goes to the dead-letter topic with the exception's text.
namespace gemel {

// A field that on_telemetry asked for is missing from the message, or is of another type.
class FieldError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Severity : uint32_t {
  kCritical = GEMEL_CRITICAL,
  kMajor = GEMEL_MAJOR,
  kMinor = GEMEL_MINOR,
  kWarning = GEMEL_WARNING,
  kInfo = GEMEL_INFO,
};

enum class LogLevel : uint32_t {
  kDebug = GEMEL_LOG_DEBUG,
  kInfo = GEMEL_LOG_INFO,
  kWarning = GEMEL_LOG_WARNING,
  kError = GEMEL_LOG_ERROR,
};

// What one message said. Its fields have been merged into the state already (newest event time
// wins, field by field); ask the message for what only this one said.
class Message {
 public:
  Message(const gemel_message& message, const gemel_field* fields, const void* state)
      : message_(message), fields_(fields), state_(static_cast<const char*>(state)) {}

  // Event time: the device's word, or arrival where the route names none.
  Time time() const { return Time{Duration{message_.time_us}}; }
  // Older than one already seen of this twin and route: good for history, not for "now".
  bool is_late() const { return (message_.flags & GEMEL_MESSAGE_IS_LATE) != 0; }
  std::string_view route() const { return ToView(message_.route); }

  // Whether this message holds a value for the field: message.has(state.oil_temp_c).
  template <typename T>
  bool has(const Last<T>& field) const {
    const auto offset = static_cast<uint32_t>(reinterpret_cast<const char*>(&field) - state_);
    for (uint32_t i = 0; i < message_.values_count; ++i) {
      if (fields_[i].offset == offset) return message_.values[i].type != GEMEL_NULL;
    }
    return false;
  }

  // The value that this message holds under the field's name, if it does.
  // Throws FieldError if the table has no such field or it is of another type.
  template <typename T>
  std::optional<T> find(std::string_view name) const {
    for (uint32_t i = 0; i < message_.values_count; ++i) {
      if (name != fields_[i].name) continue;
      return Read<T>(name, message_.values[i], fields_[i].type);
    }
    throw FieldError(std::string(name) + ": the field table has no such field");
  }

  // The same for a field that must be there. Throws FieldError if it is missing or null.
  template <typename T>
  T get(std::string_view name) const {
    std::optional<T> value = find<T>(name);
    if (!value) throw FieldError(std::string(name) + ": missing from the message");
    return *value;
  }

 private:
  template <typename T>
  static std::optional<T> Read(std::string_view name, const gemel_value& value, uint32_t declared) {
    constexpr bool kIsText = std::is_same_v<T, std::string_view>;
    constexpr gemel_type kWanted = [] {
      if constexpr (kIsText)
        return GEMEL_TEXT;
      else
        return TypeOf<T>::kType;
    }();
    if (declared != kWanted) {
      throw FieldError(std::string(name) + ": declared with another type than the one asked for");
    }
    if (value.type == GEMEL_NULL) return std::nullopt;
    if constexpr (kIsText)
      return std::string_view{value.as.text, value.length};
    else if constexpr (std::is_same_v<T, double>)
      return value.as.number;
    else if constexpr (std::is_same_v<T, bool>)
      return value.as.integer != 0;
    else if constexpr (std::is_same_v<T, Time>)
      return Time{Duration{value.as.integer}};
    else if constexpr (std::is_same_v<T, Symbol>)
      return Symbol{static_cast<uint32_t>(value.as.integer)};
    else
      return value.as.integer;
  }

  const gemel_message& message_;
  const gemel_field* fields_;
  const char* state_;
};

// What a call may know and do. Effects are sent after the call succeeds, in this order.
class Context {
 public:
  explicit Context(gemel_context& context) : context_(context) {}

  // Record time: when the gateway received what it now handles. The same in every replay.
  Time now() const { return Time{Duration{context_.now_us}}; }
  // The twin's instance id: 42 of truck/42.
  std::string_view id() const { return ToView(context_.id); }
  // Deterministic, the same in every replay of this message.
  uint64_t random() { return context_.host->random(&context_); }
  double uniform() { return static_cast<double>(random() >> 11) * 0x1.0p-53; }  // [0, 1)

  std::string_view text(Symbol symbol) const {
    return ToView(context_.host->symbol_text(&context_, symbol.number));
  }

  // Sends a command to the device; after `expires` it is worthless and is not delivered.
  void reply(std::string_view name, Arguments arguments = {},
             std::optional<Duration> expires = std::nullopt) {
    Check(context_.host->reply(&context_, ToText(name), arguments.begin(), arguments.size(),
                               expires ? expires->count() : 0),
          "reply");
  }

  // Raises an alert under a code: [a-z0-9_]+. While it is active, raising it again only counts and
  // takes over severity, message and properties.
  void raise(Severity severity, std::string_view code, std::string_view message,
             Arguments properties = {}) {
    Check(context_.host->raise(&context_, static_cast<uint32_t>(severity), ToText(code),
                               ToText(message), properties.begin(), properties.size()),
          "raise");
  }
  void clear(std::string_view code) {
    Check(context_.host->clear(&context_, ToText(code)), "clear");
  }
  bool is_active(std::string_view code) const {
    return context_.host->is_active(&context_, ToText(code)) != 0;
  }

  // Has on_timer called under this name, [a-z0-9_]+, after a time, in whole milliseconds, rounded
  // up, and then again and again if it is to recur. A timer of the same name is armed anew. Timers
  // are part of the twin: they survive a restart, and fire in virtual time in replay and
  // simulation. Any number of them, but few names: what varies belongs into the state.
  void set_timer(std::string_view name, Duration after, Duration every = Duration::zero()) {
    Check(context_.host->set_timer(&context_, ToText(name), after.count(), every.count()),
          "set_timer");
  }
  void cancel_timer(std::string_view name) {
    Check(context_.host->cancel_timer(&context_, ToText(name)), "cancel_timer");
  }
  bool has_timer(std::string_view name) const {
    return context_.host->has_timer(&context_, ToText(name)) != 0;
  }

  // Has on_message of another twin called, in its turn, once this call has succeeded. A twin that
  // is not there is made. Where messages cause messages without end, the chain is cut after 16.
  void send(std::string_view model, std::string_view id, std::string_view name,
            Arguments arguments = {}) {
    Check(context_.host->send(&context_, ToText(model), ToText(id), ToText(name), arguments.begin(),
                              arguments.size()),
          "send");
  }
  // Deletes this twin, or another one, in its turn; its alerts are cleared. The next message makes
  // a new one.
  void remove() { remove("", ""); }
  void remove(std::string_view model, std::string_view id) {
    Check(context_.host->remove(&context_, ToText(model), ToText(id)), "remove");
  }

  void log(LogLevel level, std::string_view line) {
    context_.host->log(&context_, static_cast<uint32_t>(level), ToText(line));
  }

 private:
  void Check(int result, const char* what) const {
    if (result != 0) throw std::runtime_error(std::string(what) + ": refused by the gateway");
  }

  gemel_context& context_;
};

// A read-only table of the configuration, "tables": {"timetable": "schedule.csv.gz"}.
class Table {
 public:
  explicit Table(const gemel_table& table) : table_(&table) {}
  size_t rows() const { return table_->rows_count; }
  // Throws std::invalid_argument if there is no such column.
  size_t column(std::string_view name) const {
    for (size_t i = 0; i < table_->columns_count; ++i) {
      if (ToView(table_->columns[i]) == name) return i;
    }
    throw std::invalid_argument("table " + std::string(ToView(table_->name)) + " has no column " +
                                std::string(name));
  }
  std::string_view cell(size_t row, size_t column) const {
    return ToView(table_->cell(table_, row, column));
  }

 private:
  const gemel_table* table_;
};

// What a model's constructor reads its parameters from. Asking names a parameter and its default;
// one that is given but never asked for is an error, so a misspelt name does not go unnoticed.
class Setup {
 public:
  explicit Setup(const gemel_setup& setup) : setup_(setup) {}

  // Throws std::invalid_argument if the parameter is given but is no number.
  double number(std::string_view name, double otherwise) const {
    const gemel_value* value = Find(name);
    if (value == nullptr) return otherwise;
    if (value->type == GEMEL_DOUBLE) return value->as.number;
    if (value->type == GEMEL_INT64) return static_cast<double>(value->as.integer);
    throw std::invalid_argument("parameter " + std::string(name) + " must be a number");
  }
  bool flag(std::string_view name, bool otherwise) const {
    const gemel_value* value = Find(name);
    if (value == nullptr) return otherwise;
    if (value->type == GEMEL_BOOL) return value->as.integer != 0;
    throw std::invalid_argument("parameter " + std::string(name) + " must be true or false");
  }
  std::string text(std::string_view name, std::string_view otherwise) const {
    const gemel_value* value = Find(name);
    if (value == nullptr) return std::string(otherwise);
    if (value->type == GEMEL_TEXT) return {value->as.text, value->length};
    throw std::invalid_argument("parameter " + std::string(name) + " must be text");
  }
  std::optional<Table> table(std::string_view name) const {
    asked_.insert(std::string(name));
    for (size_t i = 0; i < setup_.tables_count; ++i) {
      if (ToView(setup_.tables[i]->name) == name) return Table(*setup_.tables[i]);
    }
    return std::nullopt;
  }

  // Throws std::invalid_argument if something was given that the model never asked for.
  void CheckAllUsed() const {
    for (size_t i = 0; i < setup_.parameters_count; ++i) CheckAsked(setup_.parameters[i].name);
    for (size_t i = 0; i < setup_.tables_count; ++i) CheckAsked(setup_.tables[i]->name);
  }

 private:
  const gemel_value* Find(std::string_view name) const {
    asked_.insert(std::string(name));
    for (size_t i = 0; i < setup_.parameters_count; ++i) {
      if (ToView(setup_.parameters[i].name) == name) return &setup_.parameters[i].value;
    }
    return nullptr;
  }
  void CheckAsked(gemel_text name) const {
    if (asked_.contains(std::string(ToView(name)))) return;
    std::string all;
    for (const std::string& asked : asked_) all += (all.empty() ? "" : ", ") + asked;
    throw std::invalid_argument(
        "parameter " + std::string(ToView(name)) +
        " is unknown to the model; it knows: " + (all.empty() ? "none" : all));
  }

  const gemel_setup& setup_;
  mutable std::set<std::string> asked_;
};

namespace model_internal {

template <typename M>
concept HasInit = requires(const M& model, typename M::State& state, Context& context) {
  model.on_init(state, context);
};
template <typename M>
concept HasTimers = requires(const M& model, typename M::State& state, Context& context) {
  model.on_timer(state, std::string_view(), context);
};
template <typename M>
concept HasMessages = requires(const M& model, typename M::State& state, const TwinMessage& message,
                               Context& context) {
  model.on_message(state, message, context);
};
template <typename M>
concept HasDevice = requires {
  typename M::Device;
};

// Runs `body`, turning an exception into the C interface's way of failing.
template <typename Body>
int Guard(gemel_context* context, const Body& body) noexcept {
  try {
    body();
    return 0;
  } catch (const std::exception& error) {
    context->host->fail(context, ToText(error.what()));
  } catch (...) {
    context->host->fail(context, ToText("threw something that is no std::exception"));
  }
  return 1;
}

template <typename M>
void* Create(const gemel_setup* setup) noexcept {
  try {
    Setup wrapped(*setup);
    auto model = std::make_unique<M>(wrapped);
    wrapped.CheckAllUsed();
    return model.release();
  } catch (const std::exception& error) {
    setup->fail(setup, ToText(error.what()));
  } catch (...) {
    setup->fail(setup, ToText("threw something that is no std::exception"));
  }
  return nullptr;
}

template <typename M>
int OnInit(const void* object, void* state, gemel_context* context) noexcept {
  if constexpr (HasInit<M>) {
    return Guard(context, [&] {
      Context wrapped(*context);
      static_cast<const M*>(object)->on_init(*static_cast<typename M::State*>(state), wrapped);
    });
  } else {
    return 0;
  }
}

template <typename M>
int OnTelemetry(const void* object, void* state, const gemel_message* message,
                gemel_context* context) noexcept {
  static const gemel_field* const kFields = M::fields().data();
  return Guard(context, [&] {
    Context wrapped(*context);
    static_cast<const M*>(object)->on_telemetry(*static_cast<typename M::State*>(state),
                                                Message(*message, kFields, state), wrapped);
  });
}

template <typename M>
int OnTimer(const void* object, void* state, gemel_text name, gemel_context* context) noexcept {
  return Guard(context, [&] {
    Context wrapped(*context);
    static_cast<const M*>(object)->on_timer(*static_cast<typename M::State*>(state), ToView(name),
                                            wrapped);
  });
}

template <typename M>
auto OnTimerOf() -> decltype(gemel_model::on_timer) {
  if constexpr (HasTimers<M>)
    return &OnTimer<M>;
  else
    return nullptr;
}

template <typename M>
int OnMessage(const void* object, void* state, const gemel_twin_message* message,
              gemel_context* context) noexcept {
  return Guard(context, [&] {
    Context wrapped(*context);
    static_cast<const M*>(object)->on_message(*static_cast<typename M::State*>(state),
                                              TwinMessage(*message), wrapped);
  });
}

template <typename M>
auto OnMessageOf() -> decltype(gemel_model::on_message) {
  if constexpr (HasMessages<M>)
    return &OnMessage<M>;
  else
    return nullptr;
}

template <typename M>
const gemel_device* DeviceOf() {
  if constexpr (HasDevice<M>)
    return DeviceTable<typename M::Device>();
  else
    return nullptr;
}

}  // namespace model_internal

// The C table of a model class, as GEMEL_EXPORT_MODEL exports it and the test kit takes it.
template <typename M>
const gemel_model* ModelTable() {
  namespace in = model_internal;
  static const gemel_model kTable = {GEMEL_ABI_VERSION,
                                     sizeof(gemel_model),
                                     M::kName,
                                     M::kMeaning,
                                     sizeof(typename M::State),
                                     alignof(typename M::State),
                                     M::fields().data(),
                                     M::fields().size(),
                                     &in::Create<M>,
                                     [](void* object) { delete static_cast<M*>(object); },
                                     [](void* state) { new (state) typename M::State{}; },
                                     &in::OnInit<M>,
                                     &in::OnTelemetry<M>,
                                     in::DeviceOf<M>(),
                                     in::OnTimerOf<M>(),
                                     in::OnMessageOf<M>()};
  return &kTable;
}

}  // namespace gemel

// Makes the shared object a plug-in that holds this model. Once in a plug-in.
#define GEMEL_EXPORT_MODEL(Model)                                                       \
  extern "C" __attribute__((visibility("default"))) const gemel_model* gemel_plugin() { \
    return ::gemel::ModelTable<Model>();                                                \
  }
