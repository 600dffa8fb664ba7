// The audit of one run: makes a cut, reads journals, shuffles, sources, outputs and snapshots below it, and lets the checks judge. It asks no driver:
// log and store are enough, whether the job runs or not.
//
// The cut. Offsets are fixed in this order: what is decided in each journal, the ends of outputs, the ends of journals, readers of shuffles before
// their writers. So every batch below the first is in the outputs, every output is of a batch below the second, and no reader is ahead of its writer.
import { crc32 } from 'node:zlib'
import { TidemarkError } from '@tidemark/base'
import type { Clock, Log, LogRecord, ObjectStore, PartitionOffsets } from '@tidemark/base'
import { auditEmitted, auditPositions, auditReport, auditTotals, Findings, paths, RangesAudit, ShufflePartitionAudit, decodeBlock, taskName } from '@tidemark/checkpoint'
import type { AuditReport, JournalAudit, PartitionRanges, RebuiltState } from '@tidemark/checkpoint'
import { auditCheckpoints, manifestsOf } from './checkpoints.ts'
import { auditJournal } from './journals.ts'
import type { JournalCut } from './journals.ts'
import { readOrigin } from './origin.ts'
import { countOutputs, outputEnds } from './outputs.ts'
import type { OutputEnds, OutputOptions } from './outputs.ts'
import { readFromStart, SETTINGS_HIDDEN } from './partition.ts'
import type { AuditPorts } from './partition.ts'
import { findRun } from './run.ts'
import type { AuditedRun } from './run.ts'

export interface AuditOptions extends OutputOptions {
  readonly job: string
  /** The newest when left out. */
  readonly run?: number
  /** Rebuild every task's state in each way there is, and compare. */
  readonly state: boolean
  /** Said while it goes on. */
  readonly say: (what: string) => void
}

interface Cuts {
  readonly at: number
  readonly outputs: OutputEnds
  readonly journals: ReadonlyMap<string, JournalCut>
}

/** What is read may be trimmed: then the audit begins anew. In the end it does with what is left, as long as there is something. */
const ATTEMPTS_MAX = 10
const STRICT_ATTEMPTS = 6
/** Journals read at once, before they are trimmed; each needs the memory of its task's state, twice. */
const JOURNALS_AT_ONCE = 4

export const audit = async (log: Log, store: ObjectStore, clock: Clock, signal: AbortSignal, options: AuditOptions): Promise<AuditReport> => {
  const run = await findRun(store, options.job, options.run)
  const reader = log.reader()
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await new RunAudit({ log, reader, clock, signal }, store, run, options, attempt <= STRICT_ATTEMPTS).run()
      } catch (error) {
        if (!(error instanceof TidemarkError) || error.code !== 'AUDIT_OVERTAKEN' || attempt === ATTEMPTS_MAX) throw error
      }
    }
  } finally {
    await reader.close()
  }
}

class RunAudit {
  readonly #ports: AuditPorts
  readonly #store: ObjectStore
  readonly #run: AuditedRun
  readonly #options: AuditOptions
  readonly #strict: boolean
  readonly #findings = new Findings()
  readonly #states = new Map<string, RebuiltState>()

  constructor(ports: AuditPorts, store: ObjectStore, run: AuditedRun, options: AuditOptions, strict: boolean) {
    this.#ports = ports
    this.#store = store
    this.#run = run
    this.#options = options
    this.#strict = strict
  }

