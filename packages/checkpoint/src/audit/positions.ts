// Where each task stands, against what the log holds there.
import { howMany } from '@tidemark/base'
import type { PartitionOffsets } from '@tidemark/base'
import type { FindingPlace, Findings } from './findings.ts'
import type { JournalAudit } from './journal.ts'

export interface AuditedPosition {
  readonly input: string
  readonly topic: string
  readonly partition: number
  /** The next offset to read. */
  readonly next: number
  readonly lag?: number
}

/** `offsets` of a topic's partition: its end read after the journal, its start before the journal's cut; undefined: it is none of the log's, or is gone. */
export const auditPositions = (journal: JournalAudit, offsets: (topic: string, partition: number) => PartitionOffsets | undefined, findings: Findings): AuditedPosition[] => (journal.positions ?? []).map(({ input, topic, partition, next }) => {
  const { task, inputs } = journal.facts
  const kind = inputs.find((one) => one.input === input)?.kind
  if (kind === 'file' || kind === 'generator') {
    findings.cannotTell(`records of ${input}`, `a ${kind} is not in the log`)
    return { input, topic, partition, next }
  }
  const place: FindingPlace = { stage: task.stage, partition: task.partition, ...(journal.batchId === undefined ? {} : { batchId: journal.batchId }), topic, topicPartition: partition, offset: next }
  const found = offsets(topic, partition)
  // A run that has ended loses its shuffles, and what it read may be gone for good reasons.
  if (found === undefined) {
    if (!journal.ended) findings.add('position-beyond-end', `${topic}/${partition} is gone; ${task.stage}-${task.partition} stands at ${next}`, place)
    return { input, topic, partition, next }
  }
  findings.count('positions')
  if (next > found.end) findings.add('position-beyond-end', `${task.stage}-${task.partition} stands at ${next} of ${topic}/${partition}, which ends at ${found.end}`, place)
  if (next < found.start) findings.add('position-behind-start', `${task.stage}-${task.partition} stands at ${next} of ${topic}/${partition}, which begins at ${found.start}: ${howMany(found.start - next, 'offset was not read and is', 'offsets were not read and are')} gone`, place, { lost: found.start - next })
  return { input, topic, partition, next, lag: Math.max(0, found.stable - next) }
})
