// Ends a run (C3): claims every task of it by an `ended` record, as owner with an id of its own, under the rules that every claimant obeys.
import { invariantBroken, isTidemarkError, TidemarkError } from '@tidemark/base'
import type { LogReader, TaskRef, TransactionalId } from '@tidemark/base'
import { afterClaim, beforeClaim, countFence, emptyView, encodeRecord, openRecords, paths, peekRecord, RecordAssembler, see, seeSnapshot, seeStart } from '@tidemark/checkpoint'
import type { Generation, JournalView, RunRecord, Stamp } from '@tidemark/checkpoint'
import { ownerOf } from './ports.ts'
import type { DriverPorts, Leadership } from './ports.ts'

const FETCH_BYTES_MAX = 8 * 1024 * 1024
const FETCH_WAIT_MS = 50
/** Claims of one task before it is called a bug: each further one needs a new unfenced id to have turned up. */
const ROUNDS_MAX = 20

/** One journal as this claimant has read it. */
interface Journal {
  readonly task: TaskRef
  readonly topic: string
  readonly assembler: RecordAssembler
  view: JournalView
  next: number
  stable: number
  fenced: ReadonlySet<TransactionalId>
}

export interface EndedRun {
  /** Journals that were gone: their tasks have been ended before. */
  readonly missing: readonly string[]
}

/** Everything that is committed now, or in `maxWaitMs` if that is nothing. */
const readOn = async (journal: Journal, reader: LogReader, maxWaitMs: number): Promise<void> => {
  for (;;) {
    const [fetched] = await reader.fetch([{ topic: journal.topic, partition: journal.task.partition, offset: journal.next, maxBytes: FETCH_BYTES_MAX, gapless: true }], { isolation: 'committed', maxWaitMs })
    if (fetched === undefined) return
    if (fetched.fromOffset !== journal.next) throw invariantBroken('7', `asked the journal for offset ${journal.next}, got ${fetched.fromOffset}`, { ...journal.task, topic: journal.topic })
    journal.view = seeStart(journal.view, fetched.startOffset)
    for (const { value, offset } of fetched.records) {
      const whole = value === null ? undefined : journal.assembler.push(value, offset)
      if (whole === undefined) continue
      // R3, R6: the snapshots that a record names have owners too.
      if (whole.record.kind === 'commit') for (const ref of whole.record.snapshots) if (ref.journalNext <= whole.offset) journal.view = seeOwner(journal.view, ref)
      journal.view = see(journal.view, whole.record, whole.offset)
    }
    journal.next = fetched.nextOffset
    journal.stable = fetched.stableOffset
    if (journal.next >= journal.stable) return
  }
}

/** Only the owner of that snapshot: where its tail begins is nothing to one who loads no state. */
const seeOwner = (view: JournalView, ref: Stamp & { readonly journalNext: number, readonly batchId: number }): JournalView =>
  view.ids.has(ref.transactionalId) || ref.batchId === 0 ? view : seeSnapshot(view, { ...ref, journalNext: 0, checkpoint: 0, positions: [], keys: 0, objects: [] })

/** R8: the stable offset stays below the own claim: whoever holds it open is fenced, or wins. */
const openIds = async (journal: Journal, me: Stamp, reader: LogReader, rules: Leadership['rules']): Promise<readonly TransactionalId[]> => {
  const [fetched] = await reader.fetch([{ topic: journal.topic, partition: journal.task.partition, offset: journal.next, maxBytes: FETCH_BYTES_MAX, gapless: true }], { isolation: 'uncommitted', maxWaitMs: 0 })
  const open = (fetched?.records ?? []).flatMap(({ value, offset }) => value === null ? [] : [peekRecord(value, offset)])
  const decision = openRecords(journal.view, me, open, rules)
  if (decision.kind === 'give-up') throw replaced(journal.task, decision.because)
  return decision.kind === 'fence' ? decision.ids : []
}

const replaced = (task: TaskRef, because: string): TidemarkError =>
  new TidemarkError(`cannot end ${task.job} run ${task.run}: ${because}`, { code: 'DRIVER_REPLACED', blame: 'environment', action: 'retry', ...task, hint: 'Another driver leads, or has just given this task out; it is tried again with a newer generation.' })

/** Resolves when every task of the run is ended for good. Any error: nothing is lost, call it again (with a new generation and session). */
export const endRun = async (ports: DriverPorts, leadership: Leadership, record: RunRecord, generation: Generation): Promise<EndedRun> => {
  try {
    return await endNow(ports, leadership, record, generation)
  } catch (error) {
    if (!isTidemarkError(error) || (error.code !== 'LOG_TOPIC_MISSING' && error.code !== 'LOG_OUT_OF_RANGE')) throw error
    // Its topics go when another driver, one that was replaced and did not know it yet or one that has replaced this, was faster; a journal's start moves when its
    // owner trims it, which it does until it is fenced.
    throw new TidemarkError(`cannot end ${record.job} run ${record.run} yet: its journals changed meanwhile`, { code: 'RUN_CHANGED_WHILE_ENDED', blame: 'environment', action: 'retry', job: record.job, run: record.run, cause: error, hint: 'It is looked at again.' })
  }
}

