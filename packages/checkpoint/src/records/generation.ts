// Generations and owners compared (R1): by driver epoch first, so that a driver that was replaced never gives the higher number.
import type { Generation, Owner } from './records.ts'

/** Negative: `a` is older. Zero: the same. */
export const compareGenerations = (a: Generation, b: Generation): number => a.epoch - b.epoch || a.counter - b.counter

/** One slot process, or one driver process. A slot that was started again is another owner. */
export const sameOwner = (a: Owner, b: Owner): boolean => a.slotId === b.slotId

/** `epoch.counter`, for logs and object names. */
export const formatGeneration = (generation: Generation): string => `${generation.epoch}.${generation.counter}`
