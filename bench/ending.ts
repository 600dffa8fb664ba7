// What a benchmark started, ended in reverse order: at its end, when it fails, and on Ctrl-C.

type End = () => Promise<unknown> | unknown

export class Ending {
  #ends: End[] = []
  #under: Promise<void> | undefined

  constructor() {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(name, () => {
        process.stderr.write(`${name}: ending what was started\n`)
        void this.end().finally(() => process.exit(130))
      })
    }
  }

  /** Stopped meanwhile: what comes late is ended at once. */
  async keep<T>(starting: Promise<T>, end: (started: T) => Promise<unknown> | unknown): Promise<T> {
    const started = await starting
    if (this.#under !== undefined) {
      await end(started)
      throw new Error('the benchmark was ended while it started')
    }
    this.#ends.push(() => end(started))
    return started
  }

  add(end: End): void {
    this.#ends.push(end)
  }

  /** Whether something is ended already: what fails now fails for that. */
  get begun(): boolean {
    return this.#under !== undefined
  }

  /** Idempotent. Says what could not be ended and goes on. */
  end(): Promise<void> {
    this.#under ??= this.#endAll()
    return this.#under
  }

  async #endAll(): Promise<void> {
    for (let end = this.#ends.pop(); end !== undefined; end = this.#ends.pop()) {
      try {
        await end()
      } catch (error) {
        process.stderr.write(`not ended: ${String(error)}\n`)
      }
    }
  }
}
