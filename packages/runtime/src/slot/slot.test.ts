// A slot's own loop: when it gets no producer session, because its log is away or will not give it one; and when it has to wait.
import { describe, expect, test } from '@jest/globals'
import { stageId, TidemarkError } from '@tidemark/base'
import type { ErrorFacts, FetchOptions, FetchRequest, LogReader, TaskRef } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import { MemoryLog } from '@tidemark/testkit'
import type { VirtualClock } from '@tidemark/testkit'
import type { SlotCommand, SlotEvent } from './messages.ts'
import { fixture } from './slot.sample.ts'
import { Slot } from './slot.ts'

const REFUSED: Pick<ErrorFacts, 'code' | 'blame' | 'action'> = { code: 'LOG_NOT_AUTHORISED', blame: 'user', action: 'fail-job' }
const AWAY: Pick<ErrorFacts, 'code' | 'blame' | 'action'> = { code: 'LOG_UNAVAILABLE', blame: 'environment', action: 'retry' }

/** `answer`: why a call about a transactional id is not carried out, for as long as it is set. `fetches`: is awaited before each fetch. */
const slotOn = async (state: { answer: typeof AWAY | undefined, commits?: number, fetches?: (requests: readonly FetchRequest[], options: FetchOptions) => Promise<void> }) => {
  const { ports: whole, options: begun, held } = fixture(2)
  const clock = whole.clock as VirtualClock
  const log = new MemoryLog({ clock, intercept: async ({ call, of }, run) => {
    if (call === 'log.commit') state.commits = (state.commits ?? 0) + 1
    if (state.answer !== undefined && ['log.initialise', 'log.fence', 'log.append', 'log.commit'].includes(call)) throw new TidemarkError(`${call} of "${of}"`, state.answer)
    return run()
  } })
  const reader = log.reader.bind(log)
  const asking = (asked: LogReader): LogReader => ({
    fetch: async (requests, options) => {
      await state.fetches?.(requests, options)
      return asked.fetch(requests, options)
    },
    close: () => asked.close(),
  })
  log.reader = () => asking(reader())
  const run = { ...begun.run, from: null }
  await log.createTopics([{ topic: paths.journalTopic(run.job, run.run, stageId(0)), partitions: 2 }, { topic: 'in', partitions: 2 }, { topic: 'out', partitions: 1 }])
  const events: SlotEvent[] = []
  const slot = new Slot({ ...whole, log, emit: (event) => void events.push(event) }, { ...begun, run })
  const ended = slot.run()
  let counter = 0
  return {
    clock, log, ended: () => ended, stop: () => slot.stop(), task: held.ref,
    tell: (command: SlotCommand): void => slot.handle(command),
    /** Checkpoints whose cut it has told of. */
    cuts: (): number[] => events.flatMap((event) => (event.kind === 'snapshot-cut' ? event.checkpoint : [])),
    assign: (...partitions: number[]): void => {
      counter += 1
      const tasks: TaskRef[] = partitions.map((partition) => ({ ...held.ref, partition }))
      slot.handle({ kind: 'assign', tasks: tasks.map((task) => ({ task, generation: { epoch: 1, counter } })) })
    },
    /** What became of tasks since this was last asked. */
    became: (): string[] => events.splice(0).flatMap((event) => (event.kind === 'failed' ? `${event.task.partition} failed: ${event.error.code}, ${event.error.action}` : event.kind === 'running' ? `${event.task.partition} runs` : [])),
    statuses: (): number => events.filter(({ kind }) => kind === 'status').length,
  }
}

