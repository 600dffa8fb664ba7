// The flags of a process, read by the names of its settings; what its exit code says when it can't start.
import { parseArgs } from 'node:util'
import { isTidemarkError } from './errors.ts'
import { flagOf, settingsInvalid } from './settings.ts'
import type { SettingSpecs } from './settings.ts'

/** By flag name without dashes. `SETTINGS_INVALID` for one that is none, or has no value. */
export const readFlags = (specs: SettingSpecs, args: readonly string[]): Record<string, string | undefined> => {
  try {
    return parseArgs({ args: [...args], options: Object.fromEntries(Object.values(specs).map((spec) => [flagOf(spec), { type: 'string' as const }])) }).values
  } catch (error) {
    throw settingsInvalid([error instanceof Error ? error.message : String(error)])
  }
}

/** 2: started wrongly; 1: anything else. */
export const processExitCode = (error: unknown): number => isTidemarkError(error) && error.code === 'SETTINGS_INVALID' ? 2 : 1
