// The last owner goes on while another reads where to begin: what that one chose is trimmed under it. It begins anew instead of failing.
import { afterEach, describe, expect, test } from '@jest/globals'
import { paths } from '@tidemark/checkpoint'
import { startDisturbed } from '../integration/slots/counting-slot.ts'
import type { DisturbedLog } from '../integration/slots/disturbed-log.ts'
import type { RunningSlot, SlotFixture } from '../integration/slots/slot-fixture.ts'

describe('a journal trimmed under a takeover', () => {
  let open: SlotFixture | undefined
  afterEach(async () => {
    await open?.stop()
    open = undefined
  })

  const start = async (): Promise<{ readonly fixture: SlotFixture, readonly disturbed: DisturbedLog, readonly journalTopic: string }> => {
    const { fixture, disturbed } = await startDisturbed({ partitions: 2 })
    open = fixture
    const [task] = fixture.tasks()
    if (task === undefined) throw new Error('no fixture')
    return { fixture, disturbed, journalTopic: paths.journalTopic(task.job, task.run, task.stage) }
  }

  const write = (fixture: SlotFixture, items: number): Promise<unknown> => fixture.log.write([0, 1].map((partition) => (
    { topic: `${fixture.run.job}.items`, partition, records: Array.from({ length: items }, () => ({ key: `u${partition}`, value: JSON.stringify({ user: `u${partition}` }) })) })))

  const outputs = async (fixture: SlotFixture): Promise<number> => (await fixture.read(`${fixture.run.job}.out`)).length

  const snapshot = async (fixture: SlotFixture, { slot, events }: RunningSlot, checkpoint: number): Promise<void> => {
    const before = await outputs(fixture)
    await write(fixture, 5)
    await fixture.until(async () => (await outputs(fixture)) >= before + 10, 'outputs')
    slot.handle({ kind: 'snapshot-begin', checkpoint, tasks: fixture.tasks() })
    slot.handle({ kind: 'snapshot-complete', checkpoint, tasks: fixture.tasks() })
    await fixture.until(() => events.filter((event) => event.kind === 'snapshot-named' && event.checkpoint === checkpoint).length === fixture.tasks().length, `snapshot ${checkpoint}`)
  }

  test('takeover: the journal is trimmed between choosing a snapshot and reading its tail → it begins anew, exact', async () => {
    const { fixture, disturbed, journalTopic } = await start()
    const first = await fixture.slot()
    fixture.assign(first, fixture.tasks())
    for (const checkpoint of [1, 2]) await snapshot(fixture, first, checkpoint)
    const starts = async (): Promise<number[]> => (await fixture.log.offsets(journalTopic)).map(({ start: oldest }) => oldest)
    const second = await fixture.slot()
    const chosen = new Map(first.events.flatMap((event) => (event.kind === 'snapshot-named' && event.checkpoint === 2 ? [[event.task.partition, event.ref.journalNext] as const] : [])))
    let trimmed: Promise<undefined> | undefined
    let hit = 0
    disturbed.disturb = (requests) => {
      if (!requests.some((request) => request.topic === journalTopic && request.offset === chosen.get(request.partition))) return undefined
      hit += 1
      trimmed ??= (async () => {
        for (const checkpoint of [3, 4]) await snapshot(fixture, first, checkpoint)
        await fixture.until(async () => (await starts()).every((oldest, partition) => oldest > (chosen.get(partition) ?? 0)), 'the journals trimmed')
        return undefined
      })()
      return trimmed
    }
    fixture.assign(second, fixture.tasks())
    await fixture.until(() => second.events.filter((event) => event.kind === 'running').length === fixture.tasks().length, 'the new owner running')
    expect(hit).toBeGreaterThan(0)
    disturbed.disturb = undefined
    await write(fixture, 5)
    await fixture.until(async () => (await outputs(fixture)) >= 50, 'all outputs')
    expect((await fixture.read<{ readonly key: string, readonly count: number }>(`${fixture.run.job}.out`)).map(({ key, count: n }) => `${key} ${n}`).toSorted()).toEqual(['u0', 'u1'].flatMap((key) => Array.from({ length: 25 }, (_, n) => `${key} ${n + 1}`)).toSorted())
    expect(second.events.filter((event) => event.kind === 'failed')).toEqual([])
  }, 60_000)
})
