#!lua flags=allow-oom
-- Enters a failure once: while an origin has an entry, a repeat adds no other one.
--
-- May run when memory is full, up to a limit: a bad entry that cannot be set apart would keep a
-- full log from being drained, and draining is the only way to free its memory.
--
-- KEYS[1] stream  KEYS[2] origins  KEYS[3] due  KEYS[4] parked
-- ARGV    origin, ms to the first retry ('' parks it at once), bytes by which dead letters may
--         exceed the server's maxmemory, then the entry's fields
-- Returns {id, 1 if it is new, else 0}, or beyond that limit the server's own OOM error.

local known = redis.call('HGET', KEYS[2], ARGV[1])
if known and #redis.call('XRANGE', KEYS[1], known, known) == 1 then return {known, 0} end

-- The server compares the same numbers to decide whether it is full.
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
