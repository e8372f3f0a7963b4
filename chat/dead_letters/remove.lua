#!lua flags=allow-oom
-- Removes a dead letter and everything that is kept beside it.
--
-- May run when memory is full, because it frees some.
--
-- KEYS[1] stream  KEYS[2] origins  KEYS[3] due  KEYS[4] parked  KEYS[5] attempts  KEYS[6] last
-- KEYS[7] the claim  KEYS[8] discarded
-- ARGV    id, what stays on record of it ('' for nothing)
-- Returns 1, or 0 if it was already gone.

local id = ARGV[1]
local found = redis.call('XRANGE', KEYS[1], id, id)
if #found == 1 then
  local fields = {}
  for i = 1, #found[1][2], 2 do fields[found[1][2][i]] = found[1][2][i + 1] end
  local origin = (fields.source or '') .. ' ' .. (fields.origin or '')
  if redis.call('HGET', KEYS[2], origin) == id then redis.call('HDEL', KEYS[2], origin) end
  if ARGV[2] ~= '' then redis.call('HSET', KEYS[8], id, ARGV[2]) end
end
redis.call('ZREM', KEYS[3], id)
redis.call('ZREM', KEYS[4], id)
redis.call('HDEL', KEYS[5], id)
redis.call('HDEL', KEYS[6], id)
redis.call('DEL', KEYS[7])
return redis.call('XDEL', KEYS[1], id)
