#!lua
-- Appends a batch of events of one shard, each at the next place of its room.
--
-- Every event is checked before anything of it is written, and the checks, the numbering and the
-- writes are one atomic step: an event that this script accepts keeps its place (I2, I6, I7).
-- Redis checks before the script starts whether memory is full, so it cannot fail half-way.
--
-- KEYS[1] veche:{s}:epoch   KEYS[2] veche:{s}:ingest   (all others derive from the shard's tag)
-- ARGV    shard, shards, key lifetime in ms, wake flag lifetime in ms, then FIELDS values an event:
--         room, type, actor, key, content hash, data, trusted, target, subject, subject's role,
--         value, reply_to, thread, known                              ('' stands for none)
--         value: muted until in ms, 0 when unmuted, '' when not for this room alone;
--                1 / 0 for archived or not, for banned or not; slow mode in seconds; the emoji;
--                the present role of a member whose role changes; 'all' if a text mentions everybody
--         known: what PostgreSQL holds of the messages at target, reply_to and thread, as JSON
--                {"stored": the room's seq there,
--                 "messages": {seq: {"author": user id, "deleted": …, "by_author": …,
--                                    "in_room": …, and of a reply "thread": its root}},
--                 and if the event is a reaction: "people": {emoji: count}, "mine": [emoji]}
-- Returns {wake, answer, answer, …}; an answer is one of
--         {'ok' | 'repeat', epoch, seq, n, at in ms, what is added to the data, as numbers}: after a
--         reaction, how many have the emoji now; after a reply, the root's author; after the deletion
--         or restoration of a reply, its root, whether the room shows it, and by how much the number
--         of replies changes
--         {'no', why: a name in `codec.REFUSALS`, ms to wait or nil}
--         {'same'}  the event would change nothing
--         {'load'}  the room is not in the log
--         {'cold'}  the caller must read the target, or its reactions, in PostgreSQL (again)
-- or {'epoch'} alone if the shard has none: the log is new, or was lost.

local FIELDS = 14
local RANK = {member = 1, moderator = 2, owner = 3}
local REACTS = {['reaction.added'] = true, ['reaction.removed'] = true}
local POSTS = {['message.posted'] = true, ['reply.posted'] = true}
local SPEAKS = {
  ['reply.posted'] = true,
  ['message.posted'] = true, ['message.edited'] = true,
  ['reaction.added'] = true, ['reaction.removed'] = true,
}
local TEXTS = {
  ['message.posted'] = true, ['reply.posted'] = true, ['message.edited'] = true,
}
local HAS_TARGET = {
  ['message.edited'] = true, ['message.deleted'] = true, ['message.restored'] = true,
  ['reaction.added'] = true, ['reaction.removed'] = true,
}
-- Hubs look at the ACL again when the room's `members` has changed (see `keys.py`).
local CHANGES_MEMBERS = {
  ['member.joined'] = true, ['member.left'] = true, ['member.removed'] = true,
}

-- Most different emoji on one message, and most by one person.
local EMOJI_OF_MESSAGE, EMOJI_OF_PERSON = 50, 20
local REACTIONS_LIFETIME_MS = 15 * 60 * 1000
-- In a room of more people, members cannot mention everybody; and nobody can more often than this.
local MOST_CALLED = 100
local CALLS, CALLS_WITHIN_MS = 10, 60 * 60 * 1000
-- Reading this many entries takes the script some milliseconds.
local MAX_REPLAYED = 4096

local epoch_key, ingest_key = KEYS[1], KEYS[2]
local shard, shards = ARGV[1], tonumber(ARGV[2])
local key_lifetime_ms, wake_lifetime_ms = ARGV[3], ARGV[4]
local tag = 'veche:{' .. shard .. '}:'

local epoch = redis.call('GET', epoch_key)
if not epoch then return {'epoch'} end

local clock = redis.call('TIME')
local now_ms = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local now_text = string.format('%.0f', now_ms)

-- Role, muted until, banned. A banned person has an entry but no role.
local function acl_of(acl_key, user)
  local entry = redis.call('HGET', acl_key, user)
  if not entry then return nil, 0, false end
  local role, muted_until = string.match(entry, '^(%a+):(%d+)$')
  if role == 'banned' then return nil, 0, true end
  return role, tonumber(muted_until), false
end

-- Until when somebody is muted in all rooms, and whether their account is deactivated.
local people_key = tag .. 'people'
local anybody_restricted = redis.call('EXISTS', people_key) == 1
local function restriction_of(user)
  local entry = anybody_restricted and redis.call('HGET', people_key, user)
  if not entry then return 0, false end
  local muted_until, inactive = string.match(entry, '^(%d+):(%d)$')
  return tonumber(muted_until), inactive == '1'
end

-- Keys are looked up in every shard: the same key in another room is another request (I6).
local function earlier_answer(event)
  if event.key == '' then return nil end
  local names = {}
  for other = 0, shards - 1 do
    names[other + 1] = 'veche:{' .. other .. '}:key:' .. event.actor .. ':' .. event.key
  end
  for _, record in ipairs(redis.call('MGET', unpack(names))) do
    if record then
      local hash, at_epoch, seq, n, at = string.match(record, '^(%x+) (%d+) (%d+) (%d+) (%d+)$')
      if hash ~= event.hash then return {'no', 'key_conflict'} end
      return {'repeat', tonumber(at_epoch), tonumber(seq), tonumber(n), tonumber(at)}
    end
  end
  return nil
end

-- Acts on a member need a higher rank. People outside the room can be banned and muted too: the
-- mute of somebody who has left applies again when they come back.
local function outranks(event, acl_key, role)
  if RANK[role] < RANK.moderator then return 'forbidden' end
  local subject_role = acl_of(acl_key, event.subject)
  if not subject_role then
    return event.value == '' and 'not_found' or nil
  end
  if RANK[role] <= RANK[subject_role] then return 'forbidden' end
  -- Only staff, who are trusted, mute everywhere.
  if event.type ~= 'member.removed' and event.value == '' then return 'forbidden' end
  return nil
end

local function refuse_join(event, room, acl_key, role)
  if redis.call('HLEN', acl_key) == 0 and room.head <= 1 then return nil end  -- its creator
  if event.subject == event.actor then
    if role then
      -- Owners may step down; nobody may promote themselves.
      return role ~= event.subject_role and role ~= 'owner' and 'forbidden' or nil
    end
    if room.kind ~= 'public' then return 'not_found' end
    local _, _, banned = acl_of(acl_key, event.subject)
    if banned or event.subject_role ~= 'member' then return 'forbidden' end
    return nil
  end
  if not role then return room.kind == 'public' and 'not_member' or 'not_found' end
  if room.kind == 'direct' and redis.call('HLEN', acl_key) >= 2 then return 'forbidden' end
  local present, _, banned = acl_of(acl_key, event.subject)
  if banned then return 'forbidden' end
  if (present or event.subject_role ~= 'member') and role ~= 'owner' then return 'forbidden' end
  return nil
end

-- Whether anybody but `user` is in the room. Banned people have an entry too, but do not count.
local function has_others(acl_key, user)
  local cursor = '0'
  repeat
    local part = redis.call('HSCAN', acl_key, cursor, 'COUNT', 100)
    cursor = part[1]
    for i = 1, #part[2], 2 do
      if part[2][i] ~= user and string.sub(part[2][i + 1], 1, 7) ~= 'banned:' then return true end
    end
  until cursor == '0'
  return false
end

local function number_of_owners(room_key, acl_key)
  local owners = redis.call('HGET', room_key, 'owners')
  if owners then return tonumber(owners) end
  -- A room that an older version loaded does not have the number.
  local found = 0
  for _, entry in ipairs(redis.call('HVALS', acl_key)) do
    if string.sub(entry, 1, 6) == 'owner:' then found = found + 1 end
  end
  return found
end

-- Whether the event would leave people in the room without an owner, whoever asks for it. An owner
-- who is alone in the room may leave it.
local function loses_last_owner(event, room_key, acl_key)
  local kind = event.type
  local steps_down = kind == 'member.joined' and event.subject_role ~= 'owner'
  local goes = kind == 'member.left' or kind == 'member.removed' and event.value ~= '0'
  if not (steps_down or goes) or acl_of(acl_key, event.subject) ~= 'owner' then return false end
  if number_of_owners(room_key, acl_key) > 1 then return false end
  return steps_down or has_others(acl_key, event.subject)
end

-- Milliseconds until the member may post again in a room with slow mode; 0 when they may now.
local function slow_mode_wait(event, room, room_key, role)
  if not POSTS[event.type] or room.slow_ms == 0 or role ~= 'member' then return 0 end
  local posted_at = redis.call('GET', room_key .. ':posted:' .. event.actor)
  if not posted_at then return 0 end
  return math.max(0, tonumber(posted_at) + room.slow_ms - now_ms)
end

local function calls_key(of_shard, user)
  return 'veche:{' .. of_shard .. '}:calls:' .. user
end

-- Why somebody may not mention everybody now, and ms to wait; nil if they may. An edit that leaves
-- the mention in the text mentions everybody again.
local function refuse_call(event, acl_key)
  if event.trusted == '1' or not TEXTS[event.type] or event.value ~= 'all' then return nil end
  if acl_of(acl_key, event.actor) == 'member' and redis.call('HLEN', acl_key) > MOST_CALLED then
    return 'mentions_all'
  end
  local names, calls, wait_ms = {}, 0, CALLS_WITHIN_MS
  for other = 0, shards - 1 do names[other + 1] = calls_key(other, event.actor) end
  local counts = redis.call('MGET', unpack(names))
  for other = 1, shards do calls = calls + tonumber(counts[other] or 0) end
  if calls < CALLS then return nil end
  for other = 1, shards do
    if counts[other] then wait_ms = math.min(wait_ms, redis.call('PTTL', names[other])) end
  end
  return 'mentions_all_often', math.max(wait_ms, 0)
end

local function count_call(event)
  if event.value ~= 'all' or event.actor == '' then return end
  local key = calls_key(shard, event.actor)
  if redis.call('INCR', key) == 1 then redis.call('PEXPIRE', key, CALLS_WITHIN_MS) end
end

-- The error code that answers the event, or nil if its actor may do it; and ms to wait.
local function refusal(event, room, room_key, acl_key)
  if event.trusted == '1' then return nil end
  local role, muted_until = acl_of(acl_key, event.actor)
  local kind = event.type
  local muted_everywhere_until, inactive = restriction_of(event.actor)
  if inactive then
    return (role or room.kind == 'public') and 'forbidden' or 'not_found'
  end
  muted_until = math.max(muted_until, muted_everywhere_until)
  if kind == 'room.created' then return room.head > 0 and 'forbidden' or nil end
  if kind == 'member.joined' then
    return room.archived and 'archived' or refuse_join(event, room, acl_key, role)
  end
  if not role then return room.kind == 'public' and 'not_member' or 'not_found' end
  if kind == 'member.left' then
    return (room.kind == 'direct' or event.subject ~= event.actor) and 'forbidden' or nil
  end
  if kind == 'member.removed' or kind == 'member.muted' or kind == 'member.unmuted' then
    return outranks(event, acl_key, role)
  end
  if kind == 'room.archived' then return role ~= 'owner' and 'forbidden' or nil end
  if room.archived then return 'archived' end
  if kind == 'room.updated' then
    if muted_everywhere_until > now_ms then return 'muted' end  -- names and topics are words too
    return (room.kind == 'direct' or RANK[role] < RANK.moderator) and 'forbidden' or nil
  end
  if SPEAKS[kind] and muted_until > now_ms then return 'muted' end
  local wait_ms = slow_mode_wait(event, room, room_key, role)
  if wait_ms > 0 then return 'rate_limited', wait_ms end
  if kind == 'message.edited' and event.target_author ~= event.actor then return 'forbidden' end
  if kind == 'message.deleted' and event.target_author ~= event.actor
    and RANK[role] < RANK.moderator then return 'forbidden' end
  if kind == 'message.restored' and (event.target_author == event.actor
    or RANK[role] < RANK.moderator) then return 'forbidden' end
  return nil
end

local function entry_at(log_key, seq)
  local id = string.format('%.0f-0', seq)
  local found = redis.call('XRANGE', log_key, id, id)
  if #found == 0 then return nil end
  local fields = {}
  for i = 1, #found[1][2], 2 do fields[found[1][2][i]] = found[1][2][i + 1] end
  return fields
end

-- Of a message in the hot tail: whether the room shows it, and the root of the thread it is in.
local function line_of(posted)
  local readable, data = pcall(cjson.decode, posted.data)
  if not readable then return false, nil end
  return posted.type == 'message.posted', data.root or data.thread
end

-- The message at `seq`: its author, whether it is deleted, and whether by its author; whether the
-- room shows it, and the root of the thread it is in. Or nil and the answer to give instead.
--
-- `deletions` maps a message to the seq of the event that last deleted or restored it, as long as
-- that event is in the hot tail (see `stored.lua`). If the message is in the tail too, this is all
-- that happened to it; otherwise it is all that PostgreSQL may have lacked when the caller asked.
local function find_message(event, room, room_key, log_key, seq)
  if not seq or seq > room.head then return nil, {'no', 'not_found'} end
  local message
  local posted = entry_at(log_key, seq)
  if posted then
    if not POSTS[posted.type] then return nil, {'no', 'not_found'} end
    message = {author = posted.actor, deleted = false, by_author = false}
    if not REACTS[event.type] then message.in_room, message.thread = line_of(posted) end
  else
    if event.known == '' then return nil, {'cold'} end
    local known = cjson.decode(event.known)
    if known.stored < room.head and not entry_at(log_key, known.stored + 1) then
      return nil, {'cold'}  -- the tail has been trimmed since
    end
    local stored = known.messages[string.format('%.0f', seq)]
    if not stored then return nil, {'cold'} end
    message = {
      author = string.format('%.0f', stored.author), deleted = stored.deleted,
      by_author = stored.by_author, in_room = stored.in_room, thread = stored.thread,
    }
  end
  local changed = redis.call('ZSCORE', room_key .. ':deletions', string.format('%.0f', seq))
  local change = changed and entry_at(log_key, tonumber(changed))
  if change then
    message.deleted = change.type == 'message.deleted'
    message.by_author = message.deleted and change.actor == message.author
  end
  return message
end

-- Checks what a post refers to: the root of its thread, and the message that it answers. Returns the
-- answer to give instead of a place, or nil and the root's author.
local function check_references(event, room, room_key, log_key)
  local root, author = tonumber(event.thread), nil
  if root then
    local message, answer = find_message(event, room, room_key, log_key, root)
    if not message then return answer end
    if not message.in_room or message.thread then return {'no', 'not_found'} end
    if message.deleted then return {'no', 'deleted'} end
    author = tonumber(message.author)
  end
  local reply_to = tonumber(event.reply_to)
  if reply_to then
    local message, answer = find_message(event, room, room_key, log_key, reply_to)
    if not message and answer[1] == 'cold' then return answer end
    if not message or message.deleted then return {'no', 'reply_to'} end
    -- Whoever reads the one must be able to read the other beside it.
    local beside
    if root then
      beside = message.thread == root or reply_to == root
    else
      beside = message.in_room
    end
    if not beside then return {'no', 'reply_to'} end
  end
  return nil, author
end

-- The answer to an event about a message that follows from the message's being deleted or not; nil
-- if the event is allowed.
local function answer_of_deletion(event, message)
  if event.type == 'message.deleted' then
    -- The first deletion stands, except that the author's own replaces it: nobody restores that.
    local stands = message.deleted and (message.by_author or event.actor ~= message.author)
    return stands and {'same'} or nil
  end
  -- The action has checked this; if the message has changed since, the event restores nothing.
  if event.type == 'message.restored' then return nil end
  return message.deleted and {'no', 'deleted'} or nil
end

-- The reactions to a message are kept for a while in a hash:
--   loaded: the loading of the room in which it was made
--   complete: present if it knows everybody's reactions
--   stored: otherwise, up to which seq PostgreSQL held the room
--   distinct: how many different emoji the message has
--   e<emoji>: how many people have it; u<user>: that person's emoji, each followed by a line break

local function has_emoji(own, emoji)
  return string.find('\n' .. own, '\n' .. emoji .. '\n', 1, true) ~= nil
end

-- Puts somebody's emoji on the message or takes it away. Returns how many people have it then.
local function put_reaction(key, user, emoji, on)
  local own = redis.call('HGET', key, 'u' .. user) or ''
  if has_emoji(own, emoji) == on then
    return tonumber(redis.call('HGET', key, 'e' .. emoji) or 0)
  end
  if on then
    own = own .. emoji .. '\n'
  else
    local first, last = string.find('\n' .. own, '\n' .. emoji .. '\n', 1, true)
    own = string.sub(own, 1, first - 1) .. string.sub(own, last)
  end
  redis.call('HSET', key, 'u' .. user, own)
  local people = redis.call('HINCRBY', key, 'e' .. emoji, on and 1 or -1)
  if on and people == 1 then redis.call('HINCRBY', key, 'distinct', 1) end
  if people <= 0 then
    redis.call('HDEL', key, 'e' .. emoji)
    redis.call('HINCRBY', key, 'distinct', -1)
  end
  return math.max(people, 0)
end

-- Of an entry that is a reaction to `target`: user, emoji and whether it is added. Otherwise nil.
local function reaction_of(entry, target)
  local fields = {}
  for i = 1, #entry[2], 2 do fields[entry[2][i]] = entry[2][i + 1] end
  if not REACTS[fields.type] then return nil end
  local readable, data = pcall(cjson.decode, fields.data)
  if not readable or data.target ~= target then return nil end
  return fields.actor, data.emoji, fields.type == 'reaction.added'
end

-- Makes the hash at `key` hold the target's reactions and the actor's own, from the hot tail or
-- from what the caller has read. Returns false if the caller must read again.
local function know_reactions(event, room, log_key, key)
  local have = redis.call('HMGET', key, 'loaded', 'complete', 'stored', 'u' .. event.actor)
  local made = have[1] == room.loaded
  if made and (have[2] or have[4]) then return true end
  local target = tonumber(event.target)
  local id = string.format('%.0f-0', target)
  -- A tail that holds the message holds all that came after it.
  if not made and room.head - target <= MAX_REPLAYED
    and #redis.call('XRANGE', log_key, id, id) == 1 then
    redis.call('DEL', key)
    redis.call('HSET', key, 'loaded', room.loaded, 'complete', 1, 'distinct', 0)
    for _, entry in ipairs(redis.call('XRANGE', log_key, '(' .. id, '+')) do
      local user, emoji, on = reaction_of(entry, target)
      if user then put_reaction(key, user, emoji, on) end
    end
    return true
  end
  if event.known == '' then return false end
  local known = cjson.decode(event.known)
  if made then
    -- The actor has not reacted since the hash was made: what the caller read holds all of theirs,
    -- unless it is older than the hash.
    if known.stored < tonumber(have[3]) then return false end
  else
    local unstored = room.head - known.stored
    if unstored < 0 or unstored > MAX_REPLAYED then return false end
    local newer = redis.call('XRANGE', log_key, string.format('(%.0f-0', known.stored), '+')
    if #newer < unstored then return false end
    for _, entry in ipairs(newer) do
      if reaction_of(entry, target) then return false end  -- it will be stored in a moment
    end
    redis.call('DEL', key)
    local distinct = 0
    for emoji, people in pairs(known.people) do
      redis.call('HSET', key, 'e' .. emoji, people)
      distinct = distinct + 1
    end
    redis.call('HSET', key, 'loaded', room.loaded, 'distinct', distinct,
      'stored', string.format('%.0f', known.stored))
  end
  local own = table.concat(known.mine, '\n')
  redis.call('HSET', key, 'u' .. event.actor, own == '' and '' or own .. '\n')
  return true
end

-- Whether the message, or the actor on it, already has the most different emoji allowed.
local function is_full(event, key)
  if event.type ~= 'reaction.added' then return false end
  local have = redis.call('HMGET', key, 'distinct', 'e' .. event.value, 'u' .. event.actor)
  local own = have[3] or ''
  if has_emoji(own, event.value) then return false end
  local _, number = string.gsub(own, '\n', '')
  return number >= EMOJI_OF_PERSON or (not have[2] and tonumber(have[1]) >= EMOJI_OF_MESSAGE)
end

-- Whether the event would leave the membership as it is.
local function changes_nothing(event, room_key, acl_key)
  if event.type == 'member.joined' then return acl_of(acl_key, event.subject) == event.subject_role end
  if event.type == 'member.removed' and event.value ~= '' then
    local _, _, banned = acl_of(acl_key, event.subject)
    return banned == (event.value == '1')
  end
  if event.type == 'member.left' or event.type == 'member.removed' then
    return acl_of(acl_key, event.subject) == nil
  end
  if event.type == 'member.muted' then
    return event.value == '' and acl_of(acl_key, event.subject) == nil
  end
  if event.type == 'member.unmuted' then
    return acl_of(acl_key, event.subject) == nil
      and (event.value == '' or redis.call('HEXISTS', room_key .. ':mutes', event.subject) == 0)
  end
  return false
end

-- Updates the number of owners, if the room has one. Must run before the ACL changes.
local function count_owners(event, room_key, acl_key)
  local owned = acl_of(acl_key, event.subject) == 'owner'
  local owns = event.type == 'member.joined' and event.subject_role == 'owner'
  if owned ~= owns and redis.call('HEXISTS', room_key, 'owners') == 1 then
    redis.call('HINCRBY', room_key, 'owners', owns and 1 or -1)
  end
end

-- When a muted member leaves, the mute is kept outside the ACL until they come back.
local function keep_mute(mutes_key, subject, muted_until)
  if muted_until > now_ms then
    redis.call('HSET', mutes_key, subject, string.format('%.0f', muted_until))
  end
end

local function take_up_mute(mutes_key, subject)
  local kept = tonumber(redis.call('HGET', mutes_key, subject) or 0)
  redis.call('HDEL', mutes_key, subject)
  return kept > now_ms and kept or 0
end

local function apply(event, room, room_key, acl_key, seq, message)
  local kind, subject = event.type, event.subject
  local mutes_key = room_key .. ':mutes'
  if CHANGES_MEMBERS[kind] then count_owners(event, room_key, acl_key) end
  if TEXTS[kind] then count_call(event) end
  if kind == 'member.left' or kind == 'member.removed' then
    local role, muted_until = acl_of(acl_key, subject)
    if role then keep_mute(mutes_key, subject, muted_until) end
  end
  if POSTS[kind] then
    if room.slow_ms > 0 and event.actor ~= '' then
      redis.call('SET', room_key .. ':posted:' .. event.actor, now_text, 'PX', room.slow_ms)
    end
    return
  end
  if kind == 'member.joined' then
    local role, muted_until = acl_of(acl_key, subject)
    if not role then muted_until = take_up_mute(mutes_key, subject) end
    redis.call('HSET', acl_key, subject,
      event.subject_role .. ':' .. string.format('%.0f', muted_until))
  elseif kind == 'member.removed' and event.value == '1' then
    redis.call('HSET', acl_key, subject, 'banned:0')
  elseif kind == 'member.left' or kind == 'member.removed' then
    redis.call('HDEL', acl_key, subject)
  elseif kind == 'member.muted' or kind == 'member.unmuted' then
    local role = acl_of(acl_key, subject)
    if role and event.value ~= '' then
      redis.call('HSET', acl_key, subject, role .. ':' .. event.value)
    elseif event.value == '0' then
      redis.call('HDEL', mutes_key, subject)
    elseif event.value ~= '' then
      redis.call('HSET', mutes_key, subject, event.value)
    end
  elseif kind == 'room.updated' then
    if event.value ~= '' then redis.call('HSET', room_key, 'slow', event.value) end
  elseif kind == 'room.archived' then
    redis.call('HSET', room_key, 'archived', event.value)
  elseif kind == 'message.deleted' or kind == 'message.restored' and not message.by_author then
    redis.call('ZADD', room_key .. ':deletions', seq, event.target)
  end
  if CHANGES_MEMBERS[kind] then redis.call('HSET', room_key, 'members', seq) end
end

local function append(event)
  local room_key = tag .. 'room:' .. event.room
  local acl_key, log_key = room_key .. ':acl', room_key .. ':log'
  local stored = redis.call('HMGET', room_key, 'epoch', 'head', 'n', 'kind', 'archived', 'slow',
    'loaded')
  local earlier = earlier_answer(event)
  if earlier then return earlier end
  if stored[1] ~= epoch or not (stored[2] and stored[3] and stored[4]) then return {'load'} end
  local room = {
    head = tonumber(stored[2]), n = tonumber(stored[3]), kind = stored[4],
    archived = stored[5] == '1', slow_ms = tonumber(stored[6] or 0) * 1000,
    loaded = stored[7] or '-',  -- an older version, without this field, loaded the room
  }

  local message, answer
  if HAS_TARGET[event.type] then
    -- Rights first: people outside must not learn what the room holds.
    if event.trusted ~= '1' and not acl_of(acl_key, event.actor) then
      return {'no', room.kind == 'public' and 'not_member' or 'not_found'}
    end
    message, answer = find_message(event, room, room_key, log_key, tonumber(event.target))
    if not message then return answer end
    event.target_author = message.author
  end
  local code, wait_ms = refusal(event, room, room_key, acl_key)
  if code then return {'no', code, wait_ms} end
  answer = message and answer_of_deletion(event, message)
  if answer then return answer end
  local added, addition = {}, ''
  if POSTS[event.type] then
    local author
    answer, author = check_references(event, room, room_key, log_key)
    if answer then return answer end
    if author and author > 0 then  -- not if the system wrote the root
      added, addition = {author}, string.format(',"root_author":%.0f', author)
    end
  elseif message and message.thread and event.type ~= 'message.edited' and not REACTS[event.type] then
    local change = 0
    if event.type == 'message.deleted' and not message.deleted then change = -1 end
    if event.type == 'message.restored' and message.deleted and not message.by_author then
      change = 1
    end
    added = {message.thread, message.in_room and 1 or 0, change}
    addition = string.format(',"thread":%.0f,"in_room":%s,"replies":%d',
      message.thread, tostring(message.in_room), change)
  end
  code, wait_ms = refuse_call(event, acl_key)
  if code then return {'no', code, wait_ms} end
  if changes_nothing(event, room_key, acl_key) then return {'same'} end
  if event.type == 'member.joined' and event.value ~= '' and not acl_of(acl_key, event.subject) then
    return {'no', 'not_found'}  -- a change of role must not bring back somebody who has left
  end
  if loses_last_owner(event, room_key, acl_key) then return {'no', 'last_owner'} end
  if REACTS[event.type] then
    local reactions_key = room_key .. ':reactions:' .. event.target
    if not know_reactions(event, room, log_key, reactions_key) then return {'cold'} end
    redis.call('PEXPIRE', reactions_key, REACTIONS_LIFETIME_MS)
    if is_full(event, reactions_key) then return {'no', 'too_many'} end
    local people = put_reaction(reactions_key, event.actor, event.value,
      event.type == 'reaction.added')
    added, addition = {people}, string.format(',"count":%.0f', people)
  end
  event.data = string.sub(event.data, 1, -2) .. addition .. '}'

  local seq = string.format('%.0f', room.head + 1)
  local n = string.format('%.0f', room.n + (event.type == 'message.posted' and 1 or 0))
  local fields = {
    'room', event.room, 'epoch', epoch, 'seq', seq, 'n', n, 'type', event.type,
    'key', event.key, 'actor', event.actor, 'at', now_text, 'data', event.data,
  }
  redis.call('XADD', ingest_key, '*', unpack(fields))
  redis.call('XADD', log_key, seq .. '-0', unpack(fields))
  redis.call('HSET', room_key, 'head', seq, 'n', n)
  redis.call('ZADD', tag .. 'active', now_text, event.room)
  if event.key ~= '' then
    local record = event.hash .. ' ' .. epoch .. ' ' .. seq .. ' ' .. n .. ' ' .. now_text
    redis.call('SET', tag .. 'key:' .. event.actor .. ':' .. event.key, record,
      'PX', key_lifetime_ms)
  end
  apply(event, room, room_key, acl_key, seq, message)
  return {'ok', tonumber(epoch), tonumber(seq), tonumber(n), now_ms, unpack(added)}
end

local answers = {0}
local appended = false
for first = 5, #ARGV, FIELDS do
  local answer = append({
    room = ARGV[first], type = ARGV[first + 1], actor = ARGV[first + 2], key = ARGV[first + 3],
    hash = ARGV[first + 4], data = ARGV[first + 5], trusted = ARGV[first + 6],
    target = ARGV[first + 7], subject = ARGV[first + 8], subject_role = ARGV[first + 9],
    value = ARGV[first + 10], reply_to = ARGV[first + 11], thread = ARGV[first + 12],
    known = ARGV[first + 13],
  })
  appended = appended or answer[1] == 'ok'
  answers[#answers + 1] = answer
end
if appended and redis.call('SET', tag .. 'woken', '1', 'NX', 'PX', wake_lifetime_ms) then
  answers[1] = 1
end
return answers
