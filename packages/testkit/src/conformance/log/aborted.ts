// The log suite, aborted transactions: their records reach no committed reader, wherever it begins, and move no position.
import { describe, expect, test } from '@jest/globals'
import { to, useFixture } from './fixture.ts'
import type { MakeLog } from './fixture.ts'

export const abortedTests = (makeLog: MakeLog, hasOpenTransactions: boolean): void => describe('aborted transactions', () => {
  const at = useFixture(makeLog)

  /** Where aborted records take offsets, the positions of the rest and what an uncommitted reader sees are checked too. */
  const expectSeen = async (topic: string, committed: readonly (readonly [number, string])[], everything: readonly string[]): Promise<void> => {
    await at().expectCommittedFromEveryOffset(topic, committed.map(([, value]) => value))
    if (!hasOpenTransactions) return
    expect((await at().read(topic)).map(({ offset, value }) => [offset, String(value)])).toEqual(committed)
    expect(await at().values(topic, { isolation: 'uncommitted' })).toEqual(everything)
    expect(await at().values(topic, { maxBytes: 1 })).toEqual(committed.map(([, value]) => value))
  }

  test('two that overlap, both aborted (K1a) → only what was committed after them', async () => {
    const topic = await at().topic()
    const [a, b, c] = [await at().session(), await at().session(), await at().session()]
    for (const [session, value] of [[a, 'A0'], [b, 'B1'], [b, 'B2'], [a, 'A3'], [b, 'B4']] as const) await session.append([to(topic, 0, value)])
    await at().log.fence(a.transactionalId)
    await at().log.fence(b.transactionalId)
    await c.append([to(topic, 0, 'C')])
    await c.commit()
    await expectSeen(topic, [[7, 'C']], ['A0', 'B1', 'B2', 'A3', 'B4', 'C'])
  })

  test('the one that began first ends last (K1b) → nothing of either', async () => {
    const topic = await at().topic()
    const [a, b, c] = [await at().session(), await at().session(), await at().session()]
    await b.append([to(topic, 0, 'B0', 'B1')])
    await a.append([to(topic, 0, 'A2')])
    await b.append([to(topic, 0, 'B3')])
    await at().log.fence(a.transactionalId)
    await b.append([to(topic, 0, 'B5')])
    await at().log.fence(b.transactionalId)
    await c.append([to(topic, 0, 'C')])
    await c.commit()
    await expectSeen(topic, [[7, 'C']], ['B0', 'B1', 'A2', 'B3', 'B5', 'C'])
  })

  test('a record whose key looks like an abort marker (K1c) → ends nothing', async () => {
    const topic = await at().topic()
    const [a, c] = [await at().session(), await at().session()]
    for (const key of ['k', Buffer.alloc(4), 'k']) await a.append([{ topic, partition: 0, records: [{ key, value: 'aborted' }] }])
    await at().log.fence(a.transactionalId)
    await c.append([{ topic, partition: 0, records: [{ key: Buffer.alloc(4), value: 'C' }] }])
    await c.commit()
    await expectSeen(topic, [[4, 'C']], ['aborted', 'aborted', 'aborted', 'C'])
  })

  test('aborted and committed in turn (K1d), a plain record between → the committed ones and the plain one', async () => {
    const topic = await at().topic()
    for (const round of [1, 2]) {
      const aborting = await at().session()
      await aborting.append([to(topic, 0, `aborted ${round}`)])
      await at().log.write([to(topic, 0, `plain ${round}`)])
      await at().log.fence(aborting.transactionalId)
      await at().committed(to(topic, 0, `committed ${round}`))
    }
    await expectSeen(topic, [[1, 'plain 1'], [3, 'committed 1'], [6, 'plain 2'], [8, 'committed 2']], ['aborted 1', 'plain 1', 'committed 1', 'aborted 2', 'plain 2', 'committed 2'])
  })

  test('one id, aborted, then committed by its successor on the same id → only the second', async () => {
    const topic = await at().topic()
    const first = await at().session()
    await first.append([to(topic, 0, 'first')])
    const second = await at().session(first.transactionalId)
    await second.append([to(topic, 0, 'second')])
    await second.commit()
    await expectSeen(topic, [[2, 'second']], ['first', 'second'])
  })

  test('aborted in one partition at the start, in another in the middle → each partition on its own', async () => {
    const topic = await at().topic(2)
    await at().log.write([to(topic, 1, 'before')])
    const a = await at().session()
    await a.append([to(topic, 0, 'x'), to(topic, 1, 'x', 'x')])
    await at().log.fence(a.transactionalId)
    await at().committed(to(topic, 0, 'kept'), to(topic, 1, 'kept'))
    await at().expectCommittedFromEveryOffset(topic, ['kept'], 0)
    await at().expectCommittedFromEveryOffset(topic, ['before', 'kept'], 1)
  })
})
