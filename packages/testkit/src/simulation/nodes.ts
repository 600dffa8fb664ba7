// Drivers, executors and slots of a simulated cluster: the real ones, each in a simulated process, on ports of the simulated servers.
import { asTidemarkError, executorId, slotId } from '@tidemark/base'
import type { FaultPoints, Log, OutboxSink, Random } from '@tidemark/base'
import type { Rules } from '@tidemark/checkpoint'
import { Driver } from '@tidemark/driver'
import type { DriverSettings, JobHandlers, ProbeAnswer } from '@tidemark/driver'
import { Executor, fromChannel, toChannel } from '@tidemark/executor'
import type { SlotHost, SlotReports } from '@tidemark/executor'
import { Slot, watchLog } from '@tidemark/runtime'
import type { SlotCommand, SlotEvent, Task } from '@tidemark/runtime'
import type { Job } from 'tidemark'
import type { Mutation } from './mutants.ts'
import type { Network } from './network.ts'
import { SimProcess } from './process.ts'
import type { Scheduler } from './scheduler.ts'
import type { Servers } from './servers.ts'
import type { Trace } from './trace.ts'
import { loadIn, readersOf, trialsOf } from './user-code.ts'

const ENGINE_VERSION = '0.1.0'
const SLOT_START_MS = 15
const IPC_MS = 0.1
/** A slot whose parent is gone sees its channel end. */
const ORPHAN_SEES_MS = 1
const EXIT_MS = 2
const SLOT_STUCK_MS = 4_000
const LEASE_MS = 400
const LOG_TOLD_EVERY_MS = 50
const LOG_ASKED_AFTER_MS = 80
const SLICE_BYTES_MAX = 40

/** What all nodes of a cluster share. */
export interface Surroundings {
  readonly scheduler: Scheduler
  readonly network: Network
  readonly servers: Servers
  readonly trace: Trace
  readonly random: Random
  readonly rules: Rules
  readonly mutation: Mutation
  readonly settings: DriverSettings
  readonly jobs: ReadonlyMap<string, Job>
  readonly sink: (process: SimProcess, name: string) => OutboxSink
  /** Executors by the address where they are probed. */
  readonly probes: Map<string, ExecutorNode>
  /** Fault points: may kill the process that reaches it. */
  readonly reached: (slot: SlotNode, point: string) => void
  /** A slot, by its process's name, has made a task, to take it over. */
  readonly made: (slot: string, task: Task) => void
  /** A record of this user has killed this process. */
  readonly killed: (process: SimProcess, user: string) => void
  /** How long a slot goes on without its parent before it sees that, ms. */
  orphanMs: number
}

const mutated = <T>(real: T, mutate: ((real: T, who: string) => T) | undefined, who: string): T => mutate?.(real, who) ?? real

/** States are small here: their walks are cut into so small slices that batches come between them, as they do between those of a large state. */
const slowWalks = (task: Task): Task => {
  const startWalk = task.startWalk.bind(task)
  return Object.assign(task, {
    startWalk: () => {
      const walk = startWalk()
      return { next: (bytesMax: number) => walk.next(Math.min(bytesMax, SLICE_BYTES_MAX)), finish: () => walk.finish(), abandon: () => walk.abandon() }
    },
  })
}

const probe = (around: Surroundings, from: SimProcess) => (address: string, deadlineMs: number): Promise<ProbeAnswer> => new Promise((resolve) => {
  const silent = around.scheduler.after(deadlineMs, () => from.enter(() => resolve({ kind: 'silent', reason: 'no answer' })))
  const answer = (value: ProbeAnswer): void => from.enter(() => {
    silent.cancel()
    resolve(value)
  })
  const host = address.split(':')[0] ?? address
  around.network.send(from.host, host, () => {
    const node = around.probes.get(address)
    const back = (value: ProbeAnswer): void => void around.network.send(host, from.host, () => answer(value))
    if (node === undefined || node.process.state === 'dead') return back({ kind: 'refused', reason: 'connection refused' })
    return node.process.enter(() => back({ kind: 'identified', executor: executorId(node.id) }))
  })
})

