#!lua flags=allow-oom
-- Writes something, for `WAITAOF` to say whether it has reached the append-only file.
--
-- Allowed without memory: it is a handful of bytes, and a full log is to be drained.
--
-- KEYS[1] veche:proof   ARGV lifetime in ms

return redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
