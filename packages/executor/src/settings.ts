// Settings of an executor and its slots, and how much memory a slot may take.
export { checkExecutorSettings as checkAcross, EXECUTOR_SETTINGS } from '@tidemark/base'

/** What a slot may take beside its heap, unless set. */
const BESIDE_HEAP_MIB = 1_024

export const slotMemoryBytes = ({ slotHeapMiB, slotMemoryMiB }: { readonly slotHeapMiB: number, readonly slotMemoryMiB: number }): number =>
  (slotMemoryMiB > 0 ? slotMemoryMiB : slotHeapMiB + BESIDE_HEAP_MIB) * 1024 * 1024
