#!lua flags=allow-oom
-- Gives a shard its epoch.
--
-- Allowed without memory: a shard that has to begin anew is not drained before it has.
--
-- KEYS[1] veche:{s}:epoch   ARGV epoch

return redis.call('SET', KEYS[1], ARGV[1])
