// Memory of slots: slots × heap against what the machine, or its cgroup, has, said at the start and not found out by the kernel at night; and what a
// process really takes.
import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { formatSize } from '@tidemark/base'
import type { Logger } from '@tidemark/base'

/** Memory beside the old generation of one slot's heap (young generation, buffers, code, stacks), bytes. */
const SLOT_NATIVE_BYTES = 320 * 1024 * 1024

const PAGE_BYTES = 4_096

/** Resident memory; 0: no such process, or no /proc. */
export const residentBytes = (pid: number | undefined): number => {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES
  } catch {
    return 0
  }
}

const cgroupLimit = (): number => {
  try {
    const text = readFileSync('/sys/fs/cgroup/memory.max', 'utf8').trim()
    return text === 'max' ? Infinity : Number(text)
  } catch {
    return Infinity
  }
}

/** What full heaps would take, as a sum that a person can check, and whether that is more than there is. */
export const memorySum = (slots: number, slotHeapMiB: number, limitBytes: number): { readonly sum: string, readonly fits: boolean } => {
  const heapBytes = slotHeapMiB * 1024 * 1024
  const wanted = slots * (heapBytes + SLOT_NATIVE_BYTES)
  return { sum: `${slots} slot${slots === 1 ? '' : 's'} × (${formatSize(heapBytes)} heap + ${formatSize(SLOT_NATIVE_BYTES)} native) = ${formatSize(wanted)} of ${formatSize(limitBytes)}`, fits: wanted <= limitBytes }
}

export const checkMemory = (slots: number, slotHeapMiB: number, logger: Logger): void => {
  const { sum, fits } = memorySum(slots, slotHeapMiB, Math.min(totalmem(), cgroupLimit()))
  if (fits) logger.info({ sum }, 'executor.memory')
  else logger.warn({ sum, hint: 'Lower TIDEMARK_SLOTS or TIDEMARK_SLOT_HEAP: with full heaps the kernel would kill a slot.' }, 'executor.memory-overcommitted')
}
