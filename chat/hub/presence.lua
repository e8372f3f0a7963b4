-- Renews the people of one hub in some rooms, removes those whom no hub has renewed, and returns
-- who is online in the rooms where the hub does not know it yet.
--
-- ARGV  now and when the people count as gone (s since 1970), lifetime of a room's key in s, most
--       people to name, then for each room:
--       room, digest of the people whom the hub knows, number of the hub's people, user id, …
--       digest: SHA-1 of the user ids as text, in byte order, joined by ','
-- Returns {room, {user id, …}, …}

local now, gone_at, lifetime, most = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local found = {}
local at = 5
while at <= #ARGV do
  local room, known, count = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  local key = 'veche:presence:' .. room
  for first = at + 3, at + 2 + count, 500 do
    local pairs_to_add = {}
    for one = first, math.min(first + 499, at + 2 + count) do
      pairs_to_add[#pairs_to_add + 1] = gone_at
      pairs_to_add[#pairs_to_add + 1] = ARGV[one]
    end
    redis.call('ZADD', key, unpack(pairs_to_add))
  end
  if count > 0 then redis.call('EXPIRE', key, lifetime) end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  local online = redis.call('ZRANGE', key, '(' .. now, '+inf', 'BYSCORE', 'LIMIT', 0, most)
  table.sort(online)
  if redis.sha1hex(table.concat(online, ',')) ~= known then
    found[#found + 1] = room
    found[#found + 1] = online
  end
  at = at + 3 + count
end
return found
