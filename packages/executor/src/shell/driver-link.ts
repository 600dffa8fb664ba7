// Keeps a stream to whichever driver leads: connects, connects again with short pauses, follows a pointer to the leader.
import type { DriverMessage, ExecutorMessage, ExecutorStream } from '@tidemark/wire'
import type { Clock, Logger } from '@tidemark/base'

const PAUSE_FIRST_MS = 50
const PAUSE_MAX_MS = 1_000
/** A driver that says nothing for so long hangs, or is still finding out what there is: another may lead by now. Connections to it are accepted by its machine. */
const FIRST_WORD_MS_MAX = 2_000
/** So long others are asked first: a lease that is held by a driver that hangs is over by then. */
const HUNG_MS = 3_000

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
  /** When each address last said nothing, monotonic ms. */
  readonly #hung = new Map<string, number>()
  #pauseMs = PAUSE_FIRST_MS
  #stopped = false

  constructor(options: DriverLinkOptions) {
    this.#options = options
  }

  connect(): void {
    if (this.#stopped) return
    const { connect } = this.#options
    const address = this.#choose()
    if (address === undefined) return
    const stream = connect(address)
    this.#stream = stream
    const silent = this.#options.clock.after(FIRST_WORD_MS_MAX, () => {
      if (this.#stream !== stream) return
      this.#hung.set(address, this.#options.clock.monotonic())
      this.#options.logger.info({ address, reason: `it said nothing for ${FIRST_WORD_MS_MAX} ms` }, 'driver.lost')
      this.follow(undefined)
    })
    stream.onMessage((message) => {
      silent.cancel()
      if (this.#stream !== stream) return
      if (message.kind === 'registered') this.#pauseMs = PAUSE_FIRST_MS
      this.#options.onMessage(message)
    })
    stream.onClose((end) => {
      silent.cancel()
      if (this.#stream !== stream) return
      this.#stream = undefined
      this.#options.logger.info({ address, reason: end.reason }, 'driver.lost')
      this.#options.onLost()
      this.#again()
    })
    this.#options.onConnected()
  }

  /** Where it was pointed to, else the next of the list; one that hung a moment ago only when there is no other: who points to it may not know yet. */
  #choose(): string | undefined {
    const { clock, drivers } = this.#options
    const hung = (address: string): boolean => clock.monotonic() - (this.#hung.get(address) ?? -Infinity) < HUNG_MS
    const pointed = this.#pointed
    this.#pointed = undefined
    if (pointed !== undefined && !hung(pointed)) return pointed
    const next = drivers.map((_, i) => (this.#next + i) % drivers.length)
    const index = next.find((one) => !hung(drivers[one] ?? '')) ?? next[0]
    if (index === undefined) return undefined
    this.#next = index + 1
    return drivers[index]
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
