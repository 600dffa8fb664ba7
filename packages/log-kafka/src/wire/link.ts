// One TCP connection to one broker: connect, versions, authentication, calls. Lost once, it stays lost; `Links` makes another.
import { TidemarkError } from '@tidemark/base'
import type { Clock } from '@tidemark/base'
import { clientError, unavailableError } from '../errors.ts'
import { Connection, createSocketFactory } from '../kafkajs.ts'
import type { KafkajsLogger, WireCall, WireConnection } from '../kafkajs.ts'
import { apiVersions, needed } from './api.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

export interface ConnectionSettings {
  readonly clientId: string
  readonly clock: Clock
  readonly kafkajsLogger: KafkajsLogger
  readonly connectTimeoutMs: number
  /** How long a broker may take to answer; a long poll adds its own wait. */
  readonly requestTimeoutMs: number
  /** Options of Node's `tls.connect`. */
  readonly tls: object | undefined
  /** As kafkajs takes it: PLAIN, SCRAM-SHA-256/512, OAUTHBEARER, AWS. */
  readonly sasl: object | undefined
}

/** A connection whose credentials end is replaced this long before: kafkajs would re-authenticate amid requests in flight and mix up their answers. */
const EXPIRY_MARGIN_MS = 15_000

const kafkajsSocketFactory = createSocketFactory()
/** A request that follows another one at once is not held back until the broker has acknowledged that (Nagle). */
const socketFactory: typeof kafkajsSocketFactory = (options) => kafkajsSocketFactory(options).setNoDelay(true)

export class Link {
  readonly address: Address
  readonly #connection: WireConnection
  readonly #settings: ConnectionSettings
  #lost: unknown
  #expiresAt = Infinity

  private constructor(settings: ConnectionSettings, address: Address) {
    this.#settings = settings
    this.address = address
    this.#connection = new Connection({
      ...address, clientId: settings.clientId, logger: settings.kafkajsLogger, socketFactory, connectionTimeout: settings.connectTimeoutMs, requestTimeout: settings.requestTimeoutMs, enforceRequestTimeout: true, reauthenticationThreshold: 0,
      ssl: settings.tls ?? null, sasl: settings.sasl ?? null,
    })
  }

  static async connect(settings: ConnectionSettings, address: Address): Promise<Link> {
    const link = new Link(settings, address)
    const doing = `connect to ${address.host}:${address.port}`
    try {
      await link.#connection.connect()
      const offered = new Map((await link.#connection.send(apiVersions({}))).apiVersions.map((api) => [api.apiKey, api]))
      const lacking = needed.filter(({ apiKey, version }) => { const range = offered.get(apiKey); return !range || version < range.minVersion || version > range.maxVersion })
      if (lacking.length > 0) {
        const names = lacking.map(({ name, version }) => `${name} v${version}`)
        throw new TidemarkError(`broker ${address.host}:${address.port} does not speak ${names.join(', ')}`, { code: 'LOG_UNSUPPORTED', blame: 'environment', action: 'exit', hint: 'Kafka 3.6 or newer, up to 4.x, is needed.', details: { lacking: names } })
      }
      link.#connection.setVersions(Object.fromEntries(offered))
      link.#connection.setSupportAuthenticationProtocol(true)
      await link.#connection.authenticate()
    } catch (error) {
      link.drop(error)
      throw clientError(error, doing)
    }
    const lifetimeMs = Number(link.#connection.sessionLifetime.toString())
    if (lifetimeMs > 0) link.#expiresAt = settings.clock.monotonic() + Math.max(lifetimeMs - EXPIRY_MARGIN_MS, lifetimeMs / 2)
    return link
  }

  get usable(): boolean {
    return this.#lost === undefined && this.#connection.isConnected() && this.#settings.clock.monotonic() < this.#expiresAt
  }

  /** After any rejection the connection is dropped: an answer that comes late must not meet a later request. */
  async call<T>(call: WireCall<T>): Promise<T> {
    if (this.#lost !== undefined) throw unavailableError(`${call.request.apiName}: the connection to ${this.address.host}:${this.address.port} was lost`, {}, this.#lost)
    try {
      return await this.#connection.send(call)
    } catch (error) {
      this.drop(error)
      throw clientError(error, `${call.request.apiName} to ${this.address.host}:${this.address.port}`)
    }
  }

  /** Closes at once; calls in flight reject. Idempotent, never throws. */
  drop(reason: unknown): void {
    if (this.#lost !== undefined) return
    this.#lost = reason ?? new Error('closed')
    const error = new Error('connection dropped')
    error.name = 'KafkaJSConnectionClosedError'
    try { this.#connection.rejectRequests(error) } catch { /* a request that is just ending is in no state to be rejected */ }
    this.#connection.socket?.destroy()
    this.#connection.disconnect().catch(() => {})
  }

  /** Lets calls in flight end, then closes. */
  async closeAfterCalls(): Promise<void> {
    this.#lost ??= new Error('closed')
    await this.#connection.disconnect().catch(() => {})
  }
}
