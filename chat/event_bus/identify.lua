#!lua flags=allow-oom
-- Returns the stream's id. A stream that is gone, with all it held, is made anew under a new id.
--
-- May run when memory is full: it nearly always only reads, and publishing reports a full stream.
--
-- KEYS[1] the stream  KEYS[2] its id   ARGV an id for a new one
-- Returns the id.

local id = redis.call('GET', KEYS[2])
local is_there = redis.call('EXISTS', KEYS[1]) == 1
if id and is_there then
  return id
end
if not is_there then
  -- There is no other way to make an empty stream.
  redis.call('XGROUP', 'CREATE', KEYS[1], 'veche', '0', 'MKSTREAM')
  redis.call('XGROUP', 'DESTROY', KEYS[1], 'veche')
end
redis.call('SET', KEYS[2], ARGV[1])
return ARGV[1]
