// A snapshot that is not what was written: whatever was done to it, it is never loaded, the one before is.
import { afterEach, describe, expect, test } from '@jest/globals'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { realClock } from '@tidemark/base'
import { openLocalLog } from '@tidemark/log-local'
import { count, job, json, topic, topicSink } from 'tidemark'
import { SlotFixture } from '../slots/slot-fixture.ts'
import type { RunningSlot } from '../slots/slot-fixture.ts'

interface Visit {
  readonly user: string
}

const visits = (name: string) => job(name)
  .source('visits', topic(`${name}.visits`, { value: json<Visit>(), idleAfter: '1h' }))
  .keyBy((visit) => visit.user, { copartitioned: true })
  .aggregate('per-user', { count: count() }, { emit: 'updates' })
  .sink('out', topicSink(`${name}.out`, { value: json() }))

const DAMAGE: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  'a flipped bit': (body) => { body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 1; return body },
  'truncated by a byte': (body) => body.subarray(0, -1),
  'truncated to half': (body) => body.subarray(0, body.length >> 1),
  empty: () => Buffer.alloc(0),
  'longer than it was': (body) => Buffer.concat([body, Buffer.from([0])]),
  'another one\'s bytes': (body) => Buffer.from(body.toReversed()),
}

const recoveryOf = ({ events }: RunningSlot): unknown[] => events.flatMap((event) => (event.kind === 'running' ? [event.recovery] : []))

interface World {
  readonly fixture: SlotFixture
  /** So many visits more, each answered. */
  readonly write: (visitsMore: number) => Promise<void>
  readonly damage: (taker: RunningSlot, checkpoint: number, how: string) => Promise<void>
  readonly begun: () => Promise<RunningSlot>
  readonly expectExact: () => Promise<void>
}

const world = async (): Promise<World> => {
  const name = `damage-${randomUUID().slice(0, 8)}`
  const fixture = await SlotFixture.start((folder) => openLocalLog({ path: join(folder, 'log.db'), clock: realClock }), visits(name), 1, [`${name}.visits`, `${name}.out`])
  let written = 0
  return {
    fixture,
    write: async (visitsMore) => {
      written += visitsMore
      await fixture.log.write([{ topic: `${name}.visits`, partition: 0, records: Array.from({ length: visitsMore }, () => ({ key: 'ann', value: '{"user":"ann"}' })) }])
      await fixture.until(async () => (await fixture.read(`${name}.out`)).length >= written, `${written} answers`)
    },
    damage: async ({ events }, checkpoint, how) => {
      for (const event of events) {
        if (event.kind !== 'snapshot-named' || event.checkpoint !== checkpoint) continue
        for (const { key } of event.ref.objects) await fixture.store.put(key, DAMAGE[how]?.(await fixture.store.get(key)) ?? Buffer.alloc(0))
      }
    },
    begun: async () => {
      const running = await fixture.slot()
      fixture.assign(running, fixture.tasks())
      return running
    },
    expectExact: async () => expect(await fixture.read(`${name}.out`)).toEqual(Array.from({ length: written }, (_, i) => ({ key: 'ann', count: i + 1 }))),
  }
}

describe('a corrupt or truncated snapshot', () => {
  let open: World | undefined
  afterEach(async () => {
    await open?.fixture.stop()
    open = undefined
  })

  test.each(Object.keys(DAMAGE))('%s → the one before is used with a longer tail, and it says so; nothing lost, nothing doubled', async (how) => {
    const { fixture, write, damage, begun, expectExact } = open = await world()
    const first = await begun()
    for (const checkpoint of [1, 2]) {
      await write(30)
      await fixture.snapshot(first, checkpoint)
    }
    await write(10)
    first.kill()
    await damage(first, 2, how)
    const second = await begun()
    await write(10)
    await expectExact()
    expect(recoveryOf(second)).toMatchObject([{ snapshot: { checkpoint: 1 }, remarks: [expect.stringMatching(/checkpoint 2 is missing or damaged; the snapshot of checkpoint 1 is used/)] }])
  })

  test('the newest is damaged, and so is the first one that its next owner takes → what that owner began with is there still, and its tail', async () => {
    const { fixture, write, damage, begun, expectExact } = open = await world()
    let owner = await begun()
    for (const checkpoint of [1, 2]) {
      await write(30)
      await fixture.snapshot(owner, checkpoint)
    }
    for (const checkpoint of [2, 3]) {
      owner.kill()
      await damage(owner, checkpoint, 'a flipped bit')
      owner = await begun()
      await write(10)
      expect(recoveryOf(owner)).toMatchObject([{ snapshot: { checkpoint: 1 } }])
      if (checkpoint === 2) await fixture.snapshot(owner, 3)
      await write(10)
    }
    await expectExact()
  })
})
