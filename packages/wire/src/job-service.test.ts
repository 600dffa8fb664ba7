// A submission whose client falls silent, over real sockets; time passes when the test says so.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { createHash } from 'node:crypto'
import { Client, status } from '@grpc/grpc-js'
import type { ClientWritableStream } from '@grpc/grpc-js'
import { realClock } from '@tidemark/base'
import { CHANNEL_OPTIONS, clientCredentials } from './channel.ts'
import type { Serving } from './index.ts'
import { serveJobs } from './job-service.ts'
import type { SubmitAnswer, SubmitRequest } from './jobs.ts'
import { jobMethods } from './services.ts'
import type { SubmitChunk } from './services.ts'
import { fromStatus } from './status.ts'

interface WaitingTimer {
  readonly ms: number
  readonly fire: () => void
  cancelled: boolean
}

let timers: WaitingTimer[]
let onTimer: () => void
let submitted: SubmitRequest[]
let serving: Serving
let client: Client
beforeEach(async () => {
  [timers, submitted, onTimer] = [[], [], () => {}]
  serving = await serveJobs({
    address: '127.0.0.1:0',
    clock: { ...realClock, after: (ms, fire) => {
      const timer = { ms, fire, cancelled: false }
      timers.push(timer)
      onTimer()
      return { cancel: () => { timer.cancelled = true } }
    } },
    jobs: {
      submit: async (request) => {
        submitted.push(request)
        return { job: 'orders', run: 1, outcome: 'created', notes: [] }
      },
      list: async () => [], describe: () => new Promise(() => {}), cancel: () => new Promise(() => {}), watchEvents: async () => {},
    },
  })
  client = new Client(serving.address, clientCredentials(undefined), CHANNEL_OPTIONS)
})
afterEach(async () => {
  client.close()
  await serving.close()
})

/** The one that waits after so many messages: one before the first, one behind each. */
const timerAfter = async (messages: number): Promise<WaitingTimer> => {
  for (;;) {
    const timer = timers[messages]
    if (timer !== undefined) return timer
    await new Promise<void>((resolve) => { onTimer = resolve })
  }
}

const MIB = 1024 * 1024
const header = (bundle: Buffer): SubmitChunk => ({ header: { plan: { job: 'orders' }, bundleBytes: bundle.length, bundleSha256: createHash('sha256').update(bundle).digest('hex') } })

const submit = (): { readonly call: ClientWritableStream<SubmitChunk>, readonly answer: Promise<SubmitAnswer | undefined> } => {
  const { path, requestSerialize, responseDeserialize } = jobMethods.Submit
  const { promise, resolve, reject } = Promise.withResolvers<SubmitAnswer | undefined>()
  const call = client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, (error, value) => error ? reject(error) : resolve(value))
  call.on('error', () => {}) // the callback has it
  return { call, answer: promise }
}

describe('a submission whose client falls silent', () => {
  test.each<readonly [string, (call: ClientWritableStream<SubmitChunk>) => number, string]>([
    ['before the first message', () => 0, 'not even the header came'],
    ['in the middle of the bundle', (call) => {
      const bundle = Buffer.alloc(3 * MIB)
      for (const chunk of [header(bundle), { bundle: bundle.subarray(0, MIB / 2) }]) call.write(chunk)
      return 2
    }, "512.0 KiB of the bundle's 3.0 MiB came"],
  ])('submit, silent %s for a minute → ended with DEADLINE_EXCEEDED and how far it was; the next one on the same connection is taken', async (_when, begin, came) => {
    const { call, answer } = submit()
    const messages = begin(call)
    const timer = await timerAfter(messages)
    expect([timer.ms, timers.map(({ cancelled }) => cancelled)]).toEqual([60_000, [...Array.from({ length: messages }, () => true), false]])
    timer.fire()
    const refused: unknown = await answer.catch((error: unknown) => error)
    const message = `the client sent nothing for 60 s in the middle of its submission: ${came}`
    expect(refused).toMatchObject({ code: status.DEADLINE_EXCEEDED, details: message })
    expect(fromStatus(refused, serving.address)).toMatchObject({ code: 'JOB_SUBMISSION_STALLED', message, action: 'retry' })
    expect(submitted).toEqual([])

    const again = submit()
    again.call.write(header(Buffer.from('x')))
    again.call.end({ bundle: Buffer.from('x') })
    expect(await again.answer).toMatchObject({ job: 'orders', run: 1 })
    expect([submitted.length, timers.every(({ cancelled }) => cancelled)]).toEqual([1, true])
  })
})
