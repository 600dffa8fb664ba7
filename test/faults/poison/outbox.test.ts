// An outbox entry that its sink refuses for ever: nothing of it is dropped, so the job stops, says which and why, and its neighbour goes on.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import { Cluster } from '../../cluster/cluster.ts'
import { Subject } from '../../integration/bad-input/subject.ts'
import type { RunningTotal } from '../../workload/oracle.ts'

let cluster: Cluster | undefined
let folder: string | undefined
afterEach(async () => {
  await cluster?.stop()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
}, 60_000)

const filed = (at: string): RunningTotal[] => readdirSync(at).filter((name) => name.endsWith('.ndjson')).toSorted()
  .flatMap((name) => readFileSync(join(at, name), 'utf8').split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as RunningTotal))

test('a sink that refuses for ever → the job stops with SINK_REFUSED and what to do; what its entry held is kept, the neighbour that owns the sink is exact', async () => {
  const files = folder = mkdtempSync(join(tmpdir(), 'tidemark-outbox-'))
  cluster = await Cluster.start({ executors: 1, slots: 2 })
  const neighbour = await Subject.start(cluster, { copartitioned: true, partitions: 1, folder: files })
  await neighbour.write(0, neighbour.events(50))
  expect(await neighbour.wrong()).toEqual([])
  for (const began = realClock.monotonic(); filed(files).length < 50;) {
    if (realClock.monotonic() - began > 60_000) throw new Error(`${filed(files).length} results in files\n${cluster.story()}`)
    await realClock.sleep(20)
  }

  const refused = await Subject.start(cluster, { copartitioned: true, partitions: 1, folder: files })
  await refused.write(0, refused.events(50))
  expect(await refused.failed()).toMatchObject({ code: 'SINK_REFUSED', blame: 'user', action: 'fail-job', message: expect.stringContaining('belongs to another sink') })

  await neighbour.write(0, neighbour.events(50))
  expect(await neighbour.wrong()).toEqual([])
  for (const began = realClock.monotonic(); filed(files).length < 100;) {
    if (realClock.monotonic() - began > 60_000) throw new Error(`${filed(files).length} results in files\n${cluster.story()}`)
    await realClock.sleep(20)
  }
  expect(filed(files)).toHaveLength(100)
  await neighbour.job.remove(cluster.log)
  await refused.job.remove(cluster.log)
}, 240_000)
