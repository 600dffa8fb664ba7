// `npm run bench -- windowed|running|latency|recovery|memory|all`: measures a real cluster on real servers and checks its output. Exit codes: 0 measured and exact, 1 not, 2 wrong use.
import { runAll } from './all/run.ts'
import { Ending } from './ending.ts'
import { runLatency } from './latency/run.ts'
import { runMemory } from './memory/run.ts'
import { readOptions, USAGE, WrongUse } from './options.ts'
import type { BenchOptions } from './options.ts'
import { runRunning, runWindowed } from './preloaded/run.ts'
import { runRecovery } from './recovery/run.ts'
import { Report } from './report.ts'

const RUN = { windowed: runWindowed, running: runRunning, latency: runLatency, recovery: runRecovery, memory: runMemory, all: runAll }

const measure = async (options: BenchOptions): Promise<number> => {
  const [ending, report] = [new Ending(), new Report(options.json)]
  try {
    await RUN[options.workload](options, ending, report)
  } catch (error) {
    if (!ending.begun) process.stderr.write(`${error instanceof Error ? error.stack ?? error.message : String(error)}\n`)
    return 1
  } finally {
    await ending.end()
  }
  return report.print() ? 0 : 1
}

try {
  process.exitCode = await measure(readOptions(process.argv.slice(2)))
} catch (error) {
  process.stderr.write(`${error instanceof WrongUse || error instanceof TypeError ? error.message : String(error)}\n\n${USAGE}`)
  process.exitCode = 2
}
