// What stands in a journal: positions and state of a batch in one record, and who wrote it. Checked against the input alone, up to exactly
// the positions that each record says.
import { afterEach, describe, expect, test } from '@jest/globals'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { realClock } from '@tidemark/base'
import type { Append } from '@tidemark/base'
import { decodeSnapshot } from '@tidemark/checkpoint'
import type { CommitRecord } from '@tidemark/checkpoint'
import { openLocalLog } from '@tidemark/log-local'
import type { Task } from '@tidemark/runtime'
import { count, job, json, sum, topic, topicSink, tumbling } from 'tidemark'
import { SlotFixture } from '../slots/slot-fixture.ts'
import { commitsOf, readJournal } from './journal.ts'

interface Sale {
  readonly user: string
  readonly amount: number
  readonly ts: number
}
type Total = { readonly key: string, readonly count: number, readonly sum: number, readonly window?: { readonly start: number, readonly end: number } }

const WINDOW_MS = 1_000
const START = 1_700_000_000_000
const BUDGET = { workMs: 1_000, outputBytesMax: 1 << 26, stateBytesMax: 1 << 26 }

const totals = (name: string) => {
  const built = job(name, { version: '7' })
  const keyed = built.source('sales', topic(`${name}.sales`, { value: json<Sale>(), timestamp: (sale) => sale.ts, outOfOrderness: 0 })).keyBy((sale) => sale.user, { copartitioned: true })
  keyed.aggregate('per-user', { count: count(), sum: sum((sale) => sale.amount) }, { emit: 'updates' }).sink('out', topicSink(`${name}.out`, { value: json() }))
  keyed.window(tumbling(WINDOW_MS)).aggregate('per-second', { count: count(), sum: sum((sale) => sale.amount) }).sink('windows', topicSink(`${name}.windows`, { value: json() }))
  return built
}

const sale = (i: number): Sale => ({ user: `u${(i * 7) % 23}`, amount: 1 + (i % 11), ts: START + i * 9 })

/** What the input says, computed from it alone: per user, and per user and window that is not closed at `watermark`. */
const oracle = (input: readonly Sale[], watermark: number | undefined): string[] => {
  const found = new Map<string, [number, number]>()
  for (const { user, amount, ts } of input) {
    const start = ts - (ts % WINDOW_MS)
    for (const key of start + WINDOW_MS <= (watermark ?? 0) ? [user] : [user, `${user}@${start}`]) {
      const [n, total] = found.get(key) ?? [0, 0]
      found.set(key, [n + 1, total + amount])
    }
  }
  return [...found].map(([key, [n, total]]) => `${key} ${n}/${total}`).toSorted()
}

/** Asks a task for its state: each user gets a sale of nothing, then the watermark passes everything. */
const askState = (task: Task, users: ReadonlySet<string>, at: number): string[] => {
  const [input] = task.inputs()
  if (input === undefined) throw new TypeError('no input')
  const questions = [...users].map((user) => ({ user, amount: 0, ts: at }))
  const sales = [...questions, { user: [...users][0] ?? '', amount: 0, ts: at + 10 * WINDOW_MS }]
  const from = task.fetchFrom(input.input, input.topic, input.partition)
  task.offer(input.input, {
    topic: input.topic, partition: input.partition, fromOffset: from, nextOffset: from + sales.length, startOffset: 0, stableOffset: from + sales.length,
    records: sales.map((one, i) => ({ offset: from + i, timestamp: one.ts, key: Buffer.from(one.user), value: Buffer.from(JSON.stringify(one)) })),
  })
  const said: { readonly topic: string, readonly total: Total }[] = []
  for (let more = true; more;) {
    more = task.work(BUDGET, START).more
    if (!task.dirty) break
    for (const append of task.freeze().appends) said.push(...append.records.map(({ value }) => ({ topic: append.topic, total: JSON.parse(String(value)) as Total })))
    task.committed()
  }
  // The questions are counted too: one in each running total, one in each window at `at`.
  const running = said.filter(({ topic: of }) => of.endsWith('.out')).slice(0, questions.length).map(({ total }) => `${total.key} ${total.count - 1}/${total.sum}`)
  const asked = at - (at % WINDOW_MS)
  const windows = said.filter(({ topic: of }) => of.endsWith('.windows')).map(({ total }) => ({ ...total, count: total.window?.start === asked ? total.count - 1 : total.count }))
  return [...running, ...windows.filter((total) => total.count > 0).map((total) => `${total.key}@${total.window?.start} ${total.count}/${total.sum}`)].toSorted()
}

