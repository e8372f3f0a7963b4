#!lua flags=allow-oom
-- Says which stream this is. One that is gone is made anew, under a new id: what it held is lost.
--
-- Allowed without memory, because nearly always it only reads; the bus that is full says so itself.
--
-- KEYS[1] the stream  KEYS[2] its id   ARGV an id for a new one
-- Returns the id.

local id = redis.call('GET', KEYS[2])
local is_there = redis.call('EXISTS', KEYS[1]) == 1
if id and is_there then
  return id
end
if not is_there then
  -- An empty stream can be made in no other way.
  redis.call('XGROUP', 'CREATE', KEYS[1], 'veche', '0', 'MKSTREAM')
  redis.call('XGROUP', 'DESTROY', KEYS[1], 'veche')
end
redis.call('SET', KEYS[2], ARGV[1])
return ARGV[1]
