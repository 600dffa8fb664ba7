// What the executor's core is fed with and what it asks for. The shell turns commands into processes and messages, and what these say into events.
import type { ExecutorId, JobId, SlotId } from '@tidemark/base'
import type { SlotCommand, SlotEvent } from '@tidemark/runtime'
import type { DriverMessage, ExecutorMessage, SlotProcess } from '@tidemark/wire'
import type { StuckLimits } from './stuck.ts'

/** Until the driver says how often it wants to be told, ms. */
export const FIRST_HEARTBEAT_MS = 250

export interface ExecutorFacts extends StuckLimits {
  readonly executor: ExecutorId
  readonly label: string
  readonly slots: number
  readonly probeAddress: string
  readonly engineVersion: string
  readonly pid: number
  readonly pidStart: string
}

export type ExecutorEvent =
  | { readonly kind: 'driver-connected' }
  | { readonly kind: 'driver-lost' }
  | { readonly kind: 'driver-message', readonly message: DriverMessage }
  | { readonly kind: 'slot-ready', readonly process: SlotProcess }
  | { readonly kind: 'slot-event', readonly slotId: SlotId, readonly event: SlotEvent }
  | { readonly kind: 'slot-exited', readonly slotId: SlotId, readonly slot: number, readonly reason: string }
  /** Every heartbeat interval. */
  | { readonly kind: 'tick' }
  /** SIGTERM: hand everything over, then go. */
  | { readonly kind: 'drain' }

export type ExecutorCommand =
  | { readonly kind: 'send', readonly message: ExecutorMessage }
  | { readonly kind: 'start-slot', readonly slot: number }
  | { readonly kind: 'bind-slot', readonly slotId: SlotId, readonly job: JobId, readonly run: number }
  | { readonly kind: 'slot-command', readonly slotId: SlotId, readonly command: SlotCommand }
  | { readonly kind: 'kill-slot', readonly slotId: SlotId, readonly reason: string }
  | { readonly kind: 'heartbeat-interval', readonly ms: number }
  | { readonly kind: 'other-driver', readonly address: string | undefined }
  | { readonly kind: 'exit' }

/** Takes the commands of one event, in their order. */
export type Push = (command: ExecutorCommand) => void
