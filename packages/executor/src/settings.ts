// Settings of an executor and its slots, and what follows from them: how much memory a slot may take, how long its work may stand.
export { checkExecutorSettings as checkAcross, EXECUTOR_SETTINGS } from '@tidemark/base'

/** What a slot may take beside its heap, unless set. */
const BESIDE_HEAP_MIB = 1_024

export const slotMemoryBytes = ({ slotHeapMiB, slotMemoryMiB }: { readonly slotHeapMiB: number, readonly slotMemoryMiB: number }): number =>
  (slotMemoryMiB > 0 ? slotMemoryMiB : slotHeapMiB + BESIDE_HEAP_MIB) * 1024 * 1024

/** Longer than any wait of a slot's work in which it does not say that it waits, ms. */
const WORK_STUCK_MS = 30_000

export const slotWorkStuckMs = ({ slotStuckMs }: { readonly slotStuckMs: number }): number => Math.max(WORK_STUCK_MS, slotStuckMs)
