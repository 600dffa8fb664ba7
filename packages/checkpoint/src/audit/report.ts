// What an audit says in the end: for people and, as it stands, for machines.
import type { JobId, StageId } from '@tidemark/base'
import type { Books } from '../records/records.ts'
import type { RunRecord } from '../run.ts'
import type { Finding, Findings, Untold } from './findings.ts'
import type { JournalAudit } from './journal.ts'
import type { AuditedPosition } from './positions.ts'
import type { RebuiltState } from './rebuild.ts'
import { sumBooks } from './sums.ts'
import type { OutputGroup } from './totals.ts'

export interface AuditedTask {
  readonly stage: StageId
  readonly partition: number
  /** Batches read one by one, as far back as the journal reaches. */
  readonly batches: number
  readonly firstBatch?: number
  readonly lastBatch?: number
  readonly ended: boolean
  readonly positions: readonly AuditedPosition[]
  /** Since the job began, restores included. */
  readonly totals?: Books
}

export interface AuditReport {
  readonly job: JobId
  readonly run: number
  /** Checkpoint that the run began from; null: empty. */
  readonly from: RunRecord['from']
  /** Wall clock when the cut was made, ms. */
  readonly at: number
  readonly balanced: boolean
  /** Records, as far as the faults can be counted in records. */
  readonly lost: number
  readonly doubled: number
  readonly tasks: readonly AuditedTask[]
  readonly outputs: readonly OutputGroup[]
  /** Absent: not asked for. */
  readonly states?: readonly RebuiltState[]
  readonly totals: Books
  /** How many comparisons were made, by what was compared. */
  readonly compared: Readonly<Record<string, number>>
  readonly findings: readonly Finding[]
  /** Faults beyond the list's limit. */
  readonly unlisted: number
  readonly untold: readonly Untold[]
}

export interface AuditedJournal {
  readonly journal: JournalAudit
  readonly positions: readonly AuditedPosition[]
}

export const auditReport = (run: RunRecord, at: number, journals: readonly AuditedJournal[], outputs: readonly OutputGroup[], findings: Findings, states?: readonly RebuiltState[]): AuditReport => ({
  job: run.job, run: run.run, from: run.from, at, balanced: findings.list.length === 0, lost: findings.lost, doubled: findings.doubled,
  tasks: journals.map(({ journal, positions }): AuditedTask => {
    const [first, last] = [journal.batches[0]?.batchId, journal.batches.at(-1)?.batchId]
    return {
      stage: journal.facts.task.stage, partition: journal.facts.task.partition, batches: journal.batches.length, ...(first === undefined ? {} : { firstBatch: first }), ...(last === undefined ? {} : { lastBatch: last }),
      ended: journal.ended, positions, ...(journal.totals === undefined ? {} : { totals: journal.totals }),
    }
  }),
  outputs, ...(states === undefined ? {} : { states }), totals: sumBooks(journals.flatMap(({ journal }) => journal.totals ?? [])),
  compared: Object.fromEntries(findings.compared), findings: findings.list, unlisted: findings.unlisted, untold: findings.untold,
})
