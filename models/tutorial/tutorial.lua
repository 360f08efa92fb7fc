-- A cold room, written so that it uses each call once. tutorial.cc is the same model in C++, and
-- tutorial_test.cc holds both to the same scenario.

local function follow_temperature(state, context)
  -- Of the profile, which may be set and unset while the twin lives.
  local limit_c = state.limit_c or parameters.limit_c
  if state.temperature_c <= limit_c then
    context:clear("too_warm")
    return
  end
  if not context:is_active("too_warm") then
    context:reply("cool_down", { target_c = limit_c - 2 }, 60)
  end
  context:raise("major", "too_warm", "Warmer than its limit", { temperature_c = state.temperature_c })
end

local function follow_door(state, message, context)
  if not state.is_open then
    state.door = "closed"
    state.open_since = nil
    context:cancel_timer("door")
    context:clear("door_open")
    return
  end
  if state.door ~= "open" then
    state.door = "open"
    state.open_since = message.time
    state.openings = state.openings + 1
  end
  if not context:has_timer("door") and not context:is_active("door_open") then
    context:set_timer("door", parameters.hold_s)
  end
end

return {
  name = "tutorial",
  meaning = "A cold room: a model that uses each call once.",
  parameters = { limit_c = 8.0, hold_s = 30.0, site_model = "site" },
  fields = {
    { name = "temperature_c", type = "double", from = "telemetry", unit = "degC",
      meaning = "Temperature inside." },
    { name = "is_open", type = "bool", from = "telemetry", meaning = "Whether the door is open." },
    { name = "site", type = "symbol", from = "topic", meaning = "Where the room is." },
    { name = "limit_c", type = "double", from = "profile", unit = "degC",
      meaning = "Too warm above this." },
    { name = "door", type = "symbol", choices = { "unknown", "closed", "open" },
      meaning = "What the door does, as far as is known." },
    { name = "open_since", type = "time", meaning = "Since when the door is open." },
    { name = "openings", type = "int64", default = 0, meaning = "How often the door was opened." },
    { name = "note", type = "text", capacity = 32, meaning = "The last word of another twin." },
  },

  on_init = function(state, context)
    context:log("info", "a new room")
    -- Not all rooms of a fleet at the same moment.
    context:set_timer("report", 60 + 10 * context:uniform(), 60)
  end,

  on_telemetry = function(state, message, context)
    if message.is_late then return end
    if message:has("temperature_c") then follow_temperature(state, context) end
    if message:has("is_open") then follow_door(state, message, context) end
  end,

  on_timer = function(state, name, context)
    if name == "door" then
      context:raise("warning", "door_open", "The door stands open",
        { seconds = context:now() - state.open_since })
      return
    end
    context:send(parameters.site_model, state.site, "room",
      { room = context:id(), temperature_c = state.temperature_c or 0.0 })
  end,

  on_message = function(state, message, context)
    if message.name == "retire" then
      context:remove()
    elseif message.name == "replaces" then
      context:remove("tutorial", message.arguments.room)
    elseif message.name == "ping" then
      context:send(message.from_model, message.from_id, "pong", { token = context:random() })
    else
      state.note = assert(message.arguments.text, "text: missing from the message")
    end
  end,
}
