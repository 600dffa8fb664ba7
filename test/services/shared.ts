// One server of each kind for all Jest workers of a run: the first that asks starts it, the others wait for its address.
import { existsSync, linkSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { identify, isAlive } from '../../deploy/services/identity.ts'
import type { ProcessIdentity } from '../../deploy/services/identity.ts'
import { startKafka } from '../../deploy/services/kafka.ts'
import { startMinio } from '../../deploy/services/minio.ts'
import type { MinioAddress } from '../../deploy/services/minio.ts'
import { startRedis } from '../../deploy/services/redis.ts'
import type { ServerOptions } from '../../deploy/services/server.ts'
import { findKafka, findKcat, findMinio, findRedis, findRegistry, findTmpfs, umountBeside } from '../../deploy/services/tools.ts'
import { readWhole, recordProcess, runFolder, writeWhole } from './run-folder.ts'

export interface Addresses {
  readonly kafka: { readonly brokers: string }
  readonly minio: MinioAddress
  readonly redis: { readonly url: string }
  /** A program, not a server: `kcat` and `readCommitted` need it. */
  readonly kcat: { readonly path: string }
  /** Small file systems can be mounted, to be filled. */
  readonly tmpfs: { readonly mount: string, readonly umount: string }
  /** Packages can be installed. */
  readonly registry: { readonly npm: string }
}
export type Need = keyof Addresses
export type Service<T> = ({ readonly available: true } & T) | { readonly available: false, readonly reason: string }

type Place = { readonly state: 'given', readonly variables: Readonly<Record<string, string>> } | { readonly state: 'startable' } | { readonly state: 'missing', readonly reason: string }

const POLL_MS = 50
const START_MS_MAX = 120_000

/** Where the environment says a server is; all of its variables must be set, or none. */
const given = (...names: string[]): Place | undefined => {
  const variables: Record<string, string> = {}
  for (const name of names) {
    const value = process.env[name]
    if (value !== undefined && value !== '') variables[name] = value
  }
  const unset = names.filter((name) => !(name in variables))
  if (unset.length === names.length) return undefined
  if (unset.length > 0) throw new Error(`${Object.keys(variables).join(', ')} set, but not ${unset.join(', ')}: set all of them or none`)
  return { state: 'given', variables }
}

const S3 = ['TIDEMARK_S3_ENDPOINT', 'TIDEMARK_S3_ACCESS_KEY', 'TIDEMARK_S3_SECRET_KEY', 'TIDEMARK_S3_BUCKET'] as const

/** Decided without starting anything. */
const placeOf = (need: Need): Place => {
  const named = need === 'kafka' ? given('TIDEMARK_KAFKA') : need === 'minio' ? given(...S3) : need === 'redis' ? given('TIDEMARK_REDIS') : undefined
  if (named) return named
  const found = { kafka: findKafka, minio: findMinio, redis: findRedis, kcat: findKcat, tmpfs: findTmpfs, registry: findRegistry }[need]()
  return found.found ? { state: 'startable' } : { state: 'missing', reason: found.reason }
}

/** Why this need cannot be met here; undefined when it can. Starts nothing. */
export const whyMissing = (need: Need): string | undefined => {
  const place = placeOf(need)
  return place.state === 'missing' ? `no ${need}: ${place.reason}` : undefined
}

/** Takes the lock, unless a living process holds it. */
const lock = (file: string): boolean => {
  const holder = readWhole<ProcessIdentity>(file)
  if (holder && isAlive(holder)) return false
  if (holder) rmSync(file, { force: true })
  const mine = `${file}.${process.pid}`
  writeWhole(mine, identify(process.pid))
  try {
    // Appears whole or not at all, and only if nobody was faster.
    linkSync(mine, file)
    return true
  } catch {
    return false
  } finally {
    rmSync(mine, { force: true })
  }
}

const shared = async <T extends object>(need: Need, start: (options: ServerOptions) => Promise<T>): Promise<T> => {
  const folder = join(runFolder(), 'servers', need)
  mkdirSync(folder, { recursive: true })
  const addressFile = join(folder, 'address.json')
  const lockFile = join(folder, 'starting.json')
  for (let waited = 0; waited < START_MS_MAX; waited += POLL_MS) {
    const address = readWhole<T>(addressFile)
    if (address) return address
    if (lock(lockFile)) {
      try {
        if (!existsSync(addressFile)) writeWhole(addressFile, await start({ folder: join(folder, 'server'), onProcess: recordProcess }))
      } finally {
        rmSync(lockFile, { force: true })
      }
    } else await sleep(POLL_MS)
  }
  throw new Error(`${need} was not started by the test process that began to within ${START_MS_MAX} ms; see ${folder}`)
}

const address = async <T extends object>(need: Need, fromVariables: (variables: Readonly<Record<string, string>>) => T, start: (options: ServerOptions) => Promise<T>): Promise<Service<T>> => {
  const place = placeOf(need)
  if (place.state === 'missing') return { available: false, reason: `no ${need}: ${place.reason}` }
  return { available: true, ...place.state === 'given' ? fromVariables(place.variables) : await shared(need, start) }
}

/** Rejects when a server that can be started does not start. */
export const kafka = (): Promise<Service<Addresses['kafka']>> => address('kafka', (variables) => ({ brokers: variables['TIDEMARK_KAFKA'] ?? '' }), async (options) => ({ brokers: (await startKafka({ ...options, brief: true })).brokers }))

/** The bucket is shared by all suites of a run: use a prefix of your own. */
export const minio = (): Promise<Service<Addresses['minio']>> => address('minio', (variables) => {
  const endpoint = variables[S3[0]] ?? ''
  const url = new URL(endpoint)
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  return { endpoint, port, accessKey: variables[S3[1]] ?? '', secretKey: variables[S3[2]] ?? '', bucket: variables[S3[3]] ?? '' }
}, async (options) => {
  const { endpoint, port, accessKey, secretKey, bucket } = await startMinio(options)
  return { endpoint, port, accessKey, secretKey, bucket }
})

/** Shared by all suites of a run: use a key prefix of your own, never FLUSHALL. */
export const redis = (): Promise<Service<Addresses['redis']>> => address('redis', (variables) => ({ url: variables['TIDEMARK_REDIS'] ?? '' }), async (options) => ({ url: (await startRedis(options)).url }))

export const tmpfs = async (): Promise<Service<Addresses['tmpfs']>> => {
  const found = findTmpfs()
  return found.found ? { available: true, mount: found.path, umount: umountBeside(found.path) } : { available: false, reason: `no tmpfs: ${found.reason}` }
}

export const kcatProgram = async (): Promise<Service<Addresses['kcat']>> => {
  const found = findKcat()
  return found.found ? { available: true, path: found.path } : { available: false, reason: `no kcat: ${found.reason}` }
}

export const packageRegistry = async (): Promise<Service<Addresses['registry']>> => {
  const found = findRegistry()
  return found.found ? { available: true, npm: found.path } : { available: false, reason: `no registry: ${found.reason}` }
}
