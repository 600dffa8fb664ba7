// Snapshots that are gone, or slow to come: the one before and a longer tail, a stop with the reason, never an empty beginning, and nobody
// waits for another's.
import { afterEach, describe, expect, test } from '@jest/globals'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { realClock } from '@tidemark/base'
import type { Append, ObjectStore } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import { openLocalLog } from '@tidemark/log-local'
import { count, job, json, sum, topic, topicSink } from 'tidemark'
import { SlotFixture } from '../slots/slot-fixture.ts'
import type { RunningSlot } from '../slots/slot-fixture.ts'
import type { Event } from '../../workload/events.ts'
import { checkRunningTotals } from '../../workload/oracle.ts'
import type { RunningTotal } from '../../workload/oracle.ts'
import { commitsOf, readJournal } from './journal.ts'


const totals = (name: string) => job(name)
  .source('sales', topic(`${name}.sales`, { value: json<Event>(), timestamp: (sale) => sale.ts }))
  .keyBy((sale) => sale.user, { copartitioned: true })
  .aggregate('per-user', { count: count(), sum: sum((sale) => sale.amount) }, { emit: 'updates' })
  .sink('out', topicSink(`${name}.out`, { value: json() }))

const USERS = 64
const sale = (i: number): Event => ({ user: `u${i % USERS}`, amount: i % 7, ts: 1_700_000_000_000 + i })

class Sales {
  readonly fixture: SlotFixture
  readonly #partitions: number
  written = 0

  private constructor(fixture: SlotFixture, partitions: number) {
    this.fixture = fixture
    this.#partitions = partitions
  }

  static async start(partitions: number): Promise<Sales> {
    const name = `lost-${randomUUID().slice(0, 8)}`
    return new Sales(await SlotFixture.start((folder) => openLocalLog({ path: join(folder, 'log.db'), clock: realClock }), totals(name), partitions, [`${name}.sales`, `${name}.out`]), partitions)
  }

