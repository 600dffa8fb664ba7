// What should be in the dead letters: the records that kill, each once, and nobody else's; and how many processes each may take with it.
import type { CommittedWrite } from '../observed-broker.ts'
import { POISON } from '../workload.ts'
import type { Violations } from './violations.ts'

/**
 * Two slots die before what they died of is looked for. Their deaths are counted anew in a run of its own, and as those of executors by a driver that was
 * not there when they died.
 */
const SLOTS_MAX = 6

export class DeadLetterCheck {
  readonly #topic: string
  readonly #poisons: readonly string[]
  readonly #violations: Violations
  /** By user: in which runs it was set aside. */
  readonly #runs = new Map<string, number[]>()
  readonly #killed = new Map<string, number>()

  constructor(topic: string, poisons: readonly string[], violations: Violations) {
    this.#topic = topic
    this.#poisons = poisons
    this.#violations = violations
  }

  committed(run: number, writes: readonly CommittedWrite[]): void {
    for (const { topic, records } of writes) {
      if (topic !== this.#topic) continue
      for (const { value } of records) {
        const { user = '' } = JSON.parse(String(value)) as { readonly user?: string }
        const runs = this.#runs.get(user) ?? []
        if (!user.startsWith(POISON)) this.#violations.add('dead letters', `run ${run}: ${String(value)} is among them, and kills nobody`)
        if (runs.includes(run)) this.#violations.add('dead letters', `run ${run}: ${user} is among them twice`)
        this.#runs.set(user, [...runs, run])
      }
    }
  }

  /** A slot has died of it. */
  killed(run: number, user: string): void {
    const key = `run ${run}: ${user}`
    const slots = (this.#killed.get(key) ?? 0) + 1
    this.#killed.set(key, slots)
    if (slots > SLOTS_MAX) this.#violations.add('dead letters', `${key} has killed ${slots} slots`)
  }

  /** `runs`: whose dead letters count. */
  missing(runs: readonly number[]): string[] {
    return this.#poisons.filter((user) => !this.#runs.get(user)?.some((run) => runs.includes(run))).map((user) => `${user} is not among the dead letters`)
  }
}
