// The outbox sinks of a job, by name; opened when first used.
import { jobId, TidemarkError } from '@tidemark/base'
import type { JobId, OutboxSink } from '@tidemark/base'
import type { LogicalPlan } from 'tidemark'

/** How each kind of sink is opened; the process's main knows the adapters. */
export interface SinkOpeners {
  readonly file: (options: { readonly folder: string, readonly job: JobId, readonly sink: string }) => OutboxSink
  readonly stdout: () => OutboxSink
}

export const openSinks = (plan: LogicalPlan, openers: SinkOpeners): ((name: string) => OutboxSink) => {
  const open = new Map<string, OutboxSink>()
  return (name) => {
    const known = open.get(name)
    if (known !== undefined) return known
    const sink = sinkOf(plan, name, openers)
    open.set(name, sink)
    return sink
  }
}

const sinkOf = (plan: LogicalPlan, name: string, openers: SinkOpeners): OutboxSink => {
  const node = plan.nodes.find((one) => one.kind === 'sink' && one.name === name)
  if (node?.kind !== 'sink') throw new TidemarkError(`the plan of ${plan.job} has no sink ${name}`, { code: 'SLOT_SINK_UNKNOWN', blame: 'bug', action: 'fail-job', job: plan.job })
  switch (node.sink.kind) {
    case 'file':
      return openers.file({ folder: node.sink.folder, job: jobId(plan.job), sink: name })
    case 'stdout':
      return openers.stdout()
    default:
      throw new TidemarkError(`sink ${name} of ${plan.job} is of kind ${node.sink.kind}, which a slot process can't open`, {
        code: 'SLOT_SINK_UNSUPPORTED', blame: 'user', action: 'fail-job', job: plan.job, hint: 'Marker sinks live in the memory of a test; use a topic, files or stdout here.',
      })
  }
}
