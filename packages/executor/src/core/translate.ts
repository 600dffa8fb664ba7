// Between what the driver says and what a slot understands, and back. Both sides are plain values; only their names for deep parts differ.
import { causesOf, codedMessage, TidemarkError } from '@tidemark/base'
import type { Action, Blame, TaskRef } from '@tidemark/base'
import type { SnapshotRef } from '@tidemark/checkpoint'
import type { SlotCommand, SlotEvent } from '@tidemark/runtime'
import type { DriverMessage, ErrorMessage, ExecutorMessage } from '@tidemark/wire'

/** Undefined: not for slots. `own`: those of the message's tasks that the slot has. */
export const slotCommandOf = (message: DriverMessage, own: readonly TaskRef[]): SlotCommand | undefined => {
  switch (message.kind) {
    case 'revoke':
      return { kind: 'revoke', tasks: own, reason: message.reason }
    case 'snapshot-begin':
      return { kind: 'snapshot-begin', checkpoint: message.checkpoint, tasks: own, ...(message.last ? { last: true } : {}) }
    case 'snapshot-complete':
      return { kind: 'snapshot-complete', checkpoint: message.checkpoint, tasks: own }
    case 'snapshot-in-flight':
      // The part came from a slot as a SnapshotRef and went through the driver unread.
      return { kind: 'snapshot-in-flight', checkpoint: message.checkpoint, task: message.task, ref: message.ref as SnapshotRef, cuts: message.cuts, bytesMax: message.bytesMax }
    case 'snapshot-abandon':
      return { kind: 'snapshot-abandon', checkpoint: message.checkpoint }
    case 'pause':
      return { kind: 'pause', tasks: own, forMs: message.forMs, reason: message.reason }
    default:
      return undefined
  }
}

/** The message and what caused it, line by line. The hint goes beside it: an error passes here twice, in the slot and in its executor. */
const withCauses = (error: TidemarkError): string => [error.message, ...causesOf(error).map((cause) => `because: ${codedMessage(cause)}`)].join('\n')

export const errorMessageOf = (error: TidemarkError): ErrorMessage =>
  ({ code: error.code, message: withCauses(error), blame: error.blame, action: error.action, ...(error.hint === undefined ? {} : { hint: error.hint }) })

export const driverMessageOf = (event: Exclude<SlotEvent, { readonly kind: 'status' | 'session' | 'log' | 'waits' }>): ExecutorMessage => {
  switch (event.kind) {
    case 'failed':
      return { ...event, error: errorMessageOf(event.error) }
    case 'snapshot-named': {
      const { task, checkpoint, ref, upstreams, watermark, outbox } = event
      return { kind: 'snapshot-named', part: { task, checkpoint, ref, upstreams, ...(watermark === undefined ? {} : { watermark }), outbox } }
    }
    default:
      return event
  }
}

/** A slot's event on its way to the executor's process: an error travels as plain facts. */
export type ChannelEvent = Exclude<SlotEvent, { readonly kind: 'failed' }> | (Omit<SlotEvent & { readonly kind: 'failed' }, 'error'> & { readonly error: ErrorMessage })

export const toChannel = (event: SlotEvent): ChannelEvent => (event.kind === 'failed' ? { ...event, error: errorMessageOf(event.error) } : event)

const BLAMES: readonly Blame[] = ['user', 'environment', 'bug']
const ACTIONS: readonly Action[] = ['retry', 'restart-task', 'fail-job', 'exit']

/** What is to be done about it arrives as it was sent: an error that another try may cure stops no job. */
export const fromChannel = (event: ChannelEvent): SlotEvent => {
  if (event.kind !== 'failed') return event
  const { code, message, blame, action, hint } = event.error
  return {
    ...event,
    error: new TidemarkError(message, {
      code, blame: BLAMES.find((one) => one === blame) ?? 'bug', action: ACTIONS.find((one) => one === action) ?? 'fail-job', ...(hint === undefined ? {} : { hint }),
    }),
  }
}
