// Network links that can be cut, cut one way, and slowed: each one a proxy of toxiproxy.
import { freePort } from '../../../deploy/services/ports.ts'

/** `out`: what the one who connects says. `in`: what it is told. */
export type Way = 'both' | 'out' | 'in'

interface Toxic {
  readonly type: string
  readonly stream: string
  readonly attributes: Readonly<Record<string, number>>
}

const STREAMS = { out: ['upstream'], in: ['downstream'], both: ['upstream', 'downstream'] } as const

export class Link {
  /** `host:port` for the one who connects. */
  readonly address: string
  readonly #url: string
  readonly #name: string
  #toxics = 0

  private constructor(url: string, name: string, address: string) {
    this.#url = url
    this.#name = name
    this.address = address
  }

  static async open(url: string, name: string, to: string, from?: string): Promise<Link> {
    const address = from ?? `127.0.0.1:${await freePort()}`
    await post(`${url}/proxies`, { name, listen: address, upstream: to, enabled: true })
    return new Link(url, name, address)
  }

  /** Nothing gets through: connections stay open, new ones are made, and no byte arrives. */
  async cut(way: Way): Promise<void> {
    await this.#add(way, 'timeout', { timeout: 0 })
  }

  /** Every byte comes so much later. */
  async slow(byMs: number): Promise<void> {
    await this.#add('both', 'latency', { latency: byMs, jitter: 0 })
  }

  /** As before. What was open in a cut is closed: its bytes are lost. */
  async heal(): Promise<void> {
    for (; this.#toxics > 0; this.#toxics -= 1) await checked(await fetch(`${this.#url}/proxies/${this.#name}/toxics/t${this.#toxics}`, { method: 'DELETE' }))
  }

  async close(): Promise<void> {
    await checked(await fetch(`${this.#url}/proxies/${this.#name}`, { method: 'DELETE' }))
  }

  async #add(way: Way, type: string, attributes: Toxic['attributes']): Promise<void> {
    for (const stream of STREAMS[way]) {
      await post(`${this.#url}/proxies/${this.#name}/toxics`, { name: `t${this.#toxics + 1}`, type, stream, toxicity: 1, attributes })
      this.#toxics += 1
    }
  }
}

const checked = async (response: Response): Promise<void> => {
  if (!response.ok) throw new Error(`toxiproxy answered ${response.status}: ${await response.text()}`)
}

const post = async (url: string, body: object): Promise<void> => checked(await fetch(url, { method: 'POST', body: JSON.stringify(body) }))
