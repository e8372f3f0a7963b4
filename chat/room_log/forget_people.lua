#!lua flags=allow-oom
-- Lifts restrictions of people that are over, if they are still those that the caller saw.
--
-- KEYS[1] veche:{s}:people
-- ARGV    user, entry as it was read, …

for first = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[first]) == ARGV[first + 1] then
    redis.call('HDEL', KEYS[1], ARGV[first])
  end
end
return 1
