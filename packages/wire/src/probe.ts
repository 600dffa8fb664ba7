// Is that process still there? Asked by the driver when a stream has ended without a goodbye.
import { Client, status } from '@grpc/grpc-js'
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js'
import { realClock } from '@tidemark/base'
import type { Clock, ExecutorId } from '@tidemark/base'
import { createConnection } from 'node:net'
import { CHANNEL_OPTIONS, clientCredentials, serve } from './channel.ts'
import type { Serving, Tls } from './channel.ts'
import { probeMethods } from './services.ts'
import { healthService } from './standard-services.ts'
import { fromStatus } from './status.ts'

export type ProbeAnswer =
  /** A process answers there, with this UUID. */
  | { readonly kind: 'identified', readonly executor: ExecutorId }
  /** Nobody listens on that port any more. */
  | { readonly kind: 'refused', readonly reason: string }
  /** The network says that there is no way to that host. */
  | { readonly kind: 'unreachable', readonly reason: string }
  /** No answer in time, or one that is none: says nothing about the process (a stopped one's kernel still accepts). */
  | { readonly kind: 'silent', readonly reason: string }

/** With the health service for those who watch over processes: it serves, and leads nobody. */
export const serveProbe = ({ address, executor, tls }: { readonly address: string, readonly executor: ExecutorId, readonly tls?: Tls }): Promise<Serving> =>
  serve(address, [{
    methods: probeMethods,
    handlers: { Identify: (_call: ServerUnaryCall<object, { executor: string }>, answer: sendUnaryData<{ executor: string }>) => answer(null, { executor }) },
  }, healthService(() => false)], tls)

/** Between two attempts, ms. */
const AGAIN_MS = 5

const UNREACHABLE = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'ENOTFOUND', 'EADDRNOTAVAIL'])

/** A bare TCP connection: only this tells "refused" from "no way there" by the system's own error codes. */
const knock = (address: string, deadlineMs: number, clock: Clock): Promise<ProbeAnswer | 'accepted'> => new Promise((resolve) => {
  const at = address.lastIndexOf(':')
  const socket = createConnection({ host: address.slice(0, at), port: Number(address.slice(at + 1)) })
  const settle = (answer: ProbeAnswer | 'accepted'): void => {
    timer.cancel()
    socket.destroy()
    resolve(answer)
  }
  const timer = clock.after(deadlineMs, () => settle({ kind: 'silent', reason: `no connection in ${deadlineMs} ms` }))
  socket.once('connect', () => settle('accepted'))
  socket.on('error', (error: NodeJS.ErrnoException) => {
    const reason = error.code ?? error.message
    // A reset is an accepted connection, broken at once.
    if (error.code === 'ECONNRESET') settle('accepted')
    else settle(error.code === 'ECONNREFUSED' ? { kind: 'refused', reason } : UNREACHABLE.has(reason) ? { kind: 'unreachable', reason } : { kind: 'silent', reason })
  })
})

/** Undefined: the connection broke before there was an answer. */
const identify = (address: string, deadlineMs: number, clock: Clock, tls: Tls | undefined): Promise<ProbeAnswer | undefined> => new Promise((resolve) => {
  const client = new Client(address, clientCredentials(tls), CHANNEL_OPTIONS)
  const { path, requestSerialize, responseDeserialize } = probeMethods.Identify
  // grpc-js lets the socket of an unfinished handshake go only when the peer does: at most one per verdict, until that process ends.
  client.makeUnaryRequest(path, requestSerialize, responseDeserialize, {}, { deadline: clock.now() + deadlineMs }, (error, answer) => {
    client.close()
    if (answer) resolve({ kind: 'identified', executor: answer.executor as ExecutorId })
    else resolve(error?.code === status.DEADLINE_EXCEEDED ? { kind: 'silent', reason: fromStatus(error, address).message } : undefined)
  })
})

/** Never rejects; answers within `deadlineMs`. */
export const probe = async (address: string, deadlineMs: number, { clock = realClock, tls }: { readonly clock?: Clock, readonly tls?: Tls } = {}): Promise<ProbeAnswer> => {
  const end = clock.monotonic() + deadlineMs
  // A process that is being torn down still accepts for some milliseconds, then resets: asked again, it refuses.
  for (;;) {
    const knocked = await knock(address, Math.max(1, end - clock.monotonic()), clock)
    if (knocked !== 'accepted') return knocked
    const answer = await identify(address, Math.max(1, end - clock.monotonic()), clock, tls)
    if (answer) return answer
    if (clock.monotonic() + AGAIN_MS >= end) return { kind: 'silent', reason: `connections break for ${deadlineMs} ms` }
    await clock.sleep(AGAIN_MS)
  }
}
