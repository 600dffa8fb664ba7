// When is an executor dead? Pure: facts and the time in, a verdict with its reason out. A wrong verdict is safe because of fencing;
// a late one costs time.
import type { ExecutorId } from '@tidemark/base'
import type { ProbeAnswer } from '@tidemark/wire'
import type { DriverSettings } from './protocol.ts'

/** What is known of an executor that is not gone. */
export interface Signs {
  readonly heardAtMs: number
  /** When its stream ended without goodbye. */
  readonly lostAtMs: number | undefined
  readonly lostBecause: string
  /** The probe was answered by this very process since then. */
  readonly answered: boolean
}

export type Judgement =
  | { readonly kind: 'lives' }
  | { readonly kind: 'dead', readonly reason: string }

const LIVES: Judgement = { kind: 'lives' }

/** By time alone: asked at every tick. */
export const judgeByTime = (signs: Signs, nowMs: number, settings: DriverSettings): Judgement => {
  if (signs.lostAtMs !== undefined && !signs.answered && nowMs - signs.lostAtMs >= settings.reconnectGraceMs)
    return { kind: 'dead', reason: `${signs.lostBecause}, neither reconnect nor answer in ${settings.reconnectGraceMs} ms` }
  if (nowMs - signs.heardAtMs >= settings.heartbeatTimeoutMs) {
    const lost = signs.lostAtMs === undefined ? '' : ` (${signs.lostBecause}${signs.answered ? ', then the probe was answered' : ''})`
    return { kind: 'dead', reason: `no heartbeat for ${Math.round(nowMs - signs.heardAtMs)} ms${lost}` }
  }
  return LIVES
}

/** By the answer to the probe that follows a lost stream. `answered` in the result: the process is there, the grace no longer counts. */
export const judgeByProbe = (executor: ExecutorId, signs: Signs, answer: ProbeAnswer): Judgement & { readonly answered: boolean } => {
  // It came back meanwhile, or was never lost: an old answer says nothing.
  if (signs.lostAtMs === undefined) return { ...LIVES, answered: false }
  switch (answer.kind) {
    case 'refused': return { kind: 'dead', reason: `${signs.lostBecause}, probe refused`, answered: false }
    case 'unreachable': return { kind: 'dead', reason: `${signs.lostBecause}, host unreachable (${answer.reason})`, answered: false }
    case 'identified': return answer.executor === executor ? { ...LIVES, answered: true } : { kind: 'dead', reason: `${signs.lostBecause}, another process answers at its address`, answered: false }
    case 'silent': return { ...LIVES, answered: false }
  }
}

/**
 * How long this driver itself stood still, if it did: events come at least every `tickMs`. Who was silent meanwhile may have spoken to a
 * driver that did not listen, so everybody gets a new period.
 */
export const pausedFor = (lastEventMs: number, nowMs: number, settings: DriverSettings): number | undefined => {
  const gap = nowMs - lastEventMs - settings.tickMs
  return gap > Math.min(settings.reconnectGraceMs, settings.heartbeatTimeoutMs / 4) ? gap : undefined
}
