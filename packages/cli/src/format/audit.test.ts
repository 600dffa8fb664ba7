// What audit says of late values: a record that nothing took, and one that a window dropped while another branch took it.
import { expect, test } from '@jest/globals'
import { emptyBooks } from '@tidemark/checkpoint'
import type { AuditReport } from '@tidemark/checkpoint'
import { jobId } from '@tidemark/base'
import { auditLines } from './audit.ts'

const report = (late: number, lateDrops: number | undefined): AuditReport => ({
  job: jobId('totals'), run: 1, from: null, at: 0, balanced: true, lost: 0, doubled: 0, tasks: [], outputs: [], compared: {}, findings: [], unlisted: 0, untold: [],
  totals: { ...emptyBooks, late, ...lateDrops === undefined ? {} : { lateDrops } },
})

test.each<readonly [number, number | undefined, string]>([
  [0, undefined, ' 0 late, '], [2, 2, ' 2 late, '], [0, 1, ' 0 late (windows dropped 1 value that came too late), '], [1, 2, ' 1 late (windows dropped 2 values that came too late), '],
])('audit, %s records late, %s values dropped by windows → said', (late, lateDrops, said) => {
  expect(auditLines(report(late, lateDrops), (_style, text) => text).join('\n')).toContain(said)
})
