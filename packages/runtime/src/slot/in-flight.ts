// What is in a shuffle between the cuts of its writers and its reader (C2): stored for a checkpoint, and fed to the tasks of a run that
// was restored from one, before anything of the new run's shuffle.
import { TidemarkError } from '@tidemark/base'
import type { LogReader } from '@tidemark/base'
import { decodeBlock, decodeInFlight, encodeInFlight, paths } from '@tidemark/checkpoint'
import type { Manifest, ObjectRef, SnapshotRef, SourcePosition } from '@tidemark/checkpoint'
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

export interface StoredInFlight {
  readonly objects: readonly ObjectRef[]
  readonly blocks: number
  readonly bytes: number
}

/**
 * Reads each shuffle partition of the part's positions up to its end of now; keeps blocks at or below their writer's cut. Its end, not its stable
 * offset: a transaction that another writer has open may lie before the blocks of a cut, and is waited for.
 */
export const storeInFlight = async (ports: SlotPorts, reader: LogReader, held: HeldTask, checkpoint: number, ref: SnapshotRef, cuts: readonly WriterCut[], bytesMax: number): Promise<StoredInFlight> => {
  const cutOf = new Map(cuts.map((cut) => [`${cut.stage}/${cut.partition}`, cut.batchId]))
  const shuffles = new Set(held.task.inputs().filter((input) => input.kind === 'shuffle').map((input) => input.input))
  const blocks: { readonly input: string, readonly value: Buffer }[] = []
  let bytes = 0
  for (const position of ref.positions.filter((one) => shuffles.has(one.input))) {
    const [offsets] = await ports.log.offsets(position.topic, [position.partition])
    if (offsets === undefined) throw unreadable(held, position, 'it is not there')
    const upTo = offsets.end
    let movedAt = ports.clock.monotonic()
    for (let next = position.next; next < upTo;) {
      const [fetched] = await reader.fetch([{ topic: position.topic, partition: position.partition, offset: next, maxBytes: FETCH_BYTES_MAX }], { isolation: 'committed', maxWaitMs: FETCH_WAIT_MS })
      if (fetched === undefined || fetched.nextOffset <= next) {
        if (ports.clock.monotonic() - movedAt >= STILL_MS_MAX) throw unreadable(held, position, `nothing was readable at ${next} for ${STILL_MS_MAX} ms, its end was ${upTo}`)
        continue
      }
      movedAt = ports.clock.monotonic()
      for (const record of fetched.records) {
        if (record.value === null || record.offset >= upTo) continue
        const block = decodeBlock(record.value)
        const cut = cutOf.get(`${block.stage}/${block.partition}`)
        if (cut === undefined) throw new TidemarkError(`a block of ${block.stage}/${block.partition} has no cut in checkpoint ${checkpoint}`, { code: 'CHECKPOINT_CUT_MISSING', blame: 'bug', action: 'retry', ...held.ref })
        if (block.batchId > cut) continue
        blocks.push({ input: position.input, value: record.value })
        bytes += record.value.length
        if (bytes > bytesMax) {
          throw new TidemarkError(`more than ${bytesMax} bytes are in flight before ${held.key}`, {
            code: 'CHECKPOINT_IN_FLIGHT_TOO_LARGE', blame: 'environment', action: 'retry', ...held.ref, hint: 'The task is far behind its upstream. Let it catch up, or raise checkpointInFlightBytesMax.',
          })
        }
      }
      next = fetched.nextOffset
    }
  }
  const encoded = encodeInFlight(blocks)
  const nonce = ports.random.uuid()
  const objects = encoded.map((object, i): ObjectRef & { body: Buffer } => ({ key: paths.inFlightObject(held.ref, checkpoint, held.generation, nonce, i), sizeBytes: object.body.length, sha256: object.sha256, body: object.body }))
  for (const object of objects) await ports.store.put(object.key, object.body)
  ports.faults.reach('snapshot.in-flight-stored')
  return { objects: objects.map(({ body: _body, ...object }) => object), blocks: blocks.length, bytes }
}

const unreadable = (held: HeldTask, { topic, partition }: SourcePosition, why: string): TidemarkError =>
  new TidemarkError(`what is in flight in ${topic}/${partition} can't be read: ${why}`, { code: 'CHECKPOINT_IN_FLIGHT_UNREADABLE', blame: 'environment', action: 'retry', ...held.ref, topic, hint: 'A writer hangs in its transaction, or the log does not answer. The next checkpoint tries again.' })

/** Feeds the origin's in-flight blocks to a task of a restored run until it has taken them all. */
export const feedInFlight = async (ports: Pick<SlotPorts, 'clock' | 'store'>, options: { readonly origin: Pick<Manifest, 'inFlight'> | undefined }, held: HeldTask, wanted: () => boolean): Promise<void> => {
  const waiting = held.task.inputs().filter((input) => input.inFlight !== undefined)
  if (waiting.length === 0) return
  if (options.origin === undefined) {
    throw new TidemarkError(`${held.key} has still to read what was in flight where its run began, and that checkpoint is gone`, { code: 'SLOT_ORIGIN_GONE', blame: 'environment', action: 'fail-job', ...held.ref, hint: 'Bring its manifest and objects back, or restore from another checkpoint.' })
  }
  const part = options.origin.inFlight.find((one) => one.stage === held.ref.stage && one.partition === held.ref.partition)
  const blocks = part === undefined ? [] : decodeInFlight(await Promise.all(part.objects.map((object) => ports.store.get(object.key))), part.objects)
  for (const input of waiting) {
    const own = blocks.filter((block) => block.input === input.input)
    // Until it reads of the new run's shuffle they are all that says how large its blocks are.
    measure(held, input, own.reduce((sum, { value }) => sum + value.length, 0), own.length)
    if (own.length === 0) held.task.offerInFlight(input.input, 0, true, undefined)
    for (let index = input.inFlight ?? 0; index < own.length && wanted(); index += 1) {
      while (held.task.queuedBytes > QUEUED_BYTES_MAX && wanted()) await ports.clock.sleep(POLL_MS)
      held.task.offerInFlight(input.input, index, index === own.length - 1, own[index]?.value)
    }
  }
}

