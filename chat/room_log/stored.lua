#!lua flags=allow-oom
-- Moves the watermark of rooms after PostgreSQL has committed, and trims what is now stored there.
--
-- May run when memory is full: only trimming frees the memory of a full log.
--
-- KEYS[1] veche:{s}:epoch   KEYS[2] veche:{s}:ingest
-- ARGV    shard, epoch, first ingest id to keep, events to keep in a hot tail, then room, seq, …
--
-- A drain that was paused while the log was lost must not trim the new log: the epoch prevents it.

local shard, epoch, keep_from, tail = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
if redis.call('GET', KEYS[1]) ~= epoch then return 0 end
for first = 5, #ARGV, 2 do
  local room_key = 'veche:{' .. shard .. '}:room:' .. ARGV[first]
  local seq = tonumber(ARGV[first + 1])
  local room = redis.call('HMGET', room_key, 'epoch', 'stored')
  if room[1] == epoch and tonumber(room[2]) < seq then
    redis.call('HSET', room_key, 'stored', ARGV[first + 1])
    if seq > tail then
      redis.call('XTRIM', room_key .. ':log', 'MINID', string.format('%.0f-0', seq - tail + 1))
      -- Deletions are kept for as long as their events are in the tail.
      redis.call('ZREMRANGEBYSCORE', room_key .. ':deletions', '-inf', seq - tail)
    end
  end
end
return redis.call('XTRIM', KEYS[2], 'MINID', keep_from)
