// Somebody edits a consumer group's offsets while the job runs: the group that positions are published to, or any other on its input. Nothing moves.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import type { JobEvent } from '@tidemark/wire'
import { MainJob, SEED } from '../cluster/main-job.ts'
import { serversOf } from '../cluster/servers.ts'
import { describeWith, groupOffsets, setGroupOffsets } from '../services/index.ts'

describeWith(['kafka', 'minio', 'redis'], `group offsets edited by a person (seed ${SEED})`, (server) => {
  let main: MainJob
  beforeAll(async () => {
    main = await MainJob.start(serversOf(server), { copartitioned: false, executors: 2 })
    main.feeder.start()
    await main.fed(1_000)
  }, 120_000)
  afterAll(() => main.stop(), 60_000)

  const group = (): string => `tidemark.${main.job.name}`
  const publishedAre = async (wanted: (offset: number) => boolean): Promise<boolean> => {
    const offsets = await groupOffsets(server('kafka').brokers, group(), main.job.input)
    return [0, 1, 2, 3].every((partition) => wanted(offsets[partition] ?? -1))
  }
  const set = (name: string, offset: number): Promise<void> => setGroupOffsets(server('kafka').brokers, name, main.job.input, [0, 1, 2, 3].map((partition) => ({ partition, offset })))
  /** What `tidemark events` shows of it. */
  const told = async (): Promise<JobEvent[]> => {
    const found: JobEvent[] = []
    for await (const event of main.cluster.jobs.watchEvents({ job: main.job.name, after: 0, follow: false })) if (event.event === 'group.offsets-edited') found.push(event)
    return found
  }
  const until = async (what: string, wanted: () => Promise<boolean>): Promise<void> => {
    for (const began = realClock.monotonic(); !await wanted();) {
      if (realClock.monotonic() - began > 30_000) throw new Error(`seed ${SEED}: not so: ${what}\n${main.cluster.story()}`)
      await realClock.sleep(20)
    }
  }

  test.each([['back to the start', 0], ['far ahead', 1_000_000]] as const)('the published group is set %s under load, and an owner dies then → nothing is read again or left out, it is warned of; what is published is right again', async (_, offset) => {
    await until('positions are published', async () => await publishedAre((one) => one > 0))
    const before = new Map(main.cluster.executors.map(({ lines }) => [lines, lines.length] as const))
    await set(group(), offset)
    const other = `somebody-${main.job.name}`
    await set(other, offset)
    expect(await groupOffsets(server('kafka').brokers, other, main.job.input)).toEqual([offset, offset, offset, offset])
    await main.cluster.executors.find(({ alive }) => alive)?.kill()
    await main.recovered(2)
    await main.fed(1_000)
    await until('it is noticed', async () => main.cluster.executors.some(({ lines }) => lines.slice(before.get(lines) ?? 0).some(({ msg }) => msg === 'log.group_offsets_edited')))
    await until('the driver tells it too', async () => (await told()).length > 0)
    expect((await told())[0]).toMatchObject({ job: main.job.name, message: expect.stringContaining(`offsets of the group ${group()}`), facts: { group: group(), offsets: expect.arrayContaining([expect.objectContaining({ topic: main.job.input })]) } })
    expect((await main.cluster.jobs.describe(main.job.name)).warnings.join()).toContain('somebody set the offsets under which positions are published')
    await until('positions are published anew', async () => await publishedAre((one) => one > 0 && one < 1_000_000))
    expect(await main.soFar()).toEqual([])
  }, 120_000)

  test('in the end → every result is right', async () => {
    expect(await main.settle()).toEqual([])
  }, 120_000)
})
