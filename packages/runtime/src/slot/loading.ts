// Loads the state a takeover begins with, the way that checkpoint's plan says: the newest good snapshot, the one before, the run's origin,
// or the whole journal. Never "empty" when something should be there: then it waits, or stops with the reason.
import { isTidemarkError, TidemarkError } from '@tidemark/base'
import { chainAfter, emptyChain, emptyView, JournalCursor, planTakeover, seeSnapshot } from '@tidemark/checkpoint'
import type { SnapshotRef, TakeoverPlan, Tried } from '@tidemark/checkpoint'
import type { Beginning } from './beginning.ts'
import type { HeldTask } from './held-task.ts'
import { originSnapshot, originUpstreams } from './origin.ts'
import type { SlotOptions, SlotPorts } from './ports.ts'
import { readSnapshot } from './snapshot-objects.ts'

/** Pause between tries to reach the store, ms. */
const STORE_RETRY_MS = 500
/** Errors that say "this snapshot is no good"; the way after it is tried. */
const NO_GOOD = new Set(['SNAPSHOT_CORRUPT', 'STORE_NOT_FOUND'])

export type Start = (TakeoverPlan & { readonly kind: 'try' })['start']
export type LoadOutcome = { readonly kind: 'loaded' } | { readonly kind: Tried, readonly why: string }

/** The next way to begin; waits while the store is away and the journal alone does not do. `SLOT_STATE_LOST`: there is none. */
export const nextStart = async (ports: Pick<SlotPorts, 'clock' | 'logger'>, options: Pick<SlotOptions, 'run'>, held: HeldTask, beginning: Beginning, tried: Tried[], wanted: () => boolean): Promise<Start | undefined> => {
  while (wanted()) {
    const plan = planTakeover(beginning.newest, options.run.from, beginning.start, tried)
    if (plan.kind === 'lost') throw stateLost(held, plan.because)
    if (plan.kind === 'try') {
      for (const remark of plan.remarks) if (!held.timeline.remarks.includes(remark)) held.timeline.remarks.push(remark)
      held.waitingFor = undefined
      return plan.start
    }
    held.waitingFor = `store unreachable: ${plan.because}`
    ports.logger.warn({ task: held.key, because: plan.because }, 'takeover.store-unreachable')
    await ports.clock.sleep(STORE_RETRY_MS)
    // The unreachable ones may work now.
    const firstAway = tried.indexOf('unreachable')
    if (firstAway >= 0) tried.splice(firstAway)
  }
  return undefined
}

/** A cursor at which reading begins. The origin's owner belonged to the run before, which is ended: there is nobody to fence (C3). */
export const cursorFor = ({ rules }: Pick<SlotOptions, 'rules'>, held: HeldTask, start: Start): JournalCursor => {
  if (start.kind !== 'snapshot') return new JournalCursor(held.ref, held.journalTopic, start.tailBegin, emptyChain(), emptyView(rules))
  return new JournalCursor(held.ref, held.journalTopic, start.tailBegin, chainAfter(start.ref), seeSnapshot(emptyView(rules), start.ref))
}

/** Loads into the task, or says why not; other errors reject. No user code runs. */
export const load = async (ports: Pick<SlotPorts, 'clock' | 'store'>, options: Pick<SlotOptions, 'origin' | 'run'>, held: HeldTask, start: Start): Promise<LoadOutcome> => {
  if (start.kind === 'origin' && options.origin === undefined) return { kind: 'no-good', why: `${start.from.manifest}, which the run began from, is gone` }
  const ref = start.kind === 'snapshot' ? start.ref : start.kind === 'origin' ? originSnapshot(options, held.ref) : undefined
  if (ref === undefined) return { kind: 'loaded' }
  try {
    await loadRef(ports, held, ref, start.kind === 'origin')
    return { kind: 'loaded' }
  } catch (error) {
    if (!isTidemarkError(error)) throw error
    if (NO_GOOD.has(error.code)) return { kind: 'no-good', why: error.message }
    if (error.action === 'retry') return { kind: 'unreachable', why: error.message }
    throw error
  }
}

const loadRef = async ({ clock, store }: Pick<SlotPorts, 'clock' | 'store'>, held: HeldTask, ref: SnapshotRef, origin: boolean): Promise<void> => {
  const { task } = held
  const { content, blocks, bytes } = await readSnapshot(store, clock, ref)
  const loading = task.loadingSnapshot(blocks, origin ? { ...content, batchId: 0, positions: ref.positions, upstreams: originUpstreams(content.upstreams) } : content)
  // The takeover may begin anew meanwhile, with another task.
  if (!(await held.slices.run(loading, () => held.task === task))) return
  held.timeline.snapshot = { checkpoint: ref.checkpoint, keys: ref.keys, bytes }
  held.timeline.loadedMs = held.elapsed()
}

const stateLost = (held: HeldTask, because: string): TidemarkError =>
  new TidemarkError(`the state of ${held.key} can't be rebuilt: ${because}`, {
    code: 'SLOT_STATE_LOST', blame: 'environment', action: 'fail-job', ...held.ref, details: { remarks: held.timeline.remarks },
    hint: 'Look at what is wrong with each snapshot; restore the objects, or submit the job again from an older checkpoint.',
  })
