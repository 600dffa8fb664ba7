// A takeover that nobody waits for any more has claimed: without a release record behind the claim the next owner fences the whole slot,
// and with one that comes too late the slot's next ownership of the task looks released and is not fenced at all.
import { afterEach, describe, expect, test } from '@jest/globals'
import type { FaultPoints } from '@tidemark/base'
import { paths, RecordAssembler } from '@tidemark/checkpoint'
import type { JournalRecord } from '@tidemark/checkpoint'
import { startDisturbed } from '../integration/slots/counting-slot.ts'
import type { DisturbedLog } from '../integration/slots/disturbed-log.ts'
import type { SlotFixture } from '../integration/slots/slot-fixture.ts'

describe('takeover, revoked before it is done', () => {
  let open: SlotFixture | undefined
  afterEach(async () => {
    await open?.stop()
    open = undefined
  })

  const start = async (): Promise<{ readonly fixture: SlotFixture, readonly disturbed: DisturbedLog, readonly journalTopic: string }> => {
    const { fixture, disturbed } = await startDisturbed({ partitions: 1 })
    open = fixture
    const [task] = fixture.tasks()
    if (task === undefined) throw new Error('no fixture')
    return { fixture, disturbed, journalTopic: paths.journalTopic(task.job, task.run, task.stage) }
  }

  const write = (fixture: SlotFixture, items: number): Promise<unknown> =>
    fixture.log.write([{ topic: `${fixture.run.job}.items`, partition: 0, records: Array.from({ length: items }, () => ({ key: 'u', value: JSON.stringify({ user: 'u' }) })) }])

  const journal = async (fixture: SlotFixture, journalTopic: string): Promise<JournalRecord[]> => {
    const reader = fixture.log.reader()
    const assembler = new RecordAssembler()
    const found: JournalRecord[] = []
    const [offsets] = await fixture.log.offsets(journalTopic)
    for (let offset = 0; offset < (offsets?.stable ?? 0);) {
      const [fetched] = await reader.fetch([{ topic: journalTopic, partition: 0, offset, maxBytes: 1 << 20 }], { isolation: 'committed', maxWaitMs: 0 })
      if (fetched === undefined) break
      for (const record of fetched.records) found.push(...record.value === null ? [] : [assembler.push(record.value, record.offset)?.record].filter((one) => one !== undefined))
      offset = fetched.nextOffset
    }
    await reader.close()
    return found
  }

  /** Assigns the task and holds its first read-back to the own claim up, until the function it resolves with is called. */
  const claimAndStall = async (fixture: SlotFixture, disturbed: DisturbedLog, journalTopic: string) => {
    let claimed = false
    const faults: FaultPoints = { reach: (point) => {
      if (point === 'takeover.claimed') claimed = true
    } }
    const { promise: gate, resolve: letGo } = Promise.withResolvers<undefined>()
    let stalled = 0
    disturbed.disturb = (requests) => {
      if (!claimed || stalled > 0 || !requests.some((request) => request.topic === journalTopic)) return undefined
      stalled += 1
      return gate
    }
    const slot = await fixture.slot({ faults })
    fixture.assign(slot, fixture.tasks())
    await fixture.until(() => stalled === 1, 'the claim')
    return { slot, letGo: () => letGo(undefined) }
  }

  test('takeover: revoked behind its claim → a release record follows the claim', async () => {
    const { fixture, disturbed, journalTopic } = await start()
    const { slot, letGo } = await claimAndStall(fixture, disturbed, journalTopic)
    slot.slot.handle({ kind: 'revoke', tasks: fixture.tasks(), reason: 'move' })
    await fixture.until(() => slot.events.some((event) => event.kind === 'released'), 'released')
    letGo()
    expect((await journal(fixture, journalTopic)).map((record) => record.kind)).toEqual(['claim', 'release'])
  })

  test('takeover: an ownership that ended does not release the next one of the same slot', async () => {
    const { fixture, disturbed, journalTopic } = await start()
    const { slot, letGo } = await claimAndStall(fixture, disturbed, journalTopic)
    slot.slot.handle({ kind: 'revoke', tasks: fixture.tasks(), reason: 'move' })
    await fixture.until(() => slot.events.some((event) => event.kind === 'released'), 'released')
    fixture.assign(slot, fixture.tasks())
    await fixture.until(() => slot.events.some((event) => event.kind === 'running'), 'running again')
    letGo()
    // Two more words of the slot: the first takeover has read its journal and gone.
    const told = (): number => slot.events.filter((event) => event.kind === 'status').length
    const before = told()
    await fixture.until(() => told() >= before + 2, 'the slot going on')
    const second = await fixture.slot()
    fixture.assign(second, fixture.tasks())
    await fixture.until(() => second.events.some((event) => event.kind === 'running'), 'the next owner running')
    await write(fixture, 50)
    await fixture.until(async () => (await fixture.read(`${fixture.run.job}.out`)).length >= 50, 'outputs')
    await fixture.until(() => slot.events.some((event) => event.kind === 'given-up'), 'the old owner learning of it')
    expect(await fixture.read<{ count: number }>(`${fixture.run.job}.out`)).toHaveLength(50)
    expect(slot.events.filter((event) => event.kind === 'given-up').map((event) => event.generation.counter)).toEqual([2])
  })
})
