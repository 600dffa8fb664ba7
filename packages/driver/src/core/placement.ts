// Which slot each task belongs on: even over executors and slots, sticky, with few moves. Pure, and stable: asked again with its own
// answer it changes nothing.
//
// Each job gets its own slots (a slot runs one job): one for every job first, then more in turn while there are tasks for them. A job's
// slots are spread over the executors; its tasks are spread over its slots, and only what is too much on one moves.

export interface SlotRef {
  readonly executor: string
  readonly slot: number
}
export interface JobDemand {
  /** Name and run: what a slot is bound to. */
  readonly job: string
  /** Tasks in order; `on` is where each is now, if anywhere. */
  readonly tasks: readonly { readonly task: string, readonly on: SlotRef | undefined }[]
}

export interface Placement {
  /** Absent: no slot for it. */
  readonly targets: ReadonlyMap<string, SlotRef>
}

export const slotKey = ({ executor, slot }: SlotRef): string => `${executor}/${slot}`

/** How many slots each job gets: one each in the jobs' order, then in turn, never more than it has tasks. */
const quotas = (jobs: readonly JobDemand[], slots: number): Map<string, number> => {
  const quota = new Map(jobs.map(({ job }) => [job, 0]))
  let left = slots
  for (let given = true; given && left > 0;) {
    given = false
    for (const { job, tasks } of jobs) {
      const has = quota.get(job) ?? 0
      if (left === 0 || has >= tasks.length) continue
      quota.set(job, has + 1)
      left -= 1
      given = true
    }
  }
  return quota
}

interface Choice {
  readonly ref: SlotRef
  readonly order: number
}

/**
 * `jobs` in the order of their submission, `slots` in the order of their executors' arrival: the oldest come first where all else is equal.
 * `bound`: for which job a slot without tasks is ready, or gets ready.
 */
export const place = (jobs: readonly JobDemand[], slots: readonly SlotRef[], bound: ReadonlyMap<string, string> = new Map()): Placement => {
  let targets = placeOnce(jobs, slots, bound)
  // One job's choice frees what another would rather have: asked again with the answer until nothing changes.
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const again = placeOnce(jobs.map(({ job, tasks }) => ({ job, tasks: tasks.map(({ task }) => ({ task, on: targets.get(task) })) })), slots, bound)
    if ([...again].every(([task, ref]) => slotKey(ref) === slotKey(targets.get(task) ?? NOWHERE))) break
    targets = again
  }
  return { targets }
}

const ROUNDS_MAX = 10
const NOWHERE: SlotRef = { executor: '', slot: -1 }

const placeOnce = (jobs: readonly JobDemand[], slots: readonly SlotRef[], bound: ReadonlyMap<string, string>): Map<string, SlotRef> => {
  const quota = quotas(jobs, slots.length)
  const occupant = new Map<string, string>()
  for (const { job, tasks } of jobs) for (const { on } of tasks) if (on) occupant.set(slotKey(on), job)
  const free = new Map(slots.map((ref, order): [string, Choice] => [slotKey(ref), { ref, order }]))
  const slotsTaken = new Map<string, number>()
  const targets = new Map<string, SlotRef>()
  for (const demand of jobs) {
    const chosen = chooseSlots(demand, quota.get(demand.job) ?? 0, free, { occupant, bound }, slotsTaken)
    spread(demand, chosen, targets)
  }
  return targets
}

const countOn = ({ tasks }: JobDemand): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const { on } of tasks) if (on) counts.set(slotKey(on), (counts.get(slotKey(on)) ?? 0) + 1)
  return counts
}

/** Which job has tasks on a slot, and for which it is ready. */
interface Uses {
  readonly occupant: ReadonlyMap<string, string>
  readonly bound: ReadonlyMap<string, string>
}

/** Takes `quota` of the free slots: others' last, then the executor with fewest chosen (of this job, then of all), then where its tasks are, then what is ready for it. */
const chooseSlots = (demand: JobDemand, quota: number, free: Map<string, Choice>, { occupant, bound }: Uses, slotsTaken: Map<string, number>): SlotRef[] => {
  const here = countOn(demand)
  const ownOn = new Map<string, number>()
  const executorHas = new Map<string, number>()
  for (const { ref } of free.values()) executorHas.set(ref.executor, (executorHas.get(ref.executor) ?? 0) + (here.get(slotKey(ref)) ?? 0))
  const chosen: SlotRef[] = []
  for (let i = 0; i < quota; i++) {
    const rank = ({ ref, order }: Choice): readonly number[] => {
      const by = occupant.get(slotKey(ref))
      const readyFor = bound.get(slotKey(ref))
      return [
        by !== undefined && by !== demand.job ? 1 : 0,
        ownOn.get(ref.executor) ?? 0,
        slotsTaken.get(ref.executor) ?? 0,
        here.has(slotKey(ref)) ? 0 : readyFor === demand.job ? 1 : readyFor === undefined ? 2 : 3,
        -(executorHas.get(ref.executor) ?? 0),
        -(here.get(slotKey(ref)) ?? 0),
        order,
      ]
    }
    const best = [...free.values()].map((choice) => ({ choice, rank: rank(choice) })).reduce<{ choice: Choice, rank: readonly number[] } | undefined>(
      (least, one) => least === undefined || isBefore(one.rank, least.rank) ? one : least, undefined)
    if (!best) break
    const { ref } = best.choice
    free.delete(slotKey(ref))
    chosen.push(ref)
    ownOn.set(ref.executor, (ownOn.get(ref.executor) ?? 0) + 1)
    slotsTaken.set(ref.executor, (slotsTaken.get(ref.executor) ?? 0) + 1)
  }
  return chosen
}

const isBefore = (a: readonly number[], b: readonly number[]): boolean => {
  const at = a.findIndex((value, i) => value !== b[i])
  return at >= 0 && (a[at] ?? 0) < (b[at] ?? 0)
}

/** Spreads a job's tasks over its slots: each gets its even share, those that are there stay, the rest fills up. */
const spread = ({ tasks }: JobDemand, chosen: readonly SlotRef[], targets: Map<string, SlotRef>): void => {
  if (chosen.length === 0) return
  const onNow = new Map<string, string[]>(chosen.map((ref) => [slotKey(ref), []]))
  const homeless: string[] = []
  for (const { task, on } of tasks) (on ? onNow.get(slotKey(on)) ?? homeless : homeless).push(task)
  const share = Math.floor(tasks.length / chosen.length)
  let larger = tasks.length % chosen.length
  // The slots that hold most keep one more than their share.
  const fullestFirst = chosen.map((ref, order) => ({ ref, order, held: onNow.get(slotKey(ref)) ?? [] })).toSorted((a, b) => b.held.length - a.held.length || a.order - b.order)
  const rooms: { readonly ref: SlotRef, readonly order: number, room: number, has: number }[] = []
  for (const { ref, order, held } of fullestFirst) {
    const cap = share + (larger > 0 ? 1 : 0)
    if (larger > 0) larger -= 1
    for (const task of held.slice(0, cap)) targets.set(task, ref)
    homeless.push(...held.slice(cap))
    const has = Math.min(held.length, cap)
    rooms.push({ ref, order, room: cap - has, has })
  }
  for (const task of homeless) {
    const next = rooms.filter(({ room }) => room > 0).toSorted((a, b) => a.has - b.has || a.order - b.order)[0]
    if (!next) return
    targets.set(task, next.ref)
    next.room -= 1
    next.has += 1
  }
}