export class DriverNode {
  readonly process: SimProcess
  readonly address: string
  jobs: JobHandlers | undefined

  constructor(around: Surroundings, name: string) {
    const { network, random, rules, scheduler, servers, settings, trace } = around
    this.process = new SimProcess(name, name, scheduler)
    const { process } = this
    this.address = `${name}:7400`
    const driver = new Driver({
      ports: { log: mutated(servers.log(process), around.mutation.log, 'driver'), store: mutated(servers.store(process), around.mutation.store, 'driver'), clock: process.clock, logger: trace.logger(name) },
      lease: servers.leases(process), random, listen: this.address, leaseMs: LEASE_MS, settings, engineVersion: ENGINE_VERSION, rules, probe: probe(around, process),
      serve: async ({ address, onConnect, jobs }) => {
        network.listeners.set(address, { process, onConnect })
        this.jobs = jobs
        return { address, close: async () => void network.listeners.delete(address) }
      },
    })
    process.onDeath(() => network.listeners.delete(this.address))
    trace.add(name, 'driver starts')
    void driver.start()
  }
}

export class ExecutorNode {
  readonly process: SimProcess
  readonly id: string
  readonly slots = new Map<number, SlotNode>()
  readonly #executor: Executor
  left = false

  constructor(around: Surroundings, name: string, slots: number, drivers: readonly string[]) {
    const { network, probes, random, scheduler, trace } = around
    this.process = new SimProcess(name, name, scheduler)
    const { process } = this
    this.id = random.uuid()
    const probeAddress = `${name}:${this.id.slice(0, 4)}`
    probes.set(probeAddress, this)
    this.#executor = new Executor({
      driverWaitMs: 0,
      facts: { executor: executorId(this.id), label: name, slots, probeAddress, engineVersion: ENGINE_VERSION, pid: 1, pidStart: name, slotStuckMs: SLOT_STUCK_MS, slotWorkStuckMs: SLOT_STUCK_MS },
      drivers, clock: process.clock, logger: trace.logger(name), connect: (address) => network.connect(process, address),
      slots: (reports) => this.#host(around, reports),
      onExit: () => {
        this.left = true
        trace.add(name, 'leaves')
        for (const slot of this.slots.values()) slot.process.kill()
        scheduler.after(100, () => process.kill())
      },
    })
    trace.add(name, 'executor starts', { id: this.id, slots })
    this.#executor.start()
  }

  drain(): void {
    this.process.enter(() => this.#executor.drain())
  }

  #host(around: Surroundings, reports: SlotReports): SlotHost {
    const { scheduler } = around
    const by = (id: string): SlotNode | undefined => [...this.slots.values()].find((slot) => slot.id === id)
    return {
      start: (number) => {
        scheduler.after(SLOT_START_MS, () => this.process.enter(() => {
          const slot = new SlotNode(around, this, number, reports)
          this.slots.set(number, slot)
          slot.process.onDeath(() => void scheduler.after(EXIT_MS, () => this.process.enter(() => reports.onExit(slotId(slot.id), number, slot.why))))
          reports.onReady({ slot: number, slotId: slotId(slot.id), pid: number + 2, pidStart: slot.id })
        }))
      },
      bind: (id, job, run) => by(id)?.deliver((slot) => slot.bind(job, run)),
      command: (id, command) => by(id)?.deliver((slot) => slot.command(command)),
      kill: (id, reason) => {
        const slot = by(id)
        if (slot === undefined) return
        slot.why = reason
        around.trace.add(slot.process.name, 'is killed by its executor', { reason })
        slot.process.kill()
      },
    }
  }
}

export class SlotNode {
  readonly process: SimProcess
  readonly id: string
  readonly parent: ExecutorNode
  why = 'killed by SIGKILL'
  readonly #around: Surroundings
  readonly #reports: SlotReports
  readonly #number: number
  readonly #log: Log
  #slot: Promise<Slot> | undefined

