// Every fault that an audit can report, made on purpose in a run that is in balance: found, by its name, with what it cost.
import { describe, expect, test } from '@jest/globals'
import { Packr } from 'msgpackr'
import { auditedWorld, auditWorld, BATCHES, commitAt, RECORDS, rewrite } from '../samples/audited.ts'
import type { AuditedWorld } from '../samples/audited.ts'
import { runRecord } from '../samples/run.ts'
import { claim, ended, stamp } from '../samples/records.ts'
import { FAULTS, Findings } from './findings.ts'
import type { FaultKind } from './findings.ts'
import { auditReport } from './report.ts'

const packr = new Packr({ useRecords: false })

const journal = (world: AuditedWorld, name: string) => {
  const found = world.journals[name]
  if (found === undefined) throw new TypeError(name)
  return found
}
const remove = (world: AuditedWorld, name: string, batchId: number): void => {
  const { records } = journal(world, name)
  records.splice(records.findIndex(({ record }) => record.kind === 'commit' && record.content.batchId === batchId), 1)
}
const repeat = (world: AuditedWorld, name: string, batchId: number): void => void journal(world, name).records.push({ record: structuredClone(commitAt(world, name, batchId)), offset: 100 })
const blocksOf = (world: AuditedWorld) => world.shuffle[0] ?? []
/** Of the first writer, for the first reader; it stands at offset `2 * (batchId - 1)`. */
const blockOf = (world: AuditedWorld, batchId: number) => {
  const found = blocksOf(world)[2 * (batchId - 1)]
  if (found === undefined) throw new TypeError(`no block of batch ${batchId}`)
  return found
}
/** A batch's books and every total from it on, changed alike. */
const changeBooks = (world: AuditedWorld, name: string, from: number, change: (books: { -readonly [K in keyof typeof NUMBERS]: number }) => void): void => {
  for (let batchId = from; batchId <= BATCHES; batchId += 1) {
    const { content } = commitAt(world, name, batchId)
    if (batchId === from) change(content.books)
    change(content.totals)
  }
}
const NUMBERS = { offsets: 0, noRecord: 0, records: 0, shuffleRecords: 0, blocks: 0, folded: 0, passedOn: 0, filtered: 0, late: 0, deadLettered: 0, skipped: 0, emitted: 0 }

interface Corruption {
  readonly kind: FaultKind
  readonly what: string
  readonly corrupt: (world: AuditedWorld) => void
  /** Of the first finding of this kind. */
  readonly finds?: Readonly<Record<string, unknown>>
}

