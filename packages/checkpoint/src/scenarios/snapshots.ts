// S1, S2, S7, S8, S9: what a snapshot holds, and how long it and its tail are kept.
import assert from 'node:assert/strict'
import { GARBAGE_AGE_MS, garbagePlan } from '../garbage.ts'
import { buildManifest } from '../manifest.ts'
import { commit, snapshot, stamp, task } from '../samples/records.ts'
import { manifestFacts } from '../samples/manifest.ts'
import { runRecord } from '../samples/run.ts'
import { paths } from '../paths.ts'
import { snapshotsToName, trimPlan } from '../snapshot/plan.ts'
import { planTakeover } from '../takeover.ts'
import type { Scenario } from './scenario.ts'
import { WalkedTask } from './walked-task.ts'

const changedMeanwhile: Scenario = {
  rule: 'S1', breaks: 'a key that changed after its slice was walked is lost',
  play: (rules) => {
    const walked = new WalkedTask(rules)
    walked.process({ a: 1, b: 1 })
    walked.commit()
    walked.startWalk()
    walked.slice()
    walked.process({ a: 2 })
    walked.commit()
    walked.slice()
    assert.ok(walked.finish(1))
    walked.process({ b: 3 })
    walked.commit()
    assert.deepEqual(walked.rebuilt(), walked.committed, 'the next owner does not rebuild the committed state')
  },
}

const abortedInWalk: Scenario = {
  rule: 'S2', breaks: 'the snapshot holds a value whose transaction was aborted',
  play: (rules) => {
    const walked = new WalkedTask(rules)
    walked.process({ a: 1 })
    walked.commit()
    walked.startWalk()
    walked.process({ a: 2 })
    walked.slice()
    walked.abort()
    // With the rule there is nothing left to finish, and the next walk is clean.
    if (!walked.finish(1)) {
      walked.startWalk()
      walked.slice()
      walked.finish(1)
    }
    walked.process({ b: 1 })
    walked.commit()
    assert.deepEqual(walked.rebuilt(), walked.committed, 'the next owner does not rebuild the committed state')
  },
}

const finishedInFlight: Scenario = {
  rule: 'S9', breaks: 'the snapshot is exact at no position: as an old checkpoint it counts a batch twice',
  play: (rules) => {
    const walked = new WalkedTask(rules)
    walked.process({ a: 1 })
    walked.commit()
    walked.startWalk()
    walked.slice()
    walked.process({ a: 2 })
    const early = walked.finish(1)
    walked.commit()
    if (!early) walked.finish(1)
    const found = walked.snapshotState()
    assert.ok(found !== undefined)
    assert.deepEqual(found.state, walked.stateAfter(found.batchId), `the snapshot is not the state after batch ${found.batchId}`)
  },
}

const collectedTooEarly: Scenario = {
  rule: 'S7', breaks: 'garbage collection removes a snapshot that a journal names and no manifest does yet',
  play: (rules) => {
    const now = 1_700_000_000_000
    const key = paths.snapshotObject(task, 23, { epoch: 1, counter: 1 }, 'n', 0)
    // Named by a commit record; its checkpoint was slow and is now two days old, the manifest is still to be written.
    const named = commit(stamp('A', 1), 90, [{ ...snapshot(stamp('A', 1), 23, 80, 800), objects: [{ key, sizeBytes: 9, sha256: 'a'.repeat(64) }] }])
    const plan = garbagePlan({
      job: task.job, run: 2, from: undefined, origins: [], originsListedAt: 3, now, objects: [{ key, sizeBytes: 9, modifiedAt: now - 2 * GARBAGE_AGE_MS }], objectsListedAt: 1, manifestsListedAt: 2,
      manifests: [21, 22].map((n) => buildManifest(runRecord, manifestFacts(n))),
    }, rules)
    const removed = new Set(plan.remove.map((object) => object.key))
    assert.ok(!named.snapshots.some((ref) => ref.objects.some((object) => removed.has(object.key))), 'the snapshot that the newest commit record names was removed')
  },
}

const trimmedTooFar: Scenario = {
  rule: 'S8', breaks: 'the newest snapshot is damaged and the one before has lost its tail',
  play: (rules) => {
    const by = stamp('A', 1)
    const newest = commit(by, 60, snapshotsToName([snapshot(by, 4, 40, 400)], snapshot(by, 5, 50, 500)))
    const start = trimPlan(newest, new Set(), rules).journalBefore ?? 0
    const plan = planTakeover(newest, null, start, ['no-good'])
    assert.equal(plan.kind, 'try', 'nothing is left to rebuild the state from')
  },
}

export const SNAPSHOT_SCENARIOS: readonly Scenario[] = [changedMeanwhile, abortedInWalk, collectedTooEarly, trimmedTooFar, finishedInFlight]
