// What is to go wrong in a simulation, and when: made from a seed, printed with a failure, replayed and shrunk.
import type { Random } from '@tidemark/base'
import { FAULT_POINTS } from '@tidemark/checkpoint'
import type { FaultPoint } from '@tidemark/checkpoint'
import type { DeadlyAt } from './events.ts'
import type { Fate } from './servers.ts'

/** `who`: number of an executor, slot or driver among those that live at that time. `ms`: how long. */
export type Fault = { /** Virtual ms since the beginning. */ readonly at: number } & (
  | { readonly kind: 'kill executor' | 'kill machine' | 'kill slot' | 'drain', readonly who: number }
  | { readonly kind: 'orphan slots', readonly who: number, readonly ms: number }
  | { readonly kind: 'kill driver' | 'restart everything' | 'join' | 'empty lease' | 'restore' }
  | { readonly kind: 'hang executor' | 'hang slot', readonly who: number, readonly ms: number }
  /** `heirMs`: it goes on so long after its tasks were given to others, at the worst moment for them. */
  | { readonly kind: 'hang machine', readonly who: number, readonly ms: number, readonly heirMs?: number }
  | { readonly kind: 'hang driver', readonly ms: number }
  | { readonly kind: 'cut', readonly who: number, readonly to: Place, readonly way: 'both' | 'out' | 'in', readonly ms: number }
  | { readonly kind: 'slow', readonly who: number, readonly to: Place, readonly byMs: number, readonly ms: number }
  | { readonly kind: 'cut driver', readonly to: 'log' | 'store' | 'lease', readonly ms: number }
  | { readonly kind: 'down', readonly service: 'log' | 'store' | 'lease', readonly ms: number }
  | { readonly kind: 'mishap', readonly call: string, readonly fate: Fate, readonly ms: number, /** So many calls go well first. */ readonly after: number, /** Within reach of drivers, or of slots. */ readonly by: 'driver' | 'slot' }
  /** The next removal that a driver asks for is under way for so long. It dies meanwhile, and the job is restored from what is being removed. */
  | { readonly kind: 'late removal', readonly ms: number }
  | { readonly kind: 'crash', readonly point: FaultPoint, readonly after: number, readonly whole: boolean }
  /** The next commit of the process that reaches this point goes wrong. */
  | { readonly kind: 'spoil', readonly point: FaultPoint, readonly after: number, readonly fate: Fate, readonly ms: number }
  /** An executor is cut off from the drivers, and a slot of it dies at this point: of what it did last no driver knows. */
  | { readonly kind: 'cut off and crash', readonly who: number, readonly point: FaultPoint, readonly ms: number }
  /** The process that reaches this point stands still there; `whole`: its machine does. */
  | { readonly kind: 'stall', readonly point: FaultPoint, readonly after: number, readonly whole: boolean, readonly ms: number, readonly heirMs?: number }
  | { readonly kind: 'clock jump', readonly who: number, readonly driver: boolean, readonly ms: number }
  | { readonly kind: 'damage' }
  /** A record that kills whatever processes it, in the first operator with user code or in the last. */
  | { readonly kind: 'poison', readonly in: DeadlyAt }
  /** By the client, on purpose; what it does with the name after that. */
  | { readonly kind: 'cancel', readonly afterwards: AfterCancel, readonly mode: CancelMode }
)
export type AfterCancel = 'nothing' | 'submit' | 'restore'
export type CancelMode = 'drain' | 'now'
export type Place = 'driver' | 'log' | 'store' | 'lease'

/** Faults begin after the job has started, and while there is input. */
const FIRST_AT_MS = 70
const LAST_AT_MS = 1_400

const FAULTS_MEAN = 3
/** In one plan of so many the job is cancelled too. */
const CANCELS_EVERY = 10
/** And in one of so many a record comes that kills. */
const POISONS_EVERY = 10

/** In one of so many a removal of a driver that was replaced comes late. */
const LATE_REMOVALS_EVERY = 20

type Make = (random: Random) => Omit<Fault, 'at'>

const int = (random: Random, max: number): number => Math.floor(random.next() * max)
const pick = <T>(random: Random, from: readonly T[]): T => from[int(random, from.length)] as T
const who = (random: Random): number => int(random, 8)
/** Short ones are waited out, long ones are found out. */
const howLong = (random: Random): number => (random.next() < 0.5 ? 20 + int(random, 150) : 300 + int(random, 700))

/** Longer than it takes until an executor that says nothing is dead; it goes on while its heirs take over. */
const untilHeirs = (random: Random): { readonly ms: number, readonly heirMs: number } => ({ ms: 900, heirMs: int(random, 9) })
/** Longer than the log may say nothing to one slot while it answers others. */
const untilCutOff = (random: Random): number => 550 + int(random, 900)

/** Twice as often where ownership changes. */
const POINTS: readonly FaultPoint[] = [...FAULT_POINTS, ...FAULT_POINTS.filter((point) => /^(?:takeover|commit)/.test(point))]

