#!lua flags=allow-oom
-- Removes restrictions that have ended, unless they have changed since the caller read them.
--
-- KEYS[1] veche:{s}:people
-- ARGV    user, entry as it was read, …

for first = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[first]) == ARGV[first + 1] then
    redis.call('HDEL', KEYS[1], ARGV[first])
  end
end
return 1
