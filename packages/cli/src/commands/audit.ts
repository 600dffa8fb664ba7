// tidemark audit: is anything lost or doubled? From log and store alone, whether the job runs or not, whether a driver answers or not.
import { audit } from '../audit/audit.ts'
import { withLog } from '../context.ts'
import type { Context } from '../context.ts'
import { EXIT } from '../exit.ts'
import { auditLines } from '../format/audit.ts'

export interface AuditCommandOptions {
  readonly run?: number
  readonly shared: readonly string[]
  readonly outputs: boolean
  readonly state: boolean
}

/** Resolves with the exit code: 0 when everything that can be compared balances. */
export const auditJob = (context: Context, job: string, { run, shared, outputs, state }: AuditCommandOptions): Promise<number> => withLog(context, async (log) => {
  const { terminal, clock, signal } = context
  const store = context.openStore(context.servers)
  try {
    const report = await audit(log, store, clock, signal, { job, shared, outputs, state, say: (what) => terminal.status(what), ...run === undefined ? {} : { run } })
    terminal.status('')
    if (context.json) terminal.json(report)
    else for (const line of auditLines(report, terminal.paint)) terminal.line(line)
    return report.balanced ? EXIT.done : EXIT.failed
  } finally {
    terminal.status('')
    await store.close()
  }
})
