// The log suite, several at once: sessions in the same partitions, some of them fenced, and a reader that follows.
import { describe, expect, test } from '@jest/globals'
import { realClock, realRandom } from '@tidemark/base'
import { seededRandom } from '../../time/seeded-random.ts'
import { PATIENCE_MS, to, useFixture, valuesOf } from './fixture.ts'
import type { MakeLog } from './fixture.ts'

const SESSIONS = 6
const TRANSACTIONS = 10
const RECORDS = 3

export const concurrencyTests = (makeLog: MakeLog): void => describe('several at once', () => {
  const at = useFixture(makeLog)

  test('six sessions in the same two partitions: every committed record once, each transaction in one piece, each session in its order', async () => {
    const topic = await at().topic(2)
    const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => at().session()))
    await Promise.all(sessions.map(async (session, name) => {
      for (let round = 0; round < TRANSACTIONS; round += 1) {
        const values = Array.from({ length: RECORDS }, (_, index) => `${name}.${round}.${index}`)
        await session.append([to(topic, 0, ...values), to(topic, 1, ...values)])
        await session.commit()
      }
    }))
    for (const partition of [0, 1]) {
      const values = await at().values(topic, { partition })
      expect(values).toHaveLength(SESSIONS * TRANSACTIONS * RECORDS)
      for (let from = 0; from < values.length; from += RECORDS) {
        const transaction = values[from]?.replace(/\.0$/, '')
        expect(values.slice(from, from + RECORDS)).toEqual(Array.from({ length: RECORDS }, (_, index) => `${transaction}.${index}`))
      }
      for (let name = 0; name < SESSIONS; name += 1) {
        const rounds = values.filter((value) => value.startsWith(`${name}.`) && value.endsWith('.0')).map((value) => Number(value.split('.')[1]))
        expect(rounds).toEqual(Array.from({ length: TRANSACTIONS }, (_, round) => round))
      }
    }
  })

  test('sessions fenced at random while they write: readers see what was acknowledged, whole, and of the rest all or nothing', async () => {
    const seed = Math.trunc(realRandom.next() * 2 ** 32)
    const random = seededRandom(seed)
    const topic = await at().topic(2)
    const acknowledged = new Set<string>()
    const written = new Set<string>()
    let done = false
    const ids: Parameters<ReturnType<typeof at>['log']['fence']>[0][] = []
    const writer = async (name: number): Promise<void> => {
      for (let life = 0; life < 3; life += 1) {
        const session = await at().session()
        ids[name] = session.transactionalId
        try {
          for (let round = 0; round < 6; round += 1) {
            const value = `${name}.${life}.${round}`
            written.add(value)
            await session.append([to(topic, 0, value)])
            await session.append([to(topic, 1, value)])
            await session.commit()
            acknowledged.add(value)
          }
        } catch (error) {
          expect(error).toMatchObject({ code: 'LOG_FENCED' })
        }
      }
    }
    const fencer = async (): Promise<void> => {
      while (!done) {
        const id = ids[Math.trunc(random.next() * SESSIONS)]
        if (id) await at().log.fence(id)
        await realClock.sleep(1)
      }
    }
    const fencing = fencer()
    await Promise.all(Array.from({ length: SESSIONS }, (_, name) => writer(name))).finally(() => { done = true })
    await fencing
    const [left, right] = [await at().values(topic), await at().values(topic, { partition: 1 })]
    const facts = { seed, left: left.toSorted() }
    expect({ seed, left: right.toSorted() }).toEqual(facts)
    expect({ seed, twice: left.filter((value, index) => left.indexOf(value) !== index) }).toEqual({ seed, twice: [] })
    expect({ seed, lost: [...acknowledged].filter((value) => !left.includes(value)), unknown: left.filter((value) => !written.has(value)) }).toEqual({ seed, lost: [], unknown: [] })
  })

  test('a reader that follows while others write: every record once, in order, from its own position', async () => {
    const topic = await at().topic()
    const total = 200
    const writing = (async () => {
      const session = await at().session()
      for (let index = 0; index < total; index += 4) {
        await session.append([to(topic, 0, ...Array.from({ length: 4 }, (_, more) => String(index + more)))])
        await session.commit()
      }
    })()
    const reader = at().reader()
    const seen: string[] = []
    for (let offset = 0; seen.length < total;) {
      const [fetched] = await reader.fetch([{ topic, partition: 0, offset, maxBytes: 200 }], { isolation: 'committed', maxWaitMs: PATIENCE_MS })
      if (!fetched) throw new Error(`nothing came at ${offset} in ${PATIENCE_MS} ms`)
      expect(fetched.fromOffset).toBe(offset)
      seen.push(...valuesOf(fetched.records))
      offset = fetched.nextOffset
    }
    await writing
    expect(seen).toEqual(Array.from({ length: total }, (_, index) => String(index)))
  })
})
