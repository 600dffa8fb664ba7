// S7: what of a job's state objects nobody will read again. Objects are listed first, then manifests: an object uploaded in between is not
// on the list, a manifest written in between is. A dry run prints the same plan.
import { invariantBroken } from '@tidemark/base'
import type { JobId, ObjectInfo } from '@tidemark/base'
import { objectsOf } from './manifest.ts'
import type { Manifest } from './manifest.ts'
import { paths } from './paths.ts'
import { ALL_RULES } from './rules.ts'
import type { Rules } from './rules.ts'

/** An object younger than this is never garbage: its naming record may still be under way, whoever wrote it. */
export const GARBAGE_AGE_MS = 24 * 3_600_000

export interface GarbageFacts {
  readonly job: JobId
  /** The present run (or the last one). */
  readonly run: number
  /** Everything under the job's state prefix. */
  readonly objects: readonly ObjectInfo[]
  /** Monotonic, ms: when the listing of objects began. */
  readonly objectsListedAt: number
  /** Every manifest and savepoint there is, read after the listing. */
  readonly manifests: readonly Manifest[]
  readonly manifestsListedAt: number
  /** By the store's clock, ms. */
  readonly now: number
}

export interface GarbagePlan {
  readonly remove: readonly ObjectInfo[]
  readonly bytes: number
  /** Why objects stay, with how many. */
  readonly spared: Readonly<Record<'named' | 'recent-checkpoint' | 'young' | 'unknown', number>>
}

export const garbagePlan = (facts: GarbageFacts, rules: Rules = ALL_RULES): GarbagePlan => {
  if (rules.S7 && facts.manifestsListedAt < facts.objectsListedAt) {
    throw invariantBroken('S7', `manifests were listed at ${facts.manifestsListedAt}, before the objects at ${facts.objectsListedAt}`, { job: facts.job })
  }
  const named = new Set(facts.manifests.flatMap((manifest) => objectsOf(manifest).map((object) => object.key)))
  const numbers = [...new Set(facts.manifests.filter((manifest) => manifest.run === facts.run).map((manifest) => manifest.checkpoint))].toSorted((a, b) => b - a)
  // Journals may name what is at or above it and no manifest does yet. A run with fewer than two: everything.
  const spareFrom = numbers[1] ?? 0
  const spared = { named: 0, 'recent-checkpoint': 0, young: 0, unknown: 0 }
  const remove = facts.objects.filter((object) => {
    const parsed = paths.parseStateObject(object.key)
    const reason = parsed === undefined || parsed.job !== facts.job ? 'unknown'
      : named.has(object.key) ? 'named'
      : !rules.S7 ? undefined
      : parsed.checkpoint >= spareFrom ? 'recent-checkpoint'
      : facts.now - object.modifiedAt < GARBAGE_AGE_MS ? 'young' : undefined
    if (reason !== undefined) spared[reason] += 1
    return reason === undefined
  })
  return { remove, bytes: remove.reduce((sum, object) => sum + object.sizeBytes, 0), spared }
}
