#!lua flags=allow-oom
-- Takes calls whose time has come. Each is due again when its lease ends, unless it is removed.
--
-- Allowed without memory: it adds nothing, and what is run gives some back.
--
-- KEYS[1] later  KEYS[2] calls
-- ARGV    how many at most, lease in ms
-- Returns {name, call, name, call, …}

local clock = redis.call('TIME')
local now_ms = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local until_text = string.format('%.0f', now_ms + tonumber(ARGV[2]))
local answer = {}
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now_ms),
  'LIMIT', 0, ARGV[1])
for _, name in ipairs(due) do
  local call = redis.call('HGET', KEYS[2], name)
  if call then
    redis.call('ZADD', KEYS[1], until_text, name)
    answer[#answer + 1] = name
    answer[#answer + 1] = call
  else
    redis.call('ZREM', KEYS[1], name)
  end
end
return answer