const LOG_CALLS = ['log.commit', 'log.append', 'log.initialise', 'log.fence', 'log.fetch', 'log.offsets', 'log.trim', 'log.commit', 'log.append'] as const
const STORE_CALLS = ['store.put', 'store.get', 'store.putIfAbsent', 'store.list', 'store.delete', 'store.put'] as const

const mishap: Make = (random) => {
  const log = random.next() < 0.7
  const call = pick<string>(random, log ? LOG_CALLS : STORE_CALLS)
  const fates: Fate[] = ['not-done', 'answer-lost', 'late', ...call === 'store.put' ? ['torn' as const] : []]
  return { kind: 'mishap', call, fate: pick(random, fates), ms: 1 + int(random, random.next() < 0.5 ? 30 : 400), after: int(random, 6), by: random.next() < 0.85 ? 'slot' : 'driver' }
}

const MAKES: readonly (readonly [number, Make])[] = [
  [3, (random) => ({ kind: 'kill executor', who: who(random) })],
  [2, (random) => ({ kind: 'kill machine', who: who(random) })],
  [3, (random) => ({ kind: 'kill slot', who: who(random) })],
  [2, (random) => ({ kind: 'drain', who: who(random) })],
  [1, (random) => ({ kind: 'orphan slots', who: who(random), ms: howLong(random) })],
  [2, () => ({ kind: 'kill driver' })],
  [1, () => ({ kind: 'restart everything' })],
  [2, () => ({ kind: 'join' })],
  [1, () => ({ kind: 'empty lease' })],
  [3, () => ({ kind: 'restore' })],
  [2, (random) => ({ kind: 'hang executor', who: who(random), ms: howLong(random) })],
  [3, (random) => ({ kind: 'hang machine', who: who(random), ...(random.next() < 0.4 ? untilHeirs(random) : { ms: howLong(random) }) })],
  [3, (random) => ({ kind: 'hang slot', who: who(random), ms: howLong(random) })],
  [2, (random) => ({ kind: 'hang driver', ms: howLong(random) })],
  [4, (random) => ({ kind: 'cut', who: who(random), to: pick<Place>(random, ['driver', 'driver', 'log', 'store']), way: pick(random, ['both', 'out', 'in']), ms: howLong(random) })],
  [2, (random) => ({ kind: 'cut', who: who(random), to: 'log', way: pick(random, ['both', 'out', 'in']), ms: untilCutOff(random) })],
  [2, (random) => ({ kind: 'slow', who: who(random), to: pick<Place>(random, ['driver', 'log', 'store']), byMs: 5 + int(random, 100), ms: howLong(random) })],
  [1, (random) => ({ kind: 'cut driver', to: pick(random, ['log', 'store', 'lease']), ms: howLong(random) })],
  [1, (random) => ({ kind: 'down', service: pick(random, ['log', 'store', 'lease']), ms: howLong(random) })],
  [10, mishap],
  [6, (random) => ({ kind: 'crash', point: pick(random, FAULT_POINTS), after: int(random, 4), whole: random.next() < 0.3 })],
  [5, (random) => ({ kind: 'stall', point: pick(random, POINTS), after: int(random, 6), ...(random.next() < 0.6 ? { whole: true, ...untilHeirs(random) } : { whole: random.next() < 0.5, ms: howLong(random) }) })],
  [4, (random) => ({ kind: 'spoil', point: pick(random, FAULT_POINTS), after: int(random, 4), fate: pick<Fate>(random, ['not-done', 'answer-lost', 'late']), ms: 1 + int(random, 60) })],
  [2, (random) => ({ kind: 'cut off and crash', who: who(random), point: pick<FaultPoint>(random, ['takeover.claim-appended', 'takeover.claimed', 'commit.appended', 'commit.committed']), ms: 450 + int(random, 500) })],
  [1, (random) => ({ kind: 'clock jump', who: who(random), driver: random.next() < 0.5, ms: pick(random, [-3_600_000, -500, 500, 5_000, 26 * 3_600_000]) })],
  [1, () => ({ kind: 'damage' })],
]
const WEIGHTS = MAKES.reduce((sum, [weight]) => sum + weight, 0)

/** One to five faults, three on average. */
export const makePlan = (random: Random): Fault[] => {
  const many = 1 + int(random, 2 * FAULTS_MEAN - 1)
  const when = (): number => FIRST_AT_MS + int(random, LAST_AT_MS - FIRST_AT_MS)
  const plan = Array.from({ length: many }, () => {
    let at = random.next() * WEIGHTS
    const make = MAKES.find(([weight]) => (at -= weight) < 0)?.[1] ?? mishap
    return { at: when(), ...make(random) } as Fault
  })
  if (int(random, CANCELS_EVERY) === 0) {
    const at = when()
    plan.push({ at, kind: 'cancel', afterwards: pick(random, ['nothing', 'submit', 'restore']), mode: at % 2 === 0 ? 'drain' : 'now' })
  }
  if (int(random, POISONS_EVERY) === 0) plan.push({ at: when(), kind: 'poison', in: pick(random, ['first', 'last']) })
  if (int(random, LATE_REMOVALS_EVERY) === 0) plan.push({ at: when(), kind: 'late removal', ms: 400 + int(random, 600) })
  return plan.toSorted((a, b) => a.at - b.at)
}
