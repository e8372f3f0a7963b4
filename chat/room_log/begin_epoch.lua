#!lua flags=allow-oom
-- Gives a shard its epoch.
--
-- May run when memory is full: a shard without an epoch cannot be drained.
--
-- KEYS[1] veche:{s}:epoch   ARGV epoch

return redis.call('SET', KEYS[1], ARGV[1])