describe('a slot without a session', () => {
  test('its log refuses the id → what it was given fails of that, what it gets later too; once the right is granted the next one runs', async () => {
    const state: Parameters<typeof slotOn>[0] = { answer: REFUSED }
    const slot = await slotOn(state)
    slot.assign(0, 1)
    await slot.clock.advance(1_000)
    expect(slot.became()).toEqual(['0 failed: LOG_NOT_AUTHORISED, fail-job', '1 failed: LOG_NOT_AUTHORISED, fail-job'])
    for (let later = 0; later < 10; later += 1) {
      slot.assign(1)
      await slot.clock.advance(1_000)
      expect(slot.became()).toEqual(['1 failed: LOG_NOT_AUTHORISED, fail-job'])
    }
    state.answer = undefined
    slot.assign(0)
    await slot.clock.advance(1_000)
    expect(slot.became()).toEqual(['0 runs'])
    slot.stop()
    await slot.clock.advance(1_000)
    await slot.ended()
  })

  test('its log is away → it waits and says so, and its tasks run once the log is back', async () => {
    const state: Parameters<typeof slotOn>[0] = { answer: AWAY }
    const slot = await slotOn(state)
    slot.assign(0, 1)
    await slot.clock.advance(60_000)
    expect(slot.statuses()).toBeGreaterThan(50)
    expect(slot.became()).toEqual([])
    state.answer = undefined
    await slot.clock.advance(20_000)
    expect(slot.became()).toEqual(['0 runs', '1 runs'])
  })

  test('the right is taken away while it runs → the running tasks fail of that, and one that comes then; the process stays, and works again once it may', async () => {
    const state: Parameters<typeof slotOn>[0] = { answer: undefined }
    const slot = await slotOn(state)
    slot.assign(0)
    await slot.clock.advance(1_000)
    expect(slot.became()).toEqual(['0 runs'])
    state.answer = REFUSED
    await slot.log.write([{ topic: 'in', partition: 0, records: [{ key: null, value: '1' }] }])
    await slot.clock.advance(5_000)
    expect(slot.became()).toEqual(['0 failed: LOG_NOT_AUTHORISED, fail-job'])
    slot.assign(1)
    await slot.clock.advance(5_000)
    expect(slot.became()).toEqual(['1 failed: LOG_NOT_AUTHORISED, fail-job'])
    state.answer = undefined
    slot.assign(1)
    await slot.clock.advance(5_000)
    expect(slot.became()).toEqual(['1 runs'])
  })
})

test('a snapshot wants to be walked while a batch is open that is not due → the slot waits for the commit instead of turning as fast as it can', async () => {
  const slot = await slotOn({ answer: undefined })
  const [sleep, written] = [slot.clock.sleep.bind(slot.clock), { topic: 'in', partition: 0, records: [{ key: null, value: '1' }] }]
  let turns = 0
  slot.clock.sleep = async (ms, signal) => {
    turns += ms === 0 ? 1 : 0
    // Time stands while it turns: it would do so for ever.
    return sleep(turns > 100 ? 1 : ms, signal)
  }
  slot.assign(0)
  await slot.clock.advance(1_000)
  expect(slot.became()).toEqual(['0 runs'])
  // What it commits first it commits at once.
  await slot.log.write([written])
  await slot.clock.advance(100)
  // It commits before a snapshot begins; the next batch is due an interval later.
  slot.tell({ kind: 'snapshot-begin', checkpoint: 1, tasks: [slot.task] })
  await slot.clock.advance(2)
  await slot.log.write([written])
  await slot.clock.advance(14)
  turns = 0
  slot.tell({ kind: 'snapshot-complete', checkpoint: 1, tasks: [slot.task] })
  await slot.clock.advance(2)
  expect([turns, slot.cuts()]).toEqual([0, []])
  await slot.clock.advance(100)
  expect([turns < 10, slot.cuts()]).toEqual([true, [1]])
})

test.each([
  ['', 0],
  [', and that is lost → both are there once all the same', 50],
])('takeover: a task is given to a slot that has a batch open → its claim and that batch are one transaction%s', async (_, lostForMs) => {
  const state: Parameters<typeof slotOn>[0] = { answer: undefined }
  const slot = await slotOn(state)
  const write = () => slot.log.write([{ topic: 'in', partition: 0, records: [{ key: null, value: '1' }] }])
  const ends = async (): Promise<readonly [out: number, claims: number]> => {
    const [out] = await slot.log.offsets('out', [0])
    const [journal] = await slot.log.offsets(paths.journalTopic(slot.task.job, slot.task.run, slot.task.stage), [1])
    return [out?.end ?? -1, journal?.end ?? -1]
  }
  slot.assign(0)
  await slot.clock.advance(1_000)
  await write()
  await slot.clock.advance(2)
  const [first] = await ends()
  expect(first).toBeGreaterThan(0)
  // Soon after the one before, it is open and not due yet.
  await write()
  await slot.clock.advance(1)
  expect(await ends()).toEqual([first, 0])
  state.commits = 0
  state.answer = lostForMs > 0 ? AWAY : undefined
  slot.assign(1)
  await slot.clock.advance(lostForMs)
  state.answer = undefined
  for (let ms = 0; ms < 1_000 && (await ends())[1] === 0; ms += 1) await slot.clock.advance(1)
  const [out, claims] = await ends()
  expect(claims).toBeGreaterThan(0)
  if (lostForMs === 0) expect([out > first, state.commits]).toEqual([true, 1])
  await slot.clock.advance(1_000)
  expect(slot.became()).toEqual(['0 runs', '1 runs'])
  const [read] = await slot.log.reader().fetch([{ topic: 'out', partition: 0, offset: 0, maxBytes: 1_000_000 }], { isolation: 'committed', maxWaitMs: 0 })
  expect(read?.records).toHaveLength(2)
})

