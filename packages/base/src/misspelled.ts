// Variables that are nearly a setting: they do nothing, and whoever set one meant something.
import { closest } from './closest.ts'
import { CLI_SETTINGS, DRIVER_SETTINGS, EXECUTOR_SETTINGS } from './process-settings.ts'

const PREFIX = 'TIDEMARK_'
const KNOWN: ReadonlySet<string> = new Set([CLI_SETTINGS, DRIVER_SETTINGS, EXECUTOR_SETTINGS].flatMap((specs) => Object.values(specs).map(({ env }) => env.slice(PREFIX.length))))

/** One sentence for each, with the setting that was meant. Of any process: they share one environment. Variables that are near to none are left alone: tests and tools have their own. */
export const misspelled = (environment: Readonly<Record<string, string | undefined>>): string[] => Object.keys(environment).filter((name) => name.startsWith(PREFIX)).toSorted().flatMap((variable) => {
  const name = variable.slice(PREFIX.length)
  const near = KNOWN.has(name) ? undefined : closest(name, [...KNOWN])
  return near === undefined ? [] : [`${variable} is set, and is no setting. Did you mean ${PREFIX}${near}?`]
})
