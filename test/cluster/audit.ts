// Runs `tidemark audit` as a person would: a process of its own, that finds log and store by its settings.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { AuditReport } from '@tidemark/checkpoint'
import type { ServerEnvironment } from './cluster.ts'

const START = fileURLToPath(new URL('../../packages/cli/src/start.js', import.meta.url))

export interface AuditRun {
  readonly code: number
  readonly out: string
  readonly err: string
}

export const runAudit = (folder: string, servers: ServerEnvironment, args: readonly string[]): Promise<AuditRun> => new Promise((resolve) => {
  const env = { ...process.env, ...servers, TIDEMARK_DIR: folder, NODE_OPTIONS: '' }
  execFile(process.execPath, [START, 'audit', ...args], { env, maxBuffer: 64 * 1024 * 1024 }, (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code), out, err }))
})

export const auditReportOf = async (folder: string, servers: ServerEnvironment, args: readonly string[]): Promise<AuditRun & { readonly report: AuditReport }> => {
  const run = await runAudit(folder, servers, [...args, '--json'])
  try {
    return { ...run, report: JSON.parse(run.out) as AuditReport }
  } catch {
    throw new Error(`audit ended with ${run.code} and no report:\n${run.out}\n${run.err}`)
  }
}
