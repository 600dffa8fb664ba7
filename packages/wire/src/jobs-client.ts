// JobService on the client's side. Follows a driver that does not lead to the one that does.
import { Client } from '@grpc/grpc-js'
import type { MethodDefinition, ServiceError } from '@grpc/grpc-js'
import { realClock, TidemarkError } from '@tidemark/base'
import type { Clock } from '@tidemark/base'
import { CHANNEL_OPTIONS, clientCredentials } from './channel.ts'
import type { Tls } from './channel.ts'
import type { JobEvent, JobsClient, SubmitRequest, WatchRequest } from './jobs.ts'
import { jobMethods } from './services.ts'
import { fromStatus } from './status.ts'
import { submitChunks } from './submission.ts'

const CALL_DEADLINE_MS = 10_000
/** Submit creates topics and writes objects before it answers. */
const SUBMIT_DEADLINE_MS = 60_000
const LEADER_HOPS_MAX = 3

export interface JobsClientOptions {
  readonly clock?: Clock
  readonly tls?: Tls
}

export const jobsClient = (address: string, { clock = realClock, tls }: JobsClientOptions = {}): JobsClient => {
  const connect = (to: string): { readonly address: string, readonly client: Client } => ({ address: to, client: new Client(to, clientCredentials(tls), CHANNEL_OPTIONS) })
  let server = connect(address)
  const moveTo = (leader: string): void => {
    server.client.close()
    server = connect(leader)
  }
  const leaderIn = (error: unknown): string | undefined =>
    error instanceof TidemarkError && error.code === 'DRIVER_NOT_LEADER' && typeof error.details['leader'] === 'string' ? error.details['leader'] : undefined

  /** A leader that does not answer may lead no more: who was asked first knows the next one. Returns what to throw. */
  const leaveDead = (error: unknown): unknown => {
    if (server.address === address || !(error instanceof TidemarkError) || (error.code !== 'WIRE_UNAVAILABLE' && error.code !== 'WIRE_DEADLINE')) return error
    moveTo(address)
    return new TidemarkError(`${address} says that another driver leads, and there ${error.message}`, {
      code: error.code, blame: error.blame, action: error.action, cause: error,
      hint: 'If that one has just died, the next one leads within seconds: try again. If its name is not known here, name every driver by the address at which this machine reaches it: --driver host:port,host:port, or TIDEMARK_DRIVER.',
    })
  }

  const following = async <T>(call: () => Promise<T>): Promise<T> => {
    for (let hop = 0; ; hop++) {
      try {
        return await call()
      } catch (error) {
        const leader = leaderIn(error)
        if (leader === undefined || leader === server.address || hop === LEADER_HOPS_MAX) {
          throw leaveDead(error)
        }
        moveTo(leader)
      }
    }
  }
  const settle = <T>(resolve: (value: T) => void, reject: (error: Error) => void) => (error: ServiceError | null, value?: T): void => {
    if (error) reject(fromStatus(error, server.address))
    else resolve(value as T)
  }
  const unary = <Request, Response>(method: MethodDefinition<Request, Response>, request: Request): Promise<Response> => following(() => new Promise((resolve, reject) => {
    server.client.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, request, { deadline: clock.now() + CALL_DEADLINE_MS }, settle(resolve, reject))
  }))

  const submit = (request: SubmitRequest, onSent?: (bytes: number) => void) => following(() => new Promise<Awaited<ReturnType<JobsClient['submit']>>>((resolve, reject) => {
    const { path, requestSerialize, responseDeserialize } = jobMethods.Submit
    const call = server.client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, { deadline: clock.now() + SUBMIT_DEADLINE_MS }, settle(resolve, reject))
    call.on('error', () => {}) // the callback has it
    let sent = 0
    for (const chunk of submitChunks(request)) {
      const bytes = 'bundle' in chunk ? chunk.bundle.length : 0
      call.write(chunk, () => {
        sent += bytes
        if (bytes > 0) onSent?.(sent)
      })
    }
    call.end()
  }))

  const watchOnce = async function * (request: WatchRequest): AsyncGenerator<JobEvent> {
    const { path, requestSerialize, responseDeserialize } = jobMethods.WatchEvents
    const call = server.client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request)
    try {
      for await (const event of call) yield event as JobEvent
    } catch (error) {
      throw fromStatus(error, server.address)
    } finally {
      call.on('error', () => {}) // cancelling is reported as an error
      call.cancel()
    }
  }
  const watchEvents = async function * (request: WatchRequest): AsyncGenerator<JobEvent> {
    for (let hop = 0; ; hop++) {
      try {
        return yield * watchOnce(request)
      } catch (error) {
        const leader = leaderIn(error)
        if (leader === undefined || leader === server.address || hop === LEADER_HOPS_MAX) {
          throw leaveDead(error)
        }
        moveTo(leader)
      }
    }
  }

  return {
    submit,
    list: async () => (await unary(jobMethods.List, {})).jobs,
    damaged: async () => (await unary(jobMethods.List, {})).damaged,
    describe: async (job) => (await unary(jobMethods.Describe, { job })).job,
    cancel: (job, mode = 'now') => unary(jobMethods.Cancel, { job, mode }),
    watchEvents,
    close: () => server.client.close(),
  }
}
