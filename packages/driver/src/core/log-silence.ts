// Who alone is cut off from the log? Pure: what the slots say of it and the time in, who is cut off and who is back out. The log that answers
// nobody is away itself: then nothing is gained by moving anything. A wrong verdict is safe because of fencing.
import type { SlotLog } from '@tidemark/wire'
import type { DriverSettings } from './protocol.ts'

/** Times are monotonic ms of the driver. */
export interface LogHealth {
  readonly silentMs: number
  readonly silentSinceMs: number
  /** Since when it has answered this process all the time, as far as the driver was told; undefined: it does not, or never did. */
  readonly answersSinceMs: number | undefined
  readonly because: string
}

export interface CutOff {
  readonly sinceMs: number
  readonly because: string
}

export interface Hearer {
  readonly log: LogHealth | undefined
  readonly cutOff: CutOff | undefined
  /** It could be given tasks, if the log answers it. */
  readonly staying: boolean
}

/** A slot without work asks the log twice a second: longer than this, somebody should know, ms. */
const SILENCE_TOLD_MS = 1_500

type Settings = Pick<DriverSettings, 'logSilenceMaxMs'>

/** What is known of a process after its word. Half of the silence that is too long is no answer: whoever is on the way to the same verdict speaks against nobody. */
export const hear = (before: LogHealth | undefined, { heard, silentMs, because }: SlotLog, nowMs: number, { logSilenceMaxMs }: Settings): LogHealth => ({
  silentMs, silentSinceMs: nowMs - silentMs, because: because ?? 'it does not answer',
  answersSinceMs: heard && silentMs < logSilenceMaxMs / 2 ? before?.answersSinceMs ?? nowMs : undefined,
})

export const isSilent = ({ silentMs }: LogHealth): boolean => silentMs >= SILENCE_TOLD_MS

/**
 * Cut off: silent for too long, and for all that time the log answered somebody else who could take the tasks. So when the log was away for
 * all, who hears it first is no witness against those that need a moment longer. Back: it was answered for as long, so that a link that comes
 * and goes does not drag the tasks along.
 */
export const judgeLogs = <H extends Hearer>(hearers: readonly H[], nowMs: number, { logSilenceMaxMs }: Settings): { readonly cutOff: readonly H[], readonly back: readonly H[] } => {
  const witnessMs = Math.min(...hearers.flatMap(({ log, cutOff, staying }) => (staying && cutOff === undefined ? log?.answersSinceMs ?? [] : [])))
  return {
    cutOff: hearers.filter(({ log, cutOff }) => cutOff === undefined && log !== undefined && log.answersSinceMs === undefined && log.silentMs >= logSilenceMaxMs
      && nowMs - Math.max(log.silentSinceMs, witnessMs) >= logSilenceMaxMs),
    back: hearers.filter(({ log, cutOff }) => cutOff !== undefined && log?.answersSinceMs !== undefined && nowMs - log.answersSinceMs >= logSilenceMaxMs),
  }
}
