#!lua flags=no-writes
-- Returns those of some rooms of a shard that have changed since the caller read them.
--
-- KEYS[1] veche:{s}:epoch   (the rooms' keys derive from the shard's tag)
-- ARGV    shard, then room, mark, …
--         mark: 'epoch:head:stored:members', or '-:epoch of the shard' for a room not in the log
-- Returns the rooms whose mark differs, each with its present mark: {room, mark, …}

local epoch = redis.call('GET', KEYS[1])
local rooms = 'veche:{' .. ARGV[1] .. '}:room:'
local found = {}
for first = 2, #ARGV, 2 do
  local room = redis.call('HMGET', rooms .. ARGV[first], 'epoch', 'head', 'stored', 'members')
  local mark
  if epoch and room[1] == epoch and room[2] and room[3] then
    mark = epoch .. ':' .. room[2] .. ':' .. room[3] .. ':' .. (room[4] or '')
  else
    mark = '-:' .. (epoch or '')
  end
  if mark ~= ARGV[first + 1] then
    found[#found + 1] = ARGV[first]
    found[#found + 1] = mark
  end
end
return found
