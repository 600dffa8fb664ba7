// A job that is not deterministic: every record gets a random number and a time of the clock, and both feed state. A result is committed with
// the state that it came from, so no two owners can disagree on what was drawn.
import { afterEach, describe, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import { Cluster } from '../../cluster/cluster.ts'
import type { ServerEnvironment } from '../../cluster/cluster.ts'
import { SEED } from '../../cluster/main-job.ts'
import { Output } from '../../cluster/output.ts'
import { Feeder } from '../../workload/events.ts'
import type { Event } from '../../workload/events.ts'
import { jobFile } from './job-file.ts'
import type { JobFile } from './job-file.ts'

const PARTITIONS = 4
const EXECUTORS = 2

interface Noisy {
  readonly user: string
  readonly n: number
  readonly noise: number
  readonly sum: number
  readonly at: number
  readonly latest: number
}

const text = (name: string): string => `
interface Event { readonly user: string, readonly amount: number, readonly ts: number }
interface Sum { readonly n: number, readonly sum: number, readonly latest: number }
const noisy = job('${name}', { parallelism: ${PARTITIONS}, checkpointInterval: 700, commitIntervalMax: 100 })
noisy.source('events', topic('${name}.events', { value: json<Event>(), timestamp: (event) => event.ts }))
  .map((event) => ({ user: event.user, noise: Math.random(), at: Date.now() }))
  .keyBy((event) => event.user)
  .process<Sum & { readonly user: string, readonly noise: number, readonly at: number }, Sum>('sums', {
    state: () => ({ n: 0, sum: 0, latest: 0 }),
    onRecord(ctx, { noise, at }) {
      const before = ctx.state.get()
      const sum = { n: before.n + 1, sum: before.sum + noise, latest: Math.max(before.latest, at) }
      ctx.state.set(sum)
      ctx.emit({ user: ctx.key, noise, at, ...sum })
    },
  })
  .sink('sums', topicSink('${name}.sums', { value: json() }))
export default noisy`

/** Faults: an output missing or said twice, or one that does not follow from the output before it. */
const checkNoise = (input: readonly Event[], output: readonly Noisy[]): string[] => {
  const faults: string[] = []
  const last = new Map<string, Noisy>()
  for (const one of output) {
    const before = last.get(one.user) ?? { n: 0, sum: 0, latest: 0 }
    if (one.n !== before.n + 1) faults.push(`${one.user}: output ${one.n} follows ${before.n}`)
    // Exactly: the same two numbers added in the same order.
    if (one.sum !== before.sum + one.noise) faults.push(`${one.user}: output ${one.n} says ${one.sum}, but ${before.sum} + ${one.noise} is ${before.sum + one.noise}`)
    if (one.latest !== Math.max(before.latest, one.at)) faults.push(`${one.user}: output ${one.n} says ${one.latest} after ${before.latest} and ${one.at}`)
    last.set(one.user, one)
  }
  const counts = new Map<string, number>()
  for (const { user } of input) counts.set(user, (counts.get(user) ?? 0) + 1)
  for (const [user, n] of counts) if (last.get(user)?.n !== n) faults.push(`${user}: ends at ${last.get(user)?.n ?? 0} of ${n}`)
  return faults
}

export const noiseSuite = (servers: () => ServerEnvironment, kills: number): void => {
  describe(`a job that is not deterministic (seed ${SEED})`, () => {
    let open: { readonly cluster: Cluster, readonly job: JobFile, readonly feeder: Feeder } | undefined
    afterEach(async () => {
      await open?.feeder.pause()
      await open?.job.remove(open.cluster.log)
      await open?.cluster.stop()
      open = undefined
    }, 30_000)

    test(`Math.random() and Date.now() feed state, killed ${kills} times: each output once, and state equals outputs`, async () => {
      const cluster = await Cluster.start({ servers: servers(), executors: EXECUTORS })
      const job = jobFile(['events', 'sums'], PARTITIONS, text)
      const feeder = new Feeder(cluster.log, job.topic('events'), PARTITIONS, { seed: SEED, users: 100, perSecond: 1_500 })
      open = { cluster, job, feeder }
      await job.createTopics(cluster.log)
      await cluster.submit(job.file)
      await cluster.allRunning(job.name)
      const output = new Output<Noisy>(cluster.log, job.topic('sums'))
      const outputs = async (wanted: number): Promise<void> => {
        for (const began = realClock.monotonic(); (await output.read()).length < wanted;) {
          if (realClock.monotonic() - began > 60_000) throw new Error(`seed ${SEED}: ${output.records.length} of ${wanted} outputs\n${cluster.story()}`)
          await realClock.sleep(20)
        }
      }
      feeder.start()
      for (let kill = 0; kill < kills; kill += 1) {
        await outputs(output.records.length + 500)
        const [victim] = await cluster.owners(job.name)
        expect(victim?.alive).toBe(true)
        await victim?.kill()
        cluster.startExecutor()
      }
      await outputs(output.records.length + 500)
      await feeder.pause()
      await outputs(feeder.written.length)
      // One that comes twice comes with or right after the others.
      await cluster.until(job.name, ({ summary }) => summary.lag === 0 && summary.tasksRunning === summary.tasks, 'no lag')
      await output.read()
      expect(output.records).toHaveLength(feeder.written.length)
      expect(checkNoise(feeder.written, output.values())).toEqual([])
    }, 240_000)
  })
}
