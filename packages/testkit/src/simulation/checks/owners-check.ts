// Who has which task and when: a generation is given once (R1), who released is not fenced (R7), nobody waits for the transaction of one who died (R8), nothing lands under an old id.
import { jobId, taskKey } from '@tidemark/base'
import type { TaskRef, TransactionalId } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import type { SimCluster } from '../cluster.ts'
import type { JournalCheck } from './journal-check.ts'
import type { Violations } from './violations.ts'

/** Well below the time after which a broker ends a transaction. */
const CLAIM_WAIT_MS_MAX = 1_000

export class OwnersCheck {
  readonly #cluster: SimCluster
  readonly #journals: ReadonlyMap<string, JournalCheck>
  readonly #violations: Violations
  /** Until when something makes a host slow: its waits say nothing. */
  readonly #disturbed = new Map<string, number>()
  #onGiven: (() => void)[] = []
  /** By task and generation: to which slot. */
  readonly #given = new Map<string, string>()
  /** When each task was last given to each slot, by the slot's name. */
  readonly #givenAt = new Map<string, number>()
  /** When each slot last lost its session. */
  readonly #lostAt = new Map<string, number>()
  /** Of each slot that is about to fence behind a claim of its own: when the session before that claim was lost. */
  readonly #reclaims = new Map<string, number>()
  /** Newest session of each slot. */
  readonly #sessions = new Map<string, number>()
  /** Ids whose fence ended a transaction: that was not needless. */
  readonly #aborted = new Set<string>()

  constructor(cluster: SimCluster, journals: ReadonlyMap<string, JournalCheck>, violations: Violations) {
    this.#cluster = cluster
    this.#journals = journals
    this.#violations = violations
  }

  disturbed(host: string, untilMs: number): void {
    this.#disturbed.set(host, Math.max(untilMs, this.#disturbed.get(host) ?? 0))
  }

  /** Calls it when the next task is given to somebody. */
  onceGiven(run: () => void): void {
    this.#onGiven.push(run)
  }

  session({ slot, counter }: { readonly slot: string, readonly counter: number }): void {
    this.#sessions.set(slot, Math.max(counter, this.#sessions.get(slot) ?? 0))
  }

  lost(who: string): void {
    this.#lostAt.set(who, this.#cluster.scheduler.now)
  }

  reclaims(who: string, task: string): void {
    this.#reclaims.set(`${who} ${task}`, this.#lostAt.get(who) ?? 0)
  }

  aborted(id: TransactionalId): void {
    this.#aborted.add(id)
  }

  /** Nothing of an id lands any more once its slot has gone on to the next. */
  appended(id: TransactionalId): void {
    const of = paths.parseTransactionalId(id)
    const newest = of === undefined ? undefined : this.#sessions.get(of.slot)
    if (of !== undefined && newest !== undefined && of.counter < newest) this.#violations.add('old id', `an append of ${id} was taken when session ${newest} of that slot had begun`)
  }

  /** R1: a generation is given once, to one slot. */
  assigned(facts: unknown): void {
    const { executor, facts: { task, generation, slot } } = facts as { readonly executor: string, readonly facts: { readonly task: { readonly run: number, readonly stage: string, readonly partition: number }, readonly generation: { readonly epoch: number, readonly counter: number }, readonly slot: number } }
    const key = `run ${task.run} ${task.stage}-${task.partition} generation ${generation.epoch}.${generation.counter}`
    const to = `slot ${slot} of executor ${executor}`
    const before = this.#given.get(key)
    if (before !== undefined) this.#violations.add('generation given twice', `${key}: to ${before}, then to ${to}`)
    this.#given.set(key, to)
    for (const run of this.#onGiven.splice(0)) run()
    const host = [...this.#cluster.executors].find(([, { id }]) => id === executor)?.[0] ?? executor
    const ref: TaskRef = { ...task, job: jobId(this.#cluster.workload.name), stage: task.stage as TaskRef['stage'] }
    this.#givenAt.set(`${host}.${slot} ${taskKey(ref)}`, this.#cluster.scheduler.now)
  }

  /** R7: who gave a task up in order is not fenced for it; that would cost it its other tasks. */
  fenced(who: string, facts: unknown): void {
    const { task, ids } = facts as { readonly task: string, readonly ids: readonly TransactionalId[] }
    const journal = [...this.#journals.values()].find(({ of: { ref } }) => taskKey(ref) === task)
    const givenAt = this.#givenAt.get(`${who} ${task}`)
    if (journal === undefined || givenAt === undefined) return
    // Its claim is younger than both, and it has read the journal up to that.
    const since = Math.max(givenAt, this.#reclaims.get(`${who} ${task}`) ?? 0)
    this.#reclaims.delete(`${who} ${task}`)
    for (const id of ids) {
      const of = paths.parseTransactionalId(id)
      // An older id of that slot is fenced already: another fence costs nobody anything.
      if (of === undefined || of.counter !== this.#sessions.get(of.slot) || this.#aborted.has(id)) continue
      const releasedAt = journal.releasedAt(of.slot)
      if (releasedAt !== undefined && releasedAt < since) this.#violations.add('needless fence', `${id} was fenced by ${who} for ${task}, which it had released ${(since - releasedAt).toFixed(1)} ms before ${since === givenAt ? 'that was given out again' : 'its heir lost a session'}`)
    }
  }

  /** R8: a claim does not wait until the broker ends the transaction of one who died in it. */
  running(facts: unknown): void {
    const { executor, facts: { task, recovery: { steps } } } = facts as { readonly executor: string, readonly facts: { readonly task: TaskRef, readonly recovery: { readonly steps?: { readonly claimedMs: number, readonly tailedMs: number } } } }
    const waitedMs = steps === undefined ? 0 : steps.tailedMs - steps.claimedMs
    const host = [...this.#cluster.executors.values()].find(({ id }) => id === executor)?.process.host ?? ''
    if (this.#cluster.scheduler.now - waitedMs < (this.#disturbed.get(host) ?? 0) + CLAIM_WAIT_MS_MAX) return
    if (waitedMs > CLAIM_WAIT_MS_MAX) this.#violations.add('prompt', `${taskKey(task)} waited ${waitedMs} ms for its claim`)
  }
}
