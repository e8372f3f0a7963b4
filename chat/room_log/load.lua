#!lua
-- Puts a room into the log as PostgreSQL holds it.
--
-- The loader took the loading token before it read PostgreSQL. If it holds the token no longer
-- (another loader took it, or this one was too slow), what it read may be out of date, and a seq
-- could be given out twice.
--
-- KEYS[1] veche:{s}:epoch   KEYS[2] veche:{s}:room:<id>   KEYS[3] veche:{s}:active
-- ARGV    token, epoch in PostgreSQL, head, n, kind, archived, room id, slow mode in seconds,
--         size of the ACL that the loader has put beside the room (0: none), number of owners,
--         mutes of people outside the room as JSON {user: until in ms as text},
--         then, if no ACL was put beside, user, 'role:muted until in ms' or 'banned:0', …
-- Returns 'loaded', 'present', 'late' (read again), 'unstored' (drain first) or 'epoch' (log and
-- PostgreSQL disagree).

local room_key = KEYS[2]
local acl_key, log_key, token_key = room_key .. ':acl', room_key .. ':log', room_key .. ':loading'
local epoch = redis.call('GET', KEYS[1])
if epoch ~= ARGV[2] then return 'epoch' end
local present = redis.call('HMGET', room_key, 'epoch', 'head', 'n', 'kind')
if present[1] == epoch and present[2] and present[3] and present[4] then return 'present' end
if redis.call('GET', token_key) ~= ARGV[1] then return 'late' end

-- A hot tail that goes further than PostgreSQL belongs to a room that lost only its hash. Its
-- places are taken, so the room can be loaded only after they are stored.
local last = redis.call('XREVRANGE', log_key, '+', '-', 'COUNT', 1)[1]
if last and tonumber(string.match(last[1], '^%d+')) > tonumber(ARGV[3]) then
  for i = 1, #last[2], 2 do
    if last[2][i] == 'epoch' and last[2][i + 1] == epoch then return 'unstored' end
  end
end

-- The ACL that was put beside the room expires. If a part were missing, members would be shut out.
local coming_key = acl_key .. ':' .. ARGV[1]
if ARGV[9] ~= '0' and redis.call('HLEN', coming_key) ~= tonumber(ARGV[9]) then return 'late' end

-- UNLINK, not DEL: the server frees large keys in the background.
redis.call('UNLINK', room_key, acl_key, log_key, token_key, room_key .. ':deletions',
  room_key .. ':mutes')
-- Tokens are unique, so `members` changes with every load, and hubs look at the ACL again.
redis.call('HSET', room_key, 'epoch', epoch, 'head', ARGV[3], 'n', ARGV[4], 'stored', ARGV[3],
  'kind', ARGV[5], 'archived', ARGV[6], 'slow', ARGV[8], 'loaded', ARGV[1], 'members', ARGV[1],
  'owners', ARGV[10])
if ARGV[9] ~= '0' then
  redis.call('RENAME', coming_key, acl_key)
  redis.call('PERSIST', acl_key)
elseif ARGV[12] then
  redis.call('HSET', acl_key, unpack(ARGV, 12))
end
for user, muted_until in pairs(cjson.decode(ARGV[11])) do
  redis.call('HSET', room_key .. ':mutes', user, muted_until)
end
redis.call('ZADD', KEYS[3], redis.call('TIME')[1] .. '000', ARGV[7])
return 'loaded'
