// Settings of an executor and its slots, and what follows from them: how much memory a slot may take, how long its work may stand.
import { slotMemoryMaxMiB } from '@tidemark/base'

export { checkExecutorSettings as checkAcross, EXECUTOR_SETTINGS } from '@tidemark/base'

export const slotMemoryBytes = (settings: Parameters<typeof slotMemoryMaxMiB>[0]): number => slotMemoryMaxMiB(settings) * 1024 * 1024

/** Longer than any wait of a slot's work in which it does not say that it waits, ms. */
const WORK_STUCK_MS = 30_000

export const slotWorkStuckMs = ({ slotStuckMs }: { readonly slotStuckMs: number }): number => Math.max(WORK_STUCK_MS, slotStuckMs)
