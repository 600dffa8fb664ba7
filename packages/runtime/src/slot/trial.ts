// What a throw-away process does: brings a task to where its owner has it, and processes its input from there one subject at a time, without committing
// anything. It says what it is about to do before it does it, so that whoever sees it die knows of what.
import { TidemarkError } from '@tidemark/base'
import type { LogReader, TaskRef } from '@tidemark/base'
import type { Generation, Tried } from '@tidemark/checkpoint'
import { paths } from '@tidemark/checkpoint'
import type { Subject } from '../task/task.ts'
import { findBeginning } from './beginning.ts'
import { Fetching } from './fetching.ts'
import { HeldTask } from './held-task.ts'
import { feedInFlight } from './in-flight.ts'
import { cursorFor, load, nextStart } from './loading.ts'
import type { SlotOptions, SlotPorts } from './ports.ts'
import { Signal } from './signal.ts'

export interface TrialRequest {
  readonly task: TaskRef
  readonly generation: Generation
  /** Of the owner's claim: all that counts of the journal lies before it. */
  readonly claimOffset: number
  /** Known to kill: not tried again. */
  readonly setAside: readonly Subject[]
  /** Ends behind so many steps, and lingers there: what they left behind may still come. */
  readonly stepsMax?: number
}

/** What it is at. A step is one call of the task: mostly one subject, but a block of a shuffle is taken whole. */
export type TrialWord =
  | { readonly kind: 'preparing' }
  /** User code runs. `memoryUsed`: how much of what it may have the process had taken before this step, 0 to 1. */
  | { readonly kind: 'in', readonly subject: Subject, readonly memoryUsed: number }
  /** Between two steps. `only`: the last one's subject, if it had just one; `memoryUsed`: as above, before that step. */
  | { readonly kind: 'between', readonly steps: number, readonly only?: Subject, readonly memoryUsed: number }

export interface TrialPorts extends Pick<SlotPorts, 'log' | 'store' | 'clock' | 'logger' | 'reader'> {
  /** How much of the memory that it may have this process has taken, 0 to 1. */
  readonly memoryUsed: () => number
}
export type TrialOptions = Pick<SlotOptions, 'run' | 'origin' | 'settings' | 'rules' | 'makeTask'>

/** The dead owner's open batch was at most this much work, and steps are slower than batches. */
const COMMIT_INTERVALS = 4
const SLICE_MS = 10
const FETCH_WAIT_MS = 20
/** No input for so long, though it was not caught up: it is tried no longer. */
const STILL_MS_MAX = 2_000
/** Steps in which time is let pass: partitions that have nothing become idle, and windows close. */
const IDLE_STEPS = 8
const IDLE_STEP_MS = 24 * 3_600_000
const LINGER_MS = 300

/** Resolves when nothing has killed this process. */
export const tryOut = async (ports: TrialPorts, options: TrialOptions, request: TrialRequest, say: (word: TrialWord) => void): Promise<void> => {
  say({ kind: 'preparing' })
  const { task: ref, generation } = request
  const held = new HeldTask(() => options.makeTask(ref), generation, paths.journalTopic(ref.job, ref.run, ref.stage), ports.clock)
  const reader = ports.log.reader()
  try {
    await restore(ports, options, held, reader, request.claimOffset)
  } finally {
    await reader.close()
  }
  for (const subject of request.setAside) held.task.setAside(subject, new Error('it is set aside'))
  held.enter('running')
  const arrived = new Signal(ports.clock)
  const kinds = new Set(held.task.inputs().map(({ kind }) => (kind === 'topic' || kind === 'shuffle' ? 'log' : kind)))
  const fetching = [...kinds].map((kind) => new Fetching(ports, kind, () => [held], arrived))
  const fetched = fetching.map((one) => one.run())
  let done = false
  try {
    void feedInFlight(ports, options, held, () => !done).catch(() => {})
    await new Steps(ports, options, held, request.stepsMax ?? Infinity, say).run(await stableEnds(ports, held), arrived)
  } finally {
    done = true
    for (const one of fetching) one.stop()
    await Promise.all(fetched)
  }
}

