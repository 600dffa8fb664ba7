// S7: what of a job's state objects nobody will read again. Objects are listed first, then manifests: an object uploaded in between is not
// on the list, a manifest written in between is. C4: origins last. Who submits copies a manifest and then sees that it is still there: if it was gone
// when manifests were listed here, the copy was there before, and is on the list. Copies that no run needs go too. A dry run prints the same plan.
import { invariantBroken } from '@tidemark/base'
import type { JobId, ObjectInfo } from '@tidemark/base'
import { objectsOf } from './manifest.ts'
import type { Manifest } from './manifest.ts'
import { paths } from './paths.ts'
import { ALL_RULES } from './rules.ts'
import type { Rules } from './rules.ts'

/** An object, or a copy, younger than this is never garbage: its naming record may still be under way, whoever wrote it. */
export const GARBAGE_AGE_MS = 24 * 3_600_000

/** A copy of a manifest that a run began from, or is about to. */
export interface Origin {
  readonly info: ObjectInfo
  readonly run: number
  /** Undefined: not read, for it is of a run before the newest, which needs it no more. */
  readonly manifest: Manifest | undefined
}

export interface GarbageFacts {
  readonly job: JobId
  /** The newest run. */
  readonly run: number
  /** Key of the manifest that it began from; undefined: empty. */
  readonly from: string | undefined
  /** Everything under the job's state prefix. */
  readonly objects: readonly ObjectInfo[]
  /** Monotonic, ms: when the listing of objects began. */
  readonly objectsListedAt: number
  /** Every manifest and savepoint there is, read after the listing. */
  readonly manifests: readonly Manifest[]
  readonly manifestsListedAt: number
  /** Every copy for a run, listed after the manifests. */
  readonly origins: readonly Origin[]
  readonly originsListedAt: number
  /** By the store's clock, ms. */
  readonly now: number
}

export interface GarbagePlan {
  readonly remove: readonly ObjectInfo[]
  /** Of `remove`. */
  readonly bytes: number
  /** Keys of copies that their runs need no more. */
  readonly removeOrigins: readonly string[]
  /** Why objects stay, with how many. */
  readonly spared: Readonly<Record<'named' | 'recent-checkpoint' | 'young' | 'unknown', number>>
}

export const garbagePlan = (facts: GarbageFacts, rules: Rules = ALL_RULES): GarbagePlan => {
  if (rules.S7 && facts.manifestsListedAt < facts.objectsListedAt) {
    throw invariantBroken('S7', `manifests were listed at ${facts.manifestsListedAt}, before the objects at ${facts.objectsListedAt}`, { job: facts.job })
  }
  if (rules.C4 && facts.originsListedAt < facts.manifestsListedAt) {
    throw invariantBroken('C4', `origins were listed at ${facts.originsListedAt}, before the manifests at ${facts.manifestsListedAt}`, { job: facts.job })
  }
  const numbers = [...new Set(facts.manifests.filter((manifest) => manifest.run === facts.run).map((manifest) => manifest.checkpoint))].toSorted((a, b) => b - a)
  // Journals may name what is at or above it and no manifest does yet. A run with fewer than two: everything.
  const spareFrom = numbers[1] ?? 0
  const { needed = [], over = [] } = Object.groupBy(facts.origins, (origin) => (isNeeded(origin, facts, numbers.length) ? 'needed' : 'over'))
  const origins = rules.C4 ? needed.map((origin) => manifestOf(origin, facts)) : []
  const isYoung = ({ modifiedAt }: ObjectInfo): boolean => facts.now - modifiedAt < GARBAGE_AGE_MS
  const named = new Set([...facts.manifests, ...origins].flatMap((manifest) => objectsOf(manifest).map((object) => object.key)))
  const spared = { named: 0, 'recent-checkpoint': 0, young: 0, unknown: 0 }
  const remove = facts.objects.filter((object) => {
    const parsed = paths.parseStateObject(object.key)
    const reason = parsed === undefined || parsed.job !== facts.job ? 'unknown'
      : named.has(object.key) ? 'named'
      : !rules.S7 ? undefined
      : parsed.checkpoint >= spareFrom ? 'recent-checkpoint'
      : isYoung(object) ? 'young' : undefined
    if (reason !== undefined) spared[reason] += 1
    return reason === undefined
  })
  return { remove, bytes: remove.reduce((sum, object) => sum + object.sizeBytes, 0), removeOrigins: over.flatMap(({ info }) => (isYoung(info) ? [] : info.key)), spared }
}

/** No is for ever. A run without a record yet may get one at any time, from a driver that stood still however long: until there is a later run. */
const isNeeded = ({ info, run }: Origin, { run: newest, from }: GarbageFacts, ownManifests: number): boolean => run > newest || (run === newest && info.key === from && ownManifests < 2)

/** Without it nobody knows what a run may still read: then nothing is garbage. */
const manifestOf = ({ info, run, manifest }: Origin, { job, run: newest }: GarbageFacts): Manifest => {
  if (manifest === undefined) throw invariantBroken('C4', `${info.key} was not read, but run ${run} may need what it names: the newest run is ${newest}`, { job })
  return manifest
}
