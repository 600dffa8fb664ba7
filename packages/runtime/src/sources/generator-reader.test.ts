// Pacing and bounds of generators that are read as a log.
import { describe, expect, test } from '@jest/globals'
import { standingClock } from '../task/task-fixture.ts'
import { openGeneratorReader } from './generator-reader.ts'

const OPTIONS = { isolation: 'committed', maxWaitMs: 0 } as const
const ask = (partition: number, offset: number, maxBytes = 1_000_000): { topic: string, partition: number, offset: number, maxBytes: number }[] => [{ topic: 'g', partition, offset, maxBytes }]

describe('generator reader', () => {
  test('paced: a partition gives its share of the rate, from the first offset asked for on', async () => {
    const clock = standingClock()
    const reader = openGeneratorReader({ clock, generators: [{ topic: 'g', partitions: 2, perSecond: 1_000 }] })
    expect(await reader.fetch(ask(0, 40), OPTIONS)).toEqual([])
    clock.at = 10
    const [fetched] = await reader.fetch(ask(0, 40), OPTIONS)
    expect(fetched).toMatchObject({ fromOffset: 40, nextOffset: 45, stableOffset: 45 })
    expect(fetched?.records.map((record) => record.offset)).toEqual([40, 41, 42, 43, 44])
    expect(await reader.fetch(ask(0, 45), OPTIONS)).toEqual([])
  })
  test('bounded: it ends at its count, and any offset may be read again', async () => {
    const reader = openGeneratorReader({ clock: standingClock(), generators: [{ topic: 'g', partitions: 1, count: 7 }] })
    expect((await reader.fetch(ask(0, 5), OPTIONS))[0]).toMatchObject({ nextOffset: 7, stableOffset: 7 })
    expect(await reader.fetch(ask(0, 7), OPTIONS)).toEqual([])
    expect((await reader.fetch(ask(0, 0, 128), OPTIONS))[0]).toMatchObject({ fromOffset: 0, nextOffset: 2 })
  })
  test('waiting: it sleeps until the next record is due, not longer', async () => {
    const clock = standingClock()
    const slept: number[] = []
    const sleeping = { ...clock, monotonic: () => clock.at, sleep: async (ms: number) => { slept.push(ms); clock.at += ms } }
    const reader = openGeneratorReader({ clock: sleeping, generators: [{ topic: 'g', partitions: 1, perSecond: 100 }] })
    const [fetched] = await reader.fetch(ask(0, 0), { ...OPTIONS, maxWaitMs: 500 })
    expect(fetched?.nextOffset).toBe(1)
    expect(slept).toEqual([10])
  })
  test('unknown: a generator or partition that is not there is an error', async () => {
    const reader = openGeneratorReader({ clock: standingClock(), generators: [{ topic: 'g', partitions: 1 }] })
    await expect(reader.fetch(ask(1, 0), OPTIONS)).rejects.toMatchObject({ code: 'LOG_TOPIC_MISSING' })
  })
})
