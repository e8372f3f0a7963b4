#!lua flags=allow-oom
-- Records how a claimed retry ended if the dead letter stays. It changes nothing when the claim has
-- meanwhile passed to another process.
--
-- May run when memory is full: it ends a claim, and adds no more than a line.
--
-- KEYS[1] due  KEYS[2] parked  KEYS[3] attempts  KEYS[4] last  KEYS[5] the claim
-- ARGV    id, token, how, ms until it is due again, attempts after which it is parked, error
--         how: 'failed'     the attempt counts
--              'hopeless'   the attempt counts and is the last one
--              'postponed'  the attempt does not count: a server that it needs is down
--              'sent'       a task has it and will report; the claim lasts until then
-- Returns the state: 'waiting', 'parked', 'retrying'; or 'lost'.

local id, token, how, delay_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
if redis.call('GET', KEYS[5]) ~= token then return 'lost' end

local clock = redis.call('TIME')
local now_ms = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local now_text, due_text = string.format('%.0f', now_ms), string.format('%.0f', now_ms + delay_ms)
local waiting = redis.call('ZSCORE', KEYS[1], id)

if how == 'sent' then
  redis.call('PEXPIRE', KEYS[5], ARGV[4])
  if waiting then redis.call('ZADD', KEYS[1], due_text, id) end
  return 'retrying'
end

redis.call('DEL', KEYS[5])
redis.call('HSET', KEYS[4], id, now_text .. ' ' .. ARGV[6])
local attempts = tonumber(redis.call('HGET', KEYS[3], id) or '0')
if how == 'postponed' then
  redis.call('HSET', KEYS[3], id, math.max(attempts - 1, 0))
elseif how == 'hopeless' or attempts >= tonumber(ARGV[5]) then
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZADD', KEYS[2], now_text, id)
  return 'parked'
end
if not waiting then return 'parked' end
redis.call('ZADD', KEYS[1], due_text, id)
return 'waiting'