describe('commit records', () => {
  let open: SlotFixture | undefined
  afterEach(async () => {
    await open?.stop()
    open = undefined
  })

  const start = async (): Promise<{ fixture: SlotFixture, written: Sale[][], write: (from: number, to: number) => Promise<void>, outputs: (n: number) => Promise<void> }> => {
    const name = `records-${randomUUID().slice(0, 8)}`
    const fixture = open = await SlotFixture.start((folder) => openLocalLog({ path: join(folder, 'log.db'), clock: realClock }), totals(name), 2, [`${name}.sales`, `${name}.out`, `${name}.windows`])
    const written: Sale[][] = [[], []]
    return {
      fixture, written,
      write: async (from, to) => {
        const lists: Sale[][] = [[], []]
        for (let i = from; i < to; i += 1) lists[fixture.log.partitionFor(Buffer.from(sale(i).user), 2)]?.push(sale(i))
        await fixture.log.write(lists.map((sales, partition): Append => ({ topic: `${name}.sales`, partition, records: sales.map((one) => ({ key: one.user, value: JSON.stringify(one), timestamp: one.ts })) })))
        for (const [partition, sales] of lists.entries()) written[partition]?.push(...sales)
      },
      outputs: (n) => fixture.until(async () => (await fixture.read(`${name}.out`)).length >= n, `${n} outputs`),
    }
  }

  test('state updates are atomic, offset + state: every record carries both, and the records up to any one give the state of the input up to exactly its positions', async () => {
    const { fixture, written, write, outputs } = await start()
    let commits = 0
    // Undone batches, a lost answer, a second owner: the journal has seen all of it.
    const first = await fixture.slot({ spoil: () => { commits += 1; return commits === 5 ? 'lost' : commits === 9 ? 'never' : undefined } })
    fixture.assign(first, fixture.tasks())
    for (let i = 0; i < 8; i += 1) {
      await write(i * 60, (i + 1) * 60)
      await outputs((i + 1) * 60)
    }
    first.kill()
    const second = await fixture.slot()
    fixture.assign(second, fixture.tasks())
    for (let i = 8; i < 12; i += 1) {
      await write(i * 60, (i + 1) * 60)
      await outputs((i + 1) * 60)
    }
    const makeTask = await fixture.makeTask()
    for (const ref of fixture.tasks()) {
      const records = commitsOf(await readJournal(fixture.log, ref))
      expect(records.length).toBeGreaterThan(8)
      expect(records.map((record) => record.content.batchId)).toEqual(records.map((_, i) => i + 1))
      let withInput = 0
      for (const [i, record] of records.entries()) {
        const [position] = record.content.positions
        if (position === undefined) throw new TypeError('a commit record without a position')
        const input = (written[ref.partition] ?? []).slice(0, position.next)
        if (input.length === 0) continue
        withInput += 1
        const heir = makeTask(ref)
        for (const one of records.slice(0, i + 1)) heir.apply(one)
        const at = Math.max(...input.map(({ ts }) => ts))
        expect(askState(heir, new Set(input.map(({ user }) => user)), at)).toEqual(oracle(input, record.content.watermark))
      }
      expect(withInput).toBeGreaterThan(8)
      expect(records.at(-1)?.content.positions[0]?.next).toBe(written[ref.partition]?.length)
    }
  })

  test('metadata: commit records and snapshot headers carry batch id, timestamp, engine version, job, run, generation and job version', async () => {
    const { fixture, write, outputs } = await start()
    const began = realClock.now()
    const slot = await fixture.slot()
    fixture.assign(slot, fixture.tasks())
    await write(0, 100)
    await outputs(100)
    await fixture.snapshot(slot, 1)
    for (const ref of fixture.tasks()) {
      const records = commitsOf(await readJournal(fixture.log, ref))
      const running = slot.events.find((event) => event.kind === 'running' && event.task.partition === ref.partition)
      const generation = running?.kind === 'running' ? running.generation : undefined
      for (const [i, record] of records.entries()) {
        expect(record).toMatchObject({ task: { job: fixture.run.job, run: 1, stage: ref.stage, partition: ref.partition }, generation, engineVersion: '0.1.0', jobVersion: '7', content: { batchId: i + 1 } } satisfies Partial<Record<keyof CommitRecord, unknown>>)
        expect(record.timestamp).toBeGreaterThanOrEqual(began)
        expect(record.timestamp).toBeLessThanOrEqual(realClock.now())
      }
      const named = records.at(-1)?.snapshots[0]
      if (named === undefined) throw new TypeError('no snapshot is named')
      const { header } = decodeSnapshot(await Promise.all(named.objects.map(({ key }) => fixture.store.get(key))), named.objects)
      expect(header).toMatchObject({ task: { job: fixture.run.job, run: 1, stage: ref.stage, partition: ref.partition }, generation, engineVersion: '0.1.0', jobVersion: '7', batchId: named.batchId, checkpoint: 1 })
      expect(header.timestamp).toBeGreaterThanOrEqual(began)
    }
  })
})
