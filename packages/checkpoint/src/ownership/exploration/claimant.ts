// One slot that may own the task, driven by the real decisions, one step at a time: every answer of Kafka is a step, so that others run
// between any two.
import { invariantBroken, transactionalId } from '@tidemark/base'
import type { TransactionalId } from '@tidemark/base'
import { compareGenerations, sameOwner } from '../../records/generation.ts'
import type { Generation, SnapshotRef, Stamp } from '../../records/records.ts'
import type { Rules } from '../../rules.ts'
import { claim, commit, release, snapshot, stamp } from '../../samples/records.ts'
import { chainAfter, emptyChain, foldCommit } from '../chain.ts'
import type { Chain } from '../chain.ts'
import { afterClaim, beforeClaim, countFence, openRecords } from '../decide.ts'
import { afterSessionEnd } from '../session.ts'
import { emptyView, passOwn, see, seeSnapshot, seeStart } from '../view.ts'
import type { JournalView } from '../view.ts'
import type { Entry, KafkaPartition } from './kafka.ts'

type Phase = 'idle' | 'session' | 'hint' | 'read' | 'fence' | 'claim' | 'claiming' | 'tail' | 'running' | 'committing' | 'releasing' | 'failed'

export interface World {
  readonly kafka: KafkaPartition
  readonly rules: Rules
  /** Names the last trim left behind; a reader begins there. */
  snapshot: SnapshotRef | undefined
  /** Newly broken promises. */
  readonly violations: string[]
}

export class Claimant {
  readonly name: string
  readonly #world: World
  phase: Phase = 'idle'
  #counter = 0
  #epoch = 0
  #generation: Generation = { epoch: 0, counter: 0 }
  #hint: TransactionalId | undefined
  #view: JournalView
  #chain: Chain = emptyChain()
  #readTo = 0
  #jumped: (readonly [from: number, to: number])[] = []
  #fenced: ReadonlySet<TransactionalId> = new Set()
  #toFence: TransactionalId[] = []
  /** The claim is written again, not the journal read anew, once they are fenced. */
  #reclaim = false
  #offset = -1
  #nonce = 0
  /** A journal view is there to go on from after a failure. */
  #hasRead = false
  #owned = false

  constructor(name: string, world: World) {
    this.name = name
    this.#world = world
    this.#view = emptyView(world.rules)
  }

  get id(): TransactionalId {
    return transactionalId(`${this.name}.${this.#counter}`)
  }

