-- Sends the requests of the file BENCH_REQUESTS (whole HTTP requests, separated by NUL) in turn. @UNIQUE_KEY@
-- is replaced by a unique text of the same length. With BENCH_CURSOR, the first cursor, @SINCE@ is replaced
-- by the cursor of the last response with the same x-request-id. The last line of the output is JSON.
local requests, ids, cursors, n = {}, {}, {}, 0
local run = tonumber(os.getenv('BENCH_RUN'))
local start = os.getenv('BENCH_CURSOR')

function init()
  for text in io.open(os.getenv('BENCH_REQUESTS'), 'rb'):read('*a'):gmatch('%Z+') do
    table.insert(requests, text)
    table.insert(ids, text:match('x%-request%-id: (%d+)') or '')
  end
end

function request()
  n = n + 1
  local i = (n - 1) % #requests + 1
  local text = requests[i]
  if text:find('@UNIQUE_KEY@', 1, true) then text = text:gsub('@UNIQUE_KEY@', ('%04d%08d'):format(run, n)) end
  if start then text = text:gsub('@SINCE@', cursors[ids[i]] or start) end
  return text
end

if start then
  function response(status, headers, body)
    local cursor = body:match('"rwgps_datetime":"([^"]+)%+00:00"')
    local id = headers['x-request-id']
    if cursor and id and cursor > (cursors[id] or '') then cursors[id] = cursor .. 'Z' end
  end
end

function done(summary, latency)
  local e = summary.errors
  print(('{"requests":%d,"seconds":%f,"bytes":%d,"errors":%d,"p50":%f,"p99":%f}'):format(
    summary.requests, summary.duration / 1e6, summary.bytes,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
