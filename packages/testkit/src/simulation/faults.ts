// Makes go wrong what a plan says, in a running cluster; and starts anew what died, as whoever runs the processes would.
import { jobId } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import type { Watch } from './checks/watch.ts'
import type { Client } from './client.ts'
import type { SimCluster } from './cluster.ts'
import type { Fault, Place } from './fault-plan.ts'
import type { DriverNode, ExecutorNode, SlotNode } from './nodes.ts'

const RESTART_EXECUTOR_MS = 120
const RESTART_DRIVER_MS = 150
const LOOK_MS = 50

type Armed<K extends Fault['kind']> = { readonly fault: Extract<Fault, { readonly kind: K }>, left: number }
/** Waits for a process; any one of drivers or of slots when it names none. */
type ArmedMishap = Omit<Armed<'mishap'>, 'fault'> & { readonly fault: Pick<Extract<Fault, { readonly kind: 'mishap' }>, 'call' | 'fate' | 'ms' | 'by'>, readonly process?: string, readonly meanwhile?: () => void }
type ArmedCrash = { readonly point: string, readonly whole: boolean, readonly host?: string, left: number }

export class Faults {
  readonly #cluster: SimCluster
  readonly #client: Client
  readonly #watch: Watch
  readonly #target: number
  #mishaps: ArmedMishap[] = []
  #crashes: ArmedCrash[] = []
  #spoils: Armed<'spoil'>[] = []
  #stalls: Armed<'stall'>[] = []
  readonly #missed = new Map<string, number>()

