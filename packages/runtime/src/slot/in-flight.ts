// What is in a shuffle between the cuts of its writers and its reader (C2): stored for a checkpoint, and fed to the tasks of a run that
// was restored from one, before anything of the new run's shuffle.
import { asTidemarkError, TidemarkError } from '@tidemark/base'
import type { LogReader } from '@tidemark/base'
import { decodeBlock, InFlightDecoder, InFlightEncoder, paths } from '@tidemark/checkpoint'
import type { EncodedObject, Manifest, ObjectRef, SnapshotRef, SourcePosition } from '@tidemark/checkpoint'
import type { HeldTask } from './held-task.ts'
import type { WriterCut } from './messages.ts'
import type { SlotPorts } from './ports.ts'
import { measure } from './shuffle-backlog.ts'

const FETCH_BYTES_MAX = 4 * 1024 * 1024
const QUEUED_BYTES_MAX = 8 * 1024 * 1024
const POLL_MS = 5
const FETCH_WAIT_MS = 100
/** Longer than a transaction may stay open (10 s), ms. */
const STILL_MS_MAX = 15_000
/** Pause between tries to reach the store, ms. */
const STORE_RETRY_MS = 500

type StoringPorts = Pick<SlotPorts, 'clock' | 'log' | 'logger' | 'store' | 'random' | 'faults'>

interface StoringOrder {
  readonly checkpoint: number
  /** The reader's part. */
  readonly ref: SnapshotRef
  readonly cuts: readonly WriterCut[]
  readonly bytesMax: number
}

export interface StoredInFlight {
  readonly objects: readonly ObjectRef[]
  readonly blocks: number
  readonly bytes: number
}

/**
 * Reads each shuffle partition of the part's positions up to its end of now; keeps blocks at or below their writer's cut. Its end, not its stable
 * offset: a transaction that another writer has open may lie before the blocks of a cut, and is waited for. An object is put as soon as it is full:
 * all that is in flight may be more than memory holds. When it rejects, what it has put goes again; so it does once it is not `wanted` any more.
 */
export const storeInFlight = async (ports: StoringPorts, reader: Pick<LogReader, 'fetch'>, held: HeldTask, order: StoringOrder, wanted: () => boolean): Promise<StoredInFlight> => {
  const keys: string[] = []
  let stored: StoredInFlight
  try {
    stored = await putInFlight(ports, reader, held, order, wanted, keys)
    if (!wanted()) throw replaced(held, order)
  } catch (error) {
    if (keys.length > 0) await remove(ports, held, keys)
    throw error
  }
  ports.faults.reach('snapshot.in-flight-stored')
  return stored
}

/** What a try has put that came to nothing: its keys are its own, and nobody was told of them. What stays is left to garbage collection. */
const remove = async ({ logger, store }: StoringPorts, held: HeldTask, keys: readonly string[]): Promise<void> => {
  try {
    await store.delete(keys)
  } catch (error) {
    logger.warn({ task: held.key, objects: keys.length, error: asTidemarkError(error) }, 'in-flight.not-removed')
  }
}

/** `keys`: each is told there before it is put. */
const putInFlight = async (ports: StoringPorts, reader: Pick<LogReader, 'fetch'>, held: HeldTask, order: StoringOrder, wanted: () => boolean, keys: string[]): Promise<StoredInFlight> => {
  const { checkpoint, ref, cuts, bytesMax } = order
  const cutOf = new Map(cuts.map((cut) => [`${cut.stage}/${cut.partition}`, cut.batchId]))
  const shuffles = new Set(held.task.inputs().filter((input) => input.kind === 'shuffle').map((input) => input.input))
  const encoder = new InFlightEncoder()
  const objects: ObjectRef[] = []
  let nonce: string | undefined
  const put = async (encoded: readonly EncodedObject[]): Promise<void> => {
    nonce ??= ports.random.uuid()
    for (const { body, sha256 } of encoded) {
      const key = paths.inFlightObject(held.ref, checkpoint, held.generation, nonce, objects.length)
      keys.push(key)
      await ports.store.put(key, body)
      objects.push({ key, sizeBytes: body.length, sha256 })
    }
  }
  let [blocks, bytes] = [0, 0]
  for (const position of ref.positions.filter((one) => shuffles.has(one.input))) {
    const [offsets] = await ports.log.offsets(position.topic, [position.partition])
    if (offsets === undefined) throw unreadable(held, position, 'it is not there')
    const upTo = offsets.end
    let movedAt = ports.clock.monotonic()
    for (let next = position.next; next < upTo;) {
      if (!wanted()) throw replaced(held, order)
      const [fetched] = await reader.fetch([{ topic: position.topic, partition: position.partition, offset: next, maxBytes: FETCH_BYTES_MAX, gapless: true }], { isolation: 'committed', maxWaitMs: FETCH_WAIT_MS })
      if (fetched === undefined || fetched.nextOffset <= next) {
        if (ports.clock.monotonic() - movedAt >= STILL_MS_MAX) throw unreadable(held, position, `nothing was readable at ${next} for ${STILL_MS_MAX} ms, its end was ${upTo}`)
        continue
      }
      for (const record of fetched.records) {
        if (record.value === null || record.offset >= upTo) continue
        const block = decodeBlock(record.value)
        const cut = cutOf.get(`${block.stage}/${block.partition}`)
        if (cut === undefined) throw new TidemarkError(`a block of ${block.stage}/${block.partition} has no cut in checkpoint ${checkpoint}`, { code: 'CHECKPOINT_CUT_MISSING', blame: 'bug', action: 'retry', ...held.ref })
        if (block.batchId > cut) continue
        encoder.add({ input: position.input, value: record.value })
        blocks += 1
        bytes += record.value.length
        if (bytes > bytesMax) {
          throw new TidemarkError(`more than ${bytesMax} bytes are in flight before ${held.key}`, {
            code: 'CHECKPOINT_IN_FLIGHT_TOO_LARGE', blame: 'environment', action: 'retry', ...held.ref, hint: "The task is far behind its upstream. Let it catch up, or raise the job's checkpointInFlightMax.",
          })
        }
      }
      next = fetched.nextOffset
      const full = encoder.take()
      if (full.length > 0) await put(full)
      movedAt = ports.clock.monotonic()
    }
  }
  await put(encoder.finish())
  return { objects, blocks, bytes }
}

