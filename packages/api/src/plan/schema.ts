// The shape of a logical plan: which fields there are, their types, names and ranges.
import { isJobName } from '@tidemark/base'
import { aBoolean, aListOf, anInteger, anObject, aRate, aText, fieldOf, isRecord, oneOf, oneOfKinds, orNull, shown } from './shape.ts'
import type { Check, Report } from './shape.ts'
import type { JobSettings, PlanNode } from './plan.ts'

export const NODES_MAX = 1_000
const PARTITIONS_MAX = 1_000
const FILES_MAX = 10_000
const FIELDS_MAX = 100
const DAY_MS = 86_400_000
const KIB = 1024
const GIB = 1024 ** 3
const UNBOUNDED = Number.MAX_SAFE_INTEGER

const aName = aText('PLAN_NAME', 'a name has 1 to 100 lower-case letters, digits, "-" and "_", the first a letter or digit', isJobName)
const aTopic = aText('PLAN_TOPIC', 'a topic name has 1 to 249 letters, digits, ".", "_" and "-", is not "." or "..", and does not begin with "tidemark.", which is ours',
  (text) => /^[A-Za-z0-9._-]{1,249}$/.test(text) && text !== '.' && text !== '..' && !text.startsWith('tidemark.'))
const aPath = aText('PLAN_PATH', 'a path has 1 to 4,096 characters and no zero character', (text) => text.length >= 1 && text.length <= 4_096 && !text.includes('\0'))
const aVersion = aText('PLAN_NAME', 'a version has 1 to 200 characters', (text) => text.length >= 1 && text.length <= 200)
const aNodeId = aText('PLAN_ID', 'a node\'s id is "n" and a number', (text) => /^n\d{1,6}$/.test(text))
const aField = aText('PLAN_NAME', 'a field has 1 to 100 letters, digits and "_", the first no digit; "key", "window" and "__proto__" are taken',
  (text) => /^[A-Za-z_][A-Za-z0-9_]{0,99}$/.test(text) && text !== 'key' && text !== 'window' && text !== '__proto__')

const codec = oneOf('json', 'string', 'bytes', 'custom')
const emit = oneOf('final', 'updates')
const window = orNull(oneOfKinds({
  tumbling: anObject({ kind: oneOf('tumbling'), sizeMs: anInteger(1, 3_660 * DAY_MS, 'ms'), allowedLatenessMs: anInteger(0, 3_660 * DAY_MS, 'ms') }),
}))
const transform = anObject({ id: aNodeId, kind: oneOf('map', 'filter', 'flatMap'), input: aNodeId })

const node = oneOfKinds({
  source: anObject({
    id: aNodeId, kind: oneOf('source'), name: aName,
    source: oneOfKinds({
      topic: anObject({ kind: oneOf('topic'), topic: aTopic }),
      file: anObject({ kind: oneOf('file'), paths: aListOf(aPath, 1, FILES_MAX) }),
      generator: anObject({ kind: oneOf('generator'), partitions: anInteger(1, PARTITIONS_MAX), count: anInteger(1, UNBOUNDED), perSecond: aRate }, ['count', 'perSecond']),
    }),
    codec, hasSchema: aBoolean, eventTime: oneOf('record', 'function'), outOfOrdernessMs: anInteger(0, 366 * DAY_MS, 'ms'), idleAfterMs: anInteger(1, 366 * DAY_MS, 'ms'),
  }),
  map: transform,
  filter: transform,
  flatMap: transform,
  keyBy: anObject({ id: aNodeId, kind: oneOf('keyBy'), input: aNodeId, copartitioned: aBoolean }),
  aggregate: anObject({
    id: aNodeId, kind: oneOf('aggregate'), name: aName, input: aNodeId, window, emit,
    fields: aListOf(anObject({ field: aField, kind: oneOf('count', 'sum', 'min', 'max', 'avg', 'custom') }), 1, FIELDS_MAX),
  }),
  reduce: anObject({ id: aNodeId, kind: oneOf('reduce'), name: aName, input: aNodeId, window, emit }),
  process: anObject({ id: aNodeId, kind: oneOf('process'), name: aName, input: aNodeId }),
  sink: anObject({
    id: aNodeId, kind: oneOf('sink'), name: aName, input: aNodeId,
    sink: oneOfKinds({
      topic: anObject({ kind: oneOf('topic'), topic: aTopic }),
      file: anObject({ kind: oneOf('file'), folder: aPath }),
      stdout: anObject({ kind: oneOf('stdout') }),
      marker: anObject({ kind: oneOf('marker') }),
    }),
    codec, hasKey: aBoolean,
  }),
})

// Ranges. 5 s of commit interval leave half of the transaction's time-out of 10 s.
const settings = anObject({
  parallelism: anInteger(1, PARTITIONS_MAX),
  onError: oneOf('fail', 'dead-letter', 'skip'),
  deadLetterTopic: aTopic,
  commitIntervalMinMs: anInteger(1, 5_000, 'ms'),
  commitIntervalMaxMs: anInteger(1, 5_000, 'ms'),
  batchOutputBytesMax: anInteger(KIB, GIB, 'bytes'),
  batchStateBytesMax: anInteger(KIB, GIB, 'bytes'),
  checkpointIntervalMs: anInteger(100, DAY_MS, 'ms'),
  checkpointTimeoutMs: anInteger(100, DAY_MS, 'ms'),
  checkpointInFlightBytesMax: anInteger(KIB, 1024 * GIB, 'bytes'),
  checkpointsRetained: anInteger(2, 1_000),
  outboxBytesMax: anInteger(KIB, 16 * GIB, 'bytes'),
  shuffleBacklogBytesMax: anInteger(KIB, 1024 * GIB, 'bytes'),
  futureTimestampBoundMs: anInteger(0, UNBOUNDED, 'ms'),
} satisfies Record<keyof JobSettings, Check>)

/** `nodes.sink:totals`, or by id, or by place in the list: the best that a node of unknown shape has. */
export const nodePath = (value: unknown, index: number): string => {
  if (!isRecord(value)) return `nodes.${index}`
  const [kind, name, id] = [fieldOf(value, 'kind'), fieldOf(value, 'name'), fieldOf(value, 'id')]
  if (typeof kind === 'string' && typeof name === 'string') return `nodes.${shown(kind)}:${shown(name)}`
  return typeof id === 'string' ? `nodes.${shown(id)}` : `nodes.${index}`
}

export const isSettings = (value: unknown, report: Report): value is JobSettings => settings(value, 'settings', report)
export const isNode = (value: unknown, path: string, report: Report): value is PlanNode => node(value, path, report)
export const checkJobName: Check = aName
export const checkVersion: Check = aVersion
