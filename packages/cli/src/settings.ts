// Settings of the command line: flags before TIDEMARK_* before tidemark.config.ts before defaults.
import { CLI_SETTINGS, DRIVER_SETTINGS, EXECUTOR_SETTINGS, flagOf, isTidemarkError, keyOf, readSettings } from '@tidemark/base'
import type { Settings, SettingSpecs } from '@tidemark/base'
import type { ConfigFile } from './config-file.ts'

export type Servers = Settings<typeof CLI_SETTINGS>
export type ServerName = keyof typeof CLI_SETTINGS
export type Environment = Readonly<Record<string, string | undefined>>

export const SPECS_BY_USER: Readonly<Record<string, SettingSpecs>> = { commands: CLI_SETTINGS, driver: DRIVER_SETTINGS, executor: EXECUTOR_SETTINGS }

/** By variable, each once: one that several use means the same to all of them. In the words of the commands, where they have it. */
export const ALL_SETTINGS: SettingSpecs = Object.fromEntries(Object.values(SPECS_BY_USER).toReversed().flatMap((specs) => Object.values(specs).map((spec) => [spec.env, spec])))

/** Flags as commander gives them (`s3Endpoint`) by the names that settings have (`s3-endpoint`); what is no setting's flag is left alone. */
export const flagsOf = (specs: SettingSpecs, flags: Readonly<Record<string, unknown>>): Record<string, string> => Object.fromEntries(Object.values(specs).flatMap((spec) => {
  const value = flags[keyOf(spec)]
  return typeof value === 'string' ? [[flagOf(spec), value]] : []
}))

/** The environment of a process that the file speaks to as well. An empty variable is none. */
export const withConfig = (config: ConfigFile, environment: Environment): Environment =>
  ({ ...config.variables, ...Object.fromEntries(Object.entries(environment).filter(([name, value]) => value !== '' || !(name in config.variables))) })

/** What is wrong with the settings that this reads; it has to be all that can be wrong. */
export const problemsOf = (read: () => unknown): readonly string[] => {
  try {
    read()
    return []
  } catch (error) {
    const found = isTidemarkError(error) ? error.details?.['problems'] : undefined
    if (!Array.isArray(found)) throw error
    return found.map(String)
  }
}

/** `SETTINGS_INVALID`, with the file's mistakes too. */
export const readServers = (flags: Readonly<Record<string, unknown>>, environment: Environment, config: ConfigFile): Servers =>
  readSettings(CLI_SETTINGS, flagsOf(CLI_SETTINGS, flags), withConfig(config, environment), undefined, config.problems)