/** As a takeover does, but nobody is fenced and nothing claimed: its owner has done so, and no journal is changed meanwhile. */
const restore = async (ports: TrialPorts, options: TrialOptions, held: HeldTask, reader: LogReader, claimOffset: number): Promise<void> => {
  const tried: Tried[] = []
  const beginning = await findBeginning(ports.log, reader, held.ref, held.journalTopic)
  for (;;) {
    const start = await nextStart(ports, options, held, beginning, tried, () => true)
    if (start === undefined) throw new TidemarkError(`${held.key} has no beginning`, { code: 'UNEXPECTED', blame: 'bug', action: 'restart-task' })
    held.startOver(cursorFor(options, held, start))
    const outcome = await load(ports, options, held, start)
    if (outcome.kind !== 'loaded') {
      tried.push(outcome.kind)
      continue
    }
    await held.finishLoading()
    while (held.cursor !== undefined && held.cursor.next <= claimOffset) await held.take(await held.cursor.read(reader, claimOffset + 1, FETCH_WAIT_MS))
    return
  }
}

/** How far each input of the log goes now. */
const stableEnds = async ({ log }: TrialPorts, held: HeldTask): Promise<ReadonlyMap<string, number>> => {
  const ends = new Map<string, number>()
  for (const { kind, topic, partition } of held.task.inputs()) {
    if (kind !== 'topic' && kind !== 'shuffle') continue
    for (const { stable } of await log.offsets(topic, [partition])) ends.set(`${topic}/${partition}`, stable)
  }
  return ends
}

class Steps {
  readonly #ports: TrialPorts
  readonly #options: TrialOptions
  readonly #held: HeldTask
  readonly #max: number
  readonly #say: (word: TrialWord) => void
  #begun: Subject[] = []
  #steps = 0
  #workedMs = 0
  #memoryUsed = 0

  constructor(ports: TrialPorts, options: TrialOptions, held: HeldTask, max: number, say: (word: TrialWord) => void) {
    this.#ports = ports
    this.#options = options
    this.#held = held
    this.#max = max
    this.#say = say
    held.task.watch((subject) => {
      this.#begun.push(subject)
      say({ kind: 'in', subject, memoryUsed: this.#memoryUsed })
    })
  }

  async run(ends: ReadonlyMap<string, number>, arrived: Signal): Promise<void> {
    const { clock } = this.#ports
    const workMsMax = this.#options.settings.commitIntervalMaxMs * COMMIT_INTERVALS
    const caughtUp = (): boolean => this.#held.task.inputs().every(({ topic, partition, next, inFlight }) => inFlight === undefined && next >= (ends.get(`${topic}/${partition}`) ?? 0))
    let movedAt = clock.monotonic()
    while (this.#going && this.#workedMs < workMsMax && !caughtUp() && clock.monotonic() - movedAt < STILL_MS_MAX) {
      if (this.#slice(clock.now())) movedAt = clock.monotonic()
      else await arrived.wait(FETCH_WAIT_MS)
      await clock.sleep(0)
    }
    for (let step = 1; step <= IDLE_STEPS && this.#going && caughtUp(); step += 1) {
      await clock.sleep(FETCH_WAIT_MS * 2)
      while (this.#slice(clock.now() + step * IDLE_STEP_MS)) await clock.sleep(0)
    }
    await clock.sleep(LINGER_MS)
  }

  /** It has failed in an ordinary way: the owner will see that for itself. */
  get #going(): boolean {
    return this.#steps < this.#max && this.#held.failure === undefined && this.#held.task.failure === undefined
  }

  /** Whether anything was done. */
  #slice(now: number): boolean {
    const { clock } = this.#ports
    const { batchOutputBytesMax: outputBytesMax, batchStateBytesMax: stateBytesMax } = this.#options.settings
    const from = clock.monotonic()
    const before = this.#steps
    while (this.#going && clock.monotonic() - from < SLICE_MS) {
      this.#memoryUsed = this.#ports.memoryUsed()
      const { more, full } = this.#held.task.work({ workMs: SLICE_MS, outputBytesMax, stateBytesMax, recordsMax: 1 }, now)
      if (full) this.#commit()
      if (this.#begun.length > 0) {
        this.#steps += 1
        const [only] = this.#begun
        this.#say({ kind: 'between', steps: this.#steps, memoryUsed: this.#memoryUsed, ...(only === undefined || this.#begun.length > 1 ? {} : { only }) })
        this.#begun = []
      }
      if (!more) break
    }
    this.#workedMs += clock.monotonic() - from
    return this.#steps > before
  }

  /** Only here: nothing is written. */
  #commit(): void {
    this.#held.task.freeze(this.#held.generation)
    this.#held.task.committed()
  }
}
