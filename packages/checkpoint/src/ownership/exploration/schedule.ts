// Random schedules: three slots, two drivers (one may be stale), lost answers, stray fences, planned moves, trims; after every step the
// promises are checked. The small brother of the exhaustive model, over the real code.
import { isTidemarkError } from '@tidemark/base'
import type { TransactionalId } from '@tidemark/base'
import { compareGenerations } from '../../records/generation.ts'
import type { Generation } from '../../records/records.ts'
import type { Rules } from '../../rules.ts'
import { nextGeneration } from '../assign.ts'
import { emptyChain, foldCommit } from '../chain.ts'
import { Claimant } from './claimant.ts'
import type { World } from './claimant.ts'
import { KafkaPartition } from './kafka.ts'

/** Mulberry32: a small generator that is good enough to choose steps. */
const chanceOf = (seed: number): ((below: number) => number) => {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

/** How often each trouble may happen in one schedule. */
export interface Troubles {
  readonly assigns: number
  readonly lostAnswers: number
  readonly strayFences: number
  readonly moves: number
  readonly trims: number
}
export const ALL_TROUBLES: Troubles = { assigns: 4, lostAnswers: 2, strayFences: 1, moves: 1, trims: 1 }

export interface Outcome {
  /** The first broken promise; undefined: none. */
  readonly violation: string | undefined
  readonly steps: readonly string[]
  readonly takeovers: number
  readonly batches: number
}

const STEPS_MAX = 80

export const runSchedule = (seed: number, rules: Rules, troubles: Troubles = ALL_TROUBLES): Outcome => {
  const chance = chanceOf(seed)
  const world: World = { kafka: new KafkaPartition(), rules, snapshot: undefined, violations: [] }
  const slots = ['A', 'B', 'C'].map((name) => new Claimant(name, world))
  const left = { ...troubles }
  const given: { readonly driver: number, readonly generation: Generation, readonly id: TransactionalId }[] = []
  const owners = new Set<string>()
  const steps: string[] = []

  const assign = (slot: Claimant, driver: number): void => {
    const known = given.filter((one) => driver === 2 || one.driver === driver).map((one) => one.generation).toSorted(compareGenerations).at(-1)
    const generation = nextGeneration(driver, known, rules)
    slot.assign(generation, given.at(-1)?.id)
    given.push({ driver, generation, id: slot.id })
  }

  for (let n = 0; n < STEPS_MAX; n += 1) {
    const actions: [string, () => void][] = []
    const may = (trouble: keyof Troubles, text: string, act: () => void): void => {
      if (left[trouble] > 0) actions.push([text, () => { left[trouble] -= 1; act() }])
    }
    for (const slot of slots) {
      // Driver 1 is stale as soon as driver 2 has given anything.
      if (slot.phase === 'idle') for (const driver of [1, 2]) may('assigns', `driver ${driver} assigns ${slot.name}`, () => assign(slot, driver))
      else actions.push([`${slot.name} ${slot.phase}`, () => slot.step()])
      if (slot.phase === 'claiming' || slot.phase === 'committing') for (const performed of [true, false]) may('lostAnswers', `${slot.name} loses the answer${performed ? '' : ' of nothing'}`, () => slot.loseAnswer(performed))
      if (slot.phase === 'running') {
        may('moves', `${slot.name} hands over`, () => slot.revoke())
        if (slot.canCommit && slot.applied >= 2) may('trims', `${slot.name} trims`, () => slot.trim())
      }
    }
    if (world.kafka.ids.length > 0) may('strayFences', 'a stray fence', () => { world.kafka.initialise(world.kafka.ids[chance(world.kafka.ids.length)] as TransactionalId) })
    const chosen = actions[chance(actions.length)]
    if (chosen === undefined) break
    steps.push(chosen[0])
    try {
      chosen[1]()
    } catch (error) {
      if (!isTidemarkError(error) || error.code !== 'INVARIANT_BROKEN') throw error
      world.violations.push(error.message)
    }
    const violation = world.violations[0] ?? broken(world, slots)
    if (violation !== undefined) return { violation, steps, takeovers: owners.size, batches: batchesOf(world) }
    for (const slot of slots) if (slot.phase === 'running') owners.add(slot.name)
  }
  return { violation: undefined, steps, takeovers: owners.size, batches: batchesOf(world) }
}

const batchesOf = (world: World): number => world.kafka.entries.filter((entry) => entry.status === 'committed' && entry.record.kind === 'commit').length

const broken = (world: World, slots: readonly Claimant[]): string | undefined => {
  const committers = slots.filter((slot) => slot.canCommit)
  if (committers.length > 1) return `${committers.map(({ name }) => name).join(' and ')} can both commit`
  let chain = emptyChain()
  try {
    for (const { record } of world.kafka.committed(0, world.kafka.entries.length)) if (record.kind === 'commit') chain = foldCommit(chain, record)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  const ahead = committers.find((slot) => slot.phase === 'running' && slot.applied !== chain.batchId)
  return ahead === undefined ? undefined : `${ahead.name} can commit and has applied ${ahead.applied} of ${chain.batchId} batches`
}
