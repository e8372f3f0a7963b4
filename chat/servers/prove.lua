#!lua flags=allow-oom
-- Writes something, so that `WAITAOF` can tell whether it has reached the append-only file.
--
-- May run when memory is full: it writes a few bytes, and a full log must still be drained.
--
-- KEYS[1] veche:proof   ARGV lifetime in ms

return redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
