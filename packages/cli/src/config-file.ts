// tidemark.config.ts of the folder a command is started in: settings of all processes, by key, as values of their variables.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CLI_SETTINGS, closest, DRIVER_SETTINGS, EXECUTOR_SETTINGS, keyOf, settingProblem } from '@tidemark/base'
import type { SettingSpec } from '@tidemark/base'
import { compileFile } from './bundle.ts'

export interface ConfigFile {
  /** Undefined: there is none. */
  readonly path: string | undefined
  /** `TIDEMARK_…` → value, of what is right. */
  readonly variables: Readonly<Record<string, string>>
  /** Every mistake, one sentence each. */
  readonly problems: readonly string[]
}

export const CONFIG_FILE = 'tidemark.config.ts'
export const NO_CONFIG: ConfigFile = { path: undefined, variables: {}, problems: [] }

const SPECS: ReadonlyMap<string, SettingSpec<unknown>> = new Map([...Object.values(CLI_SETTINGS), ...Object.values(DRIVER_SETTINGS), ...Object.values(EXECUTOR_SETTINGS)].map((spec) => [keyOf(spec), spec]))

const SPECS_BY_VARIABLE: ReadonlyMap<string, SettingSpec<unknown>> = new Map([...SPECS.values()].map((spec) => [spec.env, spec]))

/** Texts, numbers, true and false; a list of texts is written with commas. */
const textOf = (value: unknown): string | undefined => {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value)
  return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value.join(',') : undefined
}

/** Nothing of what is in it: that may be a password, whatever the setting is. */
const typeProblem = (value: unknown, origin: string): string => {
  const what = value === null ? 'null' : Array.isArray(value) ? 'a list with something else than texts' : typeof value === 'object' ? 'an object' : `a ${typeof value}`
  return `${origin} is ${what}: a text, a number or a list of texts is wanted`
}

/** Judges every entry of what the file exports. */
export const readConfig = (path: string, exported: unknown): ConfigFile => {
  if (typeof exported !== 'object' || exported === null || Array.isArray(exported)) return { path, variables: {}, problems: [`${CONFIG_FILE} exports no settings as its default: end it with export default { kafka: 'host:9092' }`] }
  const variables: Record<string, string> = {}
  const problems: string[] = []
  for (const [key, value] of Object.entries(exported)) {
    if (value === undefined) continue
    const [spec, text] = [SPECS.get(key), textOf(value)]
    const near = spec === undefined ? closest(key, [...SPECS.keys()]) : undefined
    const origin = `${key} in ${CONFIG_FILE}`
    const problem = spec === undefined ? `${origin} is no setting${near === undefined ? '' : `. Did you mean ${near}?`}` : text === undefined ? typeProblem(value, origin) : settingProblem(spec, text, origin)
    if (problem !== undefined) problems.push(problem)
    else if (spec !== undefined && text !== undefined && text !== '') variables[spec.env] = text
  }
  return { path, variables, problems }
}

/** A file that can't be loaded is a mistake in the settings like any other. */
export const loadConfig = async (folder: string): Promise<ConfigFile> => {
  const path = join(folder, CONFIG_FILE)
  if (!existsSync(path)) return NO_CONFIG
  try {
    const code = await compileFile(path)
    const { default: exported } = await import(`data:text/javascript;base64,${code.toString('base64')}`) as { readonly default?: unknown }
    return readConfig(path, exported)
  } catch (error) {
    return { path, variables: {}, problems: [`${CONFIG_FILE} can't be loaded: ${error instanceof Error ? error.message : String(error)}`] }
  }
}

/** Settings that are told of by their variables, in the words of the file where that, and nothing above it, has them: `heartbeatTimeout in tidemark.config.ts`. */
export const inWordsOf = ({ variables }: ConfigFile, environment: Readonly<Record<string, string | undefined>>) => (text: string): string => text.replaceAll(/\bTIDEMARK_[A-Z0-9_]+\b/g, (env) => {
  const spec = SPECS_BY_VARIABLE.get(env)
  return spec === undefined || !(env in variables) || (environment[env] ?? '') !== '' ? env : `${keyOf(spec)} in ${CONFIG_FILE}`
})
