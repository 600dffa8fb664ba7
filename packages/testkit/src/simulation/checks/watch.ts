// Watches a simulated cluster step by step: called as transactions commit, as journals are trimmed and objects go, after each step; asks each check about what it is for.
import { jobId, taskKey } from '@tidemark/base'
import type { TransactionalId } from '@tidemark/base'
import { parseRun, paths } from '@tidemark/checkpoint'
import type { CommitRecord, RunRecord } from '@tidemark/checkpoint'
import { createTask } from '@tidemark/runtime'
import type { Task, TaskOptions } from '@tidemark/runtime'
import { cutStages, jobFunctions } from 'tidemark'
import type { SimCluster } from '../cluster.ts'
import type { BrokerObserver, CommittedWrite } from '../observed-broker.ts'
import { hasWindows } from '../variety.ts'
import { INPUT } from '../workload.ts'
import { AlarmsCheck } from './alarms-check.ts'
import { batchesIn, taskOf, Transactions } from './batches.ts'
import type { Committed } from './batches.ts'
import { DeadLetterCheck } from './dead-letter-check.ts'
import { DrainedCheck } from './drained-check.ts'
import { EndedCheck } from './ended-check.ts'
import { FatesCheck } from './fates-check.ts'
import { JournalCheck, positionKey } from './journal-check.ts'
import type { JournalOf } from './journal-check.ts'
import { Lineage } from './lineage.ts'
import { ObjectsCheck } from './objects-check.ts'
import { OutputCheck } from './output-check.ts'
import { OwnersCheck } from './owners-check.ts'
import { Violations } from './violations.ts'
import { WindowsCheck } from './windows-check.ts'

export class Watch implements BrokerObserver {
  readonly violations = new Violations()
  readonly owners: OwnersCheck
  readonly #lineage: Lineage
  readonly #outputs: OutputCheck
  readonly ended: EndedCheck
  readonly letters: DeadLetterCheck
  readonly #fates: FatesCheck
  readonly #windows: WindowsCheck
  readonly #alarms: AlarmsCheck
  readonly #transactions = new Transactions()
  readonly journals = new Map<string, JournalCheck>()
  /** Objects that a fault has damaged on purpose. */
  readonly damaged = new Set<string>()
  readonly #cluster: SimCluster
  readonly #drained: DrainedCheck
  readonly #objects: ObjectsCheck
  readonly #job: Pick<TaskOptions, 'plan' | 'physical' | 'functions'>
  readonly #dirty = new Set<JournalCheck>()
  /** The task that each slot made last, by the slot's name and the task's. */
  readonly #made = new Map<string, Task>()
  #applied = 0
  /** Kept until anything is written, committed or delivered. */
  #missing: readonly string[] | undefined
  /** When the newest checkpoint began. */
  #begun = 0
  /** When the newest one that is complete began. */
  checkpointBegunAt = 0
  /** The newest run that has claimed anything. */
  run = 1
  lastRecordsAt = 0
  /** Takeovers whose state was compared. */
  recoveries = 0

