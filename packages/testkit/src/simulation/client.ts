// The one client of a simulated cluster: submits its job, restores it, cancels it. What it wants last is what the simulation has to come to.
import { jobId } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import type { Watch } from './checks/watch.ts'
import type { SimCluster } from './cluster.ts'
import type { AfterCancel, CancelMode } from './fault-plan.ts'

const POLL_MS = 20

export class Client {
  readonly #cluster: SimCluster
  readonly #watch: Watch
  /** Questions without an answer. */
  asking = 0
  wanted: 'running' | 'cancelled' = 'running'
  /** The newest run that was answered for: it has to begin. */
  run = 0

  constructor(cluster: SimCluster, watch: Watch) {
    this.#cluster = cluster
    this.#watch = watch
  }

  submit(): Promise<void> {
    return this.#asks(async () => this.#submit(undefined)).catch((error: unknown) => this.#watch.violations.add('submit', String(error)))
  }

  /** `oldest`: from what retention is about to remove. */
  async restore(oldest: boolean): Promise<void> {
    const { trace } = this.#cluster
    if (this.wanted === 'cancelled') return trace.add('client', 'restores nothing: it has cancelled the job')
    try {
      await this.#asks(async () => {
        const checkpoint = await this.#checkpoint(oldest)
        if (checkpoint === undefined) return trace.add('client', 'has nothing to restore from')
        await this.#submit(checkpoint)
      })
    } catch (error) {
      trace.add('client', 'restore refused', { error })
    }
  }

  async cancel(afterwards: AfterCancel, mode: CancelMode): Promise<void> {
    const { clock, trace, workload: { name } } = this.#cluster
    // What is still asked for could be answered behind this.
    while (this.asking > 0) await clock.sleep(POLL_MS)
    this.wanted = 'cancelled'
    try {
      await this.#asks(async () => {
        trace.add('client', 'cancels', { afterwards, mode })
        trace.add('client', 'answer', await this.#cluster.ask((jobs) => jobs.cancel(name, mode)))
        while ((await this.#cluster.ask((jobs) => jobs.describe(name))).summary.state !== 'cancelled') await clock.sleep(POLL_MS)
        trace.add('client', 'sees that it is cancelled')
        if (afterwards === 'nothing') return
        await this.#submit(afterwards === 'restore' ? await this.#checkpoint(false) : undefined)
        this.wanted = 'running'
      })
    } catch (error) {
      this.#watch.violations.add('cancel', String(error))
    }
  }

  /** What is not as the client wants it, in words. */
  missing(): readonly string[] {
    if (this.asking > 0) return ['the client waits for an answer']
    if (this.wanted === 'cancelled') return this.#watch.ended.missing()
    return this.run > this.#watch.run ? [`run ${this.run} has not begun`] : this.#watch.missing()
  }

  async #asks(questions: () => Promise<void>): Promise<void> {
    this.asking += 1
    try {
      await questions()
    } finally {
      this.asking -= 1
    }
  }

  async #submit(fromCheckpoint: number | undefined): Promise<void> {
    const answer = await this.#cluster.submit(fromCheckpoint)
    this.#cluster.trace.add('client', 'answer', answer)
    this.run = Math.max(answer.run, this.run)
  }

  async #checkpoint(oldest: boolean): Promise<number | undefined> {
    const { checkpoints } = await this.#cluster.ask((jobs) => jobs.describe(jobId(this.#cluster.workload.name)))
    const whole = checkpoints.filter((one) => !this.#isDamaged(one.checkpoint))
    return (oldest ? whole.at(-1) : whole[0])?.checkpoint
  }

  #isDamaged(checkpoint: number): boolean {
    return [...this.#watch.damaged].some((key) => paths.parseStateObject(key)?.checkpoint === checkpoint)
  }
}
