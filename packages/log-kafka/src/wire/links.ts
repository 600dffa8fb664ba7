// The connections of one user (a reader, a session, the log itself), by broker address. Users do not share them: a broker answers one connection's requests in order, so a long poll would hold back all others.
import { closedError } from '../errors.ts'
import { Link } from './link.ts'
import type { Address, ConnectionSettings } from './link.ts'

export class Links {
  readonly #settings: ConnectionSettings
  readonly #links = new Map<string, Promise<Link>>()
  #closed = false

  constructor(settings: ConnectionSettings) {
    this.#settings = settings
  }

  /** The connection to that broker, made when there is none, or none that can be used. `LOG_UNAVAILABLE`, `LOG_NOT_AUTHORISED`, `LOG_UNSUPPORTED`. */
  async to(address: Address): Promise<Link> {
    if (this.#closed) throw closedError('the connection set')
    const key = `${address.host}:${address.port}`
    const known = this.#links.get(key)
    if (known) {
      const link = await known
      if (link.usable) return link
      if (this.#links.get(key) === known) this.#links.delete(key)
      void link.closeAfterCalls()
      return this.to(address)
    }
    const made = Link.connect(this.#settings, address)
    this.#links.set(key, made)
    try {
      const link = await made
      if (this.#closed) link.drop(undefined)
      return link
    } catch (error) {
      if (this.#links.get(key) === made) this.#links.delete(key)
      throw error
    }
  }

  /** Drops every connection; calls in flight reject. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true
    const links = [...this.#links.values()]
    this.#links.clear()
    for (const link of await Promise.allSettled(links)) if (link.status === 'fulfilled') link.value.drop(undefined)
  }
}
