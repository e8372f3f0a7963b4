#!lua flags=allow-oom
-- Enters a failure once: the same origin keeps its first entry for as long as that is there.
--
-- Allowed without memory, up to a limit: a bad entry that cannot be set apart would keep a full log
-- from being drained, which is the only way that it gets memory back.
--
-- KEYS[1] stream  KEYS[2] origins  KEYS[3] due  KEYS[4] parked
-- ARGV    origin, ms to the first retry ('' parks it at once), bytes by which letters may exceed
--         the server's maxmemory, then the entry's fields
-- Returns {id, 1 when it is new}, or an OOM error, as the server gives it, beyond that limit.

local known = redis.call('HGET', KEYS[2], ARGV[1])
if known and #redis.call('XRANGE', KEYS[1], known, known) == 1 then return {known, 0} end

-- What the server itself counts when it says that it is full.
local memory = redis.call('INFO', 'memory')
local function bytes(name) return tonumber(string.match(memory, '\n' .. name .. ':(%d+)') or '0') end
local most = bytes('maxmemory')
local used = bytes('used_memory') - bytes('mem_not_counted_for_evict')
if most > 0 and used > most + tonumber(ARGV[3]) then
  return redis.error_reply("OOM command not allowed when used memory > 'maxmemory'.")
end

local clock = redis.call('TIME')
local now_ms = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local id = redis.call('XADD', KEYS[1], '*', unpack(ARGV, 4))
redis.call('HSET', KEYS[2], ARGV[1], id)
if ARGV[2] == '' then
  redis.call('ZADD', KEYS[4], string.format('%.0f', now_ms), id)
else
  redis.call('ZADD', KEYS[3], string.format('%.0f', now_ms + tonumber(ARGV[2])), id)
end
return {id, 1}
