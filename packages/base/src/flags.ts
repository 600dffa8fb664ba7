// The flags of a process, read by the names of its settings; what its exit code says when it can't start.
import { parseArgs } from 'node:util'
import { flagOf, settingsInvalid } from './settings.ts'
import type { SettingSpecs } from './settings.ts'

/** By flag name without dashes, without those that are empty. `SETTINGS_INVALID` for one that is none, or has no value. */
export const readFlags = (specs: SettingSpecs, args: readonly string[]): Record<string, string | undefined> => {
  try {
    const { values } = parseArgs({ args: [...args], options: Object.fromEntries(Object.values(specs).map((spec) => [flagOf(spec), { type: 'string' as const }])) })
    return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ''))
  } catch (error) {
    throw settingsInvalid([error instanceof Error ? error.message : String(error)])
  }
}

const STARTED_WRONGLY: ReadonlySet<string> = new Set(['SETTINGS_INVALID', 'LOG_ADDRESS_INVALID'])
const NOT_REACHED: ReadonlySet<string> = new Set(['LOG_UNAVAILABLE', 'STORE_UNAVAILABLE', 'LEASE_UNAVAILABLE', 'EXECUTOR_NO_DRIVER'])

/** 2: started wrongly; 3: what it needs is not reached; 1: anything else. */
export const processExitCode = (error: unknown): number => {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
  if (STARTED_WRONGLY.has(code)) return 2
  return NOT_REACHED.has(code) ? 3 : 1
}