/** A task that has read one record and was revoked; then `meanwhile`, and it is given out again. Looks at its source are not answered before `known` resolves. */
const takenOverAgain = async (meanwhile: (log: MemoryLog) => Promise<unknown>) => {
  const state: Parameters<typeof slotOn>[0] = { answer: undefined }
  const slot = await slotOn(state)
  const write = (value: string, partition = 0): Promise<unknown> => slot.log.write([{ topic: 'in', partition, records: [{ key: null, value }] }])
  slot.assign(0, 1)
  await slot.clock.advance(1_000)
  await write('1')
  await slot.clock.advance(1_000)
  slot.tell({ kind: 'revoke', tasks: [slot.task], reason: 'move' })
  await slot.clock.advance(1_000)
  await meanwhile(slot.log)
  const known = Promise.withResolvers<undefined>()
  const fetched: number[] = []
  state.fetches = async (requests, { maxWaitMs }) => {
    const looks = requests.some(({ topic, partition }) => topic === 'in' && partition === 0)
    if (looks) fetched.push(...requests.filter(({ topic, partition }) => topic === 'in' && partition === 0).map(({ offset }) => offset))
    if (looks && maxWaitMs === 0) await known.promise
  }
  slot.became()
  slot.assign(0)
  await slot.clock.advance(1_000)
  return { slot, state, write, fetched, known: () => known.resolve(undefined) }
}

describe('a task is taken over: its source is looked at', () => {
  test('still the same → its input was fetched meanwhile, and is processed only then', async () => {
    const { slot, state, fetched, known } = await takenOverAgain((log) => log.write([{ topic: 'in', partition: 0, records: [{ key: null, value: '2' }] }]))
    // The last record that was read, the next one, and what may come behind it.
    expect(fetched.slice(0, 3)).toEqual([0, 1, 2])
    expect(slot.became()).toEqual([])
    const claims = state.commits ?? 0
    known()
    await slot.clock.advance(1_000)
    expect(slot.became()).toEqual(['0 runs'])
    expect(state.commits).toBe(claims + 1)
  })

  test('made anew → nothing of what was fetched meanwhile is processed', async () => {
    const { slot, state, fetched, known } = await takenOverAgain(async (log) => {
      await log.deleteTopics(['in'])
      await log.createTopics([{ topic: 'in', partitions: 2 }])
      await log.write([{ topic: 'in', partition: 0, records: ['7', '8', '9'].map((value) => ({ key: null, value })) }])
    })
    expect(fetched.slice(0, 2)).toEqual([0, 1])
    const before = state.commits ?? 0
    known()
    await slot.clock.advance(1_000)
    expect(slot.became().filter((one) => one.startsWith('0'))).toEqual(['0 failed: TASK_SOURCE_CHANGED, fail-job'])
    expect((state.commits ?? 0) - before).toBeLessThanOrEqual(1)
  })

  test('a fetch of what comes next is refused → the task next to it goes on', async () => {
    const { slot, state, write, known } = await takenOverAgain(async (log) => {
      await log.write([{ topic: 'in', partition: 0, records: ['2', '3', '4'].map((value) => ({ key: null, value })) }])
      await log.trim('in', 0, 3)
    })
    const before = state.commits ?? 0
    await write('3', 1)
    await slot.clock.advance(100)
    expect(state.commits).toBe(before + 1)
    known()
  })
})
