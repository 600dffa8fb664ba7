import { expect, test } from '@jest/globals'
import { VirtualClock } from '@tidemark/testkit'
import { ClaimGroup } from './claim-group.ts'
import type { HeldTask } from './held-task.ts'
import { fixture } from './slot.sample.ts'

const start = (count: number): { readonly helds: readonly HeldTask[], readonly group: ClaimGroup, readonly claims: number[][], readonly clock: VirtualClock } => {
  const clock = new VirtualClock()
  const helds = Array.from({ length: count }, () => fixture().held)
  const claims: number[][] = []
  return { helds, claims, clock, group: new ClaimGroup(helds, clock, async (ready) => {
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

test('claim group, the log does not answer for one of them → the others wait half a second for it, claim without it, and it claims alone when it is ready', async () => {
  const { helds: [one, two, three], group, claims, clock } = start(3)
  if (one === undefined || two === undefined || three === undefined) throw new Error('no tasks')
  await clock.advance(10_000)
  const asked = [group.claim(one)]
  await clock.advance(300)
  asked.push(group.claim(two))
  await clock.advance(199)
  expect(claims).toEqual([])
  await clock.advance(2)
  await Promise.all(asked)
  expect(claims).toEqual([[0, 1]])
  group.leave(three)
  await group.claim(three)
  await clock.advance(10_000)
  expect(claims).toEqual([[0, 1], [2]])
})

test('claim group, all are decided in time → claimed once, however long it takes then', async () => {
  const { helds, group, claims, clock } = start(2)
  await Promise.all(helds.map((held) => group.claim(held)))
  await clock.advance(10_000)
  expect(claims).toEqual([[0, 1]])
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
  const group = new ClaimGroup(helds, new VirtualClock(), () => Promise.reject(new Error('the log is gone')))
  const outcomes = await Promise.allSettled(helds.map((held) => group.claim(held)))
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
})
