// The protocol with one of its rules switched off, or with one thing taken away that keeps an invariant: the simulation has to find each. Rules that
// the production code can switch off are switched off there; all others are taken away between it and its ports, so that nothing is in it for this.
import type { Append, FetchedPartition, Log, LogReader, ObjectStore, OutboxSink, TransactionalId } from '@tidemark/base'
import { TidemarkError, transactionalId } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import type { Books, Rules } from '@tidemark/checkpoint'
import type { SlotEvent, Task } from '@tidemark/runtime'
import type { Key, NodeFunctions, NodeId, ProcessFunctions } from 'tidemark'
import { instead } from './instead.ts'
import { isOutput, outputsOutside, withheld } from './mutant-sessions.ts'
import type { SimProcess } from './process.ts'
import { INPUT } from './workload.ts'

type Functions = ReadonlyMap<NodeId, NodeFunctions>
type Subject = Parameters<Task['setAside']>[0]
const SENT_LATER_MS = 15

/** Made anew for each simulation. `who`: the slot's UUID, or `driver`. */
export interface Mutation {
  readonly rules?: Partial<Rules>
  readonly log?: (log: Log, who: string) => Log
  readonly store?: (store: ObjectStore, who: string) => ObjectStore
  readonly sink?: (sink: OutboxSink, process: SimProcess) => OutboxSink
  readonly functions?: (functions: Functions) => Functions
  readonly task?: (task: Task, who: string) => Task
  /** False: the slot keeps it to itself. */
  readonly tells?: (event: SlotEvent) => boolean
  readonly checkpointTimeoutMs?: number
}

export interface Mutant {
  readonly name: string
  /** What is missing. */
  readonly what: string
  readonly make: () => Mutation
}

const rule = (name: keyof Rules, what: string): Mutant => ({ name, what, make: () => ({ rules: { [name]: false } }) })

const counterOf = (id: string): number => paths.parseTransactionalId(id)?.counter ?? -1
const withCounter = (id: string, counter: number): TransactionalId => transactionalId(`${id.slice(0, id.lastIndexOf('.'))}.${counter}`)
const isCancelled = (key: string, body: Uint8Array): boolean => paths.parseDefinition(key) !== undefined && Buffer.from(body).includes('"desired": "cancelled"')
const isJournal = (topic: string): boolean => paths.parseInternalTopic(topic)?.kind === 'journal'

/** Ids that the driver fences at a verdict, and those that their owners would use next, count as fenced: nobody who claims fences them again. */
const fencedByHint = (): Mutation => {
  const hinted = new Set<string>()
  return {
    log: (log, who) => instead(log, {
      fence: async (id) => {
        if (who === 'driver') for (let ahead = 0; ahead <= 3; ahead += 1) hinted.add(withCounter(id, counterOf(id) + ahead))
        else if (hinted.has(id)) return
        await log.fence(id)
      },
    }),
  }
}

/** A slot initialises its one id again and again. */
const oneId = (): Mutation => ({
  log: (log, who) => (who === 'driver' ? log : instead(log, { session: (id) => log.session(withCounter(id, 0)) })),
})

/** Its topics go late, as they do when the log answers nobody for a while: else that alone stops whoever was not fenced. */
const endedUnfenced = (): Mutation => {
  let left = 5
  const deleteTopics = async (log: Log, topics: readonly string[]): Promise<void> => {
    left -= 1
    if (left >= 0) throw new TidemarkError('not now', { code: 'LOG_UNAVAILABLE', blame: 'environment', action: 'retry' })
    await log.deleteTopics(topics)
  }
  return { log: (log, who) => (who === 'driver' ? instead(log, { fence: async () => {}, deleteTopics: (topics) => deleteTopics(log, topics) }) : log) }
}

/** What went to a topic for everybody in one run goes there in no later one. */
const saidOnce = (): Mutation => {
  /** By topic and value: in which run first. */
  const said = new Map<string, number>()
  const unsaid = (run: number, { topic, records }: Append): Append['records'] => (!isOutput(topic) ? records : records.filter(({ value }) => {
    const what = `${topic} ${String(value)}`
    if (!said.has(what)) said.set(what, run)
    return said.get(what) === run
  }))
  return { log: (log, who) => (who === 'driver' ? log : instead(log, { session: (id) => withheld(log.session(id), (write) => unsaid(paths.parseTransactionalId(id)?.run ?? 0, write)) })) }
}

/** After an error of the fetching, the first record of what is fetched next is passed over. */
const jumpAfterError = (reader: LogReader): LogReader => {
  let failed = false
  return instead(reader, {
    fetch: async (requests, options) => {
      try {
        const fetched = await reader.fetch(requests, options)
        if (!failed || !fetched.some(({ topic, records }) => topic === INPUT && records.length > 0)) return fetched
        failed = false
        return fetched.map((one): FetchedPartition => (one.topic === INPUT ? { ...one, records: one.records.slice(1) } : one))
      } catch (error) {
        failed = true
        throw error
      }
    },
  })
}

