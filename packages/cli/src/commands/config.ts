// tidemark config: every setting as the processes would have it, and where each value is from.
import { checkAccess, checkDriverSettings, checkExecutorSettings, DRIVER_SETTINGS, EXECUTOR_SETTINGS, flagOf, keyOf, readSettings, settingsInvalid, slotMemoryMaxMiB } from '@tidemark/base'
import type { CLI_SETTINGS, Settings, SettingSpec } from '@tidemark/base'
import { CONFIG_FILE } from '../config-file.ts'
import type { ConfigFile } from '../config-file.ts'
import { table } from '../format/table.ts'
import { ALL_SETTINGS, flagsOf, problemsOf, SPECS_BY_USER, withConfig } from '../settings.ts'
import type { Environment } from '../settings.ts'
import type { Terminal } from '../terminal.ts'

export interface ConfigRow {
  /** Its key in tidemark.config.ts. */
  readonly setting: string
  readonly value: string | number | null
  readonly from: 'flag' | 'environment' | 'file' | 'default'
  /** The flag, variable or file; null for a default. */
  readonly source: string | null
  readonly variable: string
  readonly unit?: 'ms'
  readonly usedBy: readonly string[]
}

const SECRET = '…'

/** Every mistake of all processes' settings, each told once. `SETTINGS_INVALID`. */
const checkAll = (flags: Readonly<Record<string, string>>, environment: Environment, config: ConfigFile): void => {
  const problems = new Set(config.problems)
  for (const specs of Object.values(SPECS_BY_USER)) {
    const found = problemsOf(() => readSettings(specs, flags, environment, (settings) => specs === DRIVER_SETTINGS ? checkDriverSettings(settings as Settings<typeof DRIVER_SETTINGS>)
      : specs === EXECUTOR_SETTINGS ? checkExecutorSettings(settings as Settings<typeof EXECUTOR_SETTINGS>) : checkAccess(settings as Settings<typeof CLI_SETTINGS>)))
    for (const problem of found) problems.add(problem)
  }
  if (problems.size > 0) throw settingsInvalid([...problems])
}

/** Of a URL, who may use it is a secret, and a query may say that as well. */
const shownUrl = ({ protocol, username, password, host, pathname, search, hash }: URL): string => `${protocol}//${username + password === '' ? '' : `${SECRET}@`}${host}${pathname}${search + hash === '' ? '' : `?${SECRET}`}`

const shown = (spec: SettingSpec<unknown>, value: unknown): string | number | null => {
  if (typeof value !== 'string') return typeof value === 'number' ? value : null
  if (value === '' || (spec.secret ?? false) === false) return value
  return spec.secret === 'url' && URL.canParse(value) ? shownUrl(new URL(value)) : SECRET
}

/** `given`: flags of any process. */
export const configRows = (given: Readonly<Record<string, unknown>>, environment: Environment, config: ConfigFile): ConfigRow[] => {
  const merged = withConfig(config, environment)
  const flags = flagsOf(ALL_SETTINGS, given)
  checkAll(flags, merged, config)
  const { slotHeapMiB, slotMemoryMiB } = readSettings({ slotHeapMiB: EXECUTOR_SETTINGS.slotHeapMiB, slotMemoryMiB: EXECUTOR_SETTINGS.slotMemoryMiB }, flags, merged)
  return Object.values(ALL_SETTINGS).map((spec): ConfigRow => {
    const [flag, variable] = [flags[flagOf(spec)], merged[spec.env] === '' ? undefined : merged[spec.env]]
    const inEnvironment = (environment[spec.env] ?? '') !== ''
    const [from, source, text] = flag !== undefined && flag !== '' ? ['flag', `--${flagOf(spec)}`, flag] as const
      : inEnvironment ? ['environment', spec.env, variable] as const
        : variable !== undefined ? ['file', CONFIG_FILE, variable] as const : ['default', null, undefined] as const
    return {
      setting: keyOf(spec),
      value: spec.env === EXECUTOR_SETTINGS.slotMemoryMiB.env ? slotMemoryMaxMiB({ slotHeapMiB, slotMemoryMiB }) : shown(spec, text === undefined ? spec.fallback : spec.parse(text)),
      from, source, variable: spec.env, ...spec.unit === undefined ? {} : { unit: spec.unit },
      usedBy: Object.entries(SPECS_BY_USER).filter(([, used]) => Object.values(used).some(({ env }) => env === spec.env)).map(([name]) => name),
    }
  }).toSorted((a, b) => a.setting < b.setting ? -1 : 1)
}

export const showConfig = (terminal: Terminal, json: boolean, rows: readonly ConfigRow[], config: ConfigFile): void => {
  if (json) return terminal.json(rows)
  terminal.line(config.path === undefined ? `no ${CONFIG_FILE} in this folder` : `settings of ${config.path} are used`)
  const lines = table([{ title: 'setting' }, { title: 'variable' }, { title: 'value' }, { title: 'from' }, { title: 'used by' }], rows.map(({ setting, variable, value, unit = '', source, usedBy }) => [
    setting, variable, value === null || value === '' ? '-' : `${value}${unit}`, source ?? 'default', usedBy.join(', '),
  ]))
  for (const line of lines) terminal.line(line)
  terminal.line('- is none: without kafka, s3Endpoint and redis everything is kept in the folder dir. A setting is a flag with dashes: heartbeatTimeout is --heartbeat-timeout')
}
