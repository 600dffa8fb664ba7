// Log readers are for one fetch at a time; journals, takeovers and in-flight collection borrow one each.
import type { Log, LogReader } from '@tidemark/base'

export class Readers {
  readonly #log: Log
  #idle: LogReader[] = []
  #closed = false

  constructor(log: Log) {
    this.#log = log
  }

  /** The reader is given back when `body` ends well; after an error it is closed, so that nothing stale answers the next fetch. */
  async borrow<T>(body: (reader: LogReader) => Promise<T>): Promise<T> {
    const reader = this.#idle.pop() ?? this.#log.reader()
    try {
      const result = await body(reader)
      if (this.#closed) await reader.close()
      else this.#idle.push(reader)
      return result
    } catch (error) {
      await reader.close()
      throw error
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    const idle = this.#idle
    this.#idle = []
    await Promise.all(idle.map((reader) => reader.close()))
  }
}
