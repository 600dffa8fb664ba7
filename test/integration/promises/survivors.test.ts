// What a death means for those that did not die: nothing. Told by their own journals, record by record.
import { afterEach, describe, expect, test } from '@jest/globals'
import { jobId, realClock } from '@tidemark/base'
import type { StageId, TaskRef } from '@tidemark/base'
import type { TaskDescription } from '@tidemark/wire'
import { MainJob, SEED } from '../../cluster/main-job.ts'
import { readJournal } from './journal.ts'

const refOf = (main: MainJob, { stage, partition }: TaskDescription): TaskRef => ({ job: jobId(main.job.name), run: 1, stage: stage as StageId, partition })

describe(`survivors (seed ${SEED})`, () => {
  let open: MainJob | undefined
  afterEach(async () => {
    await open?.stop()
    open = undefined
  }, 60_000)

  test('continues seamlessly: survivors never stop, their tasks keep their generation and their batches go on while the dead executor\'s tasks recover', async () => {
    // No checkpoint in between: the journals are read from their start.
    const main = open = await MainJob.start({}, { copartitioned: true, checkpointInterval: 120_000 })
    main.feeder.start()
    await main.fed(2_000)
    const before = (await main.cluster.allRunning(main.job.name)).tasks
    const [victim] = await main.cluster.owners(main.job.name)
    const survivors = before.filter((task) => task.executor !== victim?.name)
    const orphans = before.filter((task) => task.executor === victim?.name)
    expect([survivors.length, orphans.length]).toEqual([2, 2])

    const killedAt = realClock.now()
    await victim?.kill()
    // As an operator would see it, while it happens.
    const seen = new Map(survivors.map((task) => [task.partition, [task.batchId]]))
    await main.cluster.until(main.job.name, ({ tasks, summary }) => {
      for (const task of tasks) seen.get(task.partition)?.push(task.batchId)
      expect(tasks.filter((task) => seen.has(task.partition)).map(({ executor, generation, phase }) => ({ executor, generation, phase }))).toEqual(survivors.map(({ executor, generation, phase }) => ({ executor, generation, phase })))
      return summary.tasksRunning === summary.tasks && orphans.every(({ partition, generation }) => JSON.stringify(tasks.find((task) => task.partition === partition)?.generation) !== JSON.stringify(generation))
    }, 'the orphans running elsewhere')
    await main.fed(1_000)
    for (const batches of seen.values()) expect(batches).toEqual(batches.toSorted((a, b) => a - b))
    expect(await main.settle()).toEqual([])

    // Until when each orphan was silent: the first commit record of its next owner.
    const recovered: number[] = []
    for (const orphan of orphans) {
      const records = (await readJournal(main.cluster.log, refOf(main, orphan))).map(({ record }) => record)
      const first = records.find((record) => record.kind === 'commit' && record.timestamp >= killedAt && record.owner.executor !== orphan.executorId)
      if (first === undefined) throw new Error(`nobody went on with partition ${orphan.partition}`)
      recovered.push(first.timestamp)
    }
    for (const survivor of survivors) {
      const records = (await readJournal(main.cluster.log, refOf(main, survivor))).map(({ record }) => record)
      const since = records.filter(({ timestamp }) => timestamp > killedAt)
      // It was neither fenced nor restarted, nor did it have to claim again: nothing but commits, of the same session.
      expect(new Set(since.map(({ kind }) => kind))).toEqual(new Set(['commit']))
      for (const { generation, transactionalId } of since) expect({ generation, transactionalId }).toEqual({ generation: survivor.generation, transactionalId: records.findLast(({ timestamp }) => timestamp <= killedAt)?.transactionalId })
      const meanwhile = since.filter(({ timestamp }) => timestamp < Math.max(...recovered))
      expect(meanwhile.length).toBeGreaterThan(0)
    }
  }, 120_000)
})
