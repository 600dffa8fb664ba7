// The running totals of all tasks against what shuffles and output topics hold: since the job began, however far its journals reach back.
import { howMany } from '@tidemark/base'
import type { Books } from '../records/records.ts'
import type { RunRecord } from '../run.ts'
import type { Findings } from './findings.ts'
import type { JournalAudit } from './journal.ts'
import type { ShufflePartitionAudit, StageOutputs } from './shuffle.ts'
import { sumBooks } from './sums.ts'

export interface TopicCount {
  readonly topic: string
  /** Committed records below the ends that were fixed. */
  readonly records: number
  /** Absent: it counts. Else why the number says nothing about this job alone. */
  readonly unusable?: string
}

export interface TotalsFacts {
  readonly run: RunRecord
  readonly stages: readonly StageOutputs[]
  readonly journals: readonly JournalAudit[]
  readonly shuffles: readonly ShufflePartitionAudit[]
  /** Output topics that were counted. */
  readonly topics: readonly TopicCount[]
  /** Dead letters of this job that stand for a record; absent: it has no such topic. */
  readonly deadLetters?: TopicCount
}

/** Stages whose outputs can only be counted together: they share a topic, or a reader. */
export interface OutputGroup {
  readonly stages: readonly string[]
  readonly shuffles: readonly string[]
  readonly topics: readonly string[]
  /** Records sent, by the totals; in topics: at least `sentBefore`, at most `sent`, because the job went on meanwhile. */
  readonly sent: number
  readonly sentBefore: number
  readonly taken: number
  readonly inFlight: number
  /** Absent: can't be told. */
  readonly found?: number
}

interface Group {
  readonly stages: Set<string>
  readonly shuffles: Set<string>
  readonly topics: Set<string>
}

/** Connected by topics and shuffles that they write, and by readers that take several shuffles. */
const groupsOf = ({ stages, run }: TotalsFacts): Group[] => {
  const groups: Group[] = []
  for (const { stage, topics, shuffles } of stages) {
    if (topics.length === 0 && shuffles.length === 0) continue
    const readers = new Set(run.shuffles.filter(({ shuffle }) => shuffles.includes(shuffle)).map(({ to }) => to))
    const all = new Set([...shuffles, ...run.shuffles.filter(({ to }) => readers.has(to)).map(({ shuffle }) => shuffle)])
    const made: Group = { stages: new Set([stage]), shuffles: all, topics: new Set(topics) }
    for (const other of groups.filter((group) => [...made.topics].some((topic) => group.topics.has(topic)) || [...made.shuffles].some((shuffle) => group.shuffles.has(shuffle)))) {
      for (const one of other.stages) made.stages.add(one)
      for (const one of other.shuffles) made.shuffles.add(one)
      for (const one of other.topics) made.topics.add(one)
      groups.splice(groups.indexOf(other), 1)
    }
    groups.push(made)
  }
  return groups
}

/** Undefined unless every task of these stages has some. */
const totalsOf = ({ run, journals }: TotalsFacts, stages: ReadonlySet<string>, which: (journal: JournalAudit) => Books | undefined): Books | undefined => {
  const tasks = run.stages.filter(({ stage }) => stages.has(stage)).reduce((sum, { partitions }) => sum + partitions, 0)
  const own = journals.filter(({ facts }) => stages.has(facts.task.stage)).flatMap((journal) => which(journal) ?? [])
  return own.length === tasks ? sumBooks(own) : undefined
}

/** Records of the run's origin that its readers have still to take; undefined: not known. */
const originLeft = (journals: readonly JournalAudit[], shuffles: ReadonlySet<string>): number | undefined => {
  let left = 0
  for (const { facts, positions } of journals) {
    for (const { input, inFlight } of positions ?? []) {
      if (inFlight === undefined || !shuffles.has(input)) continue
      if (facts.inFlight === undefined) return undefined
      left += (facts.inFlight.get(input) ?? []).slice(inFlight).reduce((sum, records) => sum + records, 0)
    }
  }
  return left
}

