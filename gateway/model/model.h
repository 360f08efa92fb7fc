#pragma once

#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/sdk/model.h"

namespace gemel::model {

struct ModelOptions {
  std::string name;               // as the configuration calls it: in topics, SQL and the dashboard
  std::string parameters = "{}";  // a JSON object of scalars
  std::vector<const gemel_table*> tables;  // outlive Create, not the model
};

// A model that is no plug-in, but interpreted by the host.
struct Interpreted {
  gemel_model table;                  // `create` and `construct` are null
  std::shared_ptr<const void> owner;  // of what the table points at
  // As gemel_model::create and construct.
  std::function<void*(const gemel_setup& setup)> create;
  std::vector<std::byte> default_state;
};

// A model that is ready to run: a checked table and the immutable object built from its parameters.
// Immutable, so its calls may come from any thread, one at a time for each twin.
class Model {
 public:
  // Invalid if the table is refused by CheckTable or the model refuses its parameters. What
  // `table` points at outlives the model.
  static Result<std::unique_ptr<Model>> Create(const gemel_model& table,
                                               const ModelOptions& options);
  static Result<std::unique_ptr<Model>> Create(Interpreted interpreted,
                                               const ModelOptions& options);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const std::string& name() const { return name_; }
  std::string_view meaning() const { return table_.meaning == nullptr ? "" : table_.meaning; }
  std::span<const gemel_field> fields() const { return {table_.fields, table_.fields_count}; }
  std::optional<size_t> FieldIndex(std::string_view name) const;
  uint32_t state_size() const { return table_.state_size; }
  uint32_t state_align() const { return table_.state_align; }
  const gemel_device* device() const { return table_.device; }
  bool has_timers() const { return table_.on_timer != nullptr; }
  bool has_messages() const { return table_.on_message != nullptr; }

  // Writes the model's default state.
  void Construct(std::byte* state) const {
    std::memcpy(state, default_state_.data(), default_state_.size());
  }

  // The calls. False if the model failed; then `failure` says why. What it threw does not get out.
  // `context.fail` must write to the same text that `failure` returns to the caller.
  bool OnInit(std::byte* state, gemel_context& context, std::string& failure) const noexcept;
  bool OnTelemetry(std::byte* state, const gemel_message& message, gemel_context& context,
                   std::string& failure) const noexcept;
  // REQUIRES: has_timers()
  bool OnTimer(std::byte* state, std::string_view name, gemel_context& context,
               std::string& failure) const noexcept;
  // REQUIRES: has_messages()
  bool OnMessage(std::byte* state, const gemel_twin_message& message, gemel_context& context,
                 std::string& failure) const noexcept;

 private:
  Model(const gemel_model& table, std::string name);
  Status CreateObject(const ModelOptions& options,
                      const std::function<void*(const gemel_setup& setup)>& create);

  gemel_model table_{};  // a copy, null where the plug-in's is shorter
  const std::string name_;
  std::shared_ptr<const void> owner_;  // of what the table points at; may be null
  std::vector<std::byte> default_state_;
  void* object_ = nullptr;
};

}  // namespace gemel::model
