"""Names of the room log's keys on the log server.

All begin with `veche:{s}:`, so that the keys of a shard share a hash tag.

| Key | Type | Expiry | Meaning |
|---|---|---|---|
| `epoch` | string | – | epoch of the shard; absent or behind PostgreSQL: the log was lost |
| `ingest` | stream | – | all events in append order, trimmed to what PostgreSQL has committed |
| `active` | zset | – | room → ms of its last append, to find idle rooms |
| `woken` | string | 2 s | a drain has been asked for and has not begun |
| `people` | hash | – | user id → `muted until in ms:1 if deactivated` (`restrictions`) |
| `calls:<user>` | string | 1 h | how often they mentioned everybody, in rooms of this shard |
| `room:<id>` | hash | idle 24 h | epoch, head, n, stored, kind, archived, slow, … |
| `room:<id>:acl` | hash | with the room | user id → `role:muted until in ms`, or `banned:0` |
| `room:<id>:acl:<token>` | hash | 1 min | an ACL that is being loaded: see `loading.py` |
| `room:<id>:posted:<user>` | string | slow mode | ms of their last message, while slow mode is on |
| `room:<id>:reactions:<seq>` | hash | unused 15 min | a message's reactions: see `append.lua` |
| `room:<id>:mutes` | hash | with the room | user id → ms until when, of muted people outside |
| `room:<id>:deletions` | zset | with the tail | message → seq of what last deleted or restored it |
| `room:<id>:log` | stream | with the room | hot tail, ids `<seq>-0`: unstored and last 256 events |
| `room:<id>:loading` | string | 1 min | loading token: a process reads the room in PostgreSQL |
| `key:<author>:<key>` | string | 6 h | content hash, epoch, seq, n, at of an accepted key |

In a room's hash, `slow` is in seconds, `loaded` is the token of its load, and `owners` is the
number of owners. `members` names the state of the ACL: the seq of the last event that added or
removed a member, or the token of the load if there has been none since. Another state has another
name.
Dead letters have keys of their own (`chat.dead_letters`), and so has the proof that the log is on
disk, which belongs to no shard (`chat.servers.redis_durability`).
"""

from __future__ import annotations

# A key is looked up in PostgreSQL from 5 h on (`chat.protocol`), so 6 h leaves an hour for clocks.
KEY_LIFETIME_MS = 6 * 3600 * 1000
# A drain that was asked for and did not start is asked for again after this time.
WAKE_LIFETIME_MS = 2_000
# Loading a room of a million people takes some seconds.
LOADING_LIFETIME_MS = 60_000
HOT_TAIL_EVENTS = 256
IDLE_ROOM_MS = 24 * 3600 * 1000


def epoch(shard: int) -> str:
    return f"veche:{{{shard}}}:epoch"


def ingest(shard: int) -> str:
    return f"veche:{{{shard}}}:ingest"


def active(shard: int) -> str:
    return f"veche:{{{shard}}}:active"


def people(shard: int) -> str:
    return f"veche:{{{shard}}}:people"


def woken(shard: int) -> str:
    return f"veche:{{{shard}}}:woken"


def room(shard: int, room_id: int) -> str:
    return f"veche:{{{shard}}}:room:{room_id}"


def acl(shard: int, room_id: int) -> str:
    return f"{room(shard, room_id)}:acl"


def mutes(shard: int, room_id: int) -> str:
    return f"{room(shard, room_id)}:mutes"


def coming_acl(shard: int, room_id: int, token: str) -> str:
    return f"{acl(shard, room_id)}:{token}"


def log(shard: int, room_id: int) -> str:
    return f"{room(shard, room_id)}:log"


def loading(shard: int, room_id: int) -> str:
    return f"{room(shard, room_id)}:loading"


def key(shard: int, actor: int, idempotency_key: str) -> str:
    return f"veche:{{{shard}}}:key:{actor}:{idempotency_key}"
