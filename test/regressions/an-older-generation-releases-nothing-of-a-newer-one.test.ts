// A slot uses one transactional id for everything it owns: its release of an earlier ownership, written late, says nothing of a later one.
import { expect, test } from '@jest/globals'
import { executorId, jobId, slotId, stageId, transactionalId } from '@tidemark/base'
import { ALL_RULES, beforeClaim, emptyView, see } from '@tidemark/checkpoint'
import type { ClaimRecord, Generation, ReleaseRecord } from '@tidemark/checkpoint'

const task = { job: jobId('sales'), run: 1, stage: stageId(0), partition: 0 }
const stamp = (slot: string, counter: number) => ({
  generation: { epoch: 1, counter } satisfies Generation, owner: { executor: executorId(`executor of ${slot}`), slot: 0, slotId: slotId(slot) }, transactionalId: transactionalId(`tidemark.sales.1.${slot}.0`),
})
const claim = (counter: number): ClaimRecord => ({ kind: 'claim', task, timestamp: 0, nonce: `n${counter}`, ...stamp('a', counter) })
const release = (counter: number): ReleaseRecord => ({ kind: 'release', task, timestamp: 0, ...stamp('a', counter) })

test('takeover: an id that claimed again is fenced, though a release of its earlier generation follows', () => {
  const view = [claim(1), claim(2), release(1)].reduce((into, record, offset) => see(into, record, offset), emptyView())
  expect(beforeClaim(view, stamp('b', 3), new Set(), ALL_RULES)).toEqual({ kind: 'fence', ids: [stamp('a', 2).transactionalId] })
})

test('takeover: an id that released its newest generation is not fenced', () => {
  const view = [claim(1), claim(2), release(2)].reduce((into, record, offset) => see(into, record, offset), emptyView())
  expect(beforeClaim(view, stamp('b', 3), new Set(), ALL_RULES).kind).toBe('claim')
})
