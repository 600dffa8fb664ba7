// The names of things. Branded strings, so that an executor's id cannot be passed where a slot's is wanted.

declare const brand: unique symbol
type Brand<B extends string> = string & { readonly [brand]: B }

/** A job's name, which is its id: lower-case letters, digits, `-`, `_`; 1 to 100 characters. */
export type JobId = Brand<'JobId'>
/** A stage of a job's plan: `s0`, `s1`, … in topological order. */
export type StageId = Brand<'StageId'>
/** UUID that an executor process makes at its start; its configured name is only a label. */
export type ExecutorId = Brand<'ExecutorId'>
/** UUID of one slot process. A slot that is started again has another. */
export type SlotId = Brand<'SlotId'>
/** A transactional id of the log: names one producer session, initialised once (rule R5). */
export type TransactionalId = Brand<'TransactionalId'>

const JOB_NAME = /^[a-z0-9][a-z0-9_-]{0,99}$/
export const isJobName = (text: string): boolean => JOB_NAME.test(text)

export const jobId = (text: string): JobId => {
  if (!isJobName(text)) throw new RangeError(`"${text}" is no job name: lower-case letters, digits, "-" and "_", 1 to 100 of them, the first a letter or digit`)
  return text as JobId
}
export const stageId = (index: number): StageId => `s${index}` as StageId
export const executorId = (uuid: string): ExecutorId => uuid as ExecutorId
export const slotId = (uuid: string): SlotId => uuid as SlotId
export const transactionalId = (text: string): TransactionalId => text as TransactionalId

/** The unit of assignment, state, snapshot and recovery: one partition of one stage in one run of a job. */
export interface TaskRef {
  readonly job: JobId
  /** Run number, from 1; grows with every start and restore of the job's name. */
  readonly run: number
  readonly stage: StageId
  readonly partition: number
}

/** `job/run/stage/partition`, used as a map key and in logs. */
export const taskKey = (task: TaskRef): string => `${task.job}/${task.run}/${task.stage}/${task.partition}`

export const sameTask = (a: TaskRef, b: TaskRef): boolean =>
  a.job === b.job && a.run === b.run && a.stage === b.stage && a.partition === b.partition
