// Exit codes: what a script can tell from them.
import { isTidemarkError, TidemarkError } from '@tidemark/base'

export const EXIT = { done: 0, failed: 1, wrongUse: 2, unreachable: 3 } as const

/** What a shell tells of a program that was ended so: 128 and the signal's number. */
export const EXIT_BY_SIGNAL = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

export type EndingSignal = keyof typeof EXIT_BY_SIGNAL

const WRONG_USE: ReadonlySet<string> = new Set(['CLI_USAGE', 'SETTINGS_INVALID', 'LOG_ADDRESS_INVALID'])
const UNREACHABLE: ReadonlySet<string> = new Set(['CLI_NO_CLUSTER', 'WIRE_UNAVAILABLE', 'WIRE_DEADLINE', 'LOG_UNAVAILABLE', 'LEASE_UNAVAILABLE', 'DRIVER_NOT_LEADER', 'STORE_UNAVAILABLE', 'AUDIT_BLOCKED', 'AUDIT_OVERTAKEN'])

const signalExitOf = (signal: unknown): number => signal === 'SIGTERM' || signal === 'SIGHUP' ? EXIT_BY_SIGNAL[signal] : EXIT_BY_SIGNAL.SIGINT

export const exitCodeOf = (error: unknown): number => {
  if (!isTidemarkError(error)) return EXIT.failed
  if (error.code === 'CLI_INTERRUPTED') return signalExitOf(error.details['signal'])
  if (WRONG_USE.has(error.code)) return EXIT.wrongUse
  return UNREACHABLE.has(error.code) ? EXIT.unreachable : EXIT.failed
}

/** The command line itself is wrong. */
export const wrongUse = (message: string, hint?: string): TidemarkError =>
  new TidemarkError(message, { code: 'CLI_USAGE', blame: 'user', action: 'exit', ...(hint === undefined ? {} : { hint }) })

/** The user wants it to end; what an aborted signal gives as its reason. */
export const interruption = (signal: EndingSignal): TidemarkError =>
  new TidemarkError(`ended by ${signal}`, { code: 'CLI_INTERRUPTED', blame: 'user', action: 'exit', details: { signal } })

/** It was ended before it was done; by which signal is known from the reason of `signal`. */
export const interrupted = ({ reason }: AbortSignal, message: string, { hint, job }: { readonly hint: string, readonly job?: string }): TidemarkError =>
  new TidemarkError(message, { code: 'CLI_INTERRUPTED', blame: 'user', action: 'exit', hint, ...job === undefined ? {} : { job }, details: isTidemarkError(reason) ? reason.details : {} })

/** Resolves when the user wants it to end: raced against what may be silent for long. */
export const whenAborted = (signal: AbortSignal): Promise<undefined> => new Promise((resolve) => {
  if (signal.aborted) resolve(undefined)
  else signal.addEventListener('abort', () => resolve(undefined), { once: true })
})
