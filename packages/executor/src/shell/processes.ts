// Slot processes: started as children with an IPC channel, told apart from reused pids by their kernel start time, killed by SIGKILL.
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileOf, slotId } from '@tidemark/base'
import type { Clock, ExecutorId, Random, SlotId, Timer } from '@tidemark/base'
import type { SlotCommand, SlotEvent } from '@tidemark/runtime'
import type { SlotProcess } from '@tidemark/wire'
import { fromChannel } from '../core/translate.ts'
import type { ChannelEvent } from '../core/translate.ts'
import { residentBytes } from './memory.ts'

/** What a slot process is told over its channel. */
export type ToSlot =
  | { readonly kind: 'bind', readonly job: string, readonly run: number }
  | { readonly kind: 'command', readonly command: SlotCommand }

/** What it says. Errors travel as plain facts. */
export type FromSlot =
  | { readonly kind: 'ready' }
  | { readonly kind: 'event', readonly event: ChannelEvent }

/** Start time of a process in clock ticks since boot (field 22 of /proc/<pid>/stat); undefined: no such process, or no /proc. */
export const pidStartOf = (pid: number): string | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

/** SIGKILL, if that pid is still the process that started then. */
export const killProcess = (pid: number, pidStart: string): boolean => {
  const now = pidStartOf(pid)
  if (now !== undefined && pidStart !== '' && now !== pidStart) return false
  try {
    process.kill(pid, 'SIGKILL')
    return true
  } catch {
    return false
  }
}

export interface SlotProcessesOptions {
  readonly executor: ExecutorId
  readonly random: Random
  readonly clock: Clock
  /** Heap of a slot process, MiB. */
  readonly slotHeapMiB: number
  /** What runs them; left out: the program that runs this process. */
  readonly program?: string
  /** A slot that takes more, its buffers outside of the heap too, is killed: before the kernel does that to somebody else. */
  readonly memoryBytesMax: number
  readonly onReady: (process: SlotProcess) => void
  readonly onEvent: (slotId: SlotId, event: SlotEvent) => void
  readonly onExit: (slotId: SlotId, slot: number, reason: string) => void
}

/**
 * Both bounds of V8's young generation (each of its two halves), MiB. It otherwise shrinks while little is allocated, and what a takeover
 * allocates at once is promoted too early: a slot's peak memory is a tenth higher (docs/performance.md).
 */
const SLOT_SEMI_SPACE_MIB = 32

/** How much V8's old generation may grow behind a collection before the next one, in percent: left to itself it may double and more, and half of it is garbage then (docs/performance.md). */
const HEAP_GROWING_PERCENT = 50

/**
 * Of glibc (mallopt(3)), bytes: buffers of this size and more are the system's again as soon as they are freed. Left to itself it raises the first one up to
 * 32 MiB with what a slot fetches, and keeps what comes to lie between smaller ones: a slot takes a sixth more memory (docs/performance.md).
 */
const ALLOCATOR = { MALLOC_MMAP_THRESHOLD_: String(256 * 1024), MALLOC_TRIM_THRESHOLD_: String(1024 * 1024) }
const MIB = 1024 * 1024

/** Where compiled code is kept from one process to the next: Node's own default. A slot is ready at half the cost (docs/performance.md). */
const NODE_COMPILE_CACHE = join(tmpdir(), 'node-compile-cache')

/** Before the end of a process that was never ready is told, and the next one is started: of the first in a row, and doubled by each more, ms. */
const AGAIN_FIRST_MS = 100
const AGAIN_MAX_MS = 5_000

/** Between two looks at the memory of all slots. */
const MEMORY_LOOK_MS = 250

interface Child {
  readonly slot: number
  readonly process: ChildProcess
  ready: boolean
  killedBecause: string | undefined
}

const notStarted = (error: unknown): string => `it could not be started: ${error instanceof Error ? error.message : String(error)}`

export class SlotProcesses {
  readonly #options: SlotProcessesOptions
  readonly #children = new Map<SlotId, Child>()
  /** Processes in a row that were never ready, by slot. */
  readonly #unready = new Map<number, number>()
  readonly #pauses = new Set<Timer>()
  #timer: Timer | undefined

  constructor(options: SlotProcessesOptions) {
    this.#options = options
    this.#watchMemory()
  }

