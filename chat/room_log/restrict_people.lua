#!lua flags=allow-oom
-- Records what people may not do in any room of the shard.
--
-- May run when memory is full: a shard needs the restrictions before it begins a new epoch, and a
-- mute must not be lost because the log was full when it was made.
--
-- KEYS[1] veche:{s}:people
-- ARGV    user, entry, …

for first = 1, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[first], ARGV[first + 1]) end
return 1
