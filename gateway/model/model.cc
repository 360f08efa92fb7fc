#include "gateway/model/model.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/base/assert.h"
#include "gateway/model/plugin.h"
#include "gateway/sdk/arguments.hpp"

namespace gemel::model {
namespace {

// What `create` sees; the C struct comes first, so that `fail` finds the text behind it.
struct SetupCall {
  gemel_setup setup{};
  std::string failure;
};

void SetupFail(const gemel_setup* setup, gemel_text why) {
  const_cast<SetupCall*>(reinterpret_cast<const SetupCall*>(setup))->failure = ToView(why);
}

// Scalars only: a model that needs more takes a table.
Result<gemel_value> ToParameter(const std::string& name, const nlohmann::json& value) {
  if (value.is_boolean()) return ToValue(value.get<bool>());
  if (value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX) {
    return Invalid(fmt::format("parameter {} must be at most {}", name, INT64_MAX));
  }
  if (value.is_number_integer()) return ToValue(value.get<int64_t>());
  if (value.is_number_float()) return ToValue(value.get<double>());
  if (value.is_string()) return ToValue(std::string_view(value.get_ref<const std::string&>()));
  return Invalid(fmt::format(
      "parameter {} must be a number, a text, true or false; use a table for more", name));
}

// Calls a plug-in's function; an exception that gets out of it is its failure, not ours. So is what
// the host has refused, even where the model goes on: what it asked for is not whole.
template <typename Call>
bool Guarded(std::string& failure, const Call& call) noexcept {
  try {
    if (call() == 0 && failure.empty()) return true;
    if (failure.empty()) failure = "failed without saying why";
  } catch (const std::exception& error) {
    failure = error.what();
  } catch (...) {
    failure = "threw something that is no std::exception";
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<Model>> Model::Create(const gemel_model& table,
                                             const ModelOptions& options) {
  GEMEL_TRY(CheckTable(table));
  std::unique_ptr<Model> model(new Model(table, options.name));
  model->default_state_.resize(table.state_size);
  // A vector's memory is aligned for any state, see CheckTable.
  table.construct(model->default_state_.data());
  GEMEL_TRY(
      model->CreateObject(options, [&](const gemel_setup& setup) { return table.create(&setup); }));
  return model;
}

Result<std::unique_ptr<Model>> Model::Create(Interpreted interpreted, const ModelOptions& options) {
  GEMEL_TRY(CheckInterpreted(interpreted.table));
  std::unique_ptr<Model> model(new Model(interpreted.table, options.name));
  model->owner_ = std::move(interpreted.owner);
  model->default_state_ = std::move(interpreted.default_state);
  GEMEL_ASSERT(model->default_state_.size() == model->state_size());
  GEMEL_TRY(model->CreateObject(options, interpreted.create));
  return model;
}

Status Model::CreateObject(const ModelOptions& options,
                           const std::function<void*(const gemel_setup& setup)>& create) {
  const auto parameters = nlohmann::json::parse(options.parameters, nullptr, false);
  if (!parameters.is_object()) {
    return Invalid(fmt::format("model {}: parameters must be a JSON object", name_));
  }
  std::vector<gemel_argument> arguments;
  for (const auto& [name, value] : parameters.items()) {
    Result<gemel_value> parameter = ToParameter(name, value);
    if (!parameter.ok()) {
      return Invalid(fmt::format("model {}: {}", name_, parameter.status().message()));
    }
    // The key lives in `parameters`; items() hands out a reference to it.
    arguments.push_back({ToText(parameters.find(name).key()), *parameter});
  }
  SetupCall call;
  call.setup = {
      sizeof(gemel_setup),   0,         arguments.data(), arguments.size(), options.tables.data(),
      options.tables.size(), &SetupFail};
  const bool is_created = Guarded(call.failure, [&] {
    object_ = create(call.setup);
    return object_ == nullptr ? 1 : 0;
  });
  if (!is_created) return Invalid(fmt::format("model {}: {}", name_, call.failure));
  return Status::Ok();
}

Model::Model(const gemel_model& table, std::string name) : name_(std::move(name)) {
  std::memcpy(&table_, &table, std::min<size_t>(table.struct_size, sizeof table_));
}

Model::~Model() {
  if (object_ != nullptr) table_.destroy(object_);
}

std::optional<size_t> Model::FieldIndex(std::string_view name) const {
  for (size_t i = 0; i < table_.fields_count; ++i) {
    if (name == table_.fields[i].name) return i;
  }
  return std::nullopt;
}

bool Model::OnInit(std::byte* state, gemel_context& context, std::string& failure) const noexcept {
  return Guarded(failure, [&] { return table_.on_init(object_, state, &context); });
}

bool Model::OnTelemetry(std::byte* state, const gemel_message& message, gemel_context& context,
                        std::string& failure) const noexcept {
  return Guarded(failure, [&] { return table_.on_telemetry(object_, state, &message, &context); });
}

bool Model::OnTimer(std::byte* state, std::string_view name, gemel_context& context,
                    std::string& failure) const noexcept {
  return Guarded(failure, [&] { return table_.on_timer(object_, state, ToText(name), &context); });
}

bool Model::OnMessage(std::byte* state, const gemel_twin_message& message, gemel_context& context,
                      std::string& failure) const noexcept {
  return Guarded(failure, [&] { return table_.on_message(object_, state, &message, &context); });
}

}  // namespace gemel::model
