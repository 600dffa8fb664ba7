// What Kafka would refuse of a job's output, and does not get: records more than an hour ahead of its clock, and dead letters larger than their topic takes.
import { randomUUID } from 'node:crypto'
import { afterEach, expect, test } from '@jest/globals'
import { realClock, silentLogger } from '@tidemark/base'
import { openKafkaLog } from '@tidemark/log-kafka'
import { count, job, json, topic, topicSink, tumbling } from 'tidemark'
import { describeWith } from '../../services/index.ts'
import { SlotFixture } from './slot-fixture.ts'

const DAY = 86_400_000
/** Fits a record of a topic as it is by default (1 MiB and 12 bytes), with few bytes to spare. */
const FULL_RECORD_BYTES = 1_048_400

interface Sale { readonly user: string, readonly ts: number }
interface Total { readonly key: string, readonly window: { readonly start: number, readonly end: number }, readonly n: number }

describeWith(['kafka'], 'output that Kafka would refuse', (server) => {
  let open: SlotFixture | undefined
  afterEach(async () => {
    await open?.stop()
    open = undefined
  })

  test('updates of a window that ends days from now, and a malformed record as large as its topic takes → the results are there, the dead letter says how large it was', async () => {
    const name = `ahead-${randomUUID().slice(0, 8)}`
    const [sales, totals] = [`${name}.sales`, `${name}.totals`]
    const built = job(name, { version: '1' })
      .source('sales', topic(sales, { value: json<Sale>(), timestamp: (sale) => sale.ts, outOfOrderness: 0 })).keyBy((sale) => sale.user, { copartitioned: true })
      .window(tumbling('7d')).aggregate('totals', { n: count() }, { emit: 'updates' }).sink('totals', topicSink(totals, { value: json() }))
    const fixture = open = await SlotFixture.start(() => openKafkaLog({ brokers: server('kafka').brokers, clientId: 'refused-test', clock: realClock, logger: silentLogger }), built, 1, [sales, totals])
    const running = await fixture.slot()
    fixture.assign(running, fixture.tasks())
    await fixture.until(() => running.events.some(({ kind }) => kind === 'running'), 'running')

    const now = realClock.now()
    const sale = { key: 'ann', value: JSON.stringify({ user: 'ann', ts: now }) }
    await fixture.log.write([{ topic: sales, partition: 0, records: [sale] }])
    await fixture.log.write([{ topic: sales, partition: 0, records: [{ key: 'ann', value: 'x'.repeat(FULL_RECORD_BYTES) }] }])
    await fixture.log.write([{ topic: sales, partition: 0, records: [sale] }])
    await fixture.until(async () => (await fixture.read<Total>(totals)).length === 2 || running.events.some(({ kind }) => kind === 'failed'), 'two results')
    expect(running.events.filter(({ kind }) => kind === 'failed')).toEqual([])
    const results = await fixture.read<Total>(totals)
    expect(results.map(({ key, n }) => [key, n])).toEqual([['ann', 1], ['ann', 2]])
    expect(results.every(({ window }) => window.start <= now && window.end > now && window.end - window.start === 7 * DAY)).toBe(true)

    const reader = fixture.log.reader()
    const read = async (from: string): Promise<{ timestamp: number, value: Buffer | null, headers?: Readonly<Record<string, Buffer>> }[]> => (await reader.fetch([{ topic: from, partition: 0, offset: 0, maxBytes: 1 << 20 }], { isolation: 'committed', maxWaitMs: 1_000 })).flatMap(({ records }) => records)
    const letters = await read(`${name}.dead-letters`)
    expect(letters.map(({ value, headers }) => [value, headers?.['tidemark-code']?.toString(), headers?.['tidemark-value-bytes']?.toString(), headers?.['tidemark-source-offset']?.toString()])).toEqual([[null, 'JOB_DECODE', String(FULL_RECORD_BYTES), '1']])
    expect((await read(totals)).filter(({ timestamp }) => timestamp > realClock.now() + DAY / 24)).toEqual([])
    await reader.close()
  }, 60_000)
})
