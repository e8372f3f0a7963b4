#!lua flags=allow-oom
-- Makes a dead letter due now, as if it had never been retried.
--
-- May run when memory is full: it lets dead letters be retried, which frees memory.
--
-- KEYS[1] stream  KEYS[2] due  KEYS[3] parked  KEYS[4] attempts  KEYS[5] the claim
-- ARGV    id
-- Returns 'waiting', 'gone' or 'busy'.

local id = ARGV[1]
if #redis.call('XRANGE', KEYS[1], id, id) == 0 then return 'gone' end
if redis.call('EXISTS', KEYS[5]) == 1 then return 'busy' end
local clock = redis.call('TIME')
redis.call('ZREM', KEYS[3], id)
redis.call('ZADD', KEYS[2], string.format('%.0f', tonumber(clock[1]) * 1000), id)
redis.call('HDEL', KEYS[4], id)
return 'waiting'