const CORRUPTIONS: readonly Corruption[] = [
  { kind: 'batch-missing', what: 'a commit record is gone', corrupt: (world) => remove(world, 's1-0', 3), finds: { stage: 's1', partition: 0, batchId: 3 } },
  { kind: 'batch-missing', what: 'the first commit record is gone', corrupt: (world) => remove(world, 's1-0', 1), finds: { batchId: 1 } },
  { kind: 'batch-doubled', what: 'a commit record stands there twice', corrupt: (world) => repeat(world, 's0-1', 5), finds: { stage: 's0', partition: 1, batchId: 5 } },
  { kind: 'foreign-record', what: "a neighbour's record", corrupt: (world) => void (commitAt(world, 's1-0', 3).task.partition = 1), finds: { offset: 3 } },
  { kind: 'generation-back', what: 'an older owner committed behind a newer one', corrupt: (world) => void Object.assign(commitAt(world, 's1-1', 3), { generation: { epoch: 1, counter: 2 } }), finds: { batchId: 4 } },
  { kind: 'generation-back', what: 'blocks of an older owner behind those of a newer one', corrupt: (world) => void (blockOf(world, 3).head.generation = { epoch: 2, counter: 1 }), finds: { batchId: 4, topicPartition: 0 } },
  { kind: 'generation-shared', what: 'another slot in the same generation', corrupt: (world) => void Object.assign(commitAt(world, 's1-1', 3), { owner: stamp('other', 1).owner }), finds: { batchId: 3 } },
  {
    kind: 'id-back', what: 'an id that another has followed', finds: { batchId: 5 },
    corrupt: (world) => {
      journal(world, 's1-1').records.unshift({ record: { ...claim(stamp('s1-1', 1, 1)), task: commitAt(world, 's1-1', 1).task }, offset: 0 })
      Object.assign(commitAt(world, 's1-1', 4), { transactionalId: stamp('s1-1', 1, 1).transactionalId })
    },
  },
  { kind: 'unclaimed', what: 'the claim is gone', corrupt: (world) => void journal(world, 's0-0').records.shift(), finds: { batchId: 1 } },
  {
    kind: 'after-ended', what: 'a batch behind the end of the run', finds: { batchId: 5 },
    corrupt: (world) => void journal(world, 's0-0').records.splice(-1, 0, { record: { ...ended(stamp('driver', 1)), task: commitAt(world, 's0-0', 1).task }, offset: 5 }),
  },
  { kind: 'books-unbalanced', what: 'a record without a fate', corrupt: (world) => changeBooks(world, 's1-0', 3, (books) => void (books.folded -= 1)), finds: { batchId: 3, lost: 1, doubled: 0 } },
  { kind: 'books-unbalanced', what: 'a record with two fates', corrupt: (world) => changeBooks(world, 's1-0', 3, (books) => void (books.late += 1)), finds: { batchId: 3, lost: 0, doubled: 1 } },
  { kind: 'books-unbalanced', what: 'offsets that nothing accounts for', corrupt: (world) => changeBooks(world, 's1-0', 3, (books) => void (books.noRecord += 2)), finds: { batchId: 3 } },
  { kind: 'books-unbalanced', what: 'a negative number', corrupt: (world) => changeBooks(world, 's1-0', 3, (books) => void (books.emitted = -1)), finds: { batchId: 3 } },
  { kind: 'totals-wrong', what: 'a sum that is not the sum', corrupt: (world) => void (commitAt(world, 's1-0', 3).content.totals.folded += 1), finds: { batchId: 3 } },
  { kind: 'position-jump', what: 'a position that is ahead of the books', corrupt: (world) => void Object.assign(commitAt(world, 's0-0', 3).content.positions[0] ?? {}, { next: 31 }), finds: { batchId: 3 } },
  { kind: 'position-jump', what: 'a position that went back', corrupt: (world) => void Object.assign(commitAt(world, 's0-0', 3).content.positions[0] ?? {}, { next: 12 }), finds: { batchId: 3 } },
  { kind: 'position-jump', what: 'a position that is gone', corrupt: (world) => void commitAt(world, 's0-0', 3).content.positions.pop(), finds: { batchId: 3 } },
  { kind: 'position-jump', what: 'a last record at the next offset', corrupt: (world) => void Object.assign(commitAt(world, 's0-0', 3).content.positions[0] ?? {}, { last: { offset: 30, checksum: 30 } }), finds: { batchId: 3 } },
  { kind: 'mark-back', what: 'the watermark went back', corrupt: (world) => void (commitAt(world, 's1-0', 3).content.watermark = 1), finds: { batchId: 3 } },
  { kind: 'mark-back', what: "a writer's last batch went back", corrupt: (world) => void Object.assign(commitAt(world, 's1-0', 3).content.upstreams[1] ?? {}, { batchId: 1 }), finds: { batchId: 3 } },
  { kind: 'mark-back', what: 'a writer is forgotten', corrupt: (world) => void commitAt(world, 's1-0', 3).content.upstreams.pop(), finds: { batchId: 3 } },
  { kind: 'snapshot-misplaced', what: 'a tail that begins too late', corrupt: (world) => void Object.assign(commitAt(world, 's1-0', 5).snapshots[0] ?? {}, { journalNext: 6 }), finds: { batchId: 5 } },
  { kind: 'snapshot-misplaced', what: 'a tail that begins too early', corrupt: (world) => void Object.assign(commitAt(world, 's1-0', 5).snapshots[0] ?? {}, { journalNext: 4 }), finds: { batchId: 5 } },
  { kind: 'snapshot-misplaced', what: 'a position of another batch', corrupt: (world) => void Object.assign(commitAt(world, 's1-0', 5).snapshots[0]?.positions[0] ?? {}, { next: 7 }), finds: { batchId: 5 } },
  { kind: 'snapshot-misplaced', what: 'a snapshot of a batch that is not yet', corrupt: (world) => void Object.assign(commitAt(world, 's1-0', 5).snapshots[0] ?? {}, { batchId: 5 }), finds: { batchId: 5 } },
  { kind: 'tail-trimmed', what: 'the journal begins behind the older tail', corrupt: (world) => void (journal(world, 's1-0').start = 4), finds: { offset: 4 } },
  { kind: 'position-beyond-end', what: 'the topic was made anew', corrupt: (world) => void (world.ends['orders/1'] = { start: 0, end: 3 }), finds: { topic: 'orders', topicPartition: 1, offset: BATCHES * RECORDS } },
  { kind: 'position-beyond-end', what: 'the topic is gone', corrupt: (world) => void delete world.ends['orders/1'], finds: { topicPartition: 1 } },
  { kind: 'position-behind-start', what: 'retention was quicker', corrupt: (world) => void (world.ends['orders/0'] = { start: 54, end: 60 }), finds: { lost: 4 } },
  { kind: 'record-changed', what: 'another record at a last offset', corrupt: (world) => void world.orders[1]?.splice(29, 1, 7), finds: { batchId: 3, topic: 'orders', topicPartition: 1, offset: 29 } },
  { kind: 'records-miscounted', what: 'a record that was read is not in the log', corrupt: (world) => void world.orders[0]?.splice(15, 1, undefined), finds: { stage: 's0', partition: 0, batchId: 2, doubled: 1 } },
  {
    kind: 'records-miscounted', what: 'a record was taken for no record', finds: { stage: 's0', partition: 0, batchId: 2, lost: 1 },
    corrupt: (world) => changeBooks(world, 's0-0', 2, (books) => {
      books.records -= 1
      books.passedOn -= 1
      books.noRecord += 1
    }),
  },
  { kind: 'blocks-miscounted', what: 'a record in a block is not counted', corrupt: (world) => changeBooks(world, 's1-0', 2, (books) => Object.assign(books, { records: books.records - 1, shuffleRecords: books.shuffleRecords - 1, folded: books.folded - 1 })), finds: { batchId: 2, lost: 1 } },
  { kind: 'block-foreign', what: 'a writer that is none', corrupt: (world) => void (blockOf(world, 3).head.partition = 7), finds: { topicPartition: 0, offset: 4 } },
  { kind: 'block-missing', what: "a batch's first block is gone", corrupt: (world) => void Object.assign(blockOf(world, 3).head, { index: 1, count: 2 }), finds: { batchId: 3, offset: 4 } },
  { kind: 'block-missing', what: "a batch's last block is gone", corrupt: (world) => void (blockOf(world, 3).head.count = 2), finds: { batchId: 3 } },
  { kind: 'block-missing', what: 'the last block of all is gone', corrupt: (world) => void (blockOf(world, BATCHES).head.count = 2), finds: { batchId: BATCHES } },
  { kind: 'block-doubled', what: 'a block comes again', corrupt: (world) => void blocksOf(world).splice(6, 0, structuredClone(blockOf(world, 3))), finds: { batchId: 3, offset: 6, doubled: 5 } },
  { kind: 'block-uncommitted', what: "a block that was read, of a batch that its writer's journal does not have", corrupt: (world) => remove(world, 's0-0', 5), finds: { stage: 's0', partition: 0, batchId: 5, doubled: 5 } },
  { kind: 'mark-wrong', what: 'a reader that is further than its position', corrupt: (world) => void Object.assign(commitAt(world, 's1-0', 3).content.upstreams[0] ?? {}, { batchId: 4 }), finds: { stage: 's1', partition: 0, batchId: 3 } },
  { kind: 'emitted-miscounted', what: 'a block is gone', corrupt: (world) => void blocksOf(world).splice(4, 1), finds: { stage: 's0', partition: 0, batchId: 3, lost: 5 } },
  { kind: 'emitted-miscounted', what: 'a record is in a block that was not sent', corrupt: (world) => void (blockOf(world, 3).records += 1), finds: { batchId: 3, doubled: 1 } },
  { kind: 'shuffle-miscounted', what: 'totals that lost a record', corrupt: (world) => changeBooks(world, 's1-0', 2, (books) => Object.assign(books, { records: books.records - 1, shuffleRecords: books.shuffleRecords - 1, folded: books.folded - 1 })), finds: { lost: 1 } },
  { kind: 'output-missing', what: 'an output record is gone', corrupt: (world) => void (world.totals -= 1), finds: { topic: 'totals', lost: 1 } },
  { kind: 'output-missing', what: 'a dead letter is gone', corrupt: (world) => changeBooks(world, 's1-0', 2, (books) => Object.assign(books, { folded: books.folded - 1, deadLettered: books.deadLettered + 1 })), finds: { topic: 'letters', lost: 1 } },
  { kind: 'output-doubled', what: 'an output record came twice', corrupt: (world) => void (world.totals += 1), finds: { topic: 'totals', doubled: 1 } },
  { kind: 'output-doubled', what: 'a dead letter came twice', corrupt: (world) => void (world.deadLetters += 1), finds: { topic: 'letters', doubled: 1 } },
  { kind: 'snapshot-unreadable', what: 'an object is gone', corrupt: (world) => void world.objects.delete('s1-0/2'), finds: { stage: 's1', partition: 0, batchId: 2 } },
  { kind: 'snapshot-unreadable', what: 'a bit of an object is another', corrupt: (world) => void world.objects.get('s1-0/2')?.writeUInt8(1, 40), finds: { batchId: 2 } },
  { kind: 'content-differs', what: 'a snapshot with the totals of another batch', corrupt: (world) => rewrite(world, 's1-0', 4, (blocks) => [...blocks.slice(0, -1), packr.pack({ ...packr.unpack(blocks.at(-1) ?? Buffer.alloc(0)), totals: NUMBERS })]), finds: { batchId: 4 } },
  { kind: 'state-differs', what: 'a snapshot without a key that changed', corrupt: (world) => rewrite(world, 's1-0', 4, (blocks) => blocks.toSpliced(2, 1), 5), finds: { stage: 's1', partition: 0, batchId: 4, message: expect.stringContaining('1 entry is missing') } },
  { kind: 'state-differs', what: 'a snapshot with a key too many', corrupt: (world) => rewrite(world, 's1-0', 4, (blocks) => [packr.pack([1, ['sums', [], [[0, [], ['x'], [[1], [1]]]]]]), ...blocks], 7), finds: { message: expect.stringContaining('1 too many') } },
  { kind: 'state-differs', what: 'a snapshot with an older value', corrupt: (world) => rewrite(world, 's1-0', 4, (blocks) => [...blocks.slice(0, 4), blocks[2] ?? Buffer.alloc(0), ...blocks.slice(4)]), finds: { message: expect.stringContaining('2 others') } },
  { kind: 'state-differs', what: 'a commit record without its after-images', corrupt: (world) => void (commitAt(world, 's1-0', 3).content.state = packr.pack([1])), finds: { batchId: 4 } },
  { kind: 'keys-miscounted', what: 'a snapshot that says it has more keys', corrupt: (world) => rewrite(world, 's1-0', 4, (blocks) => blocks, 60), finds: { batchId: 4 } },
  { kind: 'outbox-differs', what: 'an entry that is in no state', corrupt: (world) => void (commitAt(world, 's1-0', 3).content.outbox = { entries: 1, bytes: 9 }), finds: { batchId: 3 } },
  { kind: 'journal-damaged', what: 'after-images that are none', corrupt: (world) => void (commitAt(world, 's1-0', 3).content.state = Buffer.from([0xC1])), finds: { batchId: 3 } },
]

