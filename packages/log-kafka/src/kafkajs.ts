// The only door to kafkajs: its inner modules with the types that are relied on. Inner modules change in any release, so the version is pinned and checked.
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import { checkKafkajsVersion } from './version.ts'

const require = createRequire(import.meta.url)

checkKafkajsVersion((require('kafkajs/package.json') as { version: string }).version)

/** kafkajs' request buffer; what `encode` of a request must answer with. */
export interface WireEncoder {
  buf: Buffer
  offset: number
  writeInt16(value: number): WireEncoder
  writeInt32(value: number): WireEncoder
  writeString(value: string | null): WireEncoder
  writeBuffer(value: Buffer): WireEncoder
}

export interface WireRequest {
  readonly apiKey: number
  readonly apiName: string
  readonly apiVersion: number
  encode(): Promise<WireEncoder>
}

export interface WireCall<T> {
  readonly request: WireRequest
  readonly response: { decode(raw: Buffer): Promise<T>, parse(data: T): T | Promise<T> }
  /** Milliseconds; raises the connection's own limit, never lowers it. */
  readonly requestTimeout?: number
  readonly logResponseError?: boolean
}

export interface KafkajsLogger {
  namespace(name: string): KafkajsLogger
}

export interface RequestQueue {
  readonly pending: readonly unknown[]
  scheduleCheckPendingRequests(): void
}

export interface WireConnection {
  readonly host: string
  readonly port: number
  /** kafkajs' own 64-bit integer; milliseconds, 0 without re-authentication. */
  readonly sessionLifetime: { toString(): string }
  readonly socket?: { destroy(): void }
  connect(): Promise<unknown>
  authenticate(): Promise<void>
  setVersions(versions: ApiVersions): void
  setSupportAuthenticationProtocol(supported: boolean): void
  send<T>(call: WireCall<T>): Promise<T>
  rejectRequests(error: Error): void
  isConnected(): boolean
  disconnect(): Promise<unknown>
}

export type ApiVersions = Record<number, { readonly minVersion: number, readonly maxVersion: number }>

export interface ConnectionOptions {
  readonly host: string
  readonly port: number
  readonly clientId: string
  readonly logger: KafkajsLogger
  readonly socketFactory: unknown
  readonly connectionTimeout: number
  readonly requestTimeout: number
  readonly enforceRequestTimeout: true
  /** Milliseconds before its credentials end that a connection authenticates anew. */
  readonly reauthenticationThreshold: number
  readonly ssl: object | null
  readonly sasl: object | null
}

interface FetchedMessage {
  readonly offset: string
  readonly key: Buffer | null
  readonly batchContext: { readonly producerId: string, readonly inTransaction: boolean }
  isControlRecord: boolean
}

/** What `Broker.fetch` answers with; only what the repair of readers needs. */
export interface KafkajsFetchAnswer {
  readonly responses: readonly { readonly partitions: readonly { abortedTransactions?: readonly { readonly producerId: string, readonly firstOffset: string }[] | null, readonly messages: readonly FetchedMessage[] }[] }[]
}

export const Connection = require('kafkajs/src/network/connection') as new (options: ConnectionOptions) => WireConnection
export const Encoder = require('kafkajs/src/protocol/encoder') as new (initialBytes?: number) => WireEncoder
export const createSocketFactory = require('kafkajs/src/network/socketFactory') as () => (options: object) => Socket
export const murmur2 = require('kafkajs/src/producer/partitioners/default/murmur2') as (key: Buffer) => number
export const apiKeys = require('kafkajs/src/protocol/requests/apiKeys') as Record<string, number>

type Protocol = (version: { version: number }) => (args: object) => WireCall<unknown>
export const requests = (require('kafkajs/src/protocol/requests') as { requests: Record<string, { protocol: Protocol }> }).requests

/** `LEVELS.WARN` and louder reach `write`. */
export const createKafkajsLogger = (write: (entry: { label: string, namespace: string, log: Record<string, unknown> }) => void): KafkajsLogger => {
  const loggers = require('kafkajs/src/loggers') as { createLogger(options: object): KafkajsLogger, LEVELS: { WARN: number } }
  return loggers.createLogger({ level: loggers.LEVELS.WARN, logCreator: () => write })
}
