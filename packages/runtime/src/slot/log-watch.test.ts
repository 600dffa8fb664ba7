// How long the log has not answered a process, whatever it was asked.
import { describe, expect, test } from '@jest/globals'
import { TidemarkError } from '@tidemark/base'
import type { Log } from '@tidemark/base'
import { MemoryLog, VirtualClock } from '@tidemark/testkit'
import { watchLog } from './log-watch.ts'
import type { LogWord } from './log-watch.ts'

const open = (answers: { now: boolean, empty: boolean }) => {
  const clock = new VirtualClock()
  const words: LogWord[] = []
  const real = new MemoryLog({ clock })
  let asked = 0
  const lost = async (): Promise<never> => {
    await clock.sleep(400)
    throw new TidemarkError('no answer in 400 ms', { code: 'LOG_UNAVAILABLE', blame: 'environment', action: 'retry' })
  }
  const log: Log = Object.assign(Object.create(real) as Log, {
    listTopics: () => {
      asked += 1
      return answers.now ? real.listTopics() : lost()
    },
    reader: () => {
      const reader = real.reader()
      return { fetch: (...given: Parameters<typeof reader.fetch>) => (answers.now ? answers.empty ? Promise.resolve([]) : reader.fetch(...given) : lost()), close: () => reader.close() }
    },
  })
  const watched = watchLog({ log, clock, emit: (word) => words.push(word) })
  return { clock, words, real, watched, asked: () => asked }
}

describe('a watched log', () => {
  test('nobody asks it anything → it is asked, and its answers are heard', async () => {
    const { clock, words, asked } = open({ now: true, empty: false })
    await clock.advance(3_000)
    expect(asked()).toBeGreaterThan(3)
    expect(words.at(-1)?.heard).toBe(true)
    expect(Math.max(...words.map(({ silentMs }) => silentMs))).toBeLessThan(1_000)
  })

  test('it does not answer → the silence grows, with what the last call said; one answer ends it', async () => {
    const answers = { now: false, empty: false }
    const { clock, words } = open(answers)
    await clock.advance(5_000)
    expect(words.at(-1)).toMatchObject({ heard: false, because: 'no answer in 400 ms' })
    expect(words.at(-1)?.silentMs).toBeGreaterThanOrEqual(4_600)
    answers.now = true
    await clock.advance(1_000)
    expect(words.at(-1)?.heard).toBe(true)
    expect(words.at(-1)?.silentMs).toBeLessThan(1_000)
  })

  test('a fetch that finds nothing to say of a partition is no answer; one that looked is', async () => {
    const answers = { now: true, empty: true }
    const { clock, real, watched, asked } = open(answers)
    await real.createTopics([{ topic: 'in', partitions: 1 }])
    const reader = watched.reader()
    const fetchFor = async (ms: number): Promise<void> => {
      for (const end = clock.monotonic() + ms; clock.monotonic() < end;) {
        const fetched = reader.fetch([{ topic: 'in', partition: 0, offset: 0, maxBytes: 100 }], { isolation: 'committed', maxWaitMs: 0, answerQuiet: true })
        await clock.advance(50)
        await fetched
      }
    }
    await fetchFor(2_000)
    const before = asked()
    expect(before).toBeGreaterThan(1)
    answers.empty = false
    await fetchFor(2_000)
    expect(asked() - before).toBeLessThanOrEqual(1)
  })
})
