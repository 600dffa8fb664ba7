// R1: the numbers a driver gives. (driver epoch, counter): two drivers never give the same, and a replaced one never the higher.
import { compareGenerations } from '../records/generation.ts'
import type { Generation } from '../records/records.ts'
import type { Rules } from '../rules.ts'

/** The generation of the next assignment by the driver of `epoch`; `known`: the newest that it knows of, of any task. */
export const nextGeneration = (epoch: number, known: Generation | undefined, rules: Rules): Generation => {
  const counter = (known?.counter ?? 0) + 1
  if (!rules.R1) return { epoch: 0, counter }
  const next = { epoch, counter: known === undefined || known.epoch < epoch ? 1 : counter }
  if (known !== undefined && compareGenerations(next, known) <= 0) throw new RangeError(`a driver of epoch ${epoch} knows a generation of epoch ${known.epoch}: it has been replaced`)
  return next
}