/** Found where bytes are read: by the command. */
const BY_THE_READER: readonly FaultKind[] = ['journal-gone', 'block-damaged', 'object-missing']
/** Found where the state is rebuilt, on request: `rebuild.test.ts`. */
const BY_THE_REBUILD: readonly FaultKind[] = ['rebuilt-differs']

describe('audit', () => {
  test('audit, a run in balance → nothing found, everything compared', () => {
    const { list, untold, compared } = auditWorld(auditedWorld())
    expect([list, untold]).toEqual([[], []])
    expect(Object.fromEntries(compared)).toEqual({
      'batches': 4 * BATCHES, 'snapshots': 4, 'states': 4, 'blocks': 4 * BATCHES, 'emitted': 2 * BATCHES, 'checksums': 2 * BATCHES, 'source ranges': 2 * BATCHES, 'shuffle ranges': 2 * BATCHES, 'totals': 3, 'positions': 4,
    })
  })

  test.each(CORRUPTIONS)('audit, $what → $kind', ({ kind, corrupt, finds }) => {
    const world = auditedWorld()
    corrupt(world)
    const { list } = auditWorld(world)
    expect(list.map((finding) => finding.kind)).toContain(kind)
    expect(list.find((finding) => finding.kind === kind)).toMatchObject(finds ?? {})
    expect(list.every(({ message }) => message.length > 0)).toBe(true)
  })

  test('audit, a partition that was added to the source → read from its beginning like the others; one of another task → found', () => {
    const world = auditedWorld()
    for (let batchId = 3; batchId <= BATCHES; batchId += 1) {
      const { content } = commitAt(world, 's0-0', batchId)
      content.positions.push({ input: 'source:orders', topic: 'orders', partition: 2, next: batchId === 3 ? 0 : 4 })
      if (batchId > 3) Object.assign(content.positions[0] ?? {}, { next: batchId * RECORDS - 4, last: { offset: batchId * RECORDS - 5, checksum: batchId * RECORDS - 5 } })
    }
    world.orders.push([1, 2, 3, 4])
    world.ends['orders/2'] = { start: 0, end: 4 }
    expect(auditWorld(world).list).toEqual([])
    world.orders[2]?.pop()
    expect(auditWorld(world).list).toMatchObject([{ kind: 'records-miscounted', batchId: 4, doubled: 1 }])
    Object.assign(commitAt(world, 's0-0', 4).content.positions[1] ?? {}, { partition: 3 })
    expect(auditWorld(world).list.map(({ kind }) => kind)).toContain('position-jump')
  })

  test('audit, every kind of fault → was made here, or is found where bytes are read or states are rebuilt', () => {
    expect([...new Set([...CORRUPTIONS.map(({ kind }) => kind), ...BY_THE_READER, ...BY_THE_REBUILD])].toSorted()).toEqual(Object.keys(FAULTS).toSorted())
  })

  test('audit, a report of faults → not balanced, with the sums of what they cost', () => {
    const findings = new Findings()
    findings.differ('output-missing', 5, 3, 'two are gone', { topic: 'totals' })
    findings.differ('output-doubled', 5, 6, 'one too many', { topic: 'totals' })
    findings.cannotTell('records of n0', 'a file is not in the log')
    findings.cannotTell('records of n0', 'a file is not in the log')
    expect(auditReport(runRecord, 7, [], [], findings)).toEqual({
      job: 'orders', run: 2, from: runRecord.from, at: 7, balanced: false, lost: 2, doubled: 1, tasks: [], outputs: [], totals: NUMBERS, compared: {}, unlisted: 0, untold: [{ what: 'records of n0', why: 'a file is not in the log' }],
      findings: [{ kind: 'output-missing', topic: 'totals', lost: 2, doubled: 0, message: 'two are gone' }, { kind: 'output-doubled', topic: 'totals', lost: 0, doubled: 1, message: 'one too many' }],
    })
  })

  test('audit, more faults than the list takes → counted, and in the sums', () => {
    const findings = new Findings()
    for (let i = 0; i < 1_500; i += 1) findings.add('output-missing', 'gone', {}, { lost: 1 })
    expect([findings.list.length, findings.unlisted, findings.lost]).toEqual([1_000, 500, 1_500])
    const outer = new Findings()
    outer.take(findings)
    expect([outer.list.length, outer.unlisted]).toEqual([1_000, 500])
  })
})
