-- A milling machine whose operating point leads to failures that follow exact rules: those of the
-- AI4I 2020 data set (S. Matzka, "Explainable Artificial Intelligence for Predictive Maintenance
-- Applications", AI4I 2020), in the units of its columns.

-- How much overstrain, tool wear times torque, the quality of the product bears.
local overstrain_max = { L = 11000, M = 12000, H = 13000 }

local needed = { "quality", "air_temperature_k", "process_temperature_k", "rotation_rpm", "torque_nm",
  "tool_wear_min" }

local function follow(context, is_so, was_so, code, message, properties)
  if is_so and not was_so then context:raise("major", code, message, properties) end
  if was_so and not is_so then context:clear(code) end
  return is_so
end

return {
  name = "machine",
  meaning = "A milling machine that tells the failures its operating point leads to.",
  fields = {
    { name = "quality", type = "symbol", from = "telemetry", meaning = "Of the product: L, M or H." },
    { name = "air_temperature_k", type = "double", from = "telemetry", unit = "K",
      meaning = "Temperature of the air." },
    { name = "process_temperature_k", type = "double", from = "telemetry", unit = "K",
      meaning = "Temperature of the process." },
    { name = "rotation_rpm", type = "double", from = "telemetry", unit = "rpm",
      meaning = "Rotational speed of the tool." },
    { name = "torque_nm", type = "double", from = "telemetry", unit = "Nm", meaning = "Torque of the tool." },
    { name = "tool_wear_min", type = "double", from = "telemetry", unit = "min",
      meaning = "For how long the tool was in use." },
    { name = "power_w", type = "double", unit = "W", meaning = "Mechanical power at the tool." },
    { name = "is_heat_dissipation_failure", type = "bool",
      meaning = "Too little difference of temperatures at a low speed." },
    { name = "is_power_failure", type = "bool", meaning = "Power outside of what the process takes." },
    { name = "is_overstrain_failure", type = "bool", meaning = "More wear times torque than the product bears." },
  },

  on_telemetry = function(state, message, context)
    if message.is_late then return end
    for _, name in ipairs(needed) do
      if not state[name] then return end -- nothing follows from half of it
    end
    if not overstrain_max[state.quality] then error("quality is " .. state.quality .. ", not L, M or H") end
    local rise = state.process_temperature_k - state.air_temperature_k
    local power = state.torque_nm * state.rotation_rpm * 2 * math.pi / 60
    local strain = state.tool_wear_min * state.torque_nm
    state.power_w = power
    state.is_heat_dissipation_failure = follow(context, rise < 8.6 and state.rotation_rpm < 1380,
      state.is_heat_dissipation_failure, "heat_dissipation", "The process does not get rid of its heat",
      { rise_k = rise })
    state.is_power_failure = follow(context, power < 3500 or power > 9000,
      state.is_power_failure, "power", "The power is outside of 3.5 to 9 kW", { power_w = power })
    state.is_overstrain_failure = follow(context, strain > overstrain_max[state.quality],
      state.is_overstrain_failure, "overstrain", "The tool is worn for so much torque",
      { strain_min_nm = strain })
  end,
}