  constructor(cluster: SimCluster) {
    this.#cluster = cluster
    const { input, written, workload: { job, name, shape, variety } } = cluster
    const { journals, violations } = this
    const plan = job.plan()
    this.#job = { plan, physical: cutStages(plan), functions: jobFunctions(job) }
    this.owners = new OwnersCheck(cluster, journals, violations)
    const lineage = new Lineage((key, partitions) => cluster.partitionFor(key, partitions), violations)
    this.#lineage = lineage
    this.#outputs = new OutputCheck(written, lineage, violations)
    this.ended = new EndedCheck(cluster, this.violations)
    this.#drained = new DrainedCheck(cluster, this.journals, this.violations)
    this.#objects = new ObjectsCheck(cluster, this.journals, this.damaged, this.violations)
    const deadLetterTopic = paths.deadLetterTopic(jobId(name))
    this.letters = new DeadLetterCheck({ topic: deadLetterTopic, input, variety, lineage, violations })
    this.#fates = new FatesCheck({ shape, variety, input, deadLetterTopic, journals, violations })
    this.#windows = new WindowsCheck({ input, variety, journals, lineage, violations })
    this.#alarms = new AlarmsCheck(written, lineage, violations)
    cluster.onMade = (slot, task) => void this.#made.set(`${slot} ${taskKey(task.ref)}`, task)
    // A throw-away process is there to die.
    cluster.onKilled = (process, user) => {
      const isSlot = !process.name.endsWith('t')
      cluster.trace.add('fault', `a record kills a ${isSlot ? 'slot' : 'trial'}`, { process: process.name, user })
      if (isSlot) this.letters.killed(this.run, user)
    }
    cluster.servers.broker.observer = this
    cluster.objects.deleted = (key, { body }) => this.#objects.gone(key, body)
    cluster.objects.added = (key) => {
      this.#defined(key)
      this.#objects.added(key)
    }
    cluster.trace.onEvent = (who, event, facts) => {
      if (event === 'task.assigned') this.owners.assigned(facts)
      else if (event === 'checkpoint.begun') this.#begun = cluster.scheduler.now
      else if (event === 'checkpoint.completed') this.checkpointBegunAt = this.#begun
      else if (event === 'job.drained') this.#drained.drained(facts)
      else if (event === 'run.ended') this.ended.ended((facts as { readonly run: number }).run)
      else if (event === 'session.lost') this.owners.lost(who)
      else if (event === 'takeover.reclaim') this.owners.reclaims(who, (facts as { readonly task: string }).task)
      else if (event === 'takeover.fenced') this.owners.fenced(who, facts)
      else if (event === 'task.running') this.owners.running(facts)
      else if (event === 'takeover.running') this.#recovered(who, (facts as { readonly task: string }).task)
    }
    cluster.servers.arrived = (_process, { call, of }) => {
      const id = call === 'log.initialise' ? paths.parseTransactionalId(of) : undefined
      if (id !== undefined) this.owners.session(id)
    }
  }

  appended(id: TransactionalId): void {
    this.owners.appended(id)
  }

  /** Outside of any transaction: only input should be. */
  written(writes: readonly CommittedWrite[]): void {
    this.#missing = undefined
    this.#said({ run: this.run, writes, batches: new Map() })
  }

  committed(id: TransactionalId, writes: readonly CommittedWrite[]): void {
    this.#missing = undefined
    const of = paths.parseTransactionalId(id)
    if (of === undefined) return
    let committing = false
    for (const write of writes) {
      const { topic, partition } = write
      const internal = paths.parseInternalTopic(topic)
      if (internal?.kind !== 'journal') continue
      const journal = this.#journal(topic, partition, internal.run, internal.name)
      if (journal === undefined) continue
      this.#transactions.committed(writes, write)
      this.#dirty.add(journal)
      committing = true
    }
    if (!committing) this.violations.add('atomic', `transaction of ${id} without a journal record: ${writes.map(({ topic, partition }) => `${topic}/${partition}`).join(' ')}`)
    this.ended.committed(of.run, writes)
    this.#said({ run: of.run, writes, batches: batchesIn(writes) })
  }

