// The stream between executor and driver: both ends as the same small object, and who is told how it ended.
import { Client } from '@grpc/grpc-js'
import type { ClientDuplexStream, ServerDuplexStream, ServiceError, UntypedServiceImplementation } from '@grpc/grpc-js'
import type { DriverMessage, ExecutorMessage } from './messages.ts'
import { CHANNEL_OPTIONS, clientCredentials, serve } from './channel.ts'
import type { Serving, Tls } from './channel.ts'
import type { JobHandlers } from './jobs.ts'
import { jobService } from './job-service.ts'
import { clusterMethods } from './services.ts'
import { healthService, reflectionServices } from './standard-services.ts'
import { fromStatus } from './status.ts'

/** Messages written and not yet taken by the socket; a peer that lets this many pile up is cut off. */
const SEND_QUEUE_MAX = 10_000

export interface StreamEnd {
  /** The peer said that it goes: an executor by `leaving`, a driver by ending the stream in order. False: it is lost. */
  readonly goodbye: boolean
  readonly reason: string
}

export interface MessageStream<Incoming, Outgoing> {
  /** For logs: where the peer is. */
  readonly peer: string
  /** Queues a message; after the end it does nothing. */
  send(message: Outgoing): void
  /** One handler; messages that came before it was set are kept for it, in order. */
  onMessage(handler: (message: Incoming) => void): void
  /** Called once, after the last message, also when the end came before the handler. */
  onClose(handler: (end: StreamEnd) => void): void
  /** Ends this side after what was sent; the peer sees an end in order. */
  close(): void
}
/** The driver's end. */
export type DriverStream = MessageStream<ExecutorMessage, DriverMessage>
/** The executor's end. */
export type ExecutorStream = MessageStream<DriverMessage, ExecutorMessage>

interface Duplex<Incoming, Outgoing> {
  readonly writableLength: number
  write(message: Outgoing): boolean
  end(): void
  on(event: 'data', handler: (message: Incoming) => void): unknown
}

interface Controls<Incoming, Outgoing> {
  readonly stream: MessageStream<Incoming, Outgoing>
  ended(end: StreamEnd): void
}

const messageStream = <Incoming, Outgoing>(peer: string, call: Duplex<Incoming, Outgoing>, cut: (reason: string) => void, seen: (message: Incoming) => void, release: () => void): Controls<Incoming, Outgoing> => {
  const early: Incoming[] = []
  let deliver: (message: Incoming) => void = (message) => void early.push(message)
  let over: StreamEnd | undefined
  let tellEnd: ((end: StreamEnd) => void) | undefined
  const ended = (end: StreamEnd): void => {
    if (over) return
    over = end
    release()
    tellEnd?.(end)
  }
  call.on('data', (message) => {
    if (over) return
    seen(message)
    deliver(message)
  })
  return {
    ended,
    stream: {
      peer,
      send: (message) => {
        if (over) return
        call.write(message)
        if (call.writableLength > SEND_QUEUE_MAX) {
          const reason = `${call.writableLength} messages wait for ${peer}`
          cut(reason)
          ended({ goodbye: false, reason })
        }
      },
      onMessage: (handler) => {
        deliver = handler
        for (const message of early.splice(0)) handler(message)
      },
      onClose: (handler) => {
        tellEnd = handler
        if (over) handler(over)
      },
      close: () => {
        if (!over) call.end()
      },
    },
  }
}

export interface ClusterServerOptions {
  /** `host:port`; port 0 picks a free one. */
  readonly address: string
  readonly onConnect: (stream: DriverStream) => void
  /** Answers clients on the same address. */
  readonly jobs?: JobHandlers
  /** For the health service: whether clients are answered here. Default: yes. */
  readonly leads?: () => boolean
  readonly tls?: Tls
}

const connectHandler = (onConnect: (stream: DriverStream) => void) => (call: ServerDuplexStream<ExecutorMessage, DriverMessage>): void => {
  let goodbye = false
  const { stream, ended } = messageStream<ExecutorMessage, DriverMessage>(call.getPeer(), call, (reason) => call.destroy(new Error(reason)), (message) => {
    goodbye ||= message.kind === 'leaving'
  }, () => {})
  // `end` comes first both for a polite half-close and for a death: only the goodbye tells them apart.
  call.on('end', () => {
    ended({ goodbye, reason: goodbye ? 'said goodbye' : 'stream ended without goodbye' })
    call.end()
  })
  call.on('cancelled', () => ended({ goodbye, reason: goodbye ? 'said goodbye' : 'stream cancelled' }))
  call.on('error', (error: Error) => ended({ goodbye, reason: error.message }))
  onConnect(stream)
}

export const serveCluster = ({ address, onConnect, jobs, leads = () => true, tls }: ClusterServerOptions): Promise<Serving> => {
  const handlers: UntypedServiceImplementation = { Connect: connectHandler(onConnect) }
  return serve(address, [{ methods: clusterMethods, handlers }, ...(jobs ? [jobService(jobs)] : []), healthService(leads), ...reflectionServices()], tls)
}

/** Returns at once; a driver that can't be reached is an `onClose` without goodbye. Whoever calls connects again, with its own pauses. */
export const connectCluster = (address: string, options: { readonly tls?: Tls } = {}): ExecutorStream => {
  const client = new Client(address, clientCredentials(options.tls), CHANNEL_OPTIONS)
  const { path, requestSerialize, responseDeserialize } = clusterMethods.Connect
  const call: ClientDuplexStream<ExecutorMessage, DriverMessage> = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
  const { stream, ended } = messageStream<DriverMessage, ExecutorMessage>(address, call, () => call.cancel(), () => {}, () => client.close())
  call.on('error', (error: ServiceError) => ended({ goodbye: false, reason: fromStatus(error, address).message }))
  call.on('status', (status) => {
    if (status.code === 0) ended({ goodbye: true, reason: 'the driver ended the stream' })
  })
  return stream
}
