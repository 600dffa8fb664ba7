// Takeover of the tasks a slot was given (design §3): read, fence, claim, tail, resume. Loading goes on beside reading, fencing and claiming; only a task whose
// journal is longer than what may wait for snapshots is loaded first, and claims by itself. Each task starts as soon as it is ready: a slow or missing
// snapshot holds up nobody else.
import { asTidemarkError, howMany, TidemarkError } from '@tidemark/base'
import type { LogReader, TransactionalId } from '@tidemark/base'
import { beforeClaim, clearedByTrial, isToBeTried } from '@tidemark/checkpoint'
import { ClaimGroup } from './claim-group.ts'
import { journalGone } from './claiming.ts'
import type { Claiming, ClaimOutcome } from './claiming.ts'
import type { HeldTask } from './held-task.ts'
import { findCulprits } from './isolation.ts'
import { Attempts } from './attempts.ts'
import { findBeginning, journalOffsets, journalUnreadable, UNANSWERED_MAX } from './beginning.ts'
import type { Beginning } from './beginning.ts'
import { cursorFor, load, nextStart } from './loading.ts'
import type { LoadOutcome } from './loading.ts'
import type { SlotOptions, SlotPorts } from './ports.ts'
import type { Readers } from './readers.ts'
import { checkSources } from './source-check.ts'
import { TailBudget } from './tail-budget.ts'

/** Pause before an attempt that has to begin anew, ms. */
const START_OVER_PAUSE_MS = 20
/** A journal that is trimmed under the reader this often has an owner that goes on: the driver decides anew. */
const BEGIN_ATTEMPTS_MAX = 50
/** Before a fetch that brought nothing is tried again, ms. */
const UNANSWERED_PAUSE_MS = 100
const WAITS_FOR_SNAPSHOT = 'its snapshot, before more of a long journal is read'

/** What the slot does for a takeover, each step under its lock. */
export interface TakeoverSlot {
  readonly lastId: () => TransactionalId
  readonly holds: (held: HeldTask) => boolean
  /** Writes claims for all of them in one transaction, renewing a lost session first. Tells of those whose journal is gone. */
  readonly claim: (helds: readonly HeldTask[]) => Promise<ReadonlyMap<HeldTask, ClaimOutcome>>
  /** The task is ours and its state is whole: it is processed from now on. False: the session of its claim is gone. */
  readonly resume: (held: HeldTask) => Promise<boolean>
  readonly giveUp: (held: HeldTask, outcome: ClaimOutcome & { kind: 'give-up' }) => Promise<void>
  readonly fail: (held: HeldTask, error: TidemarkError) => Promise<void>
}

/** Never rejects in flight: the error waits for whoever asks. */
type Loading = Promise<LoadOutcome | { readonly kind: 'error', readonly error: unknown }>

interface Prepared {
  readonly attempts: Attempts
  readonly loading: Loading
}

export class Takeover {
  readonly #ports: SlotPorts
  readonly #options: SlotOptions
  readonly #claiming: Claiming
  readonly #readers: Readers
  readonly #slot: TakeoverSlot
  readonly #tails = new TailBudget()

  constructor(ports: SlotPorts, options: SlotOptions, claiming: Claiming, readers: Readers, slot: TakeoverSlot) {
    this.#ports = ports
    this.#options = options
    this.#claiming = claiming
    this.#readers = readers
    this.#slot = slot
  }

