#!lua flags=allow-oom
-- Takes rooms out of the log that have been idle and that PostgreSQL holds completely.
--
-- May run when memory is full, because it frees some.
--
-- KEYS[1] veche:{s}:epoch   KEYS[2] veche:{s}:active
-- ARGV    shard, epoch in PostgreSQL, idle since (ms since 1970), then room, seq in PostgreSQL, …
-- Returns how many rooms were taken out.

local epoch, idle_since = ARGV[2], tonumber(ARGV[3])
if redis.call('GET', KEYS[1]) ~= epoch then return 0 end
local left = 0
for first = 4, #ARGV, 2 do
  local room, stored = ARGV[first], ARGV[first + 1]
  local room_key = 'veche:{' .. ARGV[1] .. '}:room:' .. room
  local active = tonumber(redis.call('ZSCORE', KEYS[2], room))
  if active and active <= idle_since and redis.call('HGET', room_key, 'head') == stored then
    redis.call('UNLINK', room_key, room_key .. ':acl', room_key .. ':log', room_key .. ':deletions',
      room_key .. ':mutes')
    redis.call('ZREM', KEYS[2], room)
    left = left + 1
  end
end
return left