  constructor(around: Surroundings, parent: ExecutorNode, number: number, reports: SlotReports) {
    this.#around = around
    this.#reports = reports
    this.#number = number
    this.parent = parent
    this.process = new SimProcess(`${parent.process.name}.${number}`, parent.process.host, around.scheduler)
    this.id = around.random.uuid()
    this.#log = watchLog({ log: mutated(around.servers.log(this.process), around.mutation.log, this.id), clock: this.process.clock, emit: (word) => this.#emit(word), tellEveryMs: LOG_TOLD_EVERY_MS, askAfterMs: LOG_ASKED_AFTER_MS })
    around.trace.add(this.process.name, 'slot starts', { slotId: this.id })
    parent.process.onDeath(() => void around.scheduler.after(ORPHAN_SEES_MS + around.orphanMs, () => this.process.enter(() => this.#exit('its executor is gone'))))
  }

  /** From the parent, over the channel between them. */
  deliver(run: (slot: SlotNode) => void): void {
    this.#around.scheduler.after(IPC_MS, () => this.process.enter(() => run(this)))
  }

  bind(job: string, run: number): void {
    this.#slot ??= this.#bind(job, run)
    // That the run can't be run is told to whoever gives a task.
    this.#slot.catch((error: unknown) => {
      if (asTidemarkError(error).action !== 'fail-job') this.#exit(String(error), error)
    })
  }

  command(command: SlotCommand): void {
    this.#slot?.then((slot) => slot.handle(command), (error: unknown) => this.#refuse(error, command)).catch((error: unknown) => this.#exit(String(error), error))
  }

  /** As a slot process does: the run can't be run by any, or this one ends. */
  #refuse(error: unknown, command: SlotCommand): void {
    const known = asTidemarkError(error)
    if (known.action !== 'fail-job') return this.#exit(known.message, known)
    if (command.kind === 'assign') for (const { task, generation } of command.tasks) this.#emit({ kind: 'failed', task, generation, error: known })
  }

  async #bind(job: string, run: number): Promise<Slot> {
    const { random, rules, servers, sink, trace } = this.#around
    const { process } = this
    const store = mutated(servers.store(process), this.#around.mutation.store, this.id)
    const logger = trace.logger(process.name)
    const loaded = await loadIn(this.#around, { process, store, logger, die: () => this.#die('killed by SIGSEGV') }, job, run)
    const faults: FaultPoints = { reach: (point) => this.#around.reached(this, point) }
    const makeTask = await loaded.taskFactory(this.#log)
    const slot = new Slot({
      log: this.#log, store, clock: process.clock, random, logger, faults,
      reader: readersOf(loaded.plan, process.clock),
      trial: trialsOf(this.#around, process),
      sink: (name) => sink(process, name),
      alive: () => this.parent.process.state !== 'dead',
      emit: (event) => this.#emit(event),
    }, {
      owner: { executor: executorId(this.parent.id), slot: this.#number, slotId: slotId(this.id) },
      run: loaded.run, origin: loaded.origin, settings: loaded.plan.settings, engineVersion: ENGINE_VERSION, rules, makeTask: (ref) => {
        const task = slowWalks(makeTask(ref))
        this.#around.made(process.name, task)
        return mutated(task, this.#around.mutation.task, this.id)
      },
    })
    slot.run().catch((error: unknown) => this.#exit(String(error), error))
    return slot
  }

  #emit(event: SlotEvent): void {
    if (this.#around.mutation.tells?.(event) === false) return
    const told = toChannel(event)
    this.process.enter(() => void this.#around.scheduler.after(IPC_MS, () => this.parent.process.enter(() => this.#reports.onEvent(slotId(this.id), fromChannel(told)))))
  }

  #die(why: string): void {
    this.why = why
    this.process.kill()
  }

  #exit(why: string, error?: unknown): void {
    if (this.process.state === 'dead') return
    this.#around.trace.add(this.process.name, 'exits', { why, error })
    this.#die(why)
  }
}
