// The servers of a simulated cluster (log, object store, lease) and the ports of one process to them: every call is a request and an answer on
// the network, each of which may be slow, late or lost. A server goes on with what it was asked for, whatever became of who asked.
import { invariantBroken, TidemarkError } from '@tidemark/base'
import type { Lease, Log, LogReader, ObjectStore } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import { emptyLeaseState, MemoryLease } from '../memory/lease.ts'
import type { Intercept, Operation } from '../memory/intercept.ts'
import { MemoryLog } from '../memory/log/log.ts'
import { MemoryObjectStore } from '../memory/object-store.ts'
import type { MemoryObjects } from '../memory/object-store.ts'
import type { Network } from './network.ts'
import { ObservedBroker } from './observed-broker.ts'
import type { SimProcess } from './process.ts'
import type { Scheduler } from './scheduler.ts'
import type { Trace } from './trace.ts'

export type Service = 'log' | 'store' | 'lease'
/** How a call goes wrong. `torn`: half of an object is there, and the writer is told that it failed. */
export type Fate = 'not-done' | 'answer-lost' | 'late' | 'torn' | 'damaged'

/** Asked at every call; undefined: it goes well. */
export type Mishap = (process: SimProcess, operation: Operation) => { readonly fate: Fate, readonly ms: number } | undefined

/** When who asks gives up, ms. A fetch waits on the server first. */
const DEADLINE_MS: Readonly<Record<Service, number>> = { log: 500, store: 700, lease: 150 }
const ERROR_AFTER_MS = 8

const failure = (service: Service, { call, of }: Operation, why: string): TidemarkError => {
  const code = call === 'log.commit' ? 'LOG_OUTCOME_UNKNOWN' : `${service.toUpperCase()}_UNAVAILABLE`
  return new TidemarkError(`${call} ${of}: ${why}`, { code, blame: 'environment', action: 'retry' })
}

/** Journals and shuffles are asked for as what nothing may be missing of, and nothing else is: a log that hides its settings could not say that something was lost. */
const gaplessWhereOurs = (reader: LogReader): LogReader => ({
  fetch: async (requests, options) => {
    for (const { topic, partition, gapless = false } of requests) {
      if (gapless !== topic.startsWith('tidemark.')) throw invariantBroken('7', `${topic} is asked for as ${gapless ? 'gapless' : 'one that may have gaps'}`, { topic, partition })
    }
    return reader.fetch(requests, options)
  },
  close: () => reader.close(),
})

export class Servers {
  readonly broker: ObservedBroker
  readonly objects: MemoryObjects
  readonly lease = emptyLeaseState()
  /** Down servers answer nothing. */
  readonly down = new Map<Service, number>()
  mishap: Mishap = () => undefined
  /** Told of each call as its request arrives. */
  arrived: (process: SimProcess, operation: Operation) => void = () => {}
  readonly #scheduler: Scheduler
  readonly #network: Network
  readonly #trace: Trace
  readonly #server: SimProcess

  constructor(scheduler: Scheduler, network: Network, trace: Trace, server: SimProcess, objects: MemoryObjects, transactionTimeoutMs: number) {
    this.#scheduler = scheduler
    this.#network = network
    this.#trace = trace
    this.#server = server
    this.objects = objects
    this.broker = new ObservedBroker({ clock: server.clock, transactionTimeoutMs })
  }

  log(process: SimProcess): Log {
    const log = new MemoryLog({ clock: this.#server.clock, broker: this.broker, intercept: this.#through(process, 'log') })
    const reader = log.reader.bind(log)
    return Object.assign(log, { reader: () => gaplessWhereOurs(reader()) })
  }

  store(process: SimProcess): ObjectStore {
    const torn = (key: string): void => {
      // What is written once under a name of its own may be there in half; what is written over is whole, the old or the new.
      const found = paths.parseStateObject(key) && this.objects.get(key)
      if (found) this.objects.set(key, { ...found, body: found.body.subarray(0, found.body.length >> 1) })
    }
    return new MemoryObjectStore({ clock: this.#server.clock, objects: this.objects, intercept: this.#through(process, 'store', torn) })
  }

  leases(process: SimProcess): Lease {
    return new MemoryLease({ name: 'leader', clock: this.#server.clock, state: this.lease, intercept: this.#through(process, 'lease') })
  }

  #isDown(service: Service): boolean {
    return (this.down.get(service) ?? 0) > this.#scheduler.now
  }

  #through(process: SimProcess, service: Service, torn: (key: string) => void = () => {}): Intercept {
    return <T>(operation: Operation, run: () => Promise<T>): Promise<T> => new Promise<T>((resolve, reject) => {
      if (process.state === 'dead') return
      let settled = false
      const settle = (end: () => void): void => process.enter(() => {
        if (settled) return
        settled = true
        deadline.cancel()
        end()
      })
      const deadline = this.#scheduler.after(DEADLINE_MS[service], () => settle(() => reject(failure(service, operation, 'no answer in time'))))
      const mishap = this.mishap(process, operation)
      if (mishap) this.#trace.add(process.name, `fault ${mishap.fate}`, operation)
      const failSoon = (): void => void this.#scheduler.after(ERROR_AFTER_MS, () => settle(() => reject(failure(service, operation, `${mishap?.fate ?? 'fault'} by the simulation`))))
      const answer = (end: () => void): void => {
        if (mishap?.fate === 'answer-lost' || mishap?.fate === 'late' || mishap?.fate === 'torn') return failSoon()
        this.#network.send(service, process.host, () => settle(end))
      }
      const arrive = (): void => {
        if (this.#isDown(service)) return
        this.arrived(process, operation)
        run().then((value) => {
          if (mishap?.fate === 'torn') torn(operation.of)
          answer(() => resolve(mishap?.fate === 'damaged' && value instanceof Buffer ? damaged(value) as T : value))
        }, (error: unknown) => answer(() => reject(error)))
      }
      // One that stands still sends when it goes on.
      process.enter(() => {
        if (mishap?.fate === 'not-done') failSoon()
        else if (mishap?.fate === 'late') {
          failSoon()
          this.#scheduler.after(mishap.ms, arrive)
        } else this.#network.send(process.host, service, arrive)
      })
    })
  }
}

const damaged = (body: Buffer): Buffer => {
  const copy = Buffer.from(body)
  const at = copy.length >> 1
  copy[at] = (copy[at] ?? 0) ^ 0xff
  return copy
}
