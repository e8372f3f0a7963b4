#!lua flags=allow-oom
-- Takes one room out of the log, if PostgreSQL holds all of it, so that it is loaded anew.
--
-- May run when memory is full, because it frees some.
--
-- KEYS[1] veche:{s}:epoch   KEYS[2] the room   KEYS[3] its acl   KEYS[4] its log
-- KEYS[5] its loading token   KEYS[6] veche:{s}:active
-- ARGV    room id, epoch in PostgreSQL, seq in PostgreSQL
-- Returns 1, or 0 when something of the room is not stored yet.

if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
local head = redis.call('HGET', KEYS[2], 'head')
if head and head ~= ARGV[3] then return 0 end
-- The token too: a process that is just reading the room from PostgreSQL must read it again.
redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[2] .. ':deletions',
  KEYS[2] .. ':mutes')
redis.call('ZREM', KEYS[6], ARGV[1])
return 1
