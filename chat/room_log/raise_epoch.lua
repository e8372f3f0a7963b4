#!lua flags=allow-oom
-- Gives a shard its next epoch, if PostgreSQL has everything that it was given at this one.
--
-- What is not stored when the epoch goes up is taken for the rest of a lost log, and its places
-- are given out again. Nothing can be appended between the look and the new epoch.
--
-- Allowed without memory: a shard that has to begin anew is not drained before it has.
--
-- KEYS[1] veche:{s}:epoch   KEYS[2] veche:{s}:ingest
-- ARGV    epoch, next epoch, stream id of the last entry that is stored
-- Returns 1, or 0 when the shard has another epoch or an entry that is not stored.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if #redis.call('XRANGE', KEYS[2], '(' .. ARGV[3], '+', 'COUNT', 1) > 0 then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