  partitionOf(user: string): number {
    return this.fixture.log.partitionFor(Buffer.from(user), this.#partitions)
  }

  async write(records: number): Promise<void> {
    const lists = Array.from({ length: this.#partitions }, (): Event[] => [])
    for (let i = this.written; i < this.written + records; i += 1) lists[this.partitionOf(sale(i).user)]?.push(sale(i))
    this.written += records
    await this.fixture.log.write(lists.map((sales, partition): Append => ({ topic: `${this.fixture.run.job}.sales`, partition, records: sales.map((one) => ({ key: one.user, value: JSON.stringify(one), timestamp: one.ts })) })))
  }

  read(): Promise<RunningTotal[]> {
    return this.fixture.read<RunningTotal>(`${this.fixture.run.job}.out`)
  }

  async answered(outputs = this.written): Promise<void> {
    await this.fixture.until(async () => (await this.read()).length >= outputs, `${outputs} outputs`)
  }

  /** What is wrong with the outputs: one per input, each user's counts are 1, 2, 3, … and the last sum is the input's. */
  async wrong(): Promise<string[]> {
    const all = await this.read()
    const input = Array.from({ length: this.written }, (_, i) => sale(i))
    return [...all.length === this.written ? [] : [`${all.length} outputs for ${this.written} records`], ...checkRunningTotals(input, all)]
  }

  /** Both snapshots of every task, 300 sales each, and 100 more behind them. The journal is trimmed to the first. */
  async twoSnapshots(slot: RunningSlot): Promise<void> {
    for (const checkpoint of [1, 2]) {
      await this.write(300)
      await this.answered()
      await this.fixture.snapshot(slot, checkpoint)
    }
    await this.write(100)
    await this.answered()
    const topicName = paths.journalTopic(this.fixture.run.job, 1, 's0')
    await this.fixture.until(async () => (await this.fixture.log.offsets(topicName)).every(({ start }) => start > 0), 'trimmed journals')
  }

  async deleteSnapshots(checkpoint: number): Promise<void> {
    const objects = await this.fixture.store.list(paths.checkpointStatePrefix(this.fixture.run.job, checkpoint))
    if (objects.length === 0) throw new Error(`checkpoint ${checkpoint} has no objects to delete`)
    await this.fixture.store.delete(objects.map(({ key }) => key))
  }
}

describe('state that is lost or late', () => {
  let open: Sales | undefined
  afterEach(async () => {
    await open?.fixture.stop()
    open = undefined
  })

  test('offset alone: snapshot missing, then a kill → the one before and a longer tail, never empty, never reset to zero', async () => {
    const sales = open = await Sales.start(2)
    const { fixture } = sales
    const first = await fixture.slot()
    fixture.assign(first, fixture.tasks())
    await sales.twoSnapshots(first)
    await sales.deleteSnapshots(2)
    first.kill()
    const second = await fixture.slot()
    fixture.assign(second, fixture.tasks())
    await sales.write(200)
    await sales.answered()
    expect(await sales.wrong()).toEqual([])
    const recoveries = second.events.flatMap((event) => event.kind === 'running' ? [event] : [])
    expect(recoveries).toHaveLength(2)
    for (const { task, recovery } of recoveries) {
      const commits = commitsOf(await readJournal(fixture.log, task))
      const [newest, before] = commits.findLast((record) => record.generation.counter <= 2)?.snapshots ?? []
      expect([newest?.checkpoint, before?.checkpoint]).toEqual([2, 1])
      // The tail is every batch since the older one, not only those since the newer.
      expect(recovery).toMatchObject({ snapshot: { checkpoint: 1 } })
      expect(recovery.tailBatches).toBe(commits.filter((record) => record.generation.counter <= 2 && record.content.batchId > (before?.batchId ?? 0)).length)
      expect(recovery.tailBatches).toBeGreaterThan(commits.filter((record) => record.generation.counter <= 2 && record.content.batchId > (newest?.batchId ?? 0)).length)
      expect(recovery.remarks.join()).toMatch(/the snapshot of checkpoint 2 is missing or damaged; the snapshot of checkpoint 1 is used, the tail begins at \d+/)
    }
  })

  test('offset alone: every snapshot missing and the journal trimmed → the task stops with SLOT_STATE_LOST and what is wrong, it never starts empty', async () => {
    const sales = open = await Sales.start(2)
    const { fixture } = sales
    const first = await fixture.slot()
    fixture.assign(first, fixture.tasks())
    await sales.twoSnapshots(first)
    await sales.deleteSnapshots(1)
    await sales.deleteSnapshots(2)
    first.kill()
    const before = sales.written
    await sales.write(100)
    const second = await fixture.slot()
    fixture.assign(second, fixture.tasks())
    const failed = () => second.events.flatMap((event) => event.kind === 'failed' ? [event.error] : [])
    await fixture.until(() => failed().length === 2, 'both tasks stopped')
    for (const error of failed()) {
      expect(error).toMatchObject({ code: 'SLOT_STATE_LOST', action: 'fail-job' })
      expect(error.message).toMatch(/can't be rebuilt: the snapshot of checkpoint 2 is missing or damaged, the snapshot of checkpoint 1 is missing or damaged/)
    }
    expect(second.events.filter((event) => event.kind === 'running')).toEqual([])
    expect(await sales.read()).toHaveLength(before)
    for (const ref of fixture.tasks()) expect(commitsOf(await readJournal(fixture.log, ref)).filter((record) => record.generation.counter > 2)).toEqual([])
  })

  test('rebuild state, spread over executors: eight tasks, one slow object → the other seven do not wait, each starts when ready', async () => {
    const sales = open = await Sales.start(8)
    const { fixture } = sales
    const first = await fixture.slot()
    fixture.assign(first, fixture.tasks())
    await sales.write(640)
    await sales.answered()
    await fixture.snapshot(first, 1)
    first.kill()

    let release = (): void => {}
    const held = new Promise<void>((resolve) => { release = resolve })
    const slow: ObjectStore = Object.assign(Object.create(fixture.store) as ObjectStore, {
      get: async (key: string) => {
        if (paths.parseStateObject(key)?.partition === 3) await held
        return fixture.store.get(key)
      },
    })
    // Spread over two executors, as a driver would.
    const executors = [await fixture.slot({ store: slow }), await fixture.slot({ store: slow })]
    for (const [i, executor] of executors.entries()) fixture.assign(executor, fixture.tasks().filter(({ partition }) => partition % 2 === i))
    const running = (): number[] => executors.flatMap(({ events }) => events.flatMap((event) => event.kind === 'running' ? [event.task.partition] : [])).toSorted()
    const others = [0, 1, 2, 4, 5, 6, 7]
    await fixture.until(() => running().length >= 7, 'seven tasks running')
    expect(running()).toEqual(others)
    // They don't only say so: all input but that of the slow one is answered while it still loads.
    await sales.write(640)
    const ofSlow = Array.from({ length: USERS }, (_, i) => `u${i}`).filter((user) => sales.partitionOf(user) === 3).length * 10
    expect(ofSlow).toBeGreaterThan(0)
    await sales.answered(1_280 - ofSlow)
    expect(running()).toEqual(others)
    release()
    await sales.answered()
    expect(await sales.wrong()).toEqual([])
    for (const { events } of executors) for (const event of events) if (event.kind === 'running') expect(event.recovery.snapshot?.checkpoint).toBe(1)
  })
})
