-- What a script may use, and what keeps it a function of its arguments. Runs once in each
-- interpreter before the script, with the whole standard library; the script sees `environment` only.
--
-- Left out, because its outcome is not the same in every run: addresses (tostring of a table,
-- %p), next, os, io, math.random, weak tables and finalizers (so setmetatable), table.sort's pivot.
-- Left out, because the instruction limit does not see its work: patterns, coroutines, and the parts
-- of `table` and `string` that are written in Lua here.
local host = ...
local error, type, next, rawget, rawset, select = error, type, next, rawget, rawset, select
local setmetatable, tostring, sort = setmetatable, tostring, table.sort
local getinfo, getupvalue, upvalueid = debug.getinfo, debug.getupvalue, debug.upvalueid
local byte, find, format, gsub, rep = string.byte, string.find, string.format, string.gsub, string.rep
local insert_raw, concat = table.insert, table.concat

local content_of = {} -- of a table that is frozen

local function content(value, what)
  if type(value) ~= "table" then
    error(what .. " takes a table, not a " .. type(value), 3)
  end
  return content_of[value] or value
end

local function changeable(value, what)
  if type(value) ~= "table" then
    error(what .. " takes a table, not a " .. type(value), 3)
  end
  if content_of[value] then error("what is made when the script is read can't be changed", 3) end
  return value
end

local function keys_in_order(t)
  local numbers, texts, flags = {}, {}, {}
  for key in next, t do
    local kind = type(key)
    if kind == "number" then insert_raw(numbers, key)
    elseif kind == "string" then insert_raw(texts, key)
    elseif kind == "boolean" then flags[key] = true
    else error("pairs: a key is a " .. kind .. "; numbers, texts and booleans have an order", 3) end
  end
  sort(numbers)
  sort(texts)
  for _, text in ipairs(texts) do insert_raw(numbers, text) end
  if flags[false] then insert_raw(numbers, false) end
  if flags[true] then insert_raw(numbers, true) end
  return numbers
end

local environment = {
  assert = assert, error = error, ipairs = ipairs, pcall = pcall, select = select,
  tonumber = tonumber, type = type,
}

-- By numbers, then by texts, then false and true.
function environment.pairs(t)
  local items = content(t, "pairs")
  local keys, at = keys_in_order(items), 0
  return function()
    while true do
      at = at + 1
      local key = keys[at]
      if key == nil then return nil end
      local value = items[key]
      if value ~= nil then return key, value end
    end
  end
end

local function text_of(value)
  local kind = type(value)
  if kind == "string" or kind == "number" or kind == "boolean" or kind == "nil" then
    return tostring(value)
  end
  return kind
end
environment.tostring = text_of

environment.math = {}
for _, name in ipairs {
  "abs", "acos", "asin", "atan", "ceil", "cos", "deg", "exp", "floor", "fmod", "huge", "log", "max",
  "maxinteger", "min", "mininteger", "modf", "pi", "rad", "sin", "sqrt", "tan", "tointeger", "type",
  "ult",
} do environment.math[name] = math[name] end

environment.string = {}
for _, name in ipairs { "char", "len", "lower", "reverse", "sub", "upper" } do
  environment.string[name] = string[name]
end

