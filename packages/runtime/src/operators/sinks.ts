// Sinks: records for topics of the log, entries for the outbox.
import { types } from 'node:util'
import { TidemarkError } from '@tidemark/base'
import type { AppendRecord } from '@tidemark/base'
import type { Key, SinkFunctions, SinkNode } from 'tidemark'
import type { Outputs } from '../task/outputs.ts'
import { checkKey, shownKey } from './keys.ts'
import { Placement } from './placement.ts'
import { FATE } from './scope.ts'
import type { Push, Scope } from './scope.ts'
import { refusePromise } from './user-code.ts'

/** Where the log's own default partitioner puts a key. */
export type PartitionFor = (key: Buffer, partitions: number) => number

export interface SinkTopic {
  readonly partitions: number
  /** Largest record the topic takes, bytes; unknown: whatever the log says when it is sent. */
  readonly maxMessageBytes?: number
}

/** What a codec made: text or bytes, else its record's error. */
const encodedBy = (functions: SinkFunctions, node: SinkNode, value: unknown): Buffer | string => {
  const encoded: unknown = functions.encode(value)
  if (typeof encoded === 'string') return encoded
  refusePromise(encoded, `sink "${node.name}"`)
  // A copy: it is kept until the commit, and a codec may fill one buffer again and again.
  if (types.isUint8Array(encoded)) return Buffer.from(encoded)
  throw new TidemarkError(`the codec of sink "${node.name}" made ${encoded === null ? 'null' : `a value of type ${typeof encoded}`}, neither a string nor a Buffer`, {
    code: 'JOB_ENCODE', blame: 'user', action: 'fail-job', hint: 'Its `encode` answers with text or bytes: a string, a Buffer or a Uint8Array.',
  })
}

const lengthOf = (encoded: Buffer | string | null): number => encoded === null ? 0 : encoded.length

/** `rotation`: partition of records without a key; moves with the batches, so it follows from the position. */
export const topicSink = (node: SinkNode, topic: string, { partitions, maxMessageBytes }: SinkTopic, functions: SinkFunctions, scope: Scope, outputs: Outputs, partitionFor: PartitionFor, rotation: () => number): Push => {
  const lists: AppendRecord[][] = outputs.topic(topic, partitions)
  const placement = new Placement(partitions, partitionFor)
  const hasKey = functions.key !== undefined
  const whatKey = `the key of sink "${node.name}"`
  return (value) => {
    scope.node = node.id
    const key: Key | undefined = hasKey ? checkKey(refusePromise(functions.key?.(value), whatKey)) : scope.key
    const encoded = encodedBy(functions, node, value)
    const text = key === undefined ? null : typeof key === 'string' ? key : String(key)
    const partition = text === null ? rotation() % partitions : placement.of(text)
    if (maxMessageBytes !== undefined && (encoded.length + lengthOf(text)) * 3 + RECORD_OVERHEAD_BYTES > maxMessageBytes) refuseTooLarge(node, topic, encoded, text, maxMessageBytes)
    ;(lists[partition] as AppendRecord[]).push({ key: text, value: encoded, timestamp: outputs.timestamp(scope.time) })
    outputs.bytes += lengthOf(encoded) + lengthOf(text) + 24
    outputs.emitted += 1
    scope.effects += 1
    scope.fate |= FATE.passedOn
  }
}

/** What the log adds to a single record without headers at most, bytes. */
export const RECORD_OVERHEAD_BYTES = 128

const refuseTooLarge = (node: SinkNode, topic: string, encoded: Buffer | string, key: string | null, maxMessageBytes: number): void => {
  const bytes = Buffer.byteLength(encoded) + Buffer.byteLength(key ?? '') + RECORD_OVERHEAD_BYTES
  if (bytes <= maxMessageBytes) return
  throw new TidemarkError(`a record of ${bytes} bytes for topic "${topic}" (sink "${node.name}", key ${JSON.stringify(shownKey(key))}) is larger than the topic takes, ${maxMessageBytes} bytes`, {
    code: 'TASK_VALUE_TOO_LARGE', blame: 'user', action: 'fail-job', details: { topic, key: shownKey(key), bytes }, hint: 'Raise max.message.bytes of the topic, or send less.',
  })
}

export const outboxSink = (node: SinkNode, functions: SinkFunctions, scope: Scope, outputs: Outputs): Push => {
  const records = outputs.outbox(node.name)
  return (value) => {
    scope.node = node.id
    const encoded = encodedBy(functions, node, value)
    const record = typeof encoded === 'string' ? Buffer.from(encoded) : encoded
    records.push(record)
    outputs.bytes += record.length + 8
    outputs.emitted += 1
    scope.effects += 1
    scope.fate |= FATE.passedOn
  }
}

