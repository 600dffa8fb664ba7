// When a throw-away process is ended by whoever watches it: user code in it does not come back, or it takes more memory than it may.
import type { TrialWord } from '@tidemark/runtime'
import { Silence } from './silence.ts'

/** Between two looks at such a process, ms. */
export const LOOK_MS = 50
/** One look counts at most so much: who watches may have stood still in between. */
const LOOK_MS_MAX = 4 * LOOK_MS
/** Until the task is where its owner has it; the store may be slow. */
const PREPARING_MS_MAX = 120_000

export interface TrialLimits {
  /** User code that does not come back for so long is killed, ms: a slot's own limit. */
  readonly stuckMs: number
  readonly memoryBytesMax: number
}

/** Why this side kills it. */
export interface KilledFor {
  readonly limit: 'time' | 'memory'
  readonly because: string
}

export class TrialWatch {
  readonly #limits: TrialLimits
  readonly #silence: Silence

  constructor(limits: TrialLimits, nowMs: number) {
    this.#limits = limits
    this.#silence = new Silence(nowMs, LOOK_MS_MAX)
  }

  /** `word`: its last one; `resident`: the memory that it has, bytes. */
  look(word: TrialWord | undefined, resident: number, nowMs: number): KilledFor | undefined {
    const { memoryBytesMax, stuckMs } = this.#limits
    const silentMs = this.#silence.look(JSON.stringify(word) ?? '', nowMs)
    const limitMs = word === undefined || word.kind === 'preparing' ? PREPARING_MS_MAX : stuckMs
    if (silentMs > limitMs) return { limit: 'time', because: `it did not come back for ${limitMs} ms` }
    if (resident > memoryBytesMax) return { limit: 'memory', because: `it took ${resident} bytes of memory, ${memoryBytesMax} are allowed` }
    return undefined
  }
}
