-- wrk's script: POSTs the lines of a file in turn and prints what was measured as one line of JSON.
--   wrk -s rotate.lua URL -- BODIES_FILE [HEADER VALUE ...]

local requests = {}
local nth = 0

function init(args)
  wrk.method = "POST"
  wrk.headers["content-type"] = "application/json"
  for i = 2, #args, 2 do
    wrk.headers[args[i]] = args[i + 1]
  end
  for line in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format(nil, nil, nil, line)
  end
end

function request()
  nth = nth % #requests + 1
  return requests[nth]
end

-- Times are in microseconds; errors.status counts answers above 399.
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'measured {"requests":%d,"durationUs":%d,"p50Us":%d,"p99Us":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
