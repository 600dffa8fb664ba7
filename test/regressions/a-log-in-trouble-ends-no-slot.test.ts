// The log can fail at any fetch: an owner that claims again after a lost session waits for it, and a takeover never stays half done unseen.
import { afterEach, describe, expect, test } from '@jest/globals'
import { TidemarkError } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import { startDisturbed } from '../integration/slots/counting-slot.ts'
import type { DisturbedLog } from '../integration/slots/disturbed-log.ts'
import type { SlotFixture } from '../integration/slots/slot-fixture.ts'

const away = (): TidemarkError => new TidemarkError('the log is made to fail', { code: 'LOG_UNAVAILABLE', blame: 'environment', action: 'retry' })

describe('a log in trouble', () => {
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

  test.each(['lost', 'never'] as const)('commit: the answer got lost (%s) and then the journal cannot be read for a while → the slot waits, and goes on with all its tasks', async (how) => {
    const { fixture, disturbed, journalTopic } = await start()
    let spoil: 'lost' | 'never' | undefined
    let failures = 0
    const slot = await fixture.slot({
      spoil: () => {
        const now = spoil
        spoil = undefined
        if (now !== undefined) {
          disturbed.disturb = (requests) => {
            if (failures >= 6 || !requests.some((request) => request.topic === journalTopic)) return undefined
            failures += 1
            return Promise.reject(away())
          }
        }
        return now
      },
    })
    fixture.assign(slot, fixture.tasks())
    await write(fixture, 50)
    await fixture.until(async () => (await outputs(fixture)) >= 100, 'a hundred outputs')
    spoil = how
    await write(fixture, 50)
    await fixture.until(() => failures === 6, 'the journal in trouble')
    await write(fixture, 50)
    await fixture.until(async () => (await outputs(fixture)) >= 300, 'three hundred outputs')
    expect(await outputs(fixture)).toBe(300)
    expect(slot.events.filter((event) => event.kind === 'failed' || event.kind === 'given-up')).toEqual([])
  })

  test('reclaim: a journal that is damaged stops its task, and the slot goes on with the others', async () => {
    const { fixture, disturbed, journalTopic } = await start()
    let spoil = false
    const slot = await fixture.slot({
      spoil: () => {
        if (!spoil) return undefined
        spoil = false
        disturbed.disturb = (requests) => (requests.some((request) => request.topic === journalTopic && request.partition === 1)
          ? Promise.reject(new TidemarkError('the journal is made to be damaged', { code: 'JOURNAL_CORRUPT', blame: 'environment', action: 'fail-job' })) : undefined)
        return 'never'
      },
    })
    fixture.assign(slot, fixture.tasks())
    await write(fixture, 50)
    await fixture.until(async () => (await outputs(fixture)) >= 100, 'a hundred outputs')
    spoil = true
    await write(fixture, 50)
    await fixture.until(() => slot.events.some((event) => event.kind === 'failed' && event.task.partition === 1), 'the damaged one failing')
    await fixture.until(async () => (await outputs(fixture)) >= 150, 'the other going on')
  })

  test('assignment: a task that cannot be made has failed, with the reason', async () => {
    const { fixture } = await start()
    const slot = await fixture.slot()
    const [task] = fixture.tasks()
    if (task === undefined) throw new Error('no task')
    fixture.assign(slot, [{ ...task, partition: 99 }, task])
    await fixture.until(() => slot.events.some((event) => event.kind === 'failed' && event.task.partition === 99), 'its failure')
    await fixture.until(() => slot.events.some((event) => event.kind === 'running' && event.task.partition === task.partition), 'the other running')
  })
})

describe('a log in trouble, while a takeover looks where to begin', () => {
  test('takeover: fetches of the journal answer nothing for a while → it waits for the newest record, the state is not taken for lost', async () => {
    const { fixture, disturbed } = await startDisturbed({ partitions: 1 })
    try {
      const [task] = fixture.tasks()
      if (task === undefined) throw new Error('no fixture')
      const journalTopic = paths.journalTopic(task.job, task.run, task.stage)
      const first = await fixture.slot()
      fixture.assign(first, fixture.tasks())
      await fixture.until(() => first.events.some((event) => event.kind === 'running'), 'running')
      for (const checkpoint of [1, 2, 3]) await fixture.snapshot(first, checkpoint)
      await fixture.until(async () => ((await fixture.log.offsets(journalTopic))[0]?.start ?? 0) > 0, 'the journal trimmed')
      first.kill()
      let unanswered = 0
      disturbed.disturb = (requests) => {
        if (unanswered >= 5 || !requests.some((request) => request.topic === journalTopic)) return undefined
        unanswered += 1
        return Promise.resolve('nothing')
      }
      const second = await fixture.slot()
      fixture.assign(second, fixture.tasks())
      await fixture.until(() => second.events.some((event) => event.kind === 'running' || event.kind === 'failed'), 'the takeover')
      expect(second.events.flatMap((event) => (event.kind === 'failed' ? [event.error.code] : []))).toEqual([])
      for (const event of second.events) if (event.kind === 'running') expect(event.recovery.snapshot?.checkpoint).toBe(3)
    } finally {
      await fixture.stop()
    }
  })
})
