// How a connection is made and kept: channel options, credentials, and a server on an address.
import { ChannelCredentials, Server, ServerCredentials } from '@grpc/grpc-js'
import type { ChannelOptions, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'
import { TidemarkError } from '@tidemark/base'

/** Keepalive is the second line behind heartbeats: a stopped or vanished peer closes the stream within about two of these. */
const KEEPALIVE_MS = 1_000
const RECONNECT_BACKOFF_MIN_MS = 100
const RECONNECT_BACKOFF_MAX_MS = 2_000
const MESSAGE_BYTES_MAX = 4 * 1024 * 1024

export const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.keepalive_time_ms': KEEPALIVE_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_MS,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': RECONNECT_BACKOFF_MIN_MS,
  'grpc.max_reconnect_backoff_ms': RECONNECT_BACKOFF_MAX_MS,
  'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
  'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
  // Each connection is its own: a probe must not be answered over the connection that is in doubt.
  'grpc.use_local_subchannel_pool': 1,
}

/** PEM texts. With `key` and `cert` on both sides, each proves who it is. */
export interface Tls {
  readonly ca?: Buffer
  readonly key?: Buffer
  readonly cert?: Buffer
}

export const clientCredentials = (tls: Tls | undefined): ChannelCredentials =>
  tls ? ChannelCredentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null) : ChannelCredentials.createInsecure()

const serverCredentials = (tls: Tls | undefined): ServerCredentials => {
  if (!tls) return ServerCredentials.createInsecure()
  if (!tls.key || !tls.cert) throw new TidemarkError('a TLS server needs a key and a certificate', { code: 'WIRE_TLS', blame: 'user', action: 'exit', hint: 'Give both, or neither.' })
  return ServerCredentials.createSsl(tls.ca ?? null, [{ private_key: tls.key, cert_chain: tls.cert }], tls.ca !== undefined)
}

export interface Serving {
  /** `host:port` as bound: the port is the real one where 0 was asked for. */
  readonly address: string
  /** Ends every call at once and lets the port go. */
  close(): Promise<void>
}

export const serve = async (
  address: string, services: readonly { readonly methods: ServiceDefinition, readonly handlers: UntypedServiceImplementation }[], tls?: Tls,
): Promise<Serving> => {
  const server = new Server(CHANNEL_OPTIONS)
  for (const { methods, handlers } of services) server.addService(methods, handlers)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, serverCredentials(tls), (error, bound) => {
      if (error) reject(new TidemarkError(`cannot listen on ${address}: ${error.message}`, { code: 'WIRE_LISTEN', blame: 'environment', action: 'exit', hint: 'Is the port taken, or the address not of this machine?', cause: error }))
      else resolve(bound)
    })
  })
  return {
    address: address.replace(/:\d+$/, `:${port}`),
    close: async () => server.forceShutdown(),
  }
}