  #said(committed: Committed): void {
    for (const check of [this.#outputs, this.#windows, this.#alarms, this.letters]) check.committed(committed)
  }

  initialised(id: TransactionalId, aborted: boolean): void {
    if (aborted) this.owners.aborted(id)
    // What it held open hides others' records no longer.
    if (aborted) for (const journal of this.journals.values()) this.#dirty.add(journal)
  }

  trimmed(topic: string, partition: number, before: number): void {
    this.journals.get(`${topic}/${partition}`)?.recoverable(`a trim to ${before}`)
  }

  deleted(topic: string): void {
    for (const [key, journal] of this.journals) if (key.startsWith(`${topic}/`)) journal.deleted()
  }

  /** After each step. */
  step(): void {
    if (this.#dirty.size > 0) {
      const dirty = [...this.#dirty]
      this.#dirty.clear()
      this.#missing = undefined
      for (const journal of dirty) this.#read(journal)
    }
    const { applied } = this.#cluster.markers
    for (; this.#applied < applied.length; this.#applied += 1) {
      this.#missing = undefined
      const one = applied[this.#applied]
      if (one) this.#outputs.applied({ run: one.run, task: taskOf(one.stage, one.partition), batchId: one.batchId }, one.value as Parameters<OutputCheck['applied']>[1])
    }
  }

  /** What the newest run has still to do, in words. */
  missing(): readonly string[] {
    this.#missing ??= this.#whatIsMissing()
    return this.#missing
  }

  #whatIsMissing(): string[] {
    const { workload, written, servers } = this.#cluster
    const missing = [...this.#outputs.missing(this.run, workload.sinks), ...this.letters.missing(this.run), ...this.#fates.missing(this.run)]
    if (hasWindows(workload.shape, workload.variety)) missing.push(...this.#windows.missing(this.run))
    if (workload.variety.timers) missing.push(...this.#alarms.missing(this.run))
    for (let partition = 0; partition < workload.partitions; partition += 1) {
      const journal = this.journals.get(`${paths.journalTopic(jobId(workload.name), this.run, 's0')}/${partition}`)
      const next = journal?.nextOf(workload.input) ?? 0
      const end = workload.input === INPUT ? servers.broker.partition(INPUT, partition).end : workload.lines[partition]?.length ?? 0
      if (next < end) missing.push(`input ${partition} is read to ${next} of ${end}`)
    }
    return written.length === 0 ? [...missing, 'nothing was written yet'] : missing
  }

  #read(journal: JournalCheck): void {
    const before = journal.newest
    journal.read()
    const { newest } = journal
    if (newest === undefined || newest === before) return
    const { run } = journal.of.ref
    if (run < this.run) this.violations.add('ended', `run ${run} committed batch ${newest.content.batchId} of ${journal.of.ref.stage}-${journal.of.ref.partition} when run ${this.run} had begun`)
    this.#drained.read(journal)
    if (newest.content.books.records > 0) this.lastRecordsAt = this.#cluster.scheduler.now
  }

  #journal(topic: string, partition: number, run: number, stage: string): JournalCheck | undefined {
    const key = `${topic}/${partition}`
    const known = this.journals.get(key)
    if (known !== undefined) return known
    const { workload, objects, servers } = this.#cluster
    const runKey = paths.run(jobId(workload.name), run)
    const body = objects.get(runKey)?.body
    if (body === undefined) {
      this.violations.add('needed object', `${runKey} is gone`)
      return undefined
    }
    const record = parseRun(body, runKey)
    const origin = this.#objects.origin(record)
    this.#lineage.runBegins(record, origin)
    const journal = new JournalCheck({ ref: { job: record.job, run, stage: stage as RunRecord['stages'][number]['stage'], partition }, topic, run: record, origin, makeTask: () => this.#makeTask(record, stage, partition) }, servers.broker, objects, this.violations, this.damaged, (of, seen, offset, before) => this.#batch(of, seen, offset, before))
    this.journals.set(key, journal)
    this.run = Math.max(run, this.run)
    return journal
  }

  #batch(of: JournalOf, { content }: CommitRecord, offset: number, before: ReadonlyMap<string, number>): void {
    const at = content.positions.find(({ topic }) => topic === this.#cluster.workload.input)
    const batch = { of, content, writes: this.#transactions.of(of.topic, of.ref.partition, offset), source: at && { partition: at.partition, from: before.get(positionKey(at)) ?? 0, to: at.next } }
    this.#fates.batch(batch)
    this.#windows.batch(batch)
  }

  #makeTask(run: RunRecord, stage: string, partition: number): Task {
    const topics = new Map(this.#cluster.servers.broker.listTopics().flatMap((topic) => {
      const description = this.#cluster.servers.broker.describe(topic)
      return description ? [[topic, description] as const] : []
    }))
    return createTask({
      ...this.#job, ref: { job: run.job, run: run.run, stage: stage as RunRecord['stages'][number]['stage'], partition }, run, topics,
      partitionFor: () => 0, clock: { now: () => 0, monotonic: () => 0, after: () => ({ cancel: () => {} }), sleep: async () => {} },
    })
  }

  /** The state that a task is taken over with is that which it had there before. */
  #recovered(who: string, name: string): void {
    const task = this.#made.get(`${who} ${name}`)
    const journal = [...this.journals.values()].find(({ of: { ref } }) => taskKey(ref) === name)
    if (task !== undefined && journal !== undefined) {
      journal.recovered(task, who)
      this.recoveries += 1
    }
  }

  /** The word of a driver that has been replaced counts for nothing. */
  #defined(key: string): void {
    const body = this.#cluster.objects.get(key)?.body
    const mine = paths.parseDefinition(key)
    if (body === undefined || mine === undefined || [...this.#cluster.objects.keys()].some((one) => paths.parseDefinition(one)?.job === mine.job && (paths.parseDefinition(one)?.number ?? 0) > mine.number)) return
    const definition = JSON.parse(body.toString()) as { readonly state: string, readonly error?: unknown }
    if (definition.state === 'failed') this.violations.add('job failed', JSON.stringify(definition.error))
  }
}