export const auditTotals = (facts: TotalsFacts, findings: Findings): OutputGroup[] => {
  const { run, journals, topics: counted, stages } = facts
  const groups = groupsOf(facts).flatMap((group): OutputGroup[] => {
    const what = `the records that ${[...group.stages].join(', ')} sent to ${[...group.topics, ...group.shuffles].join(', ')}`
    const [sent, before] = [totalsOf(facts, group.stages, (journal) => journal.totals), totalsOf(facts, group.stages, (journal) => journal.totalsBefore)]
    const readers = new Set(run.shuffles.filter(({ shuffle }) => group.shuffles.has(shuffle)).map(({ to }) => String(to)))
    const taken = readers.size === 0 ? 0 : totalsOf(facts, readers, (journal) => journal.totals)?.shuffleRecords
    const left = originLeft(journals, group.shuffles)
    const outbox = stages.filter(({ stage, outboxSinks }) => group.stages.has(stage) && outboxSinks.length > 0).flatMap(({ outboxSinks }) => outboxSinks)
    const unusable = counted.filter(({ topic, unusable: why }) => group.topics.has(topic) && why !== undefined)
    if (sent === undefined || before === undefined || taken === undefined || left === undefined) {
      findings.cannotTell(what, left === undefined ? 'the checkpoint that the run began from could not be read' : 'a journal holds no batch')
      return []
    }
    const inFlight = left + facts.shuffles.filter(({ shuffle }) => group.shuffles.has(shuffle.shuffle)).reduce((sum, one) => sum + one.inFlight, 0)
    const base = { stages: [...group.stages], shuffles: [...group.shuffles], topics: [...group.topics], sent: sent.emitted, sentBefore: before.emitted, taken, inFlight }
    const missing = [...group.topics].filter((topic) => !counted.some((one) => one.topic === topic))
    const why = outbox.length > 0 ? `${outbox.join(', ')} is no topic of the log, and takes records of the same stage` : unusable.length > 0 ? unusable.map((one) => `${one.topic}: ${one.unusable}`).join('; ') : missing.length > 0 ? `${missing.join(', ')} was not counted` : undefined
    if (why !== undefined) {
      findings.cannotTell(what, why)
      return [base]
    }
    const found = counted.filter(({ topic }) => group.topics.has(topic)).reduce((sum, { records }) => sum + records, 0)
    judge({ ...base, found }, findings)
    return [{ ...base, found }]
  })
  auditDeadLetters(facts, findings)
  return groups
}

const judge = ({ sent, sentBefore, taken, inFlight, found, shuffles, topics, stages }: OutputGroup & { readonly found: number }, findings: Findings): void => {
  findings.count('totals')
  const through = taken + inFlight
  if (topics.length === 0) {
    if (through !== sent) findings.differ('shuffle-miscounted', sent, through, `${stages.join(', ')} sent ${howMany(sent, 'record')} to ${shuffles.join(', ')}; ${howMany(taken, 'was', 'were')} taken and ${howMany(inFlight, 'is', 'are')} in flight`, {})
    return
  }
  const [least, most] = [sentBefore - through, sent - through]
  const range = least === most ? `${most}` : `${least} to ${most}`
  const place = topics.length === 1 && topics[0] !== undefined ? { topic: topics[0] } : {}
  if (found < least) findings.add('output-missing', `${topics.join(', ')}: ${range} ${most === 1 ? 'record was' : 'records were'} committed, ${howMany(found, 'is', 'are')} there`, place, { lost: least - found })
  else if (found > most) findings.add('output-doubled', `${topics.join(', ')}: ${range} ${most === 1 ? 'record was' : 'records were'} committed, ${howMany(found, 'is', 'are')} there; another program that writes to it is named with --shared`, place, { doubled: found - most })
}

const auditDeadLetters = (facts: TotalsFacts, findings: Findings): void => {
  const { run, deadLetters } = facts
  if (deadLetters === undefined) return
  const all = new Set(run.stages.map(({ stage }) => String(stage)))
  const [most, least] = [totalsOf(facts, all, (journal) => journal.totals)?.deadLettered, totalsOf(facts, all, (journal) => journal.totalsBefore)?.deadLettered]
  if (deadLetters.unusable !== undefined || most === undefined || least === undefined) return findings.cannotTell(`dead letters in ${deadLetters.topic}`, deadLetters.unusable ?? 'a journal holds no batch')
  findings.count('totals')
  const { records, topic } = deadLetters
  const range = least === most ? `${most}` : `${least} to ${most}`
  if (records < least) findings.add('output-missing', `${topic}: ${range} ${most === 1 ? 'record was' : 'records were'} dead-lettered, ${howMany(records, 'is', 'are')} there`, { topic }, { lost: least - records })
  else if (records > most) findings.add('output-doubled', `${topic}: ${range} ${most === 1 ? 'record was' : 'records were'} dead-lettered, ${howMany(records, 'is', 'are')} there`, { topic }, { doubled: records - most })
}
