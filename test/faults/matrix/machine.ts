// A machine of its own: a network namespace whose only way out is a link to the ports that it is given. It loses that link, its power, or all of its processes.
import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { fileURLToPath } from 'node:url'
import { kill } from '../../../bench/processes.ts'
import { recorded } from '../../services/run-folder.ts'

const RELAY = fileURLToPath(new URL('relay.main.ts', import.meta.url))
/** IPv4 addresses for one link, that no router forwards (RFC 3927). Its first and last 256 are reserved, in its upper half clouds have services. */
const LINK_LOCAL = [169, 254] as const
const SUBNETS = 127
/** Of an IPv4 subnet with room for two. */
const PREFIX_BITS = 30

const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

/** Names carry the pid: who clears up finds only what is its own. */
const namesOf = (pid: number) => ({ namespace: `tidemark-${pid}`, bridge: `tm${pid}b`, link: `tm${pid}l` })

const freeSubnet = (): string => {
  const taken = new Set(Object.values(networkInterfaces()).flatMap((all = []) => all.map(({ address }) => address.slice(0, address.lastIndexOf('.')))))
  for (let tried = 0; tried < SUBNETS; tried += 1) {
    const subnet = [...LINK_LOCAL, 1 + (process.pid + tried) % SUBNETS].join('.')
    if (!taken.has(subnet)) return subnet
  }
  throw new Error('no subnet for a link is free: each that may be used has an address on this machine')
}

/** Why no machine can be made here; undefined: one can. `program`: which makes it. */
export const whyNoMachine = (program = 'ip'): string | undefined => {
  if (process.platform !== 'linux') return `network namespaces are Linux's, this is ${process.platform}`
  try {
    execFileSync(program, ['-V'], { stdio: 'ignore' })
  } catch {
    return `there is no program \`${program}\` (iproute2)`
  }
  const trial = new Machine()
  try {
    trial.plugIn()
    return undefined
  } catch (error) {
    return `no network namespace with a link can be made here, as root it can where that is allowed: ${error instanceof Error ? error.message.trim().split('\n').at(-1) : String(error)}`
  } finally {
    trial.close()
  }
}

export class Machine {
  /** Its devices and itself, as the kernel knows them. */
  readonly names = namesOf(process.pid)
  /** On this side; the one on the other dies with the machine. */
  #relayHere: ChildProcess | undefined
  #subnet = ''
  #closed = false
  readonly #atExit = (): void => this.close()

  /** Under which its processes are reached from here. */
  get address(): string {
    return `${this.#subnet}.2`
  }

  /** Goes before a command that is to run on it. */
  get within(): readonly string[] {
    return ['ip', 'netns', 'exec', this.names.namespace]
  }

  get isOn(): boolean {
    return existsSync(`/run/netns/${this.names.namespace}`)
  }

  /** Starts it: on its loopback it finds these ports of this machine's loopback. The same ports until `clear`. */
  async start(ports: readonly number[]): Promise<void> {
    this.plugIn()
    const all = [...new Set(ports)].map(String)
    if (this.#relayHere === undefined) await this.#relay([], this.#hostAddress, '127.0.0.1', all, (relay) => { this.#relayHere = relay })
    await this.#relay(this.within, '127.0.0.1', this.#hostAddress, all)
  }

  /** The link and all it needs; what is there stays. After `unplug`: with the addresses it had. */
  plugIn(): void {
    if (this.#closed) throw new Error('the machine was closed')
    const { namespace, bridge, link } = this.names
    if (!existsSync(`/sys/class/net/${bridge}`)) {
      process.once('exit', this.#atExit)
      this.#subnet = freeSubnet()
      ip('link', 'add', bridge, 'type', 'bridge')
      ip('address', 'add', `${this.#hostAddress}/${PREFIX_BITS}`, 'dev', bridge)
      ip('link', 'set', bridge, 'up')
    }
    if (!this.isOn) {
      ip('netns', 'add', namespace)
      ip('-n', namespace, 'link', 'set', 'lo', 'up')
    }
    if (existsSync(`/sys/class/net/${link}`)) return
    ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace)
    ip('link', 'set', link, 'master', bridge, 'up')
    ip('-n', namespace, 'address', 'add', `${this.address}/${PREFIX_BITS}`, 'dev', 'eth0')
    ip('-n', namespace, 'link', 'set', 'eth0', 'up')
  }

  /** Its link is deleted; its processes live on and nobody tells anybody. */
  unplug(): void {
    ip('link', 'delete', this.names.link)
  }

  /** SIGKILL of every process on it. What their sockets say to it still leaves by its link. */
  killAll(): void {
    for (const pid of ip('netns', 'pids', this.names.namespace).split('\n').filter((line) => line !== '')) kill(Number(pid))
  }

  /** Its link goes first, then everything else: no socket says goodbye. */
  losePower(): void {
    this.unplug()
    this.killAll()
    this.remove()
  }

  /** What is left of it, its link and its processes; this side stays. Idempotent. */
  remove(): void {
    if (existsSync(`/sys/class/net/${this.names.link}`)) this.unplug()
    if (!this.isOn) return
    this.killAll()
    ip('netns', 'delete', this.names.namespace)
  }

  /** This side too. `start` makes it anew. Idempotent. */
  clear(): void {
    this.remove()
    this.#relayHere?.kill('SIGKILL')
    this.#relayHere = undefined
    if (existsSync(`/sys/class/net/${this.names.bridge}`)) ip('link', 'delete', this.names.bridge)
    process.off('exit', this.#atExit)
  }

  /** `clear`, and nothing is made from now on. Idempotent. */
  close(): void {
    this.#closed = true
    this.clear()
  }

  get #hostAddress(): string {
    return `${this.#subnet}.1`
  }

  async #relay(within: readonly string[], listenOn: string, goOnTo: string, ports: readonly string[], started: (relay: ChildProcess) => void = () => {}): Promise<void> {
    const [command = '', ...args] = [...within, process.execPath, RELAY, listenOn, goOnTo, ...ports]
    const relay = recorded(spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] }))
    started(relay)
    await new Promise<void>((resolve, reject) => {
      relay.stdout.once('data', () => resolve())
      relay.once('error', reject)
      relay.once('exit', (code, signal) => reject(new Error(`the relay on ${listenOn} ended before it listened (${signal ?? code})`)))
    })
  }
}
