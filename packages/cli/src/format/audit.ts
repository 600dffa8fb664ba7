// What `audit` prints: the verdict first, then what it rests on, what could not be told, and each fault.
import { taskName } from '@tidemark/checkpoint'
import type { AuditReport, RebuiltState } from '@tidemark/checkpoint'
import type { Paint } from '../terminal.ts'
import { facts, table } from './table.ts'
import { number, plural, timeOfDay } from './values.ts'

/** Of the faults, for people; `--json` has them all. */
const SHOWN_MAX = 20

export const auditLines = (report: AuditReport, paint: Paint): string[] => {
  const { job, run, from, at, balanced, lost, doubled, compared, totals } = report
  const of = (what: string, one: string, many?: string): string => plural(compared[what] ?? 0, one, many)
  const verdict = `${number(lost)} lost, ${number(doubled)} doubled`
  const faults = report.findings.length + report.unlisted
  return [
    `${paint('bold', job)}, run ${run}, started ${from === null ? 'empty' : `from checkpoint ${from.checkpoint} of run ${from.run}`}, audited as of ${timeOfDay(at)}`,
    balanced ? paint('green', `balanced: ${verdict}`) : paint('red', `NOT BALANCED: ${plural(faults, 'fault')}, ${verdict}`),
    '',
    ...facts([
      ['since the job began', `${plural(totals.offsets, 'offset')} passed, ${plural(totals.records, 'record')} taken: ${number(totals.folded)} folded, ${number(totals.passedOn)} passed on, ${number(totals.filtered)} filtered, ${number(totals.late)} late${lateAtWindows(totals)}, ${number(totals.deadLettered)} dead-lettered, ${number(totals.skipped)} skipped; ${number(totals.emitted)} sent`],
      ['batch by batch', `${of('batches', 'batch', 'batches')}; ${number(compared['source ranges'] ?? 0)} of them counted again in their topics, ${number(compared['shuffle ranges'] ?? 0)} in their shuffles; ${of('checksums', 'last record')} compared`],
      ['shuffles', `${of('blocks', 'block')}; ${of('emitted', 'batch', 'batches')} of their writers counted again`],
      ['state', `${of('snapshots', 'snapshot')} read, ${number(compared['states'] ?? 0)} compared with what the journal makes; ${of('objects', 'object')} of ${of('checkpoints', 'checkpoint')}`],
    ]),
    ...report.outputs.flatMap(outputLine), '',
    ...taskLines(report),
    ...report.states === undefined ? [] : ['', 'state, rebuilt in each way that there is and compared', ...stateLines(report.states, paint)],
    ...section('could not be told', report.untold.map(({ what, why }) => `${what}: ${why}`), (text) => paint('yellow', text)),
    ...section('faults', report.findings.slice(0, SHOWN_MAX).map(({ kind, stage, partition, message }) => `${kind}${stage === undefined || partition === undefined ? '' : `  ${taskName({ stage, partition })}`}  ${message}`), (text) => paint('red', text)),
    ...faults > SHOWN_MAX ? [`  and ${number(faults - SHOWN_MAX)} more`] : [],
  ]
}

/** One that another branch took is not late; its window dropped it all the same. */
const lateAtWindows = ({ late, lateDrops = 0 }: AuditReport['totals']): string => lateDrops === late || lateDrops === 0 ? '' : ` (windows dropped ${plural(lateDrops, 'value')} that came too late)`

const section = (title: string, lines: readonly string[], paint: (text: string) => string): string[] => lines.length === 0 ? [] : ['', paint(title), ...lines.map((line) => `  ${line}`)]

const outputLine = ({ stages, shuffles, topics, sent, sentBefore, taken, inFlight, found }: AuditReport['outputs'][number]): string[] => {
  const parts = [
    ...shuffles.length === 0 ? [] : [`${number(taken)} taken from ${shuffles.join(', ')}, ${number(inFlight)} in flight`],
    ...topics.length === 0 || found === undefined ? [] : [`${number(found)} in ${topics.join(', ')}`],
  ]
  // What could not be counted is said below.
  if (parts.length === 0) return []
  const range = topics.length === 0 || sent === sentBefore ? number(sent) : `${number(sentBefore)} to ${number(sent)}`
  return [`sent by ${stages.join(', ')}: ${range}; ${parts.join('; ')}`]
}

const taskLines = ({ tasks }: AuditReport): string[] => table(
  [{ title: 'task' }, { title: 'batches' }, { title: 'offsets', align: 'right' }, { title: 'records', align: 'right' }, { title: 'sent', align: 'right' }, { title: 'lag', align: 'right' }, { title: '' }],
  tasks.map((task) => [
    taskName(task), task.firstBatch === undefined || task.lastBatch === undefined ? 'none' : `${number(task.firstBatch)} to ${number(task.lastBatch)}`, number(task.totals?.offsets ?? 0), number(task.totals?.records ?? 0),
    number(task.totals?.emitted ?? 0), number(task.positions.reduce((sum, { lag = 0 }) => sum + lag, 0)), task.ended ? 'ended' : '',
  ]),
)

const HASH_SHOWN = 16

/** What two ways can't witness is said beside what they can. */
const stateLines = (states: readonly RebuiltState[], paint: Paint): string[] => table(
  [{ title: 'task' }, { title: 'behind batch', align: 'right' }, { title: 'entries', align: 'right' }, { title: 'hash' }, { title: 'rebuilt from' }, { title: 'compared up to' }],
  states.map(({ stage, partition, batchId, keys, hash, ways, witnessedTo, differsAt, outOfReach }) => [
    taskName({ stage, partition }), number(batchId), number(keys), hash === undefined ? paint('red', 'not one') : hash.slice(0, HASH_SHOWN),
    `${ways.map((way) => `${way.checkpoint === undefined ? 'the beginning' : `checkpoint ${way.checkpoint}`}${hash === undefined ? ` (${way.hash.slice(0, HASH_SHOWN)})` : ''}`).join(', ')}${outOfReach === 0 ? '' : `; ${plural(outOfReach, 'older snapshot')} without a tail`}`,
    differsAt !== undefined ? paint('red', `differs behind batch ${number(differsAt)}`) : witnessedTo === 0 ? paint('yellow', 'nothing') : witnessedTo === batchId ? `batch ${number(witnessedTo)}` : `batch ${number(witnessedTo)}; behind it there is only the journal`,
  ]),
)
