#!lua flags=allow-oom
-- Notes what people may not do in any room of the shard.
--
-- Allowed without memory: a shard that has to begin anew must know it first, and who is muted while
-- the log is full must be when it is not.
--
-- KEYS[1] veche:{s}:people
-- ARGV    user, entry, …

for first = 1, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[first], ARGV[first + 1]) end
return 1
