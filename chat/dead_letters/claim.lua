#!lua flags=allow-oom
-- Claims one dead letter for one retry. Only the holder of the claim may retry it.
--
-- May run when memory is full: retrying and discarding dead letters is how a full log is emptied.
--
-- The attempt is counted before it is made, and the letter is due again when the claim expires. So
-- a retry that kills its process is counted too, and is repeated without anybody's help.
--
-- KEYS[1] stream  KEYS[2] due  KEYS[3] parked  KEYS[4] attempts  KEYS[5] last  KEYS[6] the claim
-- ARGV    id, token, claim lifetime in ms, attempts after which a dead letter is parked,
--         '1' if nobody asked for this one (it must then be due), the error to record for a dead
--         letter whose last attempt never ended
-- Returns {'claimed', attempts, state before, field, value, …}, {'gone'}, {'busy'}, {'early'} or
--         {'parked'}.

local id, token, lifetime_ms, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local automatic = ARGV[5] == '1'

local found = redis.call('XRANGE', KEYS[1], id, id)
if #found == 0 then
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZREM', KEYS[3], id)
  redis.call('HDEL', KEYS[4], id)
  redis.call('HDEL', KEYS[5], id)
  return {'gone'}
end

local clock = redis.call('TIME')
local now_ms = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local due_ms = redis.call('ZSCORE', KEYS[2], id)
if automatic and (not due_ms or tonumber(due_ms) > now_ms) then return {'early'} end
if redis.call('EXISTS', KEYS[6]) == 1 then return {'busy'} end
if automatic and tonumber(redis.call('HGET', KEYS[4], id) or '0') >= most then
  local now_text = string.format('%.0f', now_ms)
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZADD', KEYS[3], now_text, id)
  redis.call('HSET', KEYS[5], id, now_text .. ' ' .. ARGV[6])
  return {'parked'}
end

redis.call('SET', KEYS[6], token, 'PX', lifetime_ms)
local attempts = redis.call('HINCRBY', KEYS[4], id, 1)
if due_ms then
  redis.call('ZADD', KEYS[2], string.format('%.0f', now_ms + tonumber(lifetime_ms)), id)
end
local answer = {'claimed', attempts, due_ms and 'waiting' or 'parked'}
for _, value in ipairs(found[1][2]) do answer[#answer + 1] = value end
return answer