  /** Never rejects: every task ends up running, given up or failed. */
  async run(helds: readonly HeldTask[]): Promise<void> {
    this.#ports.faults.reach('takeover.told')
    const group = new ClaimGroup(helds, this.#ports.clock, (ready) => this.#claim(ready))
    await Promise.all(helds.map(async (held) => {
      try {
        await this.#take(held, group)
      } finally {
        group.leave(held)
        this.#tails.keeps(held, 0)
      }
    }))
  }

  async #take(held: HeldTask, group: ClaimGroup): Promise<void> {
    const prepared = await this.#guard(held, () => this.#readers.borrow((reader) => this.#prepare(held, reader, new Attempts(), () => group.leave(held))))
    if (prepared === undefined) return
    const gone = await group.claim(held)
    if (gone === undefined) return
    this.#ports.faults.reach('takeover.claimed')
    await this.#guard(held, async () => {
      held.timeline.claimedMs = held.elapsed()
      await this.#readers.borrow((reader) => this.#finish(held, reader, prepared, gone.get(held)))
    })
  }

  /** Undefined: it went wrong for all of them, and they have failed. */
  async #claim(helds: readonly HeldTask[]): Promise<ReadonlyMap<HeldTask, ClaimOutcome> | undefined> {
    try {
      return await this.#slot.claim(helds)
    } catch (error) {
      for (const held of helds) await this.#slot.fail(held, asTidemarkError(error))
      return undefined
    }
  }

  async #guard<T>(held: HeldTask, body: () => Promise<T>): Promise<T | undefined> {
    try {
      return await body()
    } catch (error) {
      const gone = journalGone(held, error)
      if (gone?.kind === 'give-up') await this.#slot.giveUp(held, gone)
      else await this.#slot.fail(held, asTidemarkError(error))
      return undefined
    }
  }

  /**
   * Finds where to begin, reads from there, decides R2 before anybody is fenced, fences (R3). What came into the journal while it waited for the store is
   * read too: an id that it names as an owner before may own the task again. Undefined: given up. The journal can be
   * trimmed under the reader: what its last owner committed may not be visible yet (on Kafka a commit's markers follow its answer), while
   * what that commit allowed to trim is gone already. Then it begins anew.
   */
  async #prepare(held: HeldTask, reader: LogReader, attempts: Attempts, waits: () => void): Promise<Prepared | undefined> {
    for (let begun = 0; ;) {
      try {
        const beginning = await findBeginning(this.#ports.log, reader, held.ref, held.journalTopic)
        const way = await this.#begin(held, beginning, attempts)
        if (way === undefined) return undefined
        const prepared = { attempts, loading: way.loading }
        const done = await this.#readAndFence(held, reader, beginning, prepared, waits)
        if (done !== 'not-loaded') return done === 'fenced' ? prepared : undefined
      } catch (error) {
        begun += 1
        if (begun === BEGIN_ATTEMPTS_MAX || journalGone(held, error)?.kind !== 'start-over') throw error
        this.#ports.logger.info({ task: held.key, attempt: begun, error }, 'takeover.begins-anew')
        await this.#ports.clock.sleep(START_OVER_PAUSE_MS)
        attempts.clear()
      }
    }
  }

  /** Takes the best way left: a cursor to read from, and the loading under way. Undefined: no longer wanted. */
  async #begin(held: HeldTask, beginning: Beginning, attempts: Attempts): Promise<{ readonly loading: Loading } | undefined> {
    attempts.see(beginning, this.#options)
    const start = await nextStart(this.#ports, this.#options, held, beginning, attempts.tried, () => this.#slot.holds(held))
    if (start === undefined) return undefined
    held.startOver(cursorFor(this.#options, held, start))
    this.#tails.keeps(held, 0)
    return { loading: load(this.#ports, this.#options, held, start).catch((error: unknown) => ({ kind: 'error' as const, error })) }
  }

  async #readAndFence(held: HeldTask, reader: LogReader, beginning: Pick<Beginning, 'stable'>, prepared: Prepared, waits: () => void): Promise<'fenced' | 'given-up' | 'not-loaded'> {
    let { stable } = beginning
    let waited = false
    const hasWaited = (): void => {
      waited = true
      waits()
    }
    for (;;) {
      const { cursor } = held
      if (cursor === undefined) throw new TidemarkError(`${held.key} has no cursor`, { code: 'UNEXPECTED', blame: 'bug', action: 'restart-task' })
      for (let unanswered = 0; cursor.next < stable;) {
        if (!(await this.#room(held, prepared, hasWaited))) return 'not-loaded'
        const { next } = cursor
        try {
          await held.take(await cursor.read(reader, stable, 0, (steps) => held.slices.runFirst(steps)))
        } finally {
          this.#tails.keeps(held, held.waitingBytes)
        }
        // What is below the stable offset is there: who decided by a part of it might fence the owner of all of it.
        unanswered = cursor.next > next ? 0 : unanswered + 1
        if (unanswered === UNANSWERED_MAX) throw journalUnreadable(held.ref, held.journalTopic, next, stable)
        if (unanswered > 0) await this.#ports.clock.sleep(UNANSWERED_PAUSE_MS)
      }
      if (waited) {
        waited = false
        stable = (await journalOffsets(this.#ports.log, held.ref, held.journalTopic)).stable
        continue
      }
      this.#ports.faults.reach('takeover.read')
      if (held.timeline.readMs === 0) held.timeline.readMs = held.elapsed()
      const decision = beforeClaim(cursor.view, this.#claiming.stamp(held, this.#slot.lastId()), held.fenced, this.#options.rules)
      if (decision.kind === 'claim') break
      if (decision.kind === 'give-up') {
        await this.#slot.giveUp(held, { kind: 'give-up', because: decision.because, ended: decision.ended, withdraw: held.claimed })
        return 'given-up'
      }
      await this.#claiming.fence(held, decision.ids)
      this.#ports.faults.reach('takeover.fenced')
    }
    held.timeline.fencedMs = held.elapsed()
    return 'fenced'
  }

  /** Before each fetch: what is read is applied at once, or there is room for it to wait. `waits`: it takes long. False: another way to begin is to be tried. */
  async #room(held: HeldTask, prepared: Prepared, waits: () => void): Promise<boolean> {
    if (held.loaded) return true
    const hasRoom = await this.#tails.room(held, prepared.loading, () => {
      held.waitingFor = WAITS_FOR_SNAPSHOT
      waits()
    })
    if (held.waitingFor === WAITS_FOR_SNAPSHOT) held.waitingFor = undefined
    if (hasRoom) return true
    waits()
    return this.#load(held, prepared)
  }

  async #finish(held: HeldTask, reader: LogReader, prepared: Prepared, claimed: ClaimOutcome | undefined): Promise<void> {
    const again = async (one: HeldTask): Promise<void> => {
      claimed = (await this.#slot.claim([one])).get(one)
    }
    while (this.#slot.holds(held)) {
      const outcome = claimed ?? await this.#claiming.settle(held, reader, again, (steps) => held.slices.runFirst(steps))
      this.#tails.keeps(held, held.waitingBytes)
      claimed = undefined
      if (outcome.kind === 'give-up') return this.#slot.giveUp(held, outcome)
      if (outcome.kind === 'session-lost') {
        await again(held)
        continue
      }
      if (outcome.kind === 'own' && (await this.#loaded(held, prepared))) {
        // Not while it is tried: that may take minutes.
        held.readsAhead = !this.#isTried(held)
        await checkSources(held, reader, this.#ports.reader)
        await this.#try(held)
        if (await this.#slot.resume(held)) return undefined
        held.readsAhead = false
        await again(held)
        continue
      }
      if (outcome.kind === 'start-over') {
        await this.#ports.clock.sleep(START_OVER_PAUSE_MS)
        prepared.attempts.clear()
      }
      const anew = await this.#prepare(held, reader, prepared.attempts, () => {})
      if (anew === undefined) return undefined
      prepared = anew
      await again(held)
    }
  }

  #isTried(held: HeldTask): boolean {
    return this.#ports.trial !== undefined && held.culprits === undefined && isToBeTried(held.deaths)
  }

  /** Owners before this one died in a row: what comes next is tried where it costs nobody, and what kills is set aside. */
  async #try(held: HeldTask): Promise<void> {
    const { logger, trial } = this.#ports
    if (trial !== undefined && held.claim !== undefined && this.#isTried(held)) {
      held.culprits = []
      logger.warn({ task: held.key, deaths: held.deaths }, 'takeover.tried')
      held.waitingFor = `its input is tried in a process of its own: ${howMany(held.deaths?.slots ?? 0, 'slot')} and ${howMany(held.deaths?.executors ?? 0, 'executor')} died of it in a row`
      const cleared = await findCulprits(trial, { task: held.ref, generation: held.generation, claimOffset: held.claim.offset }, logger, (culprit) => {
        held.culprits?.push(culprit)
        held.timeline.remarks.push(culprit.error.message)
      })
      held.waitingFor = undefined
      if (cleared) held.deaths = clearedByTrial(held.deaths)
    }
    for (const { subject, error } of held.culprits ?? []) held.task.setAside(subject, error)
  }

  /** The tail is read to the own claim; now the snapshot has to be there. */
  async #loaded(held: HeldTask, prepared: Prepared): Promise<boolean> {
    held.timeline.tailedMs = held.elapsed()
    this.#ports.faults.reach('takeover.tailed')
    return this.#load(held, prepared)
  }

  /** Waits for the snapshot and applies what was read of the tail. False: another way to begin is to be tried. */
  async #load(held: HeldTask, prepared: Prepared): Promise<boolean> {
    if (held.loaded) return true
    const outcome = await prepared.loading
    if (outcome.kind === 'error') throw outcome.error
    if (outcome.kind === 'loaded') {
      held.noGood = prepared.attempts.noGood
      this.#ports.faults.reach('takeover.loaded')
      await held.finishLoading()
      this.#tails.keeps(held, 0)
      return true
    }
    prepared.attempts.tried.push(outcome.kind)
    this.#ports.logger.error({ task: held.key, outcome: outcome.kind, why: outcome.why }, 'takeover.snapshot-not-loaded')
    return false
  }
}