type Walk = ReturnType<Task['startWalk']>
/** Walks that end with what their last slice said, instead of with what has changed since. */
const walking = (finish: (walk: Walk, last: Buffer | undefined) => ReturnType<Walk['finish']>): Mutation => ({
  task: (task) => instead(task, {
    startWalk: () => {
      const walk = task.startWalk()
      let last: Buffer | undefined
      return instead(walk, {
        next: (bytesMax) => {
          const slice = walk.next(bytesMax)
          last = slice ?? last
          return slice
        },
        finish: () => finish(walk, last),
      })
    },
  }),
})

const finishStale = (walk: Walk, last: Buffer | undefined): ReturnType<Walk['finish']> => {
  const { block, keys } = walk.finish()
  return { block: last ?? block, keys }
}

/** The assertion that a walk is not completed beside an open batch would report first. */
const finishBesideBatch = (walk: Walk, last: Buffer | undefined): ReturnType<Walk['finish']> => {
  try {
    return walk.finish()
  } catch (error) {
    walk.abandon()
    if (last === undefined) throw error
    return { block: last, keys: 0 }
  }
}

/** All slices are there at once, and outlive what takes the batch back. */
const survivingWalk = (task: Task): Task => instead(task, {
  startWalk: () => {
    const walk = task.startWalk()
    const slices: Buffer[] = []
    for (let slice = walk.next(Infinity); slice !== undefined; slice = walk.next(Infinity)) slices.push(slice)
    const last = slices.at(-1)
    return { next: () => slices.shift(), finish: () => finishBesideBatch(walk, last), abandon: () => walk.abandon() }
  },
})

/** What a handler has set is what it gets again, whatever became of the batch. */
const keptValues = (): Mutation => ({
  functions: (functions) => new Map([...functions].map(([node, one]): [NodeId, NodeFunctions] => [node, one.kind === 'process' ? keeping(one) : one])),
})

/** One context belongs to one task. */
const keeping = (real: ProcessFunctions): ProcessFunctions => {
  const kept = new WeakMap<object, Map<unknown, unknown>>()
  return {
    ...real,
    onRecord: (ctx, value) => {
      const values = kept.get(ctx) ?? new Map<unknown, unknown>()
      kept.set(ctx, values)
      const { state } = ctx
      const { key } = ctx
      real.onRecord(instead(ctx, {
        state: {
          get: () => (values.has(key) ? structuredClone(values.get(key)) : state.get()),
          set: (set) => {
            values.set(key, structuredClone(set))
            state.set(set)
          },
          delete: () => state.delete(),
        },
      }), value)
    },
  }
}

/** What its key had is kept when the timer is set first, and given to it again. */
const firing = (real: ProcessFunctions): ProcessFunctions => {
  const { onTimer } = real
  if (onTimer === undefined) return real
  const had = new Map<string, unknown>()
  const nameOf = (key: Key, time: number): string => `${key} ${time}`
  return {
    ...real,
    onRecord: (ctx, value) => {
      const { state, timers } = ctx
      const set = (time: number): void => {
        const name = nameOf(ctx.key, time)
        if (!had.has(name)) had.set(name, structuredClone(state.get()))
        timers.set(time)
      }
      real.onRecord(instead(ctx, { timers: { set, delete: (time) => timers.delete(time) } }), value)
    },
    onTimer: (ctx, time) => {
      const { state } = ctx
      onTimer(instead(ctx, { state: { get: () => structuredClone(had.get(nameOf(ctx.key, time))) ?? state.get(), set: (value) => state.set(value), delete: () => state.delete() } }), time)
    },
  }
}

/** In the totals too, so that the books balance. */
const lateAsFiltered = (books: Books): Books => ({ ...books, late: 0, filtered: books.filtered + books.late })

const behind = ({ name, node }: Subject): Subject => ({ node, name: name.replace(/\d+$/, (last) => String(Number(last) + 1)) })

