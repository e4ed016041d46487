-- What wrk runs: every thread has one connection, and sends its own requests in their order.
-- Each answer is noted with its request, so that sums can be compared afterwards.
local ffi = require("ffi")
ffi.cdef[[
typedef struct { long seconds; long nanoseconds; } carthub_time;
int clock_gettime(int clock, carthub_time *time);
]]

local MONOTONIC = 1
local NO_ANSWER = 0

local folder = os.getenv("FOLDER")
-- At a fixed rate: between two requests of a connection. Otherwise nil.
local interval_ns = tonumber(os.getenv("INTERVAL_NS"))
local time = ffi.new("carthub_time")

local function now_ns()
  ffi.C.clock_gettime(MONOTONIC, time)
  return tonumber(time.seconds) * 1e9 + tonumber(time.nanoseconds)
end

-- In wrk's own thread.

local threads = {}

function setup(thread)
  local ports = {}
  for port in os.getenv("PORTS"):gmatch("%d+") do
    ports[#ports + 1] = port
  end
  thread.addr = wrk.lookup("127.0.0.1", ports[#threads % #ports + 1])[1]
  thread:set("number", #threads)
  threads[#threads + 1] = thread
end

function done()
  local file = assert(io.open(folder .. "/answers", "w"))
  for _, thread in ipairs(threads) do
    local answers = thread:get("answers")
    for i = 1, #answers, 4 do
      file:write(string.format("%d %d %d %.0f %.0f\n", thread:get("number"), unpack(answers, i, i + 3)))
    end
    local sent_ns = thread:get("sent_ns")
    if sent_ns and thread:get("is_write") then
      file:write(string.format("%d %d %d %.0f 0\n", thread:get("number"), thread:get("position") - 1, NO_ANSWER, sent_ns))
    end
  end
  file:close()
end

-- In each thread.

local requests, a_read = {}, nil
local calls, end_ns = 0, nil
local due_ns, is_late = nil, false
answers = {}
position = 0

function init()
  for line in io.lines(folder .. "/index-" .. number) do
    requests[#requests + 1] = line
  end
  local file = assert(io.open(folder .. "/requests-" .. number, "rb"))
  for i, length in ipairs(requests) do
    requests[i] = file:read(tonumber(length))
    if requests[i]:sub(1, 4) == "GET " then
      a_read = i
    end
  end
  file:close()
end

local function note(status)
  local place = #answers
  answers[place + 1], answers[place + 2] = position - 1, status
  answers[place + 3], answers[place + 4] = sent_ns, now_ns() - sent_ns
  sent_ns = nil
end

if interval_ns then
  -- Each thread has a Lua of its own, and in step: what one compiles or collects after so many
  -- requests, all would at the same moment, and take a core from the server for some 0.05 s.
  jit.off()
  collectgarbage("stop")

  -- Milliseconds until the next request may be sent.
  function delay()
    local begin_ns, share = tonumber(os.getenv("BEGIN_NS")), number / tonumber(os.getenv("CONNECTIONS"))
    due_ns = due_ns and due_ns + interval_ns or begin_ns + share * interval_ns
    local early_ns = due_ns - now_ns()
    is_late = early_ns < 0
    return is_late and 0 or math.ceil(early_ns / 1e6)
  end
end

function request()
  calls = calls + 1
  -- wrk asks the first thread for a request before it starts, and does not send it.
  if sent_ns and not (number == 0 and calls == 2) then
    note(NO_ANSWER)
  end
  sent_ns = is_late and due_ns or now_ns()
  end_ns = end_ns or sent_ns + tonumber(os.getenv("SECONDS")) * 1e9
  if sent_ns < end_ns then
    position = position % #requests + 1
  else
    -- What is under way when wrk stops gets no answer: that must not be a write.
    position = a_read
  end
  is_write = position ~= a_read
  return requests[position]
end

function response(status)
  note(status)
end