  async run(): Promise<AuditReport> {
    const { record } = this.#run
    const there = await this.#journalsThere()
    // Before the cut: what retention removes later, the job may have read by then.
    const starts = await this.#offsets()
    const cuts = await this.#cut(there)
    const journals = await this.#journals(cuts, starts)
    const ranges = new RangesAudit(journals.values(), this.#findings)
    const shuffles = await this.#shuffles(journals, ranges)
    await this.#sources(ranges)
    ranges.finish()
    const { topics, deadLetters } = await countOutputs(this.#ports, this.#run, cuts.outputs, this.#options, this.#options.say)
    const groups = auditTotals({ run: record, stages: this.#run.outputs, journals: [...journals.values()], shuffles, topics, ...(deadLetters === undefined ? {} : { deadLetters }) }, this.#findings)
    const offsets = await this.#offsets()
    const offsetsOf = (topic: string, partition: number): PartitionOffsets | undefined => {
      const now = offsets.get(topic)?.[partition]
      return now === undefined ? undefined : { ...now, start: starts.get(topic)?.[partition]?.start ?? now.start }
    }
    const audited = [...journals.values()].map((journal) => ({ journal, positions: auditPositions(journal, offsetsOf, this.#findings) }))
    this.#options.say('checking the objects of all checkpoints')
    await auditCheckpoints(this.#store, record.job, this.#findings)
    return auditReport(record, cuts.at, audited, groups, this.#findings, this.#options.state ? [...journals.keys()].flatMap((name) => this.#states.get(name) ?? []) : undefined)
  }

  async #journalsThere(): Promise<ReadonlySet<string>> {
    const { job, run, stages } = this.#run.record
    const topics = stages.map(({ stage }) => paths.journalTopic(job, run, stage))
    const found = await this.#ports.log.describeTopics(topics)
    if (found.size === 0) {
      throw new TidemarkError(`${this.#ports.log.name} holds no journal of ${job}, run ${run}`, { code: 'AUDIT_RUN_GONE', blame: 'user', action: 'exit', job, run, hint: 'It was cancelled, or never began, or this is not its log. A cancelled run has nothing left to audit but its checkpoints.' })
    }
    for (const [i, { stage }] of stages.entries()) {
      const topic = topics[i] ?? ''
      if (!found.has(topic)) this.#findings.add('journal-gone', `the journal ${topic} is not in the log`, { stage, topic })
    }
    return new Set(found.keys())
  }

  async #cut(there: ReadonlySet<string>): Promise<Cuts> {
    const { record } = this.#run
    // Readers first: what they have read was committed by then.
    const topics = record.stages.toReversed().map(({ stage }) => ({ stage, topic: paths.journalTopic(record.job, record.run, stage) })).filter(({ topic }) => there.has(topic))
    const before = new Map<string, PartitionOffsets>()
    for (const { stage, topic } of topics) for (const offsets of await this.#ports.log.offsets(topic)) before.set(taskName({ stage, partition: offsets.partition }), offsets)
    const outputs = await outputEnds(this.#ports, this.#run, this.#options)
    const at = this.#ports.clock.now()
    const journals = new Map<string, JournalCut>()
    for (const { stage, topic } of topics) {
      for (const { partition, end } of await this.#ports.log.offsets(topic)) {
        const { start = 0, stable = 0 } = before.get(taskName({ stage, partition })) ?? {}
        journals.set(taskName({ stage, partition }), { start, before: stable, end })
      }
    }
    return { at, outputs, journals }
  }

  async #journals({ journals: cuts }: Cuts, starts: ReadonlyMap<string, readonly PartitionOffsets[]>): Promise<Map<string, JournalAudit>> {
    const { record } = this.#run
    const origin = await readOrigin(this.#store, record)
    const retained = this.#options.state ? (await manifestsOf(this.#store, record.job, undefined)).filter(({ run }) => run === record.run) : undefined
    const tasks = record.stages.flatMap((stage) => Array.from({ length: stage.partitions }, (_, partition) => ({ stage, partition, name: taskName({ stage: stage.stage, partition }) })))
    const found = new Map<string, JournalAudit>()
    const left = tasks.values()
    const sourceStart = (topic: string, of: number): number | undefined => starts.get(topic)?.[of]?.start
    const readOn = async (): Promise<void> => {
      const reader = this.#ports.log.reader()
      try {
        for (const { stage, partition, name } of left) {
          const cut = cuts.get(name)
          if (cut === undefined) continue
          this.#options.say(`reading the journal of ${name}`)
          const task = { job: record.job, run: record.run, stage: stage.stage, partition }
          const { journal, state } = await auditJournal({ ...this.#ports, reader }, { run: record, stage, task, cut, store: this.#store, origin, strict: this.#strict, sourceStart, retained }, () => new Findings(), (findings) => this.#findings.take(findings))
          found.set(name, journal)
          if (state !== undefined) this.#states.set(name, state)
        }
      } finally {
        await reader.close()
      }
    }
    const ends = await Promise.allSettled(Array.from({ length: JOURNALS_AT_ONCE }, readOn))
    for (const one of ends) if (one.status === 'rejected') throw one.reason
    // In the order of the run again, whichever was read first.
    return new Map(tasks.flatMap(({ name }) => {
      const journal = found.get(name)
      return journal === undefined ? [] : [[name, journal] as const]
    }))
  }

  /** Of every topic that the run reads, where it is there; by partition. */
  async #offsets(): Promise<Map<string, PartitionOffsets[]>> {
    const { stages } = this.#run.record
    const topics = [...new Set(stages.flatMap(({ inputs }) => inputs.flatMap(({ kind, topic }) => kind === 'topic' || kind === 'shuffle' ? [topic] : [])))]
    const found = new Map<string, PartitionOffsets[]>()
    for (const topic of (await this.#ports.log.describeTopics(topics)).keys()) found.set(topic, await this.#ports.log.offsets(topic))
    return found
  }

  /** Its blocks serve two checks: each writer's order and number, and what each batch of the reader took. */
  async #shuffles(journals: ReadonlyMap<string, JournalAudit>, ranges: RangesAudit): Promise<ShufflePartitionAudit[]> {
    const { record, outputs } = this.#run
    const audits: ShufflePartitionAudit[] = []
    const there = await this.#ports.log.describeTopics(record.shuffles.map(({ topic }) => topic))
    for (const shuffle of record.shuffles.filter(({ topic }) => there.has(topic))) {
      const writers = this.#tasksOf(shuffle.from, journals)
      const ends = await this.#ports.log.offsets(shuffle.topic)
      for (const { partition, end } of ends) {
        const reader = journals.get(taskName({ stage: shuffle.to, partition }))
        if (reader === undefined || writers === undefined) continue
        this.#options.say(`reading ${shuffle.shuffle}/${partition}`)
        const one = new ShufflePartitionAudit(shuffle, partition, reader, writers, this.#findings)
        const own = ranges.partitions.find(({ input }) => input.kind === 'shuffle' && input.input === shuffle.shuffle && input.partition === partition)
        await this.#readShuffle(one, own, shuffle.topic, partition, end)
        audits.push(one)
      }
    }
    for (const one of outputs) {
      const own = this.#tasksOf(one.stage, journals)
      // Of a stage that writes several shuffles all have to be there.
      if (own !== undefined && one.shuffles.every((name) => audits.some(({ shuffle }) => shuffle.shuffle === name))) auditEmitted(one, own, audits, this.#findings)
    }
    return audits
  }

  async #readShuffle(one: ShufflePartitionAudit, own: PartitionRanges | undefined, topic: string, partition: number, end: number): Promise<void> {
    const begin = (start: number): void => {
      one.begin(start)
      own?.begin(start)
    }
    await readFromStart(this.#ports, topic, partition, 0, end, begin, ({ offset, key, value }) => {
      let block
      try {
        block = decodeBlock(value ?? Buffer.alloc(0), offset)
      } catch (error) {
        return one.damaged(offset, error instanceof Error ? error.message : String(error))
      }
      one.take(block, block.values.length, offset)
      own?.take(offset, () => checksumOf({ key, value }), block.values.length)
    })
    one.finish()
  }

  #tasksOf(stage: string, journals: ReadonlyMap<string, JournalAudit>): JournalAudit[] | undefined {
    const partitions = this.#run.record.stages.find((one) => one.stage === stage)?.partitions ?? 0
    const found = Array.from({ length: partitions }, (_, partition) => journals.get(taskName({ stage, partition }))).filter((journal) => journal !== undefined)
    return found.length === partitions ? found : undefined
  }

  async #sources(ranges: RangesAudit): Promise<void> {
    const sources = ranges.partitions.filter(({ input }) => input.kind === 'topic')
    const topics = await this.#ports.log.describeTopics([...new Set(sources.map(({ input }) => input.topic))])
    for (const one of sources) {
      const { topic, partition } = one.input
      const about = topics.get(topic)
      const unknown = about === undefined ? 'it is gone' : about.compacted ? 'it is compacted: some may have been removed since' : about.settingsHidden ? SETTINGS_HIDDEN : undefined
      if (unknown !== undefined) {
        one.allUnknown()
        this.#findings.cannotTell(`records between positions in ${topic}`, unknown)
        continue
      }
      const [offsets] = await this.#ports.log.offsets(topic, [partition])
      const span = one.span(offsets?.start ?? 0)
      one.begin(offsets?.start ?? 0)
      if (span === undefined || offsets === undefined) continue
      this.#options.say(`counting ${topic}/${partition}`)
      const to = Math.min(span.to, offsets.stable)
      if (span.from < to) await readFromStart(this.#ports, topic, partition, span.from, to, (start) => one.begin(start), (record) => one.take(record.offset, () => checksumOf(record)))
    }
  }
}

/** As a position carries it: of key and value. */
const checksumOf = ({ key, value }: Pick<LogRecord, 'key' | 'value'>): number => crc32(value ?? Buffer.alloc(0), crc32(key ?? Buffer.alloc(0)))
