// The three decisions about a lease, each made inside Redis so that nothing can come between reading and writing.
//
// KEYS[1]: the lease, `<epoch> <token> <holder>`, with the expiry; ours is ours by its whole text.
// KEYS[2]: the last epoch given, without expiry. A Redis that lost it is told by `epochAtLeast` what was given before.

/** ARGV: token, holder, ttl ms, epoch at least. Returns the lease's text, or nil when somebody holds it. */
export const ACQUIRE = `
if redis.call('EXISTS', KEYS[1]) == 1 then return false end
local epoch = string.format('%.0f', math.max(tonumber(redis.call('GET', KEYS[2]) or '0'), tonumber(ARGV[4])) + 1)
local lease = epoch .. ' ' .. ARGV[1] .. ' ' .. ARGV[2]
redis.call('SET', KEYS[2], epoch)
redis.call('SET', KEYS[1], lease, 'PX', ARGV[3])
return lease`

/** ARGV: the lease's text, ttl ms. Returns 1, or 0 when it is not ours any more. */
export const RENEW = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`

/** ARGV: the lease's text. Returns how many were ours. */
export const RELEASE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`
