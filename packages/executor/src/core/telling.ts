// What the driver is told, and when: at once, behind its answer to the registration, or not at all because the next registration will say it.
import type { ExecutorMessage } from '@tidemark/wire'
import type { Push } from './protocol.ts'

/** Messages kept for the driver while there is none; older ones go first. Their facts are found again by the journal. */
const UNSENT_MAX = 1_000

type Heartbeat = Extract<ExecutorMessage, { readonly kind: 'heartbeat' }>

export class Telling {
  readonly #push: Push
  #connected = false
  #registered = false
  #sequence = 0
  #unsent: ExecutorMessage[] = []

  constructor(push: Push) {
    this.#push = push
  }

  connected(registration: ExecutorMessage): void {
    this.#connected = true
    // The registration names processes and ids as they are now.
    this.#unsent = this.#unsent.filter(({ kind }) => kind !== 'slot-started' && kind !== 'session')
    this.#push({ kind: 'send', message: registration })
  }

  lost(): void {
    this.#connected = false
    this.#registered = false
  }

  /** The driver has answered the registration: what waited for that goes out. */
  registered(): void {
    this.#registered = true
    for (const message of this.#unsent.splice(0)) this.#push({ kind: 'send', message })
  }

  /** To the driver now, or once it has answered the registration; what that itself will name needs no word while there is no driver. */
  tell(message: ExecutorMessage): void {
    if (this.#connected && this.#registered) this.#push({ kind: 'send', message })
    else if (this.#connected || (message.kind !== 'slot-started' && message.kind !== 'session')) {
      this.#unsent.push(message)
      if (this.#unsent.length > UNSENT_MAX) this.#unsent.shift()
    }
  }

  /** Never kept: the next one says more. */
  beat(facts: Pick<Heartbeat, 'tasks' | 'logs'>): void {
    if (!this.#registered) return
    this.#sequence += 1
    this.#push({ kind: 'send', message: { kind: 'heartbeat', sequence: this.#sequence, ...facts } })
  }
}