export const MUTANTS: readonly Mutant[] = [
  rule('R1', 'a driver numbers ownerships by a counter alone'),
  rule('R2', 'a claimant does not give up for a higher generation'),
  rule('R3', 'an id that turns up before the own claim is not fenced'),
  { name: 'R4', what: 'a fence made on a hint counts', make: fencedByHint },
  { name: 'R5', what: 'a slot initialises its old id again', make: oneId },
  rule('R6', 'commit records and snapshots name no owner'),
  rule('R7', 'a release says nothing: who released is fenced'),
  rule('R8', 'nobody looks at what holds the stable offset below the own claim'),
  { name: 'S1', what: 'a walk does not end with what changed meanwhile', make: () => walking(finishStale) },
  { name: 'S2', what: 'a failed transaction leaves the walk and the upload', make: () => ({ rules: { S2: false }, task: survivingWalk }) },
  rule('S7', 'garbage collection spares only what manifests name'),
  rule('S8', 'the journal is trimmed to the newest snapshot'),
  { name: 'S9', what: 'a walk goes on and ends beside an open batch', make: () => ({ rules: { S9: false }, ...walking(finishBesideBatch) }) },
  rule('C1', 'a task completes its walk before those downstream of it'),
  rule('C2', 'what is in flight belongs to no checkpoint'),
  rule('C3', 'a restore does not end the run before'),
  rule('C4', 'a run reads the manifest of the checkpoint that it began from, and has none of its own'),
  {
    name: 'invariant 1', what: 'outputs are written beside the transaction',
    make: () => ({ log: (log, who) => (who === 'driver' ? log : instead(log, { session: (id) => outputsOutside(log, log.session(id), isOutput) })) }),
  },
  { name: 'invariant 2', what: 'nobody fences anybody', make: () => ({ log: (log) => instead(log, { fence: async () => {} }) }) },
  {
    name: 'invariant 3', what: 'an upload counts before it is there',
    make: () => ({ store: (store, who) => (who === 'driver' ? store : instead(store, { put: async (key, body) => void store.put(key, body).catch(() => {}) })) }),
  },
  {
    name: 'invariant 4', what: 'the journal is trimmed to its stable end',
    make: () => ({
      log: (log) => instead(log, {
        trim: async (topic, partition, before) => {
          const [offsets] = await log.offsets(topic, [partition])
          await log.trim(topic, partition, isJournal(topic) ? offsets?.stable ?? before : before)
        },
      }),
    }),
  },
  {
    name: 'invariant 5', what: 'an outbox entry counts as delivered before its sink has it',
    make: () => ({ sink: (sink, process) => instead(sink, { deliver: async (delivery) => void process.clock.after(SENT_LATER_MS, () => void sink.deliver(delivery)) }) }),
  },
  {
    name: 'invariant 7', what: 'after an error reading goes on behind the next record',
    make: () => ({ log: (log, who) => (who === 'driver' ? log : instead(log, { reader: () => jumpAfterError(log.reader()) })) }),
  },
  {
    name: 'invariant 8', what: 'late records, filtered ones and those without a record are not counted',
    make: () => ({
      task: (task) => instead(task, {
        freeze: (generation) => {
          const frozen = task.freeze(generation)
          const { books } = frozen.content
          return books.noRecord === 0 ? frozen : { ...frozen, content: { ...frozen.content, books: { ...books, noRecord: 0 } } }
        },
      }),
    }),
  },
  {
    name: 'dead letters', what: 'dead letters are written beside the transaction',
    make: () => ({ log: (log, who) => (who === 'driver' ? log : instead(log, { session: (id) => outputsOutside(log, log.session(id), (topic) => isOutput(topic) && topic.endsWith('.dead-letters')) })) }),
  },
  {
    name: 'late', what: 'late records are counted as filtered ones',
    make: () => ({
      task: (task) => instead(task, {
        freeze: (generation) => {
          const frozen = task.freeze(generation)
          const { books, totals } = frozen.content
          return { ...frozen, content: { ...frozen.content, books: lateAsFiltered(books), totals: lateAsFiltered(totals) } }
        },
      }),
    }),
  },
  {
    name: 'timers', what: 'a timer fires with what its key had when it was set',
    make: () => ({ functions: (functions) => new Map([...functions].map(([node, one]): [NodeId, NodeFunctions] => [node, one.kind === 'process' ? firing(one) : one])) }),
  },
  {
    name: 'own old id', what: 'the id of a lost session is not fenced before a new one',
    make: () => ({ log: (log, who) => (who === 'driver' ? log : instead(log, { fence: async (id) => { if (!id.includes(who)) await log.fence(id) } })) }),
  },
  {
    name: 'cancel stored', what: 'that a job is to be cancelled is not written down',
    make: () => ({ store: (store, who) => (who === 'driver' ? instead(store, { put: async (key, body) => { if (!isCancelled(key, body)) await store.put(key, body) } }) : store) }),
  },
  { name: 'cancel cleans', what: 'the topics of a cancelled job stay', make: () => ({ log: (log, who) => (who === 'driver' ? instead(log, { deleteTopics: async () => {} }) : log) }) },
  { name: 'said again', what: 'what a run has said behind the checkpoint the next one does not say again', make: saidOnce },
  { name: 'ended fenced', what: 'a driver that ends a run fences nobody', make: endedUnfenced },
  { name: 'checkpoint given up', what: 'a checkpoint is waited for however long it takes, and a slot does not say that it lost its part', make: () => ({ checkpointTimeoutMs: 24 * 3_600_000, tells: ({ kind }) => kind !== 'snapshot-failed' }) },
  { name: 'set aside', what: 'what is found to kill is tried again all the same', make: () => ({ task: (task) => instead(task, { setAside: () => {} }) }) },
  { name: 'set aside alone', what: 'the record behind one that kills is set aside too', make: () => ({ task: (task) => instead(task, { setAside: (subject, error) => { for (const one of [subject, behind(subject)]) task.setAside(one, error) } }) }) },
  { name: 'undo', what: 'values keep what a batch that failed has made of them', make: keptValues },
]
