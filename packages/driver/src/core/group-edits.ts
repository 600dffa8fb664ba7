// Somebody else sets the offsets that a job's positions are published as. It moves nothing; whoever did it should hear so, and whoever looks at lag that jumped.
import type { ExecutorMessage } from '@tidemark/wire'
import type { ExecutorEntry } from './executors.ts'
import type { JobEntry } from './jobs.ts'
import type { Out } from './out.ts'

/** Each slot notices the same edit for itself; a program that commits there does it again and again. */
const QUIET_MS = 5_000
const TOLD_EVERY_MS = 60_000
const WARNED_FOR_MS = 10 * 60_000

type GroupEdited = Extract<ExecutorMessage, { readonly kind: 'group-edited' }>

export const groupEdited = (job: JobEntry, by: ExecutorEntry, { group, offsets }: GroupEdited, out: Out): void => {
  const before = job.groupEdited
  const tell = before === undefined || out.nowMs - before.atMs >= QUIET_MS || out.nowMs - before.toldAtMs >= TOLD_EVERY_MS
  job.groupEdited = { atMs: out.nowMs, toldAtMs: tell ? out.nowMs : before.toldAtMs }
  if (!tell) return
  const found = offsets.map(({ topic, partition, offset }) => `${topic}/${partition} to ${offset}`).join(', ')
  out.happened({ event: 'group.offsets-edited', job: job.id, executor: by.id, level: 'warn', message: `somebody set offsets of the group ${group}: ${found}. It changes nothing: no position is read from a group; the job's own are published again`, facts: { group, offsets } })
}

/** For some minutes. */
export const groupWarning = ({ groupEdited: edited }: JobEntry, out: Out): string | undefined => edited === undefined || out.nowMs - edited.atMs >= WARNED_FOR_MS
  ? undefined
  : `${Math.round((out.nowMs - edited.atMs) / 1_000)} s ago somebody set the offsets under which positions are published; it changes nothing, they are published again. To begin elsewhere, restore a checkpoint`
