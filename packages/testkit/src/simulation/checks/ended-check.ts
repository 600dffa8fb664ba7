// Runs that are over: once a driver says that a run has ended nothing of it becomes real any more, and what was cancelled leaves no topics behind.
import { peekRecord, paths } from '@tidemark/checkpoint'
import type { CommittedWrite } from '../observed-broker.ts'
import type { SimCluster } from '../cluster.ts'
import type { Violations } from './violations.ts'

export class EndedCheck {
  readonly #cluster: SimCluster
  readonly #violations: Violations
  readonly #runs = new Set<number>()

  constructor(cluster: SimCluster, violations: Violations) {
    this.#cluster = cluster
    this.#violations = violations
  }

  ended(run: number): void {
    this.#runs.add(run)
  }

  /** A late claim, and the release that follows when its owner reads the end, say nothing. */
  committed(run: number, writes: readonly CommittedWrite[]): void {
    if (!this.#runs.has(run)) return
    for (const { topic, partition, records, baseOffset } of writes) {
      const isJournal = paths.parseInternalTopic(topic)?.kind === 'journal'
      if (isJournal && records.every(({ value }) => value !== null && typeof value !== 'string' && peekRecord(value, baseOffset).kind !== 'commit')) continue
      this.#violations.add('ended', `run ${run} has ended, and a transaction of it with records for ${topic}/${partition} was committed`)
    }
  }

  /** What is left of a job that was cancelled, in words. */
  missing(): readonly string[] {
    const { objects, servers, workload: { name } } = this.#cluster
    const topics = servers.broker.listTopics().filter((topic) => paths.parseInternalTopic(topic)?.job === name)
    const definitions = [...objects].flatMap(([key, { body }]) => {
      const found = paths.parseDefinition(key)
      return found?.job === name ? [{ epoch: found.number, body }] : []
    })
    const newest = definitions.toSorted((a, b) => b.epoch - a.epoch)[0]
    const { desired, state } = JSON.parse(newest?.body.toString() ?? '{}') as { readonly desired?: string, readonly state?: string }
    return [...topics.map((topic) => `topic ${topic} is still there`), ...(desired === 'cancelled' && state === 'cancelled' ? [] : [`what is stored is that it is wanted ${desired}, and ${state}`])]
  }
}
