// C1 to C4: a checkpoint across a shuffle, and the run that comes after it.
import assert from 'node:assert/strict'
import { GARBAGE_AGE_MS, garbagePlan } from '../garbage.ts'
import { buildManifest, objectsOf } from '../manifest.ts'
import { afterClaim, beforeClaim } from '../ownership/decide.ts'
import { emptyView, see } from '../ownership/view.ts'
import type { JournalRecord } from '../records/records.ts'
import { paths } from '../paths.ts'
import { manifestFacts } from '../samples/manifest.ts'
import { claim, commit, driverStamp, ended, stamp, task } from '../samples/records.ts'
import { runRecord } from '../samples/run.ts'
import { INPUTS, Pipeline } from './pipeline.ts'
import type { Scenario } from './scenario.ts'

const once = Array.from({ length: INPUTS }, () => 1)

const downstreamAhead: Scenario = {
  rule: 'C1', breaks: 'the downstream snapshot has counted what the upstream emits again after a restore',
  play: (rules) => {
    const pipeline = new Pipeline(rules)
    pipeline.emit()
    pipeline.emit()
    pipeline.consume()
    const cuts = pipeline.checkpoint(() => {
      pipeline.emit()
      while (pipeline.consumed < pipeline.emitted) pipeline.consume()
    })
    assert.deepEqual(new Pipeline(rules, cuts).runToEnd(), once, 'an input is counted twice after the restore')
  },
}

const lostInFlight: Scenario = {
  rule: 'C2', breaks: 'what was in the shuffle at the cut is lost',
  play: (rules) => {
    const pipeline = new Pipeline(rules)
    for (let n = 0; n < 4; n += 1) pipeline.emit()
    pipeline.consume()
    const cuts = pipeline.checkpoint(() => pipeline.emit())
    assert.deepEqual(new Pipeline(rules, cuts).runToEnd(), once, 'an input is not counted after the restore')
  },
}

const oldRunGoesOn: Scenario = {
  rule: 'C3', breaks: 'the old run goes on beside the restored one: its records are counted again',
  play: (rules) => {
    const [owner, driver] = [stamp('A', 1), driverStamp('D', 2)]
    const journal: JournalRecord[] = [claim(owner), commit(owner, 1), ended(driver)]
    const view = journal.reduce((seen, record, offset) => see(seen, record, offset), emptyView(rules))
    // A driver that does not know gives the old task out once more, with the highest generation there is.
    const late = stamp('B', 1, 0, 3)
    const decision = beforeClaim(view, late, new Set(), rules)
    assert.ok(decision.kind === 'give-up' && decision.ended, 'a task of a run that has ended gets a new owner')
    // And the one that was the owner comes back with a new session.
    const again = stamp('A', 1, 1, 3)
    const back = afterClaim(see(view, claim(again, 'a'), 3), again, new Set([driver.transactionalId]), { nonce: 'a', offset: 3 }, rules)
    assert.ok(back.kind === 'withdraw' && back.ended, 'the owner of a run that has ended goes on')
  },
}

const removedUnderRestore: Scenario = {
  rule: 'C4', breaks: 'the checkpoint that a run is about to begin from is removed by a driver that was replaced, and its objects are collected',
  play: (rules) => {
    const now = 1_700_000_000_000
    const chosen = buildManifest(runRecord, manifestFacts(20))
    const objects = objectsOf(chosen)
    // Its manifest was read, the run record is on its way; meanwhile an old removal arrives, and somebody collects garbage.
    const copies = [{ info: { key: paths.origin(task.job, 3, 'a'.repeat(64)), sizeBytes: 9, modifiedAt: now - 2 * GARBAGE_AGE_MS }, run: 3, manifest: chosen }]
    const plan = garbagePlan({
      job: task.job, run: 2, from: undefined, now, objects: objects.map(({ key, sizeBytes }) => ({ key, sizeBytes, modifiedAt: now - 2 * GARBAGE_AGE_MS })), objectsListedAt: 1, manifestsListedAt: 2, originsListedAt: 3,
      manifests: [21, 22].map((n) => buildManifest(runRecord, manifestFacts(n))), origins: copies,
    }, rules)
    assert.deepEqual(plan.remove, [], 'objects that the new run begins from were removed')
  },
}

export const CHECKPOINT_SCENARIOS: readonly Scenario[] = [downstreamAhead, lostInFlight, oldRunGoesOn, removedUnderRestore]
