// R1-R8: who may own a task.
import assert from 'node:assert/strict'
import type { TransactionalId } from '@tidemark/base'
import { nextGeneration } from '../ownership/assign.ts'
import { afterClaim, beforeClaim, countFence, openRecords } from '../ownership/decide.ts'
import { emptyChain, foldCommit } from '../ownership/chain.ts'
import { KafkaPartition } from '../ownership/exploration/kafka.ts'
import { afterSessionEnd } from '../ownership/session.ts'
import { emptyView, see, seeSnapshot } from '../ownership/view.ts'
import type { JournalView } from '../ownership/view.ts'
import type { JournalRecord, Stamp } from '../records/records.ts'
import type { Rules } from '../rules.ts'
import { claim, commit, release, snapshot, stamp } from '../samples/records.ts'
import type { Scenario } from './scenario.ts'

const nobody: ReadonlySet<TransactionalId> = new Set()

const viewOf = (rules: Rules, ...records: readonly JournalRecord[]): JournalView => records.reduce((view, record, offset) => see(view, record, offset), emptyView(rules))

/** What a reader of the partition sees up to its stable offset. */
const read = (kafka: KafkaPartition, rules: Rules): JournalView => kafka.committed(0, kafka.stable).reduce((view, { record, offset }) => see(view, record, offset), emptyView(rules))

/** Appends and commits; throws when the writer is fenced. */
const write = (kafka: KafkaPartition, record: JournalRecord, epoch: number): number => {
  const offset = kafka.append(record, epoch)
  assert.ok(offset !== undefined && kafka.commit(offset, epoch), `${record.transactionalId} is fenced`)
  return offset
}

const [A, B, C] = [stamp('A', 1), stamp('B', 2), stamp('C', 3)]

const staleDriver: Scenario = {
  rule: 'R1', breaks: 'two drivers give the same generation, and the replaced one takes a task from a newer owner',
  play: (rules) => {
    const before = { epoch: 1, counter: 1 }
    // Driver 2 has replaced driver 1, which doesn't know and gives the task twice.
    const newer: Stamp = { ...stamp('B', 0), generation: nextGeneration(2, before, rules) }
    const first = nextGeneration(1, before, rules)
    const stale: Stamp = { ...stamp('C', 0), generation: nextGeneration(1, first, rules) }
    const decision = beforeClaim(viewOf(rules, claim(newer)), stale, nobody, rules)
    assert.equal(decision.kind, 'give-up', 'the command of a replaced driver takes the task from the owner that the new driver gave it to')
  },
}

const lateClaimant: Scenario = {
  rule: 'R2', breaks: 'a late claimant with a lower generation fences the newer owner and steals the task',
  play: (rules) => {
    assert.equal(beforeClaim(viewOf(rules, claim(C)), B, nobody, rules).kind, 'give-up', 'a claimant fences an owner of a higher generation')
    assert.equal(beforeClaim(viewOf(rules, claim(C), release(C)), B, nobody, rules).kind, 'give-up', 'a claimant takes a task that a higher generation has released')
    const decision = afterClaim(viewOf(rules, claim(C), claim(B, 'mine')), B, nobody, { nonce: 'mine', offset: 1 }, rules)
    assert.equal(decision.kind, 'withdraw', 'a claimant that lost leaves a claim that names its live slot')
  },
}

const twoClaimants: Scenario = {
  rule: 'R3', breaks: 'two claimants fence only the owner before them, and both can commit',
  play: (rules) => {
    // Both read A's claim, both fence A, both claim.
    const journal = [claim(A), claim(B, 'b'), claim(C, 'c')]
    const fenced = new Set([A.transactionalId])
    const b = afterClaim(viewOf(rules, ...journal.slice(0, 2)), B, fenced, { nonce: 'b', offset: 1 }, rules)
    const c = afterClaim(viewOf(rules, ...journal), C, fenced, { nonce: 'c', offset: 2 }, rules)
    assert.ok(!(b.kind === 'own' && c.kind === 'own'), 'B and C both got the permit to commit, and nobody fenced B')
  },
}