  get me(): Stamp {
    return { ...stamp(this.name, this.#generation.counter, this.#counter), generation: this.#generation }
  }

  get canCommit(): boolean {
    return (this.phase === 'running' || this.phase === 'committing') && this.#world.kafka.isLive(this.id, this.#epoch)
  }

  get applied(): number {
    return this.#chain.batchId
  }

  /** `hint`: whom the driver takes for the last owner; fenced before anything is read, and so of no worth (R4). */
  assign(generation: Generation, hint: TransactionalId | undefined): void {
    this.#generation = generation
    this.#hint = hint
    this.#fenced = new Set()
    this.#hasRead = false
    this.#owned = false
    this.#reclaim = false
    this.phase = this.#epoch === 0 ? 'session' : 'hint'
  }

  /** The next step of what it is doing. */
  step(): void {
    const { kafka, rules } = this.#world
    switch (this.phase) {
      case 'session':
        this.#epoch = kafka.initialise(this.id)
        this.phase = this.#reclaim ? 'claim' : 'hint'
        return
      case 'hint':
        if (this.#hint !== undefined && this.#hint !== this.id) {
          kafka.initialise(this.#hint)
          this.#fenced = countFence(emptyView(rules), this.#fenced, [this.#hint], rules)
        }
        this.phase = 'read'
        return
      case 'read': return this.#readAndDecide()
      case 'fence': return this.#fenceNext()
      case 'claim': {
        this.#nonce += 1
        const offset = kafka.append(claim(this.me, `${this.name}${this.#nonce}`), this.#epoch)
        if (offset === undefined) return this.#failed()
        this.#offset = offset
        this.phase = 'claiming'
        return
      }
      case 'claiming':
        if (!kafka.commit(this.#offset, this.#epoch)) return this.#failed()
        this.phase = 'tail'
        return
      case 'tail': return this.#tail()
      case 'running': {
        const offset = kafka.append(commit(this.me, this.applied + 1), this.#epoch)
        if (offset === undefined) return this.#failed()
        this.#offset = offset
        this.phase = 'committing'
        return
      }
      case 'committing':
        if (!kafka.commit(this.#offset, this.#epoch)) return this.#failed()
        this.#passed()
        this.phase = 'running'
        return
      case 'releasing':
        kafka.commit(this.#offset, this.#epoch)
        this.phase = 'idle'
        return
      case 'failed': return this.#recover()
      case 'idle':
    }
  }

  /** The request was performed, or never arrived; no answer comes. */
  loseAnswer(performed: boolean): void {
    if (performed) this.#world.kafka.commit(this.#offset, this.#epoch)
    this.phase = 'failed'
  }

  /** Planned move: hands the task over at a batch boundary (R7). */
  revoke(): void {
    const offset = this.#world.kafka.append(release(this.me), this.#epoch)
    if (offset === undefined) return this.#failed()
    this.#offset = offset
    this.phase = 'releasing'
  }

  /** Its last batch named a snapshot that is exact before that batch; trims up to there. */
  trim(): void {
    const { kafka } = this.#world
    const isLast = ({ record }: Entry): boolean => record.kind === 'commit' && record.content.batchId === this.applied && record.transactionalId === this.id && compareGenerations(record.generation, this.#generation) === 0
    const at = kafka.entries.findLastIndex((entry) => entry.status === 'committed' && isLast(entry))
    if (at < 0 || this.applied < 2) return
    this.#world.snapshot = snapshot(this.me, this.applied, this.applied - 1, at)
    kafka.start = at
  }

  #failed(): void {
    this.phase = 'failed'
  }

  /** Design §3, Commit: fence the own old id, a new one, claim again, same generation. */
  #recover(): void {
    const { kafka, rules } = this.#world
    const end = afterSessionEnd(this.id, this.#counter, rules)
    for (const id of end.fence) kafka.initialise(id)
    this.#counter = end.counter
    if (end.claimAgain) {
      this.#reclaim = this.#hasRead
      this.phase = 'session'
      return
    }
    // Without R5 the producer is made anew on its old id and simply goes on.
    this.#epoch = kafka.initialise(this.id)
    this.#read()
    this.phase = this.#owned ? 'running' : 'read'
  }

  #begin(): JournalView {
    const { snapshot: ref, kafka, rules } = this.#world
    this.#readTo = ref?.journalNext ?? 0
    this.#chain = ref === undefined ? emptyChain() : chainAfter(ref)
    const view = seeStart(emptyView(rules), kafka.start)
    return ref === undefined ? view : seeSnapshot(view, ref)
  }

  /** The own committed record: its offset is known from the answer, what others wrote before it is not read until the next claim (as the slot does it). */
  #passed(): void {
    const record = this.#world.kafka.entries[this.#offset]?.record
    if (record?.kind !== 'commit') return
    this.#view = passOwn(this.#view, record, this.#offset)
    this.#chain = foldCommit(this.#chain, record)
    if (this.#readTo < this.#offset) this.#jumped.push([this.#readTo, this.#offset])
    this.#readTo = this.#offset + 1
  }

  #readJumped(): void {
    for (const [from, to] of this.#jumped) {
      for (const { record, offset } of this.#world.kafka.committed(from, to)) {
        if (record.kind !== 'claim' || compareGenerations(record.generation, this.#generation) >= 0) this.#view = see(this.#view, record, offset)
      }
    }
    this.#jumped = []
  }

  /** Folds what is committed up to the stable offset. */
  #read(): void {
    const { kafka } = this.#world
    for (const { record, offset } of kafka.committed(this.#readTo, kafka.stable)) {
      this.#view = see(this.#view, record, offset)
      if (record.kind === 'commit') this.#chain = foldCommit(this.#chain, record)
    }
    this.#readTo = Math.max(this.#readTo, kafka.stable)
  }

  #readAndDecide(): void {
    this.#view = this.#begin()
    this.#read()
    const decision = beforeClaim(this.#view, this.me, this.#fenced, this.#world.rules)
    if (decision.kind === 'give-up') this.phase = 'idle'
    else if (decision.kind === 'claim') {
      this.#hasRead = true
      this.phase = 'claim'
    }
    else this.#mustFence(decision.ids, false)
  }

  #mustFence(ids: readonly TransactionalId[], reclaim: boolean): void {
    for (const id of ids) {
      const other = this.#view.ids.get(id)?.at(-1)
      if (other !== undefined && !sameOwner(other.owner, this.me.owner) && compareGenerations(other.generation, this.#generation) >= 0) this.#world.violations.push(`${this.name} fences ${id} of a higher or equal generation`)
    }
    this.#toFence = [...ids]
    this.#reclaim = reclaim
    this.phase = 'fence'
  }

  #fenceNext(): void {
    const id = this.#toFence.shift()
    if (id !== undefined) {
      this.#world.kafka.initialise(id)
      this.#fenced = countFence(this.#view, this.#fenced, [id], this.#world.rules)
    }
    if (this.#toFence.length === 0) this.phase = this.#reclaim ? 'claim' : 'read'
  }

  #tail(): void {
    const { kafka, rules } = this.#world
    if (kafka.start > this.#readTo) {
      this.phase = 'read'
      return
    }
    this.#read()
    if (kafka.stable <= this.#offset) {
      const open = openRecords(this.#view, this.me, kafka.entries.slice(kafka.stable, this.#offset).map((entry) => entry.record), rules)
      if (open.kind === 'give-up') return this.#withdraw()
      if (open.kind === 'fence') for (const id of open.ids) {
        kafka.initialise(id)
        this.#fenced = new Set([...this.#fenced, id])
      }
      return
    }
    this.#readJumped()
    const decision = afterClaim(this.#view, this.me, this.#fenced, { nonce: `${this.name}${this.#nonce}`, offset: this.#offset }, rules)
    switch (decision.kind) {
      case 'own':
        this.#owned = true
        this.phase = 'running'
        return
      case 'withdraw': return this.#withdraw()
      case 'start-over':
        this.phase = 'read'
        return
      case 'fence-and-claim-again': return this.#mustFence(decision.ids, true)
      default: throw invariantBroken('exploration', `no such decision: ${JSON.stringify(decision satisfies never)}`, {})
    }
  }

  #withdraw(): void {
    const offset = this.#world.kafka.append(release(this.me), this.#epoch)
    this.#offset = offset ?? -1
    this.phase = offset === undefined ? 'idle' : 'releasing'
    if (offset === undefined) {
      this.#counter += 1
      this.#epoch = 0
    }
  }
}
