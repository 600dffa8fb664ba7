// What the end of a throw-away process says of the record that it was at.
import type { TrialOutcome, TrialWord } from '@tidemark/runtime'
import type { KilledFor } from './trial-watch.ts'

/** A process that had taken so much of its memory when a record came, and died for lack of it, did not die of that record alone. */
const LEAKED_FROM = 0.5
/** V8 ends a process so that has filled its heap. */
const HEAP_FULL = 'SIGABRT'

export interface TrialEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Undefined: it ended by itself, or somebody else killed it. */
  readonly killed: KilledFor | undefined
}

/** `word`: its last one; a process that came through takes it back. */
export const judge = ({ code, signal, killed }: TrialEnd, word: TrialWord | undefined): TrialOutcome => {
  if (code === 0 && word === undefined) return { kind: 'passed' }
  const why = killed?.because ?? (signal === null ? `exited with ${code}` : `killed by ${signal}`)
  const leaked = (memoryUsed: number): boolean => memoryUsed > LEAKED_FROM && (signal === HEAP_FULL || killed?.limit === 'memory')
  switch (word?.kind) {
    case 'in':
      if (leaked(word.memoryUsed)) return { kind: 'leaked', why }
      return { kind: 'died', subject: word.subject, why, certain: killed !== undefined || signal !== 'SIGKILL' }
    case 'between':
      return { kind: 'died-between', steps: word.steps, ...(word.only === undefined ? {} : { only: word.only }), why, leaked: leaked(word.memoryUsed) }
    default:
      return { kind: 'untried', why }
  }
}
