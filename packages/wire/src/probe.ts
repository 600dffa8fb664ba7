// Is that process still there? Asked by the driver when a stream has ended without a goodbye.
import { Client } from '@grpc/grpc-js'
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js'
import { realClock } from '@tidemark/base'
import type { Clock, ExecutorId } from '@tidemark/base'
import { createConnection } from 'node:net'
import { CHANNEL_OPTIONS, clientCredentials, serve } from './channel.ts'
import type { Serving, Tls } from './channel.ts'
import { probeMethods } from './services.ts'
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

export const serveProbe = ({ address, executor, tls }: { readonly address: string, readonly executor: ExecutorId, readonly tls?: Tls }): Promise<Serving> =>
  serve(address, [{
    methods: probeMethods,
    handlers: { Identify: (_call: ServerUnaryCall<object, { executor: string }>, answer: sendUnaryData<{ executor: string }>) => answer(null, { executor }) },
  }], tls)

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
    settle(error.code === 'ECONNREFUSED' ? { kind: 'refused', reason } : UNREACHABLE.has(reason) ? { kind: 'unreachable', reason } : { kind: 'silent', reason })
  })
})

/** Never rejects; answers within `deadlineMs`. */
export const probe = async (address: string, deadlineMs: number, { clock = realClock, tls }: { readonly clock?: Clock, readonly tls?: Tls } = {}): Promise<ProbeAnswer> => {
  const began = clock.monotonic()
  const first = await knock(address, deadlineMs, clock)
  if (first !== 'accepted') return first
  const client = new Client(address, clientCredentials(tls), CHANNEL_OPTIONS)
  const { path, requestSerialize, responseDeserialize } = probeMethods.Identify
  return new Promise((resolve) => {
    const left = Math.max(1, deadlineMs - (clock.monotonic() - began))
    // grpc-js lets the socket of an unfinished handshake go only when the peer does: at most one per verdict, until that process ends.
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, {}, { deadline: clock.now() + left }, (error, answer) => {
      client.close()
      if (error) resolve({ kind: 'silent', reason: fromStatus(error, address).message })
      else resolve({ kind: 'identified', executor: answer?.executor as ExecutorId })
    })
  })
}
