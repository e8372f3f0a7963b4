#!lua flags=allow-oom
-- Deletes the oldest entries of the event bus's stream, up to an id, a limited number at a time.
--
-- May run when memory is full, because it frees some.
--
-- XDEL and not XTRIM: it records the highest deleted id in the stream, which tells a reader that
-- comes too late that it has missed something.
--
-- KEYS[1] the stream   ARGV last id that may be deleted, how many at most
-- Returns how many were deleted.

local ids = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', ARGV[1], 'COUNT', ARGV[2])) do
  ids[#ids + 1] = entry[1]
end
if #ids == 0 then return 0 end
return redis.call('XDEL', KEYS[1], unpack(ids))
