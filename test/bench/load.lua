-- SPDX-License-Identifier: Apache-2.0
-- What wrk sends: BENCH_KIND=create|list|update, with the tokens of many users in turn (BENCH_TOKENS: lines of user, blank,
-- token). Requests are made once; the last line printed is what came of it, as JSON. Updates go over ten tasks of each
-- user, and come back to them with another title, so that each changes something.
local requests = {}
local turn = 0

local function make(kind, user, token, variant)
  local headers = { Authorization = "Bearer " .. token }
  local path = "/api/" .. user .. "/tasks"
  if kind == "create" then
    headers["Content-Type"] = "application/json"
    local body = '{"title":"Write the report for ' .. user .. '","description":"' .. string.rep("word ", 20)
      .. '","priority":"high"}'
    return wrk.format("POST", path, headers, body)
  end
  if kind == "update" then
    headers["Content-Type"] = "application/json"
    local number = tonumber(user:match("%d+"))
    local body = '{"title":"Write the report of ' .. variant % 2 .. '","priority":"high"}'
    return wrk.format("PUT", path .. "/" .. 10000000 + number + 200 * math.floor(variant / 2), headers, body)
  end
  return wrk.format("GET", path .. "?limit=" .. (os.getenv("BENCH_LIMIT") or "50"), headers)
end

function init()
  local kind = os.getenv("BENCH_KIND")
  -- In this order: all tasks with the one title, then all with the other.
  local variants = kind == "update" and { 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19 } or { 0 }
  for _, variant in ipairs(variants) do
    for line in io.lines(os.getenv("BENCH_TOKENS")) do
      local user, token = line:match("(%S+) (%S+)")
      requests[#requests + 1] = make(kind, user, token, variant)
    end
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local e = summary.errors
  print(string.format(
    '{"requests":%d,"seconds":%.6f,"bytes":%d,"errors":%d,"p50_ms":%.3f,"p99_ms":%.3f}',
    summary.requests, summary.duration / 1e6, summary.bytes,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
