#!lua flags=allow-oom
-- Deletes the oldest entries of the bus's stream, up to an id, at most so many at a time.
--
-- Allowed without memory, because it gives some back.
--
-- XDEL and not XTRIM: it notes the last deleted id in the stream, by which a reader that comes
-- too late learns that something is gone.
--
-- KEYS[1] the stream   ARGV last id that may go, how many at most
-- Returns how many went.

local ids = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', ARGV[1], 'COUNT', ARGV[2])) do
  ids[#ids + 1] = entry[1]
end
if #ids == 0 then return 0 end
return redis.call('XDEL', KEYS[1], unpack(ids))
