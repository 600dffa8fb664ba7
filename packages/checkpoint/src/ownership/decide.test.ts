// Before and after a claim, and while it waits: each decision, in the situations the design names.
import { describe, expect, test } from '@jest/globals'
import type { TransactionalId } from '@tidemark/base'
import type { JournalRecord } from '../records/records.ts'
import { ALL_RULES } from '../rules.ts'
import { claim, commit, driverStamp, ended, release, snapshot, stamp } from '../samples/records.ts'
import { afterClaim, beforeClaim, countFence, openRecords } from './decide.ts'
import type { AfterClaim } from './decide.ts'
import { afterSessionEnd } from './session.ts'
import { emptyView, see, seeSnapshot, seeStart } from './view.ts'
import type { JournalView } from './view.ts'

const [A, B, C] = [stamp('A', 1), stamp('B', 2), stamp('C', 3)]
const none: ReadonlySet<TransactionalId> = new Set()
const ids = (...of: readonly { readonly transactionalId: TransactionalId }[]): ReadonlySet<TransactionalId> => new Set(of.map((one) => one.transactionalId))
const view = (records: readonly JournalRecord[], from = 0, into = emptyView()): JournalView => records.reduce((seen, record, i) => see(seen, record, from + i), into)
const mine = (offset: number): { nonce: string, offset: number } => ({ nonce: 'mine', offset })
const kindOf = (decision: AfterClaim): unknown => decision.kind === 'fence-and-claim-again' ? decision.ids : decision.kind

describe('before a claim', () => {
  test('an empty journal: claim', () => {
    expect(beforeClaim(emptyView(), A, none, ALL_RULES)).toMatchObject({ kind: 'claim', permit: { stamp: A } })
  })
  test('R3: every unreleased id is fenced, then the claim is permitted', () => {
    const seen = view([claim(A), commit(A, 1), claim(B), release(B)])
    expect(beforeClaim(seen, C, none, ALL_RULES)).toEqual({ kind: 'fence', ids: [A.transactionalId] })
    expect(beforeClaim(seen, C, ids(A), ALL_RULES).kind).toBe('claim')
  })
  test('R3: an id that was released and claims again is unreleased', () => {
    expect(beforeClaim(view([claim(A), release(A), claim(A)]), C, none, ALL_RULES)).toEqual({ kind: 'fence', ids: [A.transactionalId] })
  })
  test('R2: a higher or equal generation of another, released or not, means giving up before anybody is fenced', () => {
    for (const records of [[claim(C)], [claim(C), release(C)], [commit(C, 1)], [claim(A), claim({ ...C, generation: B.generation })]]) {
      expect(beforeClaim(view(records), B, none, ALL_RULES)).toMatchObject({ kind: 'give-up', ended: false })
    }
    expect(beforeClaim(seeSnapshot(emptyView(), snapshot(C, 4, 40, 400)), B, none, ALL_RULES).kind).toBe('give-up')
  })
  test('R2: a stale command to a slot that has held the task at a higher generation gives up too', () => {
    expect(beforeClaim(view([claim(stamp('A', 5)), release(stamp('A', 5))]), stamp('A', 4), none, ALL_RULES).kind).toBe('give-up')
    expect(beforeClaim(view([claim(stamp('A', 5)), release(stamp('A', 5))]), stamp('A', 6), none, ALL_RULES).kind).toBe('claim')
  })
  test('R6: the snapshot\'s owner is fenced, unless the journal behind it says that it released', () => {
    const ref = snapshot(A, 4, 40, 400)
    expect(beforeClaim(seeSnapshot(emptyView(), ref), B, none, ALL_RULES)).toEqual({ kind: 'fence', ids: [A.transactionalId] })
    expect(beforeClaim(view([release(A)], 400, seeSnapshot(emptyView(), ref)), B, none, ALL_RULES).kind).toBe('claim')
    // In whichever order they come to be known.
    expect(beforeClaim(seeSnapshot(view([release(A)], 400), ref), B, none, ALL_RULES).kind).toBe('claim')
    expect(beforeClaim(seeSnapshot(view([release(A)], 300), ref), B, none, ALL_RULES).kind).toBe('fence')
  })
  test('R6: the origin of a run names nobody of this journal', () => {
    expect(beforeClaim(seeSnapshot(emptyView(), snapshot(C, 4, 0, 0)), A, none, ALL_RULES).kind).toBe('claim')
  })
  test('ended: final for every slot, whatever its generation', () => {
    expect(beforeClaim(view([claim(A), ended(driverStamp('D', 2))]), stamp('B', 1, 0, 9), none, ALL_RULES)).toMatchObject({ kind: 'give-up', ended: true })
  })
  test('ended: a driver finishes what another driver began, because an owner may still be unfenced', () => {
    const seen = view([claim(A), ended(driverStamp('D', 2))])
    expect(beforeClaim(seen, driverStamp('E', 3), none, ALL_RULES)).toEqual({ kind: 'fence', ids: [A.transactionalId, driverStamp('D', 2).transactionalId] })
    expect(beforeClaim(seen, driverStamp('E', 1), none, ALL_RULES)).toMatchObject({ kind: 'give-up', ended: false })
  })
})