  constructor(cluster: SimCluster, watch: Watch, client: Client, plan: readonly Fault[], executors: number) {
    this.#cluster = cluster
    this.#client = client
    this.#watch = watch
    this.#target = executors
    const { scheduler } = cluster
    for (const fault of plan) scheduler.after(fault.at, () => this.#happen(fault))
    cluster.servers.mishap = (process, { call }) => {
      const by = process.name.startsWith('d') ? 'driver' : 'slot'
      const armed = this.#mishaps.find(({ fault, process: only }) => fault.call === call && fault.by === by && (only === undefined || only === process.name))
      if (armed === undefined || armed.left-- > 0) return undefined
      this.#mishaps = this.#mishaps.filter((one) => one !== armed)
      watch.owners.disturbed(process.host, scheduler.now + armed.fault.ms)
      armed.meanwhile?.()
      return { fate: armed.fault.fate, ms: armed.fault.ms }
    }
    cluster.reached = (slot, point) => {
      this.#stall(slot, point)
      this.#spoil(slot, point)
      const armed = this.#crashes.find((one) => one.point === point && (one.host === undefined || one.host === slot.process.host))
      if (armed === undefined || slot.process.state !== 'running' || armed.left-- > 0) return
      this.#crashes = this.#crashes.filter((one) => one !== armed)
      cluster.trace.add('fault', `crash at ${point}`, { slot: slot.process.name, whole: armed.whole })
      slot.process.kill()
      if (armed.whole) this.#killMachine(slot.parent)
    }
    this.#look()
  }

  /** Nothing goes wrong from now on. */
  end(): void {
    const { network, servers, drivers, executors, around } = this.#cluster
    this.#mishaps = []
    this.#crashes = []
    this.#stalls = []
    this.#spoils = []
    network.heal()
    servers.down.clear()
    around.orphanMs = 0
    for (const { process } of drivers.values()) process.go()
    for (const { process, slots } of executors.values()) {
      process.go()
      for (const slot of slots.values()) slot.process.go()
    }
  }

  #happen(fault: Fault): void {
    const { network, servers, scheduler, trace } = this.#cluster
    trace.add('fault', fault.kind, fault)
    switch (fault.kind) {
      case 'kill executor': return this.#executor(fault.who)?.process.kill()
      case 'kill machine': return this.#killMachine(this.#executor(fault.who))
      case 'kill slot': return this.#slot(fault.who)?.process.kill()
      case 'orphan slots':
        this.#cluster.around.orphanMs = fault.ms
        this.#executor(fault.who)?.process.kill()
        this.#cluster.around.orphanMs = 0
        return
      case 'drain': return this.#executor(fault.who)?.drain()
      case 'join':
        this.#cluster.startExecutor()
        return
      case 'kill driver': return this.#leader()?.process.kill()
      case 'restart everything':
        for (const driver of this.#cluster.drivers.values()) driver.process.kill()
        for (const executor of this.#cluster.alive()) this.#killMachine(executor)
        return
      case 'empty lease':
        servers.lease.epoch = 0
        servers.lease.held = undefined
        return
      case 'restore': return void this.#client.restore(fault.at % 2 === 1)
      case 'poison': return this.#cluster.poison(fault.in)
      case 'cancel': return void this.#client.cancel(fault.afterwards, fault.mode)
      case 'hang executor': return this.#hang([this.#executor(fault.who)?.process], fault.ms)
      case 'hang slot': return this.#hang([this.#slot(fault.who)?.process], fault.ms)
      case 'hang machine': {
        const node = this.#executor(fault.who)
        return this.#hang([node?.process, ...[...node?.slots.values() ?? []].map((slot) => slot.process)], fault.ms, fault.heirMs)
      }
      case 'hang driver': return this.#hang([this.#leader()?.process], fault.ms)
      case 'cut': {
        const host = this.#executor(fault.who)?.process.host
        if (host === undefined) return
        this.#watch.owners.disturbed(host, scheduler.now + fault.ms)
        for (const to of this.#places(fault.to)) {
          if (fault.way !== 'in') network.cut(host, to, fault.ms)
          if (fault.way !== 'out') network.cut(to, host, fault.ms)
        }
        return
      }
      case 'slow': {
        const host = this.#executor(fault.who)?.process.host
        if (host === undefined) return
        this.#watch.owners.disturbed(host, scheduler.now + fault.ms)
        for (const to of this.#places(fault.to)) {
          network.slow(host, to, fault.byMs, fault.ms)
          network.slow(to, host, fault.byMs, fault.ms)
        }
        return
      }
      case 'cut driver': {
        const host = this.#leader()?.process.host ?? 'd1'
        network.cut(host, fault.to, fault.ms)
        return network.cut(fault.to, host, fault.ms)
      }
      case 'down':
        for (const { process } of this.#cluster.executors.values()) this.#watch.owners.disturbed(process.host, scheduler.now + fault.ms)
        servers.down.set(fault.service, scheduler.now + fault.ms)
        return
      case 'late removal': return void this.#mishaps.push({ fault: { call: 'store.delete', fate: 'late', ms: fault.ms, by: 'driver' }, left: 0, meanwhile: () => this.#replaceLeader() })
      case 'mishap': return void this.#mishaps.push({ fault, left: fault.after })
      case 'crash': return void this.#crashes.push({ point: fault.point, whole: fault.whole, left: fault.after })
      case 'cut off and crash': {
        const host = this.#executor(fault.who)?.process.host
        if (host === undefined) return
        for (const driver of this.#places('driver')) {
          network.cut(host, driver, fault.ms)
          network.cut(driver, host, fault.ms)
        }
        this.#crashes.push({ point: fault.point, whole: false, host, left: 0 })
        return
      }
      case 'spoil': return void this.#spoils.push({ fault, left: fault.after })
      case 'stall': return void this.#stalls.push({ fault, left: fault.after })
      case 'clock jump': {
        const node = fault.driver ? this.#leader() : this.#executor(fault.who)
        if (node === undefined) return
        node.process.skewMs += fault.ms
        if ('slots' in node) for (const slot of node.slots.values()) slot.process.skewMs += fault.ms
        return
      }
      case 'damage': return this.#damage()
    }
  }

  #spoil(slot: SlotNode, point: string): void {
    const armed = this.#spoils.find(({ fault }) => fault.point === point)
    if (armed === undefined || slot.process.state !== 'running' || armed.left-- > 0) return
    this.#spoils = this.#spoils.filter((one) => one !== armed)
    const { fault: { fate, ms } } = armed
    this.#cluster.trace.add('fault', `spoils the next commit at ${point}`, { slot: slot.process.name, fate })
    this.#mishaps.push({ fault: { call: 'log.commit', by: 'slot', fate, ms }, process: slot.process.name, left: 0 })
  }

  #stall(slot: SlotNode, point: string): void {
    const armed = this.#stalls.find(({ fault }) => fault.point === point)
    if (armed === undefined || slot.process.state !== 'running' || armed.left-- > 0) return
    this.#stalls = this.#stalls.filter((one) => one !== armed)
    const { fault: { whole, ms, heirMs } } = armed
    this.#cluster.trace.add('fault', `stall at ${point}`, { slot: slot.process.name, whole, ms })
    this.#hang(whole ? [slot.parent.process, ...[...slot.parent.slots.values()].map(({ process }) => process)] : [slot.process], ms, heirMs)
  }

  #executor(who: number): ExecutorNode | undefined {
    const alive = this.#cluster.alive()
    return alive[who % alive.length]
  }

