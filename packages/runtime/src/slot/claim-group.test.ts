import { expect, test } from '@jest/globals'
import { ClaimGroup } from './claim-group.ts'
import type { HeldTask } from './held-task.ts'
import { fixture } from './slot.sample.ts'

const start = (count: number): { readonly helds: readonly HeldTask[], readonly group: ClaimGroup, readonly claims: number[][] } => {
  const helds = Array.from({ length: count }, () => fixture().held)
  const claims: number[][] = []
  return { helds, claims, group: new ClaimGroup(helds, async (ready) => {
    claims.push(ready.map((held) => helds.indexOf(held)))
    return new Map()
  }) }
}

test('claim group, all are ready one after the other → one claim for all, when the last one is', async () => {
  const { helds, group, claims } = start(3)
  const asked = helds.slice(0, 2).map((held) => group.claim(held))
  await Promise.resolve()
  expect(claims).toEqual([])
  await Promise.all([...asked, ...helds.slice(2).map((held) => group.claim(held))])
  expect(claims).toEqual([[0, 1, 2]])
})

test('claim group, one waits for its snapshot → the others claim without it, and it claims alone when it is ready', async () => {
  const { helds: [one, two, three], group, claims } = start(3)
  if (one === undefined || two === undefined || three === undefined) throw new Error('no tasks')
  const asked = [group.claim(one), group.claim(two)]
  group.leave(three)
  group.leave(three)
  await Promise.all(asked)
  await group.claim(three)
  expect(claims).toEqual([[0, 1], [2]])
})

test('claim group, all leave → nothing is claimed; an end behind the claim changes nothing', async () => {
  const { helds, group, claims } = start(2)
  for (const held of helds) group.leave(held)
  expect(claims).toEqual([])
  const other = start(1)
  for (const held of other.helds) {
    await other.group.claim(held)
    other.group.leave(held)
  }
  expect(other.claims).toEqual([[0]])
})

test('claim group, the claim goes wrong → each of them hears of it', async () => {
  const helds = [fixture().held, fixture().held]
  const group = new ClaimGroup(helds, () => Promise.reject(new Error('the log is gone')))
  const outcomes = await Promise.allSettled(helds.map((held) => group.claim(held)))
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
})
