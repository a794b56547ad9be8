"""What Redis runs for the store: one script an operation, each atomic, each one round trip.

A script with `#!lua` is refused by a replica before it starts, reads too: a replica that lags would
answer for a grant that is revoked. `allow-oom` lets those run that free memory or only read.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

__all__ = ["ACQUIRE", "CHARGE", "GET", "PUT", "RELEASE", "SCAN", "TAKE", "Script"]


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the name under which Redis remembers it."""

    text: str

    @property
    def sha(self) -> str:
        """Return the SHA-1 that EVALSHA asks for."""
        return hashlib.sha1(self.text.encode()).hexdigest()  # noqa: S324 - Redis' own name for it


GET: Final = Script("""#!lua flags=allow-oom
return redis.call('HMGET', KEYS[1], 'v', 'n', 'e')
""")
"""KEYS: row. Returns value, version, end."""

PUT: Final = Script("""
local now = tonumber(ARGV[1])
local found = redis.call('HMGET', KEYS[1], 'n', 'e')
local current = tonumber(found[1] or 0)
if found[2] and found[2] ~= '' and tonumber(found[2]) <= now then current = 0 end
if ARGV[4] ~= '' and tonumber(ARGV[4]) ~= current then return {0, current} end

-- The first write is the one that is refused where memory is full; sweeping goes on all the same.
local wrote = redis.pcall('HSET', KEYS[1], 'v', ARGV[2], 'n', current + 1, 'e', ARGV[3])
if type(wrote) ~= 'table' then
    redis.call('ZADD', KEYS[2], 0, ARGV[5])
    if ARGV[3] == '' then
        redis.call('ZREM', KEYS[3], ARGV[6] .. '\\0' .. ARGV[5])
    else
        redis.call('ZADD', KEYS[3], ARGV[3], ARGV[6] .. '\\0' .. ARGV[5])
    end
end

-- What has ended by our clock and by Redis' own: a replica whose clock is ahead deletes nothing.
local before = math.min(now, tonumber(redis.call('TIME')[1])) - tonumber(ARGV[8])
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', before, 'LIMIT', 0, 4)) do
    local cut = string.find(member, '\\0', 1, true)
    local tab, key = string.sub(member, 1, cut - 1), string.sub(member, cut + 1)
    redis.call('DEL', ARGV[7] .. 'row:' .. tab .. ':' .. key)
    redis.call('ZREM', ARGV[7] .. 'keys:' .. tab, key)
    redis.call('ZREM', KEYS[3], member)
end
if type(wrote) == 'table' then return wrote end
return {1, current + 1}
""")
"""KEYS: row, its table's index, ends. ARGV: now, value, end or empty, version or empty, key, table,
prefix of all keys, seconds for which ended rows stay. Returns 1 and the version written, or 0 and
the one that is there."""

TAKE: Final = Script("""#!lua flags=allow-oom
local found = redis.call('HMGET', KEYS[1], 'v', 'n', 'e')
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[2] .. '\\0' .. ARGV[1])
return found
""")
"""KEYS: row, its table's index, ends. ARGV: key, table. Returns value, version, end."""

SCAN: Final = Script("""#!lua flags=allow-oom
local rows = {}
local keys = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
for i, key in ipairs(keys) do
    local found = redis.call('HMGET', ARGV[4] .. key, 'v', 'n', 'e')
    rows[i] = {key, found[1], found[2], found[3]}
end
return rows
""")
"""KEYS: the table's index. ARGV: first, last, how many, prefix of rows. Returns of each its key,
value, version, end."""

CHARGE: Final = Script("""
-- As terms.admit, but on nanoseconds from now: those from 1970 do not fit into Lua's numbers.
-- Exact for buckets of a month; of longer ones some nanoseconds are lost.
local at_s, at_n, grace = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local stored, after = {}, {}

local function keep(bucket, ahead)
    local nano = (at_n + ahead) % 1e9
    local second = at_s + (at_n + ahead - nano) / 1e9
    local lives = math.ceil(ahead / 1e6) + grace
    redis.call('SET', KEYS[bucket], string.format('%.0f.%09.0f', second, nano), 'PX', lives)
end

for bucket, key in ipairs(KEYS) do
    local value = redis.call('GET', key)
    local second, nano = 0, 0
    if value then
        second, nano = string.match(value, '^(%d+)%.(%d+)$')
        if not second then return redis.error_reply('ERR this is no bucket of ours: ' .. key) end
    end
    stored[bucket] = (tonumber(second) - at_s) * 1e9 + tonumber(nano) - at_n
end

for index = 1, (#ARGV - 3) / 3 do
    local bucket = tonumber(ARGV[index * 3 + 1])
    local interval, depth = tonumber(ARGV[index * 3 + 2]), tonumber(ARGV[index * 3 + 3])
    local ahead = after[bucket] or stored[bucket]
    ahead = math.min(math.max(ahead, 0), depth) + interval
    if ahead > depth then
        if stored[bucket] > depth then keep(bucket, depth) end
        return {index - 1, string.format('%.0f', ahead - depth)}
    end
    after[bucket] = ahead
end
for bucket, ahead in pairs(after) do keep(bucket, ahead) end
return false
""")
"""KEYS: buckets. ARGV: now in seconds and nanoseconds, milliseconds for which a bucket outlives its
use; then for each take: bucket, interval, depth. Returns nothing, or the index of the first full
bucket and the nanoseconds until it has room."""

ACQUIRE: Final = Script("""
local now = tonumber(ARGV[2])
local found = redis.call('HMGET', KEYS[1], 'holder', 'ends', 'seconds')
local holder, ends, seconds, held = ARGV[1], ARGV[3], ARGV[4], 1
if found[1] and found[1] ~= holder and tonumber(found[2]) > now then
    holder, seconds, held = found[1], found[3], 0
    ends = string.format('%.17g', math.min(tonumber(found[2]), now + tonumber(found[3])))
end
redis.call('HSET', KEYS[1], 'holder', holder, 'ends', ends, 'seconds', seconds)
redis.call('PEXPIRE', KEYS[1], math.ceil((tonumber(ends) - now) * 1000) + tonumber(ARGV[5]))
return held
""")
"""KEYS: lease. ARGV: holder, now, end, seconds, milliseconds for which it outlives its end. Returns
whether it is held now (terms.lease)."""

RELEASE: Final = Script("""#!lua flags=allow-oom
if redis.call('HGET', KEYS[1], 'holder') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
""")
"""KEYS: lease. ARGV: holder."""
