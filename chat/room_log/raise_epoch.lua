#!lua flags=allow-oom
-- Gives a shard its next epoch, if PostgreSQL holds everything appended in the current one.
--
-- Entries that are not stored when the epoch changes count as the rest of a lost log, and their
-- places are given out again. Nothing can be appended between the check and the new epoch.
--
-- May run when memory is full: a shard that needs a new epoch is not drained before it has one.
--
-- KEYS[1] veche:{s}:epoch   KEYS[2] veche:{s}:ingest
-- ARGV    epoch, next epoch, stream id of the last entry that is stored
-- Returns 1, or 0 if the shard has another epoch or an entry that is not stored.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if #redis.call('XRANGE', KEYS[2], '(' .. ARGV[3], '+', 'COUNT', 1) > 0 then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
