// The log suite, fencing: who is fenced commits nothing; a session that was rejected once is dead.
import { describe, expect, test } from '@jest/globals'
import type { ProducerSession } from '@tidemark/base'
import { to, useFixture } from './fixture.ts'
import type { MakeLog } from './fixture.ts'

const FENCED = { code: 'LOG_FENCED', action: 'restart-task' }

export const fencingTests = (makeLog: MakeLog, hasOpenTransactions: boolean): void => describe('fencing', () => {
  const at = useFixture(makeLog)
  const appendAndCommit = async (session: ProducerSession, topic: string, value: string): Promise<void> => {
    await session.append([to(topic, 0, value)])
    await session.commit()
  }

  test('fenced: its next transaction is LOG_FENCED and leaves nothing', async () => {
    const topic = await at().topic()
    const session = await at().session()
    await appendAndCommit(session, topic, 'before')
    await at().log.fence(session.transactionalId)
    await expect(appendAndCommit(session, topic, 'after')).rejects.toMatchObject(FENCED)
    await at().committed(to(topic, 0, 'other'))
    expect(await at().values(topic)).toEqual(['before', 'other'])
  })

  test('fenced between append and commit: the commit is LOG_FENCED, nothing of the transaction is ever seen', async () => {
    const topic = await at().topic(2)
    const session = await at().session()
    await session.append([to(topic, 0, 'lost'), to(topic, 1, 'lost')])
    await at().log.fence(session.transactionalId)
    // The fence has ended it: nothing is open when it resolves.
    for (const { stable, end } of await at().log.offsets(topic)) expect(stable).toBe(end)
    await expect(session.commit()).rejects.toMatchObject(FENCED)
    await at().committed(to(topic, 0, 'kept'), to(topic, 1, 'kept'))
    await at().expectCommittedFromEveryOffset(topic, ['kept'], 0)
    await at().expectCommittedFromEveryOffset(topic, ['kept'], 1)
  })

  test('fence: what was committed stays, other ids go on, twice is once', async () => {
    const topic = await at().topic()
    const [one, other] = [await at().session(), await at().session()]
    await appendAndCommit(one, topic, 'a')
    await other.append([to(topic, 0, 'b')])
    await at().log.fence(one.transactionalId)
    await at().log.fence(one.transactionalId)
    await other.commit()
    await appendAndCommit(other, topic, 'c')
    expect(await at().values(topic)).toEqual(['a', 'b', 'c'])
  })

  test('fence of an id that was never used → void: its first initialise works', async () => {
    const topic = await at().topic()
    const id = at().id()
    await at().log.fence(id)
    await appendAndCommit(await at().session(id), topic, 'a')
    expect(await at().values(topic)).toEqual(['a'])
  })

  test('fence between making a session and initialising it → void, as for an id never used', async () => {
    const topic = await at().topic()
    const session = at().log.session(at().id())
    await at().log.fence(session.transactionalId)
    await session.initialise()
    await appendAndCommit(session, topic, 'a')
    await session.close()
    expect(await at().values(topic)).toEqual(['a'])
  })

  test('a fenced owner that initialises its id again → un-fences itself (why rule R5 is needed); its old session stays fenced', async () => {
    const topic = await at().topic()
    const old = await at().session()
    await old.append([to(topic, 0, 'lost')])
    await at().log.fence(old.transactionalId)
    const zombie = await at().session(old.transactionalId)
    await appendAndCommit(zombie, topic, 'zombie')
    await expect(old.commit()).rejects.toMatchObject(FENCED)
    await appendAndCommit(zombie, topic, 'again')
    expect(await at().values(topic)).toEqual(['zombie', 'again'])
  })

  test('initialise: aborts what an earlier session of the id left open and fences it', async () => {
    const topic = await at().topic()
    const earlier = await at().session()
    await earlier.append([to(topic, 0, 'lost')])
    await earlier.close()
    const later = await at().session(earlier.transactionalId)
    expect((await at().log.offsets(topic)).map(({ stable, end }) => end - stable)).toEqual([0])
    await appendAndCommit(later, topic, 'kept')
    expect(await at().values(topic)).toEqual(['kept'])
  })

  test('two sessions on one id → the one that initialised last commits, the other is fenced', async () => {
    const topic = await at().topic()
    const first = await at().session()
    const second = await at().session(first.transactionalId)
    await expect(appendAndCommit(first, topic, 'first')).rejects.toMatchObject(FENCED)
    await appendAndCommit(second, topic, 'second')
    expect(await at().values(topic)).toEqual(['second'])
  })

  test('after a rejection: the session is dead for every call, its id fenced, a new id goes on', async () => {
    const topic = await at().topic()
    const session = await at().session()
    await session.append([to(topic, 0, 'lost')])
    await expect(session.append([to(at().unused(), 0, 'x')]).then(() => session.commit())).rejects.toMatchObject({ code: 'LOG_TOPIC_MISSING' })
    for (const call of [() => session.append([to(topic, 0, 'x')]), () => session.commit(), () => session.initialise()]) await expect(call()).rejects.toMatchObject({ code: 'LOG_CLOSED' })
    await at().log.fence(session.transactionalId)
    await at().committed(to(topic, 0, 'kept'))
    expect(await at().values(topic)).toEqual(['kept'])
    await session.close()
  })

  test('misuse: append before initialise, initialise twice, two calls at once → LOG_SESSION_MISUSED', async () => {
    const topic = await at().topic()
    const fresh = at().log.session(at().id())
    await expect(fresh.append([to(topic, 0, 'x')])).rejects.toMatchObject({ code: 'LOG_SESSION_MISUSED', blame: 'bug' })
    await fresh.close()
    await expect((await at().session()).initialise()).rejects.toThrow()
    const busy = await at().session()
    const first = busy.append([to(topic, 0, 'x')])
    await expect(busy.commit()).rejects.toMatchObject({ code: 'LOG_SESSION_MISUSED' })
    await first
  })

  test('closed: every call is LOG_CLOSED, closing again is no error', async () => {
    const topic = await at().topic()
    const session = await at().session()
    await session.close()
    await session.close()
    for (const call of [() => session.append([to(topic, 0, 'x')]), () => session.commit()]) await expect(call()).rejects.toMatchObject({ code: 'LOG_CLOSED' })
  })

  if (hasOpenTransactions) {
    test('close: leaves the transaction open, until its id is fenced', async () => {
      const topic = await at().topic()
      const session = await at().session()
      await session.append([to(topic, 0, 'lost')])
      await session.close()
      expect(await at().log.offsets(topic)).toEqual([{ partition: 0, start: 0, stable: 0, end: 1 }])
      await at().log.fence(session.transactionalId)
      expect(await at().log.offsets(topic)).toEqual([{ partition: 0, start: 0, stable: 2, end: 2 }])
      expect(await at().values(topic)).toEqual([])
    })

    test('fenced: already the next append is LOG_FENCED', async () => {
      const topic = await at().topic()
      const session = await at().session()
      await session.append([to(topic, 0, 'lost')])
      await at().log.fence(session.transactionalId)
      await expect(session.append([to(topic, 0, 'late')])).rejects.toMatchObject(FENCED)
      expect(await at().values(topic)).toEqual([])
    })
  }
})