const fenceOnHint: Scenario = {
  rule: 'R4', breaks: 'a fence made on a hint, before its owner initialised the id, is void: both can commit',
  play: (rules) => {
    const kafka = new KafkaPartition()
    // C fences the id that the driver says B will have; B initialises it only then.
    kafka.initialise(B.transactionalId)
    const fenced = countFence(emptyView(rules), nobody, [B.transactionalId], rules)
    const b = kafka.initialise(B.transactionalId)
    write(kafka, claim(B, 'b'), b)
    const c = kafka.initialise(C.transactionalId)
    const offset = write(kafka, claim(C, 'c'), c)
    const decision = afterClaim(read(kafka, rules), C, fenced, { nonce: 'c', offset }, rules)
    assert.ok(decision.kind !== 'own' || !kafka.isLive(B.transactionalId, b), 'C owns the task while B can still commit')
  },
}

const zombieReturns: Scenario = {
  rule: 'R5', breaks: 'a fenced owner makes its producer anew on its old id, which lifts the fence: both commit',
  play: (rules) => {
    const kafka = new KafkaPartition()
    write(kafka, claim(A), kafka.initialise(A.transactionalId))
    // A loses an answer; B fences A and takes over; A goes on after the failure.
    kafka.initialise(A.transactionalId)
    const b = kafka.initialise(B.transactionalId)
    write(kafka, claim(B, 'b'), b)
    const end = afterSessionEnd(A.transactionalId, 0, rules)
    for (const id of end.fence) kafka.initialise(id)
    const again = stamp('A', 1, end.counter)
    const a = kafka.initialise(again.transactionalId)
    if (end.claimAgain) {
      const offset = write(kafka, claim(again, 'a'), a)
      assert.equal(afterClaim(read(kafka, rules), again, new Set(), { nonce: 'a', offset }, rules).kind, 'withdraw')
    } else write(kafka, commit(again, 1), a)
    write(kafka, commit(B, 1), b)
    // Whoever folds the journal sees whether one of them was too many.
    kafka.committed(0, kafka.stable).reduce((chain, { record }) => (record.kind === 'commit' ? foldCommit(chain, record) : chain), emptyChain())
  },
}

const trimmedClaim: Scenario = {
  rule: 'R6', breaks: 'trimming removed the owner\'s claim: the next owner finds nobody to fence',
  play: (rules) => {
    // The journal begins behind A's claim; its snapshot and its commit records are what is left.
    const decisions = [
      beforeClaim(seeSnapshot(emptyView(rules), snapshot(A, 4, 40, 400)), B, nobody, rules),
      beforeClaim(see(emptyView(rules), commit(A, 41), 400), B, nobody, rules),
    ]
    for (const decision of decisions) assert.deepEqual(decision, { kind: 'fence', ids: [A.transactionalId] }, 'B claims while A can still commit')
  },
}

const plannedMove: Scenario = {
  rule: 'R7', breaks: 'moving one task fences its slot and takes all its other tasks down',
  play: (rules) => {
    const decision = beforeClaim(viewOf(rules, claim(A), commit(A, 1), release(A)), B, nobody, rules)
    assert.equal(decision.kind, 'claim', 'the slot that handed the task over is fenced')
  },
}

const deadInsideClaim: Scenario = {
  rule: 'R8', breaks: 'a claimant that died inside its claim holds the next one up for a whole transaction time-out',
  play: (rules) => {
    const kafka = new KafkaPartition()
    kafka.append(claim(B, 'b'), kafka.initialise(B.transactionalId))
    const offset = write(kafka, claim(C, 'c'), kafka.initialise(C.transactionalId))
    for (let round = 0; round < 3 && kafka.stable <= offset; round += 1) {
      const decision = openRecords(read(kafka, rules), C, kafka.entries.slice(kafka.stable, offset).map((entry) => entry.record), rules)
      if (decision.kind === 'fence') for (const id of decision.ids) kafka.initialise(id)
    }
    assert.ok(kafka.stable > offset, 'the stable offset stays below the own claim')
    const higher = openRecords(emptyView(rules), B, [claim(C)], rules)
    assert.equal(higher.kind, 'give-up', 'an open claim of a higher generation is fenced')
  },
}

export const OWNERSHIP_SCENARIOS: readonly Scenario[] = [staleDriver, lateClaimant, twoClaimants, fenceOnHint, zombieReturns, trimmedClaim, plannedMove, deadInsideClaim]
