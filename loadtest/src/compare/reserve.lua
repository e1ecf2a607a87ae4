-- Promises units of one SKU to one id, exactly once, in the fewest calls.
-- KEYS: the units left of the SKU, the reservation. ARGV: units wanted, the reservation's record.
-- Answers 1 when granted, 0 when too few are left, 2 when the id was granted before.
local left = redis.call('GET', KEYS[1])
if not left or tonumber(left) < tonumber(ARGV[1]) then
  return 2 * redis.call('EXISTS', KEYS[2])
end
if not redis.call('SET', KEYS[2], ARGV[2], 'NX') then
  return 2
end
redis.call('DECRBY', KEYS[1], ARGV[1])
return 1