  #watchMemory(): void {
    const { clock, memoryBytesMax } = this.#options
    this.#timer = clock.after(MEMORY_LOOK_MS, () => {
      for (const [id, { process: child }] of this.#children) {
        const resident = residentBytes(child.pid)
        if (resident > memoryBytesMax) this.kill(id, `it took ${Math.round(resident / MIB)} MiB of memory, ${Math.round(memoryBytesMax / MIB)} are allowed`)
      }
      this.#watchMemory()
    })
  }

  start(slot: number): void {
    const id = slotId(this.#options.random.uuid())
    try {
      this.#watch(slot, id, this.#fork(slot, id))
    } catch (error) {
      this.#goneUnready(slot, id, notStarted(error))
    }
  }

  #fork(slot: number, id: SlotId): ChildProcess {
    const { program, executor, slotHeapMiB } = this.#options
    return fork(fileOf(import.meta.url, '../slot.main.ts', './slot.main.js'), [], {
      execArgv: [...process.execArgv.filter((argument) => !argument.startsWith('--inspect')), `--max-old-space-size=${slotHeapMiB}`, `--min-semi-space-size=${SLOT_SEMI_SPACE_MIB}`, `--max-semi-space-size=${SLOT_SEMI_SPACE_MIB}`, `--heap-growing-percent=${HEAP_GROWING_PERCENT}`],
      env: { NODE_COMPILE_CACHE, ...ALLOCATOR, ...process.env, TIDEMARK_SLOT_EXECUTOR: executor, TIDEMARK_SLOT_NUMBER: String(slot), TIDEMARK_SLOT_ID: id },
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      ...(program === undefined ? {} : { execPath: program }),
    })
  }

  #watch(slot: number, id: SlotId, child: ChildProcess): void {
    const entry: Child = { slot, process: child, ready: false, killedBecause: undefined }
    this.#children.set(id, entry)
    child.on('message', (message: FromSlot) => {
      if (message.kind === 'ready') {
        entry.ready = true
        this.#unready.delete(slot)
        this.#options.onReady({ slot, slotId: id, pid: child.pid ?? 0, pidStart: pidStartOf(child.pid ?? 0) ?? '' })
      } else this.#options.onEvent(id, fromChannel(message.event))
    })
    child.on('exit', (code, signal) => {
      if (!this.#children.delete(id)) return
      const reason = entry.killedBecause ?? (signal === null ? `exited with ${code}` : `killed by ${signal}`)
      if (entry.ready) this.#options.onExit(id, slot, reason)
      else this.#goneUnready(slot, id, reason)
    })
    child.on('error', (error) => {
      // Without a pid no `exit` follows. What else can't be done to a process is for its end to tell.
      if (child.pid === undefined && this.#children.delete(id)) this.#goneUnready(slot, id, notStarted(error))
    })
  }

  /** Who is told starts the next one at once, and that may meet what this one met: no room for a process, no memory, a setting. */
  #goneUnready(slot: number, id: SlotId, reason: string): void {
    const before = this.#unready.get(slot) ?? 0
    this.#unready.set(slot, before + 1)
    const pause = this.#options.clock.after(Math.min(AGAIN_FIRST_MS * 2 ** before, AGAIN_MAX_MS), () => {
      this.#pauses.delete(pause)
      this.#options.onExit(id, slot, reason)
    })
    this.#pauses.add(pause)
  }

  bind(id: SlotId, job: string, run: number): void {
    this.#send(id, { kind: 'bind', job, run })
  }

  command(id: SlotId, command: SlotCommand): void {
    this.#send(id, { kind: 'command', command })
  }

  kill(id: SlotId, reason: string): void {
    const child = this.#children.get(id)
    if (child === undefined) return
    child.killedBecause = reason
    child.process.kill('SIGKILL')
  }

  pids(): { readonly pid: number, readonly pidStart: string }[] {
    return [...this.#children.values()].flatMap(({ process: { pid } }) => (pid === undefined ? [] : { pid, pidStart: pidStartOf(pid) ?? '' }))
  }

  /** Ends every child; used when the executor itself goes. */
  killAll(): void {
    this.#timer?.cancel()
    for (const pause of this.#pauses) pause.cancel()
    for (const child of this.#children.values()) child.process.kill('SIGKILL')
    this.#children.clear()
  }

  #send(id: SlotId, message: ToSlot): void {
    const child = this.#children.get(id)?.process
    if (child?.connected) child.send(message, () => {})
  }
}
