// The network of a simulation: hosts and services, links that are slow, cut or cut in one direction; calls to servers with deadlines; and the
// streams between executors and drivers. What is sent into a cut arrives when it is over, as TCP would send it again; who waits gives up sooner.
import type { Random } from '@tidemark/base'
import type { ExecutorStream } from '@tidemark/executor'
import type { DriverMessage, DriverStream, ExecutorMessage, StreamEnd } from '@tidemark/driver'
import type { SimProcess } from './process.ts'
import type { Scheduler } from './scheduler.ts'

const LATENCY_MIN_MS = 0.1
const LATENCY_JITTER_MS = 0.5
/** A stream whose peer says nothing to a keepalive for this long is broken, ms. */
const KEEPALIVE_MS = 600
const KEEPALIVE_LOOK_MS = 150
/** Trying to connect to a host out of reach, ms. */
const CONNECT_TIMEOUT_MS = 400

interface Link {
  cutUntil: number
  slowMs: number
  slowUntil: number
}

interface End<Incoming> {
  readonly process: SimProcess
  handler: ((message: Incoming) => void) | undefined
  onClose: ((end: StreamEnd) => void) | undefined
  early: Incoming[]
  closed: StreamEnd | undefined
  said: 'leaving' | undefined
}

interface Pair {
  readonly client: End<DriverMessage>
  readonly server: End<ExecutorMessage>
  quietSince: number | undefined
}

/** Where a driver listens. */
export interface Listener {
  readonly process: SimProcess
  readonly onConnect: (stream: DriverStream) => void
}

const newEnd = <T>(process: SimProcess): End<T> => ({ process, handler: undefined, onClose: undefined, early: [], closed: undefined, said: undefined })

const tell = <T>(end: End<T>, message: T): void => end.process.enter(() => {
  if (end.closed) return
  if (end.handler) end.handler(message)
  else end.early.push(message)
})

const finish = <T>(end: End<T>, how: StreamEnd): void => end.process.enter(() => {
  if (end.closed) return
  end.closed = how
  end.onClose?.(how)
})

export class Network {
  readonly listeners = new Map<string, Listener>()
  readonly #scheduler: Scheduler
  readonly #random: Random
  readonly #links = new Map<string, Link>()
  readonly #pairs = new Set<Pair>()

  constructor(scheduler: Scheduler, random: Random) {
    this.#scheduler = scheduler
    this.#random = random
    this.#look()
  }

