// The embedded log passes its port's suite, with either way of writing to the disk.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realClock } from '@tidemark/base'
import { logConformance } from '@tidemark/testkit'
import { openLocalLog } from './log.ts'

for (const synchronous of ['NORMAL', 'FULL'] as const) {
  logConformance(`embedded, synchronous ${synchronous}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'log-local-'))
    const log = openLocalLog({ path: join(folder, 'deep', 'log.db'), clock: realClock, synchronous })
    return { log, close: async () => {
      await log.close()
      rmSync(folder, { recursive: true })
    } }
  }, { hasOpenTransactions: false })
}