const replaced = (held: HeldTask, { checkpoint }: StoringOrder): TidemarkError =>
  new TidemarkError(`what is in flight before ${held.key} is not wanted for checkpoint ${checkpoint} any more`, { code: 'CHECKPOINT_IN_FLIGHT_REPLACED', blame: 'environment', action: 'retry', ...held.ref })

const unreadable = (held: HeldTask, { topic, partition }: SourcePosition, why: string): TidemarkError =>
  new TidemarkError(`what is in flight in ${topic}/${partition} can't be read: ${why}`, { code: 'CHECKPOINT_IN_FLIGHT_UNREADABLE', blame: 'environment', action: 'retry', ...held.ref, topic, hint: 'A writer hangs in its transaction, or the log does not answer. The next checkpoint tries again.' })

interface Fed {
  readonly input: string
  /** Those before it were taken by an owner before. */
  readonly from: number
  /** Read so far. */
  blocks: number
  /** The newest of them, not offered yet: whether it is the last is known with the next. */
  newest: Buffer | undefined
}

/** Undefined: no longer wanted. While the store is away it waits: the task is running already, and it is no fault of its own. */
const objectOf = async (ports: Pick<SlotPorts, 'clock' | 'logger' | 'store'>, held: HeldTask, key: string, wanted: () => boolean): Promise<Buffer | undefined> => {
  let reason: string | undefined
  const clear = (): void => {
    if (reason !== undefined && held.waitingFor === reason) held.waitingFor = undefined
  }
  try {
    while (wanted()) {
      try {
        return await ports.store.get(key)
      } catch (error) {
        const known = asTidemarkError(error)
        if (known.action !== 'retry') throw error
        clear()
        reason = `store unreachable: what was in flight where its run began can't be read: ${known.message}`
        held.waitingFor ??= reason
        ports.logger.warn({ task: held.key, key, error: known }, 'in-flight.store-unreachable')
        await ports.clock.sleep(STORE_RETRY_MS)
      }
    }
    return undefined
  } finally {
    clear()
  }
}

/** Feeds the origin's in-flight blocks to a task of a restored run until it has taken them all; an object is fetched when those before it are offered. */
export const feedInFlight = async (ports: Pick<SlotPorts, 'clock' | 'logger' | 'store'>, options: { readonly origin: Pick<Manifest, 'inFlight'> | undefined }, held: HeldTask, wanted: () => boolean): Promise<void> => {
  const waiting = held.task.inputs().filter((input) => input.inFlight !== undefined)
  if (waiting.length === 0) return
  if (options.origin === undefined) {
    throw new TidemarkError(`${held.key} has still to read what was in flight where its run began, and that checkpoint is gone`, { code: 'SLOT_ORIGIN_GONE', blame: 'environment', action: 'fail-job', ...held.ref, hint: 'Bring its manifest and objects back, or restore from another checkpoint.' })
  }
  const part = options.origin.inFlight.find((one) => one.stage === held.ref.stage && one.partition === held.ref.partition)
  // Until it reads of the new run's shuffles these, of all of them together, are all that says how large their blocks are.
  for (const input of waiting) measure(held, input, part?.bytes ?? 0, part?.blocks ?? 0)
  const feds = new Map(waiting.map(({ input, inFlight = 0 }): [string, Fed] => [input, { input, from: inFlight, blocks: 0, newest: undefined }]))
  const offer = async ({ input, from, blocks, newest }: Fed, last: boolean): Promise<void> => {
    if (blocks > 0 && blocks <= from) return
    while (held.task.queuedBytes > QUEUED_BYTES_MAX && wanted()) await ports.clock.sleep(POLL_MS)
    if (wanted()) held.task.offerInFlight(input, Math.max(0, blocks - 1), last, newest)
  }
  const decoder = new InFlightDecoder()
  for (const ref of part?.objects ?? []) {
    const body = await objectOf(ports, held, ref.key, wanted)
    if (body === undefined) return
    for (const { input, value } of decoder.object(body, ref)) {
      const fed = feds.get(input)
      if (fed === undefined) continue
      if (fed.newest !== undefined) await offer(fed, false)
      if (!wanted()) return
      fed.blocks += 1
      fed.newest = value
    }
  }
  decoder.finish()
  for (const fed of feds.values()) await offer(fed, true)
}