const endNow = async (ports: DriverPorts, leadership: Leadership, record: RunRecord, generation: Generation): Promise<EndedRun> => {
  const { log, clock, logger } = ports
  const topics = await log.describeTopics(record.stages.map(({ stage }) => paths.journalTopic(record.job, record.run, stage)))
  const missing: string[] = []
  const journals: Journal[] = []
  for (const { stage, partitions } of record.stages) {
    const topic = paths.journalTopic(record.job, record.run, stage)
    // A journal that is gone means ended.
    if (!topics.has(topic)) {
      missing.push(topic)
      continue
    }
    for (const { partition, start, stable } of await log.offsets(topic, Array.from({ length: partitions }, (_, i) => i))) {
      const view = seeStart(emptyView(leadership.rules), start)
      journals.push({ task: { job: record.job, run: record.run, stage, partition }, topic, assembler: new RecordAssembler({ midway: start > 0 }), view, next: start, stable, fenced: new Set() })
    }
  }
  if (journals.length === 0) return { missing }
  const owner = ownerOf(leadership)
  const me: Stamp = { generation, owner, transactionalId: paths.transactionalId(record.job, record.run, owner.slotId, leadership.nextSession()) }
  const session = log.session(me.transactionalId)
  const reader = log.reader()
  const fence = async (journal: Journal, ids: readonly TransactionalId[]): Promise<void> => {
    for (const id of ids) await log.fence(id)
    journal.fenced = countFence(journal.view, journal.fenced, ids, leadership.rules)
  }
  try {
    await session.initialise()
    let pending = journals
    for (let round = 0; pending.length > 0; round++) {
      if (round === ROUNDS_MAX) throw invariantBroken('R3', `${pending.length} tasks could not be ended in ${ROUNDS_MAX} claims`, { job: record.job, run: record.run })
      for (const journal of pending) await prepare(journal, me, reader, leadership, fence)
      await session.append(pending.map(({ task, topic }) => ({
        topic, partition: task.partition, records: encodeRecord({ kind: 'ended', task, timestamp: clock.now(), ...me }).map((value) => ({ key: null, value })),
      })))
      const appended = await session.commit()
      const again: Journal[] = []
      for (const [i, journal] of pending.entries()) {
        const offset = appended[i]?.baseOffset
        if (offset === undefined) throw invariantBroken('2', 'the log did not say where the record is', { ...journal.task })
        if (!await settle(journal, me, offset, reader, ports, leadership, fence)) again.push(journal)
      }
      pending = again
    }
    logger.info({ job: record.job, run: record.run, tasks: journals.length }, 'run.ended')
    return { missing }
  } catch (error) {
    // R5: whatever this id still has under way is over before anybody goes on.
    await log.fence(me.transactionalId).catch((cause: unknown) => logger.warn({ id: me.transactionalId, error: cause }, 'run.end-fence-failed'))
    throw error
  } finally {
    await Promise.all([session.close(), reader.close()])
  }
}

type Fence = (journal: Journal, ids: readonly TransactionalId[]) => Promise<void>

/** Until the decision is: claim. */
const prepare = async (journal: Journal, me: Stamp, reader: LogReader, leadership: Leadership, fence: Fence): Promise<void> => {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    await readOn(journal, reader, 0)
    const decision = beforeClaim(journal.view, me, journal.fenced, leadership.rules)
    if (decision.kind === 'give-up') throw replaced(journal.task, decision.because)
    if (decision.kind === 'claim') return
    await fence(journal, decision.ids)
  }
  throw invariantBroken('R3', `new ids turn up in the journal ${journal.topic}/${journal.task.partition} without end`, { ...journal.task })
}

/** Reads back to the own record and judges it. False: it has to be written again. */
const settle = async (journal: Journal, me: Stamp, offset: number, reader: LogReader, { clock }: DriverPorts, leadership: Leadership, fence: Fence): Promise<boolean> => {
  while (journal.next <= offset) {
    await readOn(journal, reader, FETCH_WAIT_MS)
    if (journal.next > offset) break
    await fence(journal, await openIds(journal, me, reader, leadership.rules))
    await clock.sleep(FETCH_WAIT_MS)
  }
  const decision = afterClaim(journal.view, me, journal.fenced, { offset }, leadership.rules)
  switch (decision.kind) {
    case 'own': return true
    case 'withdraw': throw replaced(journal.task, decision.because)
    case 'fence-and-claim-again':
      await fence(journal, decision.ids)
      return false
    case 'start-over': return false
  }
}
