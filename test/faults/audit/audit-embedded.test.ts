// The books of a job that is killed under load: audited while it runs, with the driver dead, and when all is quiet; then with one record taken away.
import { afterEach, describe, expect, test } from '@jest/globals'
import { MainJob, SEED } from '../../cluster/main-job.ts'
import { auditReportOf, runAudit } from '../../cluster/audit.ts'

describe(`audit on the embedded cluster (seed ${SEED})`, () => {
  let open: MainJob | undefined
  afterEach(async () => {
    await open?.stop()
    open = undefined
  }, 60_000)

  test.each([['with a shuffle', { copartitioned: false }], ['copartitioned', { copartitioned: true }]])('audit, %s, killed under load → balanced while it runs, without a driver and when it is quiet', async (_name, options) => {
    const main = open = await MainJob.start({}, { ...options, executors: 3, checkpointInterval: 700 })
    const { cluster, job } = main
    main.feeder.start()
    for (let kill = 0; kill < 3; kill += 1) {
      await main.fed(1_500)
      const [victim] = await cluster.owners(job.name)
      await victim?.kill()
      const { report, code } = await auditReportOf(cluster.folder, {}, [job.name])
      expect([report.findings, code]).toEqual([[], 0])
      await main.recovered(3)
    }
    // Rebuilt from the snapshot of one owner through the deaths of others, and from a snapshot that a later owner wrote: one state.
    const checkpoint = await main.checkpoint(0)
    await main.fed(500)
    for (const [victim] of [await cluster.owners(job.name)]) await victim?.kill()
    await main.recovered(3)
    await main.checkpoint(checkpoint + 1)
    const rebuilt = await auditReportOf(cluster.folder, {}, [job.name, '--state'])
    expect([rebuilt.report.findings, rebuilt.code]).toEqual([[], 0])
    expect(rebuilt.report.states).toHaveLength(rebuilt.report.tasks.length)
    for (const state of rebuilt.report.states ?? []) expect(state).toMatchObject({ hash: expect.stringMatching(/^[0-9a-f]{64}$/), witnessedTo: expect.any(Number) })
    expect(rebuilt.report.states?.every(({ ways, witnessedTo }) => ways.length > 1 && witnessedTo > 0)).toBe(true)
    await cluster.driver?.kill()
    const headless = await auditReportOf(cluster.folder, {}, [job.name])
    expect([headless.report.findings, headless.code]).toEqual([[], 0])
    process.stdout.write(`${JSON.stringify(headless.report.compared)} ${JSON.stringify(headless.report.untold)}\n`)
    await cluster.startDriver()
    await cluster.allRunning(job.name)
    expect(await main.settle()).toEqual([])
    const quiet = await auditReportOf(cluster.folder, {}, [job.name])
    expect([quiet.report.findings, quiet.code]).toEqual([[], 0])
    process.stdout.write((await runAudit(cluster.folder, {}, [job.name, '--state'])).out)
  }, 240_000)
})
