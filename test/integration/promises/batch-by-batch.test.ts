// One record a batch, and a crash at each step of the hundredth: update state, state and offset made durable, output.
import { afterEach, describe, expect, test } from '@jest/globals'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { realClock } from '@tidemark/base'
import { openLocalLog } from '@tidemark/log-local'
import { count, job, json, sum, topic, topicSink } from 'tidemark'
import { SlotFixture } from '../slots/slot-fixture.ts'
import type { RunningSlot } from '../slots/slot-fixture.ts'
import { commitsOf, readJournal } from './journal.ts'

interface Click {
  readonly page: string
  readonly n: number
}

const clicks = (name: string) => job(name, { commitIntervalMin: 1 })
  .source('clicks', topic(`${name}.clicks`, { value: json<Click>(), idleAfter: '1h' }))
  .keyBy((click) => click.page, { copartitioned: true })
  .aggregate('per-page', { count: count(), sum: sum((click) => click.n) }, { emit: 'updates' })
  .sink('out', topicSink(`${name}.out`, { value: json() }))

describe('batch by batch', () => {
  let open: SlotFixture | undefined
  afterEach(async () => {
    await open?.stop()
    open = undefined
  })

  test.each([
    ['commit.frozen', 'before the checkpoint: batch 99 is reloaded and batch 100 done again'],
    ['commit.committed', 'after the checkpoint: nothing is done again'],
    ['commit.applied', 'after everything: nothing is done again'],
  ] as const)('exactly once, crash in batch 100 at %s, %s', async (point, _claim) => {
    const name = `clicks-${randomUUID().slice(0, 8)}`
    const fixture = open = await SlotFixture.start((folder) => openLocalLog({ path: join(folder, 'log.db'), clock: realClock }), clicks(name), 1, [`${name}.clicks`, `${name}.out`])
    const [task] = fixture.tasks()
    if (task === undefined) throw new TypeError('no task')
    const click = (n: number) => fixture.log.write([{ topic: `${name}.clicks`, partition: 0, records: [{ key: 'home', value: JSON.stringify({ page: 'home', n }) }] }])
    const outputs = () => fixture.read<{ readonly count: number, readonly sum: number }>(`${name}.out`)
    let isArmed = false
    let died = false
    const first: RunningSlot = await fixture.slot({
      faults: {
        reach: (reached) => {
          if (!isArmed || reached !== point) return
          died = true
          isArmed = false
          first.kill()
        },
      },
    })
    fixture.assign(first, [task])
    for (let n = 1; n <= 99; n += 1) {
      await click(n)
      await fixture.until(async () => (await outputs()).length === n, `output ${n}`)
    }
    expect(commitsOf(await readJournal(fixture.log, task)).at(-1)?.content).toMatchObject({ batchId: 99, positions: [{ next: 99 }] })

    isArmed = true
    await click(100)
    await fixture.until(() => died, `a death at ${point}`)
    await first.ended
    // State, offset and output are there together, or none of them is.
    const isDurable = point !== 'commit.frozen'
    expect(commitsOf(await readJournal(fixture.log, task)).at(-1)?.content.batchId).toBe(isDurable ? 100 : 99)
    expect(await outputs()).toHaveLength(isDurable ? 100 : 99)

    const second = await fixture.slot()
    fixture.assign(second, [task])
    await click(101)
    await fixture.until(async () => (await outputs()).length >= 101, '101 outputs')
    expect(await outputs()).toEqual(Array.from({ length: 101 }, (_, i) => ({ key: 'home', count: i + 1, sum: (i + 1) * (i + 2) / 2 })))
    const hundredth = commitsOf(await readJournal(fixture.log, task)).filter(({ content }) => content.positions[0]?.next === 100 || content.batchId === 100)
    expect(hundredth.map(({ content, generation }) => [content.batchId, generation.counter])).toEqual([[100, isDurable ? 1 : 2]])
  })
})
