// Keeps a stream to whichever driver leads: connects, connects again with short pauses, follows a pointer to the leader.
import type { DriverMessage, ExecutorMessage, ExecutorStream } from '@tidemark/wire'
import type { Clock, Logger } from '@tidemark/base'

const PAUSE_FIRST_MS = 50
const PAUSE_MAX_MS = 1_000

export interface DriverLinkOptions {
  /** `host:port` of one or several drivers. */
  readonly drivers: readonly string[]
  /** Opens a stream to a driver: wire's `connectCluster`, or a test's network. */
  readonly connect: (address: string) => ExecutorStream
  readonly clock: Clock
  readonly logger: Logger
  readonly onConnected: () => void
  readonly onLost: () => void
  readonly onMessage: (message: DriverMessage) => void
}

export class DriverLink {
  readonly #options: DriverLinkOptions
  #stream: ExecutorStream | undefined
  #next = 0
  #pointed: string | undefined
  #pauseMs = PAUSE_FIRST_MS
  #stopped = false

  constructor(options: DriverLinkOptions) {
    this.#options = options
  }

  connect(): void {
    if (this.#stopped) return
    const { connect, drivers } = this.#options
    const address = this.#pointed ?? drivers[this.#next++ % drivers.length]
    this.#pointed = undefined
    if (address === undefined) return
    const stream = connect(address)
    this.#stream = stream
    stream.onMessage((message) => {
      if (this.#stream !== stream) return
      if (message.kind === 'registered') this.#pauseMs = PAUSE_FIRST_MS
      this.#options.onMessage(message)
    })
    stream.onClose((end) => {
      if (this.#stream !== stream) return
      this.#stream = undefined
      this.#options.logger.info({ address, reason: end.reason }, 'driver.lost')
      this.#options.onLost()
      this.#again()
    })
    this.#options.onConnected()
  }

  send(message: ExecutorMessage): void {
    this.#stream?.send(message)
  }

  /** This one does not lead; that one does, or another of the list. */
  follow(leader: string | undefined): void {
    this.#pointed = leader
    const stream = this.#stream
    this.#stream = undefined
    stream?.close()
    this.#options.onLost()
    this.#again()
  }

  stop(): void {
    this.#stopped = true
    this.#stream?.close()
  }

  #again(): void {
    if (this.#stopped) return
    this.#options.clock.after(this.#pauseMs, () => this.connect())
    this.#pauseMs = Math.min(this.#pauseMs * 2, PAUSE_MAX_MS)
  }
}
