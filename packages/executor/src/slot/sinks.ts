// The outbox sinks of a job, by name; opened when first used.
import { jobId, TidemarkError } from '@tidemark/base'
import type { OutboxSink } from '@tidemark/base'
import { openFileSink, openStdoutSink } from '@tidemark/connectors'
import type { LogicalPlan } from 'tidemark'

export const openSinks = (plan: LogicalPlan): ((name: string) => OutboxSink) => {
  const open = new Map<string, OutboxSink>()
  return (name) => {
    const known = open.get(name)
    if (known !== undefined) return known
    const node = plan.nodes.find((one) => one.kind === 'sink' && one.name === name)
    if (node?.kind !== 'sink') throw new TidemarkError(`the plan of ${plan.job} has no sink ${name}`, { code: 'SLOT_SINK_UNKNOWN', blame: 'bug', action: 'fail-job', job: plan.job })
    const sink = sinkOf(plan, name, node.sink)
    open.set(name, sink)
    return sink
  }
}

const sinkOf = (plan: LogicalPlan, name: string, sink: { readonly kind: string, readonly folder?: string }): OutboxSink => {
  if (sink.kind === 'file') return openFileSink({ folder: sink.folder ?? '.', job: jobId(plan.job), sink: name })
  if (sink.kind === 'stdout') return openStdoutSink()
  throw new TidemarkError(`sink ${name} of ${plan.job} is of kind ${sink.kind}, which a slot process can't open`, {
    code: 'SLOT_SINK_UNKNOWN', blame: 'user', action: 'fail-job', job: plan.job, hint: 'Marker sinks live in the memory of a test; use a topic, files or stdout here.',
  })
}
