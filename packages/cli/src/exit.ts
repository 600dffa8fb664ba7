// Exit codes: what a script can tell from them.
import { isTidemarkError, TidemarkError } from '@tidemark/base'

export const EXIT = { done: 0, failed: 1, wrongUse: 2, unreachable: 3, interrupted: 130 } as const

const WRONG_USE: ReadonlySet<string> = new Set(['CLI_USAGE', 'SETTINGS_INVALID', 'LOG_ADDRESS_INVALID'])
const UNREACHABLE: ReadonlySet<string> = new Set(['CLI_NO_CLUSTER', 'WIRE_UNAVAILABLE', 'WIRE_DEADLINE', 'LOG_UNAVAILABLE', 'LEASE_UNAVAILABLE', 'DRIVER_NOT_LEADER', 'STORE_UNAVAILABLE', 'AUDIT_BLOCKED', 'AUDIT_OVERTAKEN'])

export const exitCodeOf = (error: unknown): number => {
  if (!isTidemarkError(error)) return EXIT.failed
  if (WRONG_USE.has(error.code)) return EXIT.wrongUse
  return UNREACHABLE.has(error.code) ? EXIT.unreachable : EXIT.failed
}

/** The command line itself is wrong. */
export const wrongUse = (message: string, hint?: string): TidemarkError =>
  new TidemarkError(message, { code: 'CLI_USAGE', blame: 'user', action: 'exit', ...(hint === undefined ? {} : { hint }) })
