// One at a time: batches, claims and releases share the slot's one producer session.

export class Lock {
  #tail: Promise<void> = Promise.resolve()

  /** Runs `body` when everything asked for before is done; order of asking is order of running. */
  run<T>(body: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(body)
    this.#tail = turn.then(() => {}, () => {})
    return turn
  }
}
