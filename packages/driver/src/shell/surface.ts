// What a driver does to the world outside of log and store: asks whether a process is there, and ends one. Tests bring their own.
import type { ProbeAnswer } from '@tidemark/wire'
import type { ProcessId } from '../core/protocol.ts'

export interface Surface {
  /** Never rejects. */
  readonly probe: (address: string, deadlineMs: number) => Promise<ProbeAnswer>
  /** Kills those that still are the ones meant, returns how many. Absent: the log needs no such thing (only the embedded one does). */
  readonly kill?: (processes: readonly ProcessId[]) => number
}
