// The matrix's own judgement, tested: what is lost and what is doubled is counted as that, and the table says it.
import { describe, expect, test } from '@jest/globals'
import { table } from './table.ts'
import { count } from './verdict.ts'

const input = [1, 2, 3, 4].map((n) => ({ user: `u${n % 2}`, amount: n, ts: n }))
const output = [['u1', 1, 1], ['u0', 1, 2], ['u1', 2, 4], ['u0', 2, 6]].map(([key, number, sum]) => ({ key: String(key), count: Number(number), sum: Number(sum) }))
const [first] = output

describe('fault matrix', () => {
  test.each([
    ['each input once', output, { lost: 0, doubled: 0 }],
    ['one result left out', output.slice(0, -1), { lost: 1, doubled: 0 }],
    ['one said again', [...output, ...first === undefined ? [] : [first]], { lost: 0, doubled: 1 }],
    ['nothing', [], { lost: 4, doubled: 0 }],
  ])('verdict, %s → counted as that', (_title, said, expected) => {
    expect(count(input, said)).toEqual(expected)
  })

  test('table, two runs of a fault and one that was skipped → a row each, the worst of its times', () => {
    const verdict = { events: 4, results: 4, lost: 0, doubled: 0, wrong: [] }
    const figures = (detectedMs: number) => ({ detectedMs, recoveredMs: 2 * detectedMs, gapMs: 3 * detectedMs, beforeGapMs: 1, moved: 2, verdict })
    const said = table([
      { fault: 'kill machine', what: '', run: 1, figures: [figures(5), figures(7)] }, { fault: 'cut log in', what: '', run: 1, figures: [], skipped: 'no toxiproxy' },
      { fault: 'kill machine', what: '', run: 2, figures: [figures(6)], failed: '1 lost' },
    ])
    expect(said.split('\n').filter((line) => line.startsWith('| kill')).map((line) => line.replaceAll(/ +/g, ' '))).toEqual(['| kill machine × 2 | - / - | 7 / 6 | 14 / 12 | 21 / 18 | - / - | 1 / 1 | 2 / 2 | 0 / 0 | 0 / 0 | FAILED |'])
    expect(said).toContain('cut log in: skipped: no toxiproxy')
    expect(said).toContain('kill machine, run 2: FAILED: 1 lost')
  })
})
