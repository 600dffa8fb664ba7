// Settings of a process: flags before environment before defaults, all mistakes reported at once, the result frozen.
import { isTidemarkError, TidemarkError } from './errors.ts'
import { parseDuration, parseSize } from './units.ts'

export interface SettingSpec<T> {
  /** `TIDEMARK_…`; the flag's name follows from it: `TIDEMARK_HEARTBEAT_TIMEOUT` is `--heartbeat-timeout`. */
  readonly env: string
  /** One sentence; names default and unit. */
  readonly about: string
  readonly fallback: T
  /** Throws for a value that is none. */
  readonly parse: (text: string) => T
}

export type SettingSpecs = Readonly<Record<string, SettingSpec<unknown>>>
export type Settings<S extends SettingSpecs> = { readonly [K in keyof S]: S[K] extends SettingSpec<infer T> ? T : never }

export const setting = {
  text: <F extends string | undefined>(env: string, fallback: F, about: string): SettingSpec<string | F> => ({ env, about, fallback, parse: (text) => text }),
  integer: (env: string, fallback: number, about: string, least = 0): SettingSpec<number> => ({
    env, about, fallback,
    parse: (text) => {
      const value = Number(text)
      if (!Number.isInteger(value) || value < least) throw new RangeError(`a whole number of at least ${least} is wanted`)
      return value
    },
  }),
  durationMs: (env: string, fallback: number, about: string): SettingSpec<number> => ({ env, about, fallback, parse: parseDuration }),
  sizeBytes: (env: string, fallback: number, about: string): SettingSpec<number> => ({ env, about, fallback, parse: parseSize }),
} as const

export const flagOf = (spec: SettingSpec<unknown>): string => spec.env.replace(/^TIDEMARK_/, '').toLowerCase().replaceAll('_', '-')

/**
 * `flags` by flag name without dashes (`heartbeat-timeout`). `across` checks settings against each other and returns sentences.
 * Throws one `SETTINGS_INVALID` with every mistake.
 */
export const readSettings = <S extends SettingSpecs>(
  specs: S,
  flags: Readonly<Record<string, string | undefined>>,
  env: Readonly<Record<string, string | undefined>>,
  across: (settings: Settings<S>) => readonly string[] = () => [],
): Settings<S> => {
  const problems: string[] = []
  const values: Record<string, unknown> = {}
  for (const [name, spec] of Object.entries(specs)) {
    const flag = flagOf(spec)
    const [text, origin] = flags[flag] !== undefined ? [flags[flag], `--${flag}`] : [env[spec.env], spec.env]
    if (text === undefined || text === '') values[name] = spec.fallback
    else {
      try {
        values[name] = spec.parse(text)
      } catch (error) {
        problems.push(`${origin} = ${JSON.stringify(text)}: ${isTidemarkError(error) ? `${error.message}. ${error.hint ?? ''}` : error instanceof Error ? error.message : String(error)}`)
      }
    }
  }
  if (problems.length === 0) problems.push(...across(values as Settings<S>))
  if (problems.length > 0) throw new TidemarkError(`the settings are wrong:\n  ${problems.join('\n  ')}`, { code: 'SETTINGS_INVALID', blame: 'user', action: 'exit', details: { problems } })
  return Object.freeze(values) as Settings<S>
}
