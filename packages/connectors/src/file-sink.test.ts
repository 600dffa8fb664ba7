// The outbox on files: whole or not there, once, even when killed in between.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { jobId, stageId, TidemarkError } from '@tidemark/base'
import type { OutboxDelivery, OutboxSink } from '@tidemark/base'
import { recorded } from '../../../test/services/run-folder.ts'
import { openFileSink } from './file-sink.ts'

const job = jobId('orders')
let root = ''
let folder = ''
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tidemark-file-sink-'))
  folder = join(root, 'deep', 'out')
})
afterEach(() => rm(root, { recursive: true, force: true }))

const open = (): OutboxSink => openFileSink({ folder, job, sink: 'totals' })
const delivery = (batchId: number, lines: readonly string[], more: Partial<OutboxDelivery> = {}): OutboxDelivery =>
  ({ task: { job, run: 3, stage: stageId(1), partition: 2 }, sink: 'totals', batchId, records: lines.map((line) => Buffer.from(line)), ...more })
const files = async (): Promise<string[]> => (await readdir(folder)).filter((name) => name.endsWith('.ndjson')).toSorted()
const failure = async (promise: Promise<unknown>): Promise<TidemarkError> => {
  const error = await promise.then(() => undefined, (reason: unknown) => reason)
  expect(error).toBeInstanceOf(TidemarkError)
  return error as TidemarkError
}

test('file sink: a batch → one file by run, stage, partition and batch', async () => {
  const sink = open()
  await sink.deliver(delivery(7, ['{"a":1}', '{"a":2}']))
  await sink.deliver(delivery(8, []))
  await sink.deliver(delivery(10, ['']))
  expect(await files()).toEqual(['3-s1-2-000000000007.ndjson', '3-s1-2-000000000010.ndjson'])
  expect(await readFile(join(folder, '3-s1-2-000000000007.ndjson'), 'utf8')).toBe('{"a":1}\n{"a":2}\n')
})

test('file sink: a repeated delivery → finds the file and leaves it', async () => {
  await open().deliver(delivery(1, ['a']))
  const path = join(folder, '3-s1-2-000000000001.ndjson')
  const before = await stat(path)
  await open().deliver(delivery(1, ['a']))
  const after = await stat(path)
  expect([after.ino, after.mtimeMs]).toEqual([before.ino, before.mtimeMs])
})

test('file sink: the same name with other content → refused, not taken for ours', async () => {
  await open().deliver(delivery(1, ['a']))
  expect(await failure(open().deliver(delivery(1, ['b'])))).toMatchObject({ code: 'SINK_REFUSED', action: 'fail-job' })
  expect(await readFile(join(folder, '3-s1-2-000000000001.ndjson'), 'utf8')).toBe('a\n')
})

test('file sink: several owners of one batch at once → one file, all acknowledged', async () => {
  await Promise.all(Array.from({ length: 8 }, () => open().deliver(delivery(1, ['x'.repeat(100_000)]))))
  expect(await files()).toHaveLength(1)
  expect((await stat(join(folder, '3-s1-2-000000000001.ndjson'))).size).toBe(100_001)
})

test('file sink: a folder of another sink or job → refused before anything is written', async () => {
  await open().deliver(delivery(1, ['a']))
  const second = openFileSink({ folder, job, sink: 'others' })
  expect(await failure(second.deliver(delivery(2, ['b'], { sink: 'others' })))).toMatchObject({ code: 'SINK_REFUSED', blame: 'user' })
  await open().deliver(delivery(3, ['c']))
  expect(await files()).toHaveLength(2)
})

test('file sink: a delivery of another sink, a record with a newline → refused', async () => {
  expect((await failure(open().deliver(delivery(1, ['a'], { sink: 'others' })))).code).toBe('SINK_REFUSED')
  expect((await failure(open().deliver(delivery(1, ['a', 'b\nc'])))).message).toMatch(/record 1 holds a newline/)
  expect(await files()).toEqual([])
})

test('file sink: a folder that can\'t be made → refused with the path', async () => {
  await writeFile(join(root, 'deep'), 'a file')
  expect(await failure(open().deliver(delivery(1, ['a'])))).toMatchObject({ code: 'SINK_REFUSED', blame: 'user' })
})

/** Delivers batch 1 in a process of its own that is killed at the fault point; returns how it ended. */
const deliverAndDieAt = async (point: string): Promise<unknown> => {
  const script = `
    const { openFileSink } = await import(${JSON.stringify(new URL('file-sink.ts', import.meta.url).href)})
    const sink = openFileSink({ folder: ${JSON.stringify(folder)}, job: 'orders', sink: 'totals', faults: { reach: (at) => { if (at === '${point}') process.kill(process.pid, 'SIGKILL') } } })
    await sink.deliver({ task: { job: 'orders', run: 3, stage: 's1', partition: 2 }, sink: 'totals', batchId: 1, records: [Buffer.from('x'.repeat(300000)), Buffer.from('y')] })`
  const child = recorded(spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' }))
  const [, signal] = await once(child, 'exit')
  return signal
}
const whole = delivery(1, ['x'.repeat(300_000), 'y'])

test('file sink: killed between write and rename → no file is seen; delivered again, it is whole, and no remains', async () => {
  expect(await deliverAndDieAt('file-sink.written')).toBe('SIGKILL')
  expect(await files()).toEqual([])
  expect((await readdir(join(folder, '.tidemark'))).filter((name) => name.includes('ndjson'))).toHaveLength(1)
  await open().deliver(whole)
  expect(await files()).toHaveLength(1)
  expect((await stat(join(folder, '3-s1-2-000000000001.ndjson'))).size).toBe(300_003)
  expect((await readdir(join(folder, '.tidemark'))).filter((name) => name.includes('ndjson'))).toEqual([])
})

test('file sink: killed between rename and acknowledgement → the file is whole and is left as it is', async () => {
  expect(await deliverAndDieAt('file-sink.named')).toBe('SIGKILL')
  const path = join(folder, '3-s1-2-000000000001.ndjson')
  const before = await stat(path)
  await open().deliver(whole)
  expect((await stat(path)).ino).toBe(before.ino)
  expect(await readFile(path)).toEqual(Buffer.from(`${'x'.repeat(300_000)}\ny\n`))
})
