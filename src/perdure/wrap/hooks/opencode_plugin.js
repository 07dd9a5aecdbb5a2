// perdure's plugin for opencode: it tells the keeper of a wrapped session what opencode's own tools are about to do and
// have done, and stops a tool that the contract refuses. It decides nothing by itself. Outside a wrap it does nothing.
//
// opencode fires "tool.execute.after" for tools that succeeded; how others ended is read off the parts of its messages.

import { connect } from "node:net"

const KEEPER_MS = 90_000
const REACH_MS = 2_000
const PAUSE_MS = 50
const LINE_BYTES_MAX = 16 * 1024 * 1024
const RESULT_CHARACTERS_MAX = 4 * 1024 * 1024

const pause = (ms) => new Promise((done) => setTimeout(done, ms))

// Resolves to the keeper's reply; rejects where it went away before it had answered.
const asked = (place, line, ms) =>
  new Promise((resolve, reject) => {
    const pieces = []
    const keeper = connect(place)
    keeper.setTimeout(ms, () => keeper.destroy(new Error("it doesn't answer")))
    keeper.on("connect", () => keeper.write(line))
    keeper.on("data", (piece) => {
      pieces.push(piece)
      if (piece.includes(10)) keeper.end()
    })
    keeper.on("error", reject)
    keeper.on("close", () => {
      const answer = Buffer.concat(pieces).toString("utf8")
      if (!answer.endsWith("\n")) return reject(new Error("it went away before it had answered"))
      try {
        resolve(JSON.parse(answer))
      } catch (error) {
        reject(error)
      }
    })
  })

// A keeper that is being started again is waited for; one that went away is asked again, since calls have names.
const answered = async (place, line) => {
  const began = Date.now()
  let reached = began
  for (;;) {
    try {
      return await asked(place, line, Math.max(1, KEEPER_MS - (Date.now() - began)))
    } catch (error) {
      const now = Date.now()
      if (error.code !== "ENOENT" && error.code !== "ECONNREFUSED") reached = now
      if (now - reached > REACH_MS || now - began > KEEPER_MS) throw error
    }
    await pause(PAUSE_MS)
  }
}

export const PerdurePlugin = async ({ directory }, options) => {
  const place = process.env.PERDURE_SOCKET
  const strict = options?.strict === true
  const ended = new Set()

  const tell = async (event) => {
    let line = JSON.stringify({ want: "hook", client: "opencode", event }) + "\n"
    if (Buffer.byteLength(line) > LINE_BYTES_MAX) {
      const left = "a result was left out: it is longer than a hook may tell"
      line = JSON.stringify({ want: "hook", client: "opencode", event: { ...event, tool_response: { perdure: left } } }) + "\n"
    }
    return await answered(place, line)
  }

  // What can't be told stops no tool, unless it was asked for.
  const told = async (event) => {
    if (!place) {
      if (strict && event.hook_event_name === "PreToolUse") throw new Error("perdure: this session isn't wrapped")
      return
    }
    let reply
    try {
      reply = await tell(event)
    } catch (error) {
      if (strict && event.hook_event_name === "PreToolUse")
        throw new Error(`perdure: the keeper of this session can't be reached (${error.message})`)
      return
    }
    const refused = reply.exit === 2 || (strict && reply.exit !== 0)
    if (event.hook_event_name === "PreToolUse" && refused) {
      ended.add(event.tool_use_id)
      throw new Error(reply.err)
    }
  }

  const event = (name, input, args) => ({
    hook_event_name: name,
    session_id: input.sessionID,
    tool_use_id: input.callID,
    tool_name: input.tool,
    tool_input: args ?? {},
    cwd: directory,
  })

  return {
    "tool.execute.before": async (input, output) => {
      await told(event("PreToolUse", input, output.args))
    },
    "tool.execute.after": async (input, output) => {
      ended.add(input.callID)
      const text = typeof output?.output === "string" ? output.output.slice(0, RESULT_CHARACTERS_MAX) : ""
      const response = { title: output?.title ?? "", output: text }
      const exit = output?.metadata?.exit
      if (typeof exit === "number" && exit !== 0) response.error = `Exit code ${exit}`
      await told({ ...event("PostToolUse", input, input.args), tool_response: response })
    },
    event: async ({ event: happened }) => {
      const part = happened?.type === "message.part.updated" ? happened.properties?.part : undefined
      if (part?.type === "tool" && part.state?.status === "error" && !ended.has(part.callID)) {
        ended.add(part.callID)
        const input = { sessionID: part.sessionID, callID: part.callID, tool: part.tool }
        await told({ ...event("PostToolUseFailure", input, part.state.input), error: String(part.state.error ?? "") })
      }
      if (happened?.type === "session.idle")
        await told({ hook_event_name: "Stop", session_id: happened.properties?.sessionID })
    },
  }
}
