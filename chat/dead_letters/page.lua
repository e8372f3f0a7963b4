#!lua flags=no-writes
-- Reads a part of the stream, with what is kept beside each entry. It reads one entry at a time and
-- cuts off long values, so that neither server nor reader holds more than a page of short values.
--
-- KEYS[1] stream  KEYS[2] due  KEYS[3] attempts  KEYS[4] last
-- ARGV    first id, last id (either may be exclusive, '(id'), most entries, most bytes of a value,
--         'XRANGE' or 'XREVRANGE' (which takes the last id first), prefix of claims
-- Returns {{id, state, due or '', attempts or '', last or '', payload bytes, field, value, …}, …}

local most, cut, read = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local from = ARGV[1]
local answer = {}
for _ = 1, most do
  local found = redis.call(read, KEYS[1], from, ARGV[2], 'COUNT', 1)
  if #found == 0 then break end
  local id, values = found[1][1], found[1][2]
  from = '(' .. id
  local due = redis.call('ZSCORE', KEYS[2], id)
  local state = due and 'waiting' or 'parked'
  if redis.call('EXISTS', ARGV[6] .. id) == 1 then state = 'retrying' end
  local entry = {
    id, state, due or '', redis.call('HGET', KEYS[3], id) or '',
    redis.call('HGET', KEYS[4], id) or '', 0,
  }
  -- A damaged entry may have any number of fields; intact ones have eight.
  for i = 1, math.min(#values, 64), 2 do
    if values[i] == 'payload' then entry[6] = #values[i + 1] end
    entry[#entry + 1] = string.sub(values[i], 1, cut)
    entry[#entry + 1] = string.sub(values[i + 1], 1, cut)
  end
  answer[#answer + 1] = entry
end
return answer