-- Plain text, never a pattern.
function environment.string.find(text, what, from)
  host.charge(#text * #what // 1024)
  return find(text, what, from, true)
end

function environment.string.byte(text, from, to)
  host.charge(to and #text or 1)
  return byte(text, from, to)
end

function environment.string.rep(text, count, between)
  if count > 65536 or count * (#text + #(between or "")) > 65536 then
    error("string.rep makes 64 KiB at most", 2)
  end
  return rep(text, count, between)
end

function environment.string.format(how, ...)
  if find(gsub(how, "%%%%", ""), "%%[^%%%a]*p") then error("string.format: %p is an address", 2) end
  for i = 1, select("#", ...) do
    local kind = type((select(i, ...)))
    if kind ~= "number" and kind ~= "string" and kind ~= "boolean" and kind ~= "nil" then
      error("string.format takes numbers, texts and booleans, not a " .. kind, 2)
    end
  end
  return format(how, ...)
end

environment.table = {}

function environment.table.insert(t, ...)
  local items, count = changeable(t, "table.insert"), select("#", ...)
  local size = #items
  if count == 1 then
    items[size + 1] = ...
    return
  end
  local at, value = ...
  if count ~= 2 or math.type(at) ~= "integer" or at < 1 or at > size + 1 then
    error("table.insert: no such position", 2)
  end
  for i = size, at, -1 do items[i + 1] = items[i] end
  items[at] = value
end

function environment.table.remove(t, at)
  local items = changeable(t, "table.remove")
  local size = #items
  at = at or size
  if at ~= size and (math.type(at) ~= "integer" or at < 1 or at > size) then
    error("table.remove: no such position", 2)
  end
  local value = items[at]
  for i = at, size - 1 do items[i] = items[i + 1] end
  if size > 0 then items[size] = nil end
  return value
end

function environment.table.concat(t, between, from, to)
  local items = content(t, "table.concat")
  host.charge((to or #items) - (from or 1))
  return concat(items, between, from, to)
end

function environment.table.unpack(t, from, to)
  local items = content(t, "table.unpack")
  if (to or #items) - (from or 1) >= 250 then error("table.unpack: at most 250 values", 2) end
  return table.unpack(items, from, to)
end

-- Stable, by merging: the order of what is equal is the same in every run.
local function less(a, b) return a < b end
function environment.table.sort(t, is_before)
  local from, to = changeable(t, "table.sort"), {}
  is_before = is_before or less
  local size, width = #from, 1
  while width < size do
    for left = 1, size, 2 * width do
      local a, middle = left, left + width
      local b, last = middle, left + 2 * width - 1
      if middle > size + 1 then middle = size + 1 end
      if last > size then last = size end
      for i = left, last do
        if a < middle and (b > last or not is_before(from[b], from[a])) then
          to[i], a = from[a], a + 1
        else
          to[i], b = from[b], b + 1
        end
      end
    end
    from, to = to, from
    width = 2 * width
  end
  if from ~= t then
    for i = 1, size do t[i] = from[i] end
  end
end

-- Nothing that a script has made when it was read can change afterwards: what changes is a twin's
-- state. Tables are made read-only; local variables can't be, so they are looked at after each call.
local seen, variables = {}, {}

local function refuse()
  error("what is made when the script is read can't be changed; keep it in the twin's state", 2)
end

local freeze_any

local function freeze_table(t)
  if seen[t] then return end
  seen[t] = true
  local items = {}
  for key, value in next, t do items[key] = value end
  for key in next, items do rawset(t, key, nil) end
  for key, value in next, items do
    freeze_any(key)
    freeze_any(value)
  end
  content_of[t] = items
  setmetatable(t, {
    __index = items,
    __newindex = refuse,
    __len = function() return #items end,
    __metatable = false,
  })
end

local function freeze_function(f)
  if seen[f] or getinfo(f, "S").what == "C" then return end
  seen[f] = true
  local i = 1
  while true do
    local name, value = getupvalue(f, i)
    if name == nil then return end
    local id = upvalueid(f, i)
    if not seen[id] then
      seen[id] = true
      insert_raw(variables, { f, i, name, value })
      freeze_any(value)
    end
    i = i + 1
  end
end

function freeze_any(value)
  local kind = type(value)
  if kind == "table" then freeze_table(value) elseif kind == "function" then freeze_function(value) end
end

-- Ours are not looked into: they keep what is frozen.
for _, library in ipairs { environment, environment.math, environment.string, environment.table } do
  for _, f in next, library do
    if type(f) == "function" then seen[f] = true end
  end
end
debug.getmetatable("").__index = environment.string

-- The environment; what freezes it and the script's own table; the variables to look at.
return environment, function(definition)
  freeze_any(environment)
  freeze_any(definition)
end, variables