  /** Nothing gets from one to the other for so long. */
  cut(from: string, to: string, ms: number): void {
    const link = this.#link(from, to)
    link.cutUntil = Math.max(link.cutUntil, this.#scheduler.now + ms)
  }

  slow(from: string, to: string, byMs: number, ms: number): void {
    const link = this.#link(from, to)
    link.slowMs = byMs
    link.slowUntil = this.#scheduler.now + ms
  }

  /** Every cut and slowness is over. */
  heal(): void {
    for (const link of this.#links.values()) {
      link.cutUntil = 0
      link.slowUntil = 0
    }
  }

  isCut(from: string, to: string): boolean {
    return (this.#links.get(`${from}>${to}`)?.cutUntil ?? 0) > this.#scheduler.now
  }

  /** Delivers after the link's latency, not before `notBefore`; answers with when that is. */
  send(from: string, to: string, deliver: () => void, notBefore = 0): number {
    const link = this.#links.get(`${from}>${to}`)
    const now = this.#scheduler.now
    let at = now + LATENCY_MIN_MS + this.#random.next() * LATENCY_JITTER_MS
    if (link !== undefined && link.slowUntil > now) at += link.slowMs * this.#random.next()
    if (link !== undefined && link.cutUntil > now) at = link.cutUntil + this.#random.next() * 20
    at = Math.max(at, notBefore)
    this.#scheduler.after(at - now, deliver)
    return at
  }

  connect(process: SimProcess, address: string): ExecutorStream {
    const client = newEnd<DriverMessage>(process)
    const to = address.split(':')[0] ?? address
    let pair: Pair | undefined
    let [upAt, downAt] = [0, 0]
    const refused = (reason: string, afterMs: number): void => void this.#scheduler.after(afterMs, () => finish(client, { goodbye: false, reason }))
    const serverStream = (server: End<ExecutorMessage>): DriverStream => ({
      peer: process.name,
      send: (message) => {
        if (server.closed) return
        server.process.enter(() => {
          downAt = this.send(to, process.host, () => tell(client, message), downAt)
        })
      },
      onMessage: (handler) => {
        server.handler = handler
        for (const message of server.early.splice(0)) handler(message)
      },
      onClose: (handler) => {
        server.onClose = handler
        if (server.closed) handler(server.closed)
      },
      close: () => {
        if (server.closed) return
        server.closed = { goodbye: true, reason: 'closed here' }
        downAt = this.send(to, process.host, () => finish(client, { goodbye: true, reason: 'the driver ended the stream' }), downAt)
      },
    })
    if (this.isCut(process.host, to) || this.isCut(to, process.host)) refused(`${address} does not answer`, CONNECT_TIMEOUT_MS)
    else upAt = this.send(process.host, to, () => {
      const listener = this.listeners.get(address)
      if (listener === undefined || listener.process.state === 'dead') return refused(`${address} refused`, LATENCY_MIN_MS)
      const server = newEnd<ExecutorMessage>(listener.process)
      pair = { client, server, quietSince: undefined }
      this.#open(pair)
      return listener.process.enter(() => listener.onConnect(serverStream(server)))
    })
    return {
      peer: address,
      send: (message) => {
        if (client.closed) return
        process.enter(() => {
          upAt = this.send(process.host, to, () => {
            if (pair === undefined) return
            if (message.kind === 'leaving') pair.server.said = 'leaving'
            tell(pair.server, message)
          }, upAt)
        })
      },
      onMessage: (handler) => {
        client.handler = handler
        for (const message of client.early.splice(0)) handler(message)
      },
      onClose: (handler) => {
        client.onClose = handler
        if (client.closed) handler(client.closed)
      },
      close: () => {
        if (client.closed) return
        client.closed = { goodbye: true, reason: 'closed here' }
        upAt = this.send(process.host, to, () => {
          if (pair) this.#serverEnds(pair, 'stream ended without goodbye')
        }, upAt)
      },
    }
  }

  #link(from: string, to: string): Link {
    const key = `${from}>${to}`
    const link = this.#links.get(key) ?? { cutUntil: 0, slowMs: 0, slowUntil: 0 }
    this.#links.set(key, link)
    return link
  }

  #open(pair: Pair): void {
    const { client, server } = pair
    this.#pairs.add(pair)
    // The kernel of a killed process ends its connections; into a cut nothing is said, and the keepalive finds out.
    client.process.onDeath(() => void this.send(client.process.host, server.process.host, () => this.#serverEnds(pair, 'stream cancelled')))
    server.process.onDeath(() => void this.send(server.process.host, client.process.host, () => {
      finish(client, { goodbye: false, reason: 'connection reset' })
      this.#pairs.delete(pair)
    }))
  }

  #serverEnds(pair: Pair, reason: string): void {
    const goodbye = pair.server.said === 'leaving'
    finish(pair.server, { goodbye, reason: goodbye ? 'said goodbye' : reason })
    this.#pairs.delete(pair)
  }

  #look(): void {
    const now = this.#scheduler.now
    for (const pair of this.#pairs) {
      const [a, b] = [pair.client.process, pair.server.process]
      const quiet = a.state !== 'running' || b.state !== 'running' || this.isCut(a.host, b.host) || this.isCut(b.host, a.host)
      pair.quietSince = quiet ? pair.quietSince ?? now : undefined
      if (pair.quietSince === undefined || now - pair.quietSince < KEEPALIVE_MS) continue
      this.#pairs.delete(pair)
      finish(pair.client, { goodbye: false, reason: 'no answer to the keepalive' })
      finish(pair.server, { goodbye: false, reason: 'no answer to the keepalive' })
    }
    this.#scheduler.after(KEEPALIVE_LOOK_MS, () => this.#look())
  }
}