  #slot(who: number): SlotNode | undefined {
    const slots = this.#cluster.alive().flatMap((node) => [...node.slots.values()]).filter(({ process }) => process.state !== 'dead')
    return slots[who % slots.length]
  }

  #leader(): DriverNode | undefined {
    const { drivers, servers } = this.#cluster
    const all = [...drivers.values()].filter(({ process }) => process.state !== 'dead')
    return all.find(({ address }) => address === servers.lease.held?.holder) ?? all[0]
  }

  /** Whoever leads next is asked for what the one before was removing. */
  #replaceLeader(): void {
    const leader = this.#leader()
    this.#cluster.scheduler.after(1, () => {
      leader?.process.kill()
      void this.#client.restore(true)
    })
  }

  #places(to: Place): readonly string[] {
    return to === 'driver' ? [...this.#cluster.drivers.keys()] : [to]
  }

  #killMachine(node: ExecutorNode | undefined): void {
    if (node === undefined) return
    for (const slot of node.slots.values()) slot.process.kill()
    node.process.kill()
  }

  #hang(processes: readonly (SlotNode['process'] | undefined)[], ms: number, heirMs?: number): void {
    const { scheduler } = this.#cluster
    const go = (): void => {
      for (const process of processes) process?.go()
    }
    for (const process of processes) {
      process?.stop()
      if (process !== undefined) this.#watch.owners.disturbed(process.host, scheduler.now + ms)
    }
    scheduler.after(ms, go)
    if (heirMs !== undefined) this.#watch.owners.onceGiven(() => scheduler.after(heirMs, go))
  }

  /** One object of one task's newest snapshot, when there is another to fall back on. */
  #damage(): void {
    const { objects, trace, workload } = this.#cluster
    // What another run is about to begin from has nothing to fall back on.
    if (this.#watch.damaged.size > 0 || this.#client.asking > 0 || objects.has(paths.run(jobId(workload.name), this.#watch.run + 1))) return
    const journal = [...this.#watch.journals.values()].findLast(({ of, newest }) => of.ref.job === jobId(workload.name) && of.ref.run === this.#watch.run && (newest?.snapshots.filter(({ batchId }) => batchId > 0).length ?? 0) > 1)
    const key = journal?.newest?.snapshots[0]?.objects[0]?.key
    const stored = key === undefined ? undefined : objects.get(key)
    if (key === undefined || stored === undefined) return
    const body = Buffer.from(stored.body)
    body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 0xff
    this.#watch.damaged.add(key)
    objects.set(key, { ...stored, body })
    trace.add('fault', 'damaged', { key })
  }

  /** Whoever runs the processes starts anew what is gone. */
  #look(): void {
    const { cluster } = { cluster: this.#cluster }
    const { scheduler } = cluster
    const due = (what: string, isMissing: boolean, afterMs: number): boolean => {
      if (!isMissing) this.#missed.delete(what)
      else if (!this.#missed.has(what)) this.#missed.set(what, scheduler.now)
      return isMissing && scheduler.now - (this.#missed.get(what) ?? 0) >= afterMs
    }
    for (const [name, driver] of cluster.drivers) {
      if (due(name, driver.process.state === 'dead', RESTART_DRIVER_MS)) cluster.startDriver(name)
    }
    if (due('executors', cluster.alive().length < this.#target, RESTART_EXECUTOR_MS)) {
      cluster.startExecutor()
      this.#missed.delete('executors')
    }
    scheduler.after(LOOK_MS, () => this.#look())
  }
}