describe('after a claim', () => {
  test('nobody else: own, with a permit that names the claim', () => {
    expect(afterClaim(view([claim(A, 'mine')]), A, none, mine(0), ALL_RULES)).toMatchObject({ kind: 'own', permit: { stamp: A, claimOffset: 0 } })
  })
  test('R3: an id that turned up before the own claim is fenced and the claim written again', () => {
    const seen = view([claim(A), claim(B), claim(C, 'mine')])
    expect(kindOf(afterClaim(seen, C, ids(A), mine(2), ALL_RULES))).toEqual([B.transactionalId])
    expect(kindOf(afterClaim(see(seen, claim(C, 'again'), 3), C, ids(A, B), { nonce: 'again', offset: 3 }, ALL_RULES))).toBe('own')
  })
  test('R3: a release behind the own claim does not help, its owner may have committed in between', () => {
    const seen = view([claim(A), claim(C, 'mine'), commit(A, 1), release(A)])
    expect(kindOf(afterClaim(seen, C, none, mine(1), ALL_RULES))).toEqual([A.transactionalId])
    expect(kindOf(afterClaim(see(seen, claim(C, 'again'), 4), C, none, { nonce: 'again', offset: 4 }, ALL_RULES))).toBe('own')
  })
  test('R3: what comes behind the own claim is the other\'s business', () => {
    expect(kindOf(afterClaim(view([claim(C, 'mine'), claim(B)]), C, none, mine(0), ALL_RULES))).toBe('own')
  })
  test('R2: withdraw before a higher generation, also when it came behind the own claim', () => {
    expect(afterClaim(view([claim(C), claim(B, 'mine')]), B, none, mine(1), ALL_RULES)).toMatchObject({ kind: 'withdraw', ended: false })
    expect(kindOf(afterClaim(view([claim(B, 'mine'), claim(C)]), B, none, mine(0), ALL_RULES))).toBe('withdraw')
  })
  test('R2: of two with the same generation only the later one withdraws', () => {
    const rival = { ...C, generation: B.generation }
    const records = [claim(B, 'mine'), claim(rival, 'mine')]
    expect(kindOf(afterClaim(view(records), B, none, mine(0), ALL_RULES))).toBe('own')
    expect(kindOf(afterClaim(view(records), rival, none, mine(1), ALL_RULES))).toBe('withdraw')
  })
  test('claim again after a failure: former ids of the own slot count as own', () => {
    const again = stamp('A', 1, 1)
    expect(kindOf(afterClaim(view([claim(A), commit(A, 1), claim(again, 'mine')]), again, none, mine(2), ALL_RULES))).toBe('own')
    expect(kindOf(afterClaim(view([claim(A), claim(B), commit(B, 1), release(B), claim(again, 'mine')]), again, none, mine(4), ALL_RULES))).toBe('withdraw')
  })
  test('ended: withdraw, for good; the driver that wrote it owns the end', () => {
    const driver = driverStamp('D', 1)
    expect(afterClaim(view([ended(driver), claim(C, 'mine')]), C, none, mine(1), ALL_RULES)).toMatchObject({ kind: 'withdraw', ended: true })
    expect(kindOf(afterClaim(view([claim(A), ended(driverStamp('D', 2))]), driverStamp('D', 2), ids(A), { offset: 1 }, ALL_RULES))).toBe('own')
    expect(kindOf(afterClaim(view([claim(A), ended(driverStamp('D', 2))]), driverStamp('D', 2), none, { offset: 1 }, ALL_RULES))).toEqual([A.transactionalId])
  })
  test('a claim below the snapshot used, or below the journal\'s start, or not there any more, is no claim', () => {
    expect(kindOf(afterClaim(seeSnapshot(view([claim(A, 'mine')], 399), snapshot(A, 4, 40, 400)), A, none, mine(399), ALL_RULES))).toBe('start-over')
    expect(kindOf(afterClaim(seeStart(view([claim(A, 'mine')]), 1), A, none, mine(0), ALL_RULES))).toBe('start-over')
    expect(kindOf(afterClaim(view([claim(A, 'other')]), A, none, mine(0), ALL_RULES))).toBe('start-over')
    expect(kindOf(afterClaim(view([claim(B, 'mine')]), A, none, mine(0), ALL_RULES))).toBe('start-over')
  })
  test('deciding before the claim was read is a bug', () => {
    expect(() => afterClaim(view([claim(A)]), B, none, mine(7), ALL_RULES)).toThrow('the journal was read up to 1, the own claim is at 7')
  })
})

describe('while the stable offset stays below the own claim (R8)', () => {
  test('the record at the stable offset is certainly open: its id is fenced; those behind it are left alone', () => {
    expect(openRecords(emptyView(), C, [claim(A), claim(B)], ALL_RULES)).toEqual({ kind: 'fence', ids: [A.transactionalId] })
  })
  test('an open record of an equal or higher generation: give up; own or none: wait', () => {
    expect(openRecords(emptyView(), B, [claim(A), commit(C, 1)], ALL_RULES).kind).toBe('give-up')
    expect(openRecords(emptyView(), A, [claim(stamp('A', 1, 3))], ALL_RULES)).toEqual({ kind: 'wait' })
    expect(openRecords(emptyView(), A, [], ALL_RULES)).toEqual({ kind: 'wait' })
  })
})

describe('fences and sessions', () => {
  test('R4: only a fence of an id that was read before counts', () => {
    expect([...countFence(view([claim(A)]), none, [A.transactionalId, B.transactionalId], ALL_RULES)]).toEqual([A.transactionalId])
  })
  test('R5: after any failure the old id is fenced, the next is a new one, and everything is claimed again', () => {
    expect(afterSessionEnd(A.transactionalId, 4, ALL_RULES)).toEqual({ fence: [A.transactionalId], counter: 5, claimAgain: true })
  })
  test('a view made elsewhere is refused', () => {
    expect(() => see({ ...emptyView() }, claim(A), 0)).toThrow('made by emptyView')
  })
})
