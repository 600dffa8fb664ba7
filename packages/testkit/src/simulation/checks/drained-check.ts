// Runs that were drained: what one has processed is what its last checkpoint says, then and for ever.
import { jobId, taskKey } from '@tidemark/base'
import { parseManifest, paths } from '@tidemark/checkpoint'
import type { Manifest } from '@tidemark/checkpoint'
import type { SimCluster } from '../cluster.ts'
import type { JournalCheck } from './journal-check.ts'
import type { Violations } from './violations.ts'

export class DrainedCheck {
  readonly #cluster: SimCluster
  readonly #journals: ReadonlyMap<string, JournalCheck>
  readonly #violations: Violations
  /** Their last checkpoints, by run. */
  readonly #last = new Map<number, Manifest>()

  constructor(cluster: SimCluster, journals: ReadonlyMap<string, JournalCheck>, violations: Violations) {
    this.#cluster = cluster
    this.#journals = journals
    this.#violations = violations
  }

  /** A driver says so. */
  drained(facts: unknown): void {
    const { facts: { run, checkpoint } } = facts as { readonly facts: { readonly run: number, readonly checkpoint: number } }
    const key = paths.manifest(jobId(this.#cluster.workload.name), checkpoint)
    const body = this.#cluster.objects.get(key)?.body
    if (body === undefined) return this.#violations.add('needed object', `${key}, the last of run ${run}, is not there`)
    this.#last.set(run, parseManifest(body, key))
    for (const journal of this.#journals.values()) this.read(journal)
  }

  /** A journal has been read on. */
  read(journal: JournalCheck): void {
    const { newest, of: { ref } } = journal
    const part = this.#last.get(ref.run)?.parts.find(({ stage, partition }) => stage === ref.stage && partition === ref.partition)
    // What is still hidden behind somebody's open transaction is judged when it is seen.
    if (part === undefined || newest === undefined || newest.content.batchId < part.ref.batchId) return
    const moved = newest.content.positions.filter(({ input, topic, partition, next, inFlight }) =>
      !part.ref.positions.some((at) => at.input === input && at.topic === topic && at.partition === partition && at.next === next && at.inFlight === inFlight))
    const undelivered = journal.undeliveredAt(part.ref.batchId)
    if (undelivered !== undefined && undelivered !== newest.content.outbox.entries) this.#violations.add('drained', `${taskKey(ref)} had ${undelivered} undelivered entries in the last checkpoint of its run, and has ${newest.content.outbox.entries} behind it: the next run delivers them again`)
    if (moved.length > 0) this.#violations.add('drained', `${taskKey(ref)} has gone on behind the last checkpoint of its run: ${moved.map(({ input, partition, next }) => `${input}/${partition} to ${next}`).join(', ')}`)
  }
}
