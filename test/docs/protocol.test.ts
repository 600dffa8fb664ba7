// docs/protocol.md against the code: every rule, record, field, name and limit that is written down stands there, and its examples decode.
import { describe, expect, test } from '@jest/globals'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { jobId, slotId, stageId } from '@tidemark/base'
import type { TaskRef } from '@tidemark/base'
import { ALL_RULES, decodeBlock, encodeBlocks, encodeRecord, paths, peekRecord, RECORD_PART_BYTES_MAX, RecordAssembler } from '@tidemark/checkpoint'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PAGE = join(ROOT, 'docs/protocol.md')
const page = readFileSync(PAGE, 'utf8')
const source = (path: string): string => readFileSync(join(ROOT, 'packages/checkpoint/src', path), 'utf8')

const example = (name: string): Buffer => {
  const [, hex] = new RegExp(`\`\`\`${name}\n([0-9a-f \n]+)\`\`\``).exec(page) ?? []
  if (hex === undefined) throw new Error(`the page has no example called ${name}`)
  return Buffer.from(hex.replaceAll(/\s/g, ''), 'hex')
}
const missing = (wanted: readonly string[]): string[] => wanted.filter((text) => !page.includes(text))

describe('docs: the protocol', () => {
  test('protocol, every rule of the code → a row of the table; no row without a rule', () => {
    expect([...page.matchAll(/^\| \*\*(\w+)\*\* \|/gm)].map(([, rule]) => rule)).toEqual(Object.keys(ALL_RULES))
  })

  test('protocol, every field of every record → named', () => {
    const fields = [...source('records/records.ts').matchAll(/readonly (\w+)\??:/g)].map(([, name]) => name ?? '')
    expect(fields.length).toBeGreaterThan(40)
    expect(missing([...new Set(fields)].filter((name) => name !== 'kind').map((name) => `\`${name}\``)
      // The books are written as equations.
      .filter((name) => !/`(?:folded|passedOn|filtered|late|deadLettered|skipped)`/.test(name)))).toEqual([])
    expect(page).toContain('records = folded + passedOn + filtered + late + deadLettered + skipped')
  })

  test('protocol, every kind of frame → with its number', () => {
    const kinds = /const KINDS = \[(.*)\] as const/.exec(source('records/codec.ts'))?.[1]?.replaceAll("'", '').split(', ') ?? []
    const numbers = ['records/blocks.ts', 'snapshot/in-flight.ts'].map((path) => /const KIND = (\d+)/.exec(source(path))?.[1])
    const snapshot = /const \[HEADER, BLOCK, END\] = \[(\d+), (\d+), (\d+)\]/.exec(source('snapshot/format.ts'))?.slice(1) ?? []
    expect([kinds, numbers, snapshot].flat()).toHaveLength(9)
    expect(missing([
      kinds.map((kind, number) => `${number} \`${kind}\``).join(', '), `${numbers[0]} shuffle block`, `${numbers[1]} block in flight`, `${snapshot[0]} snapshot header, ${snapshot[1]} snapshot block, ${snapshot[2]} snapshot end`,
    ])).toEqual([])
  })

  test('protocol, every name that is written down → as the code makes it', () => {
    const [job, slot] = [jobId('revenue'), slotId('5b0c')]
    const task: TaskRef = { job, run: 3, stage: stageId(0), partition: 1 }
    const generation = { epoch: 2, counter: 17 }
    const made = [
      paths.journalTopic(job, 3, 's0'), paths.shuffleTopic(job, 3, 's0-user'), paths.transactionalId(job, 3, slot, 0), paths.mirrorGroup(job), paths.snapshotObject(task, 7, generation, 'nonce', 0),
      paths.inFlightObject({ ...task, stage: stageId(1) }, 7, generation, 'nonce', 0), paths.manifest(job, 7), paths.offsets(job, 7), paths.savepoint(job, 7), paths.metadata(job), paths.run(job, 3), paths.definition(job, 2), paths.driverEpoch(2),
    ]
    expect(missing(made.map((name) => `\`${name}\``))).toEqual([])
    expect(missing([`\`${paths.origin(job, 3, '`SHA-256`')}\``])).toEqual([])
  })

  test('protocol, the claim and the mark → decode, and are what the code writes', () => {
    const bytes = example('claim')
    const record = new RecordAssembler().push(bytes, 0)?.record
    expect(record).toEqual({
      kind: 'claim', task: { job: 'revenue', run: 3, stage: 's0', partition: 1 }, timestamp: 1_700_000_000_000, nonce: 'n1', generation: { epoch: 2, counter: 17 }, owner: { executor: 'e1d2', slot: 0, slotId: '5b0c' },
      transactionalId: 'tidemark.revenue.3.5b0c.0',
    })
    if (record === undefined) throw new TypeError('no record')
    expect(encodeRecord(record)).toEqual([bytes])
    expect(peekRecord(bytes, 0)).toMatchObject({ kind: 'claim', transactionalId: record.transactionalId })

    const { keys, timestamps, values, ...mark } = decodeBlock(example('mark'))
    expect([mark, keys.length, timestamps.length, values.length]).toEqual([{ stage: 's0', partition: 1, batchId: 42, generation: { epoch: 2, counter: 17 }, idle: false, watermark: 1_699_999_999_000, index: 0, count: 1 }, 0, 0, 0])
    expect(encodeBlocks(mark, [])).toEqual([example('mark')])
  })

  test('protocol, the frame as its table says → magic, kind, lengths and checksum stand there', () => {
    const bytes = example('claim')
    expect(bytes.toString('latin1', 0, 4)).toBe('TDMK')
    expect([bytes[4], bytes[5], bytes.readUInt16BE(6), bytes.readUInt16BE(8), bytes.readBigUInt64BE(10)]).toEqual([1, 0, 0, 1, 0n])
    expect(28 + bytes.readUInt16BE(18) + bytes.readUInt32BE(20)).toBe(bytes.length)
    expect(RECORD_PART_BYTES_MAX).toBe(900 * 1024)
  })

  test('protocol, every link → leads to something', () => {
    const links = [...page.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, target]) => target ?? '')
    expect(links.length).toBeGreaterThan(15)
    expect(links.filter((target) => !existsSync(join(dirname(PAGE), target)))).toEqual([])
  })
})
