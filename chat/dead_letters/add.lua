#!lua
-- Enters a failure once: the same origin keeps its first entry for as long as that is there.
--
-- KEYS[1] stream  KEYS[2] origins  KEYS[3] due  KEYS[4] parked
-- ARGV    origin, ms to the first retry ('' parks it at once), then the entry's fields
-- Returns {id, 1 when it is new}.

local known = redis.call('HGET', KEYS[2], ARGV[1])
if known and #redis.call('XRANGE', KEYS[1], known, known) == 1 then return {known, 0} end

local clock = redis.call('TIME')
local now_ms = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local id = redis.call('XADD', KEYS[1], '*', unpack(ARGV, 3))
redis.call('HSET', KEYS[2], ARGV[1], id)
if ARGV[2] == '' then
  redis.call('ZADD', KEYS[4], string.format('%.0f', now_ms), id)
else
  redis.call('ZADD', KEYS[3], string.format('%.0f', now_ms + tonumber(ARGV[2])), id)
end
return {id, 1}
