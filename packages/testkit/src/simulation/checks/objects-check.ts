// Objects of the store: none goes that somebody may still need, and a checkpoint is complete in itself from the moment it is written.
import { parseManifest, parseRun, paths } from '@tidemark/checkpoint'
import type { Manifest, RunRecord } from '@tidemark/checkpoint'
import type { SimCluster } from '../cluster.ts'
import { sha256Of } from './journal-check.ts'
import type { JournalCheck } from './journal-check.ts'
import type { Violations } from './violations.ts'

export class ObjectsCheck {
  readonly #cluster: SimCluster
  readonly #journals: ReadonlyMap<string, JournalCheck>
  readonly #damaged: ReadonlySet<string>
  readonly #violations: Violations
  /** Copies that no run needed any more when they went, by key. */
  readonly #origins = new Map<string, Buffer>()

  /** `damaged`: by a fault, on purpose. */
  constructor(cluster: SimCluster, journals: ReadonlyMap<string, JournalCheck>, damaged: ReadonlySet<string>, violations: Violations) {
    this.#cluster = cluster
    this.#journals = journals
    this.#damaged = damaged
    this.#violations = violations
  }

  /** Of the checkpoint that a run began from. */
  origin(record: RunRecord): Manifest | undefined {
    if (record.from === null) return undefined
    const body = this.#cluster.objects.get(record.from.manifest)?.body ?? this.#origins.get(record.from.manifest)
    if (body !== undefined) return parseManifest(body, record.from.manifest)
    this.#violations.add('needed object', `${record.from.manifest}, which run ${record.run} began from, is gone`)
    return undefined
  }

  gone(key: string, body: Buffer): void {
    this.#originGone(key, body)
    if (paths.parseManifest(key) && ![...this.#cluster.objects.keys()].some((one) => paths.parseManifest(one))) this.#violations.add('needed object', `${key} was the last checkpoint, and is gone`)
    if (paths.parseStateObject(key) === undefined) return
    for (const journal of this.#journals.values()) journal.recoverable(`${key} was deleted`)
    for (const [at, { body }] of this.#cluster.objects) if (paths.parseManifest(at)) this.#complete(at, body, `${key} was deleted`)
  }

  /** C4: whoever may still begin from its copy has it. */
  #originGone(key: string, body: Buffer): void {
    const of = paths.parseOrigin(key)
    if (of === undefined) return
    const stored = [...this.#cluster.objects]
    const newest = Math.max(...stored.map(([one]) => paths.parseRun(one)?.number ?? 0))
    const own = stored.flatMap(([at, one]) => (paths.parseManifest(at) ? parseManifest(one.body, at) : [])).filter(({ run }) => run === of.number)
    const isFrom = stored.some(([at, one]) => paths.parseRun(at)?.number === of.number && parseRun(one.body, at).from?.manifest === key)
    if (of.number > newest || (of.number === newest && isFrom && own.length < 2)) this.#violations.add('needed object', `${key}, which run ${of.number} began from or may begin from, is gone when it has ${own.length} checkpoints of its own, and the newest run is ${newest}`)
    else this.#origins.set(key, body)
  }

  added(key: string): void {
    const body = this.#cluster.objects.get(key)?.body
    if (body === undefined || !paths.parseManifest(key)) return
    this.#complete(key, body, 'it was written')
    this.#owed(key, parseManifest(body, key))
  }

  /** What sinks have not got yet is known to who restores it. */
  #owed(key: string, { job, run, parts }: Manifest): void {
    for (const { stage, partition, ref, outbox } of parts) {
      const held = this.#journals.get(`${paths.journalTopic(job, run, stage)}/${partition}`)?.undeliveredAt(ref.batchId)
      const said = outbox?.reduce((sum, { entries }) => sum + entries, 0)
      if (held !== undefined && said !== held) this.#violations.add('owed', `in ${key} ${stage}-${partition} owes its sinks ${said ?? 'nobody knows how many'} entries, behind batch ${ref.batchId} it held ${held}`)
    }
  }

  /** C1: no reader has taken a block that its writer's part does not know of. */
  #consistent(key: string, { parts }: Manifest): void {
    for (const { stage, partition, upstreams } of parts) {
      for (const mark of upstreams) {
        const writer = parts.find((part) => part.stage === 's0' && part.partition === mark.partition)
        if (writer !== undefined && mark.batchId > writer.ref.batchId) this.#violations.add('cut', `in ${key} ${stage}-${partition} has taken batch ${mark.batchId} of s0-${mark.partition}, whose part ends at batch ${writer.ref.batchId}`)
      }
    }
  }

  /** A checkpoint is complete in itself. */
  #complete(key: string, body: Buffer, why: string): void {
    const manifest = parseManifest(body, key)
    this.#consistent(key, manifest)
    for (const object of [...manifest.parts.flatMap(({ ref }) => ref.objects), ...manifest.inFlight.flatMap(({ objects }) => objects)]) {
      const found = this.#cluster.objects.get(object.key)?.body
      if (found === undefined || (!this.#damaged.has(object.key) && sha256Of(found) !== object.sha256)) this.#violations.add('needed object', `after ${why} ${object.key}, which ${key} names, is ${found === undefined ? 'gone' : 'not what was written'}`)
    }
  }
}
