// Settings of a process: flags before environment before defaults, all mistakes reported at once, each with its name, its value and the rule; the result frozen.
import { isTidemarkError, TidemarkError } from './errors.ts'
import { parseDuration } from './units.ts'

export interface SettingSpec<T> {
  /** `TIDEMARK_…`; the flag's name follows from it: `TIDEMARK_HEARTBEAT_TIMEOUT` is `--heartbeat-timeout`. */
  readonly env: string
  /** One sentence; names default and unit. */
  readonly about: string
  readonly fallback: T
  /** Throws for a value that is none; the message is the rule. */
  readonly parse: (text: string) => T
  /** What a value that is a number counts; written behind it as it may be typed: `2000ms`. */
  readonly unit?: 'ms'
  /** Its value is not repeated in a message and never shown: it may hold a password. `url`: shown but for what says who may use it. */
  readonly secret?: boolean | 'url'
}

export type SettingSpecs = Readonly<Record<string, SettingSpec<unknown>>>
export type Settings<S extends SettingSpecs> = { readonly [K in keyof S]: S[K] extends SettingSpec<infer T> ? T : never }

/** Longer, and a timer would fire at once: timers count milliseconds in 31 bits. */
const DURATION_MS_MAX = 2 ** 31 - 1
export const PORT_MAX = 65_535

/** A user and a password before a host, or a query behind it: not repeated, also where none may stand. */
const CREDENTIALS = /[@?#]/

const rule = (sentence: string): RangeError => new RangeError(sentence)

const isAddress = (text: string, portLeast: number): boolean => {
  const [, port] = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/.exec(text) ?? []
  return port !== undefined && Number(port) >= portLeast && Number(port) <= PORT_MAX
}

const duration = (text: string, least: number): number => {
  const value = parseDuration(text)
  if (value < least || value > DURATION_MS_MAX) throw rule(`a duration from ${least} ms to 24 days is wanted`)
  return value
}

const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
/** What S3 takes for a name. */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/

const matching = <F extends string | undefined>(env: string, fallback: F, form: RegExp, wanted: string, about: string): SettingSpec<string | F> => ({
  env, about, fallback,
  parse: (text) => {
    if (!form.test(text)) throw rule(`${wanted} is wanted`)
    return text
  },
})

const choice = <C extends string>(env: string, fallback: C, choices: readonly C[], about: string): SettingSpec<C> => ({
  env, about, fallback,
  parse: (text) => {
    const found = choices.find((one) => one === text)
    if (found === undefined) throw rule(`one of ${choices.join(', ')} is wanted`)
    return found
  },
})

export const setting = {
  text: <F extends string | undefined>(env: string, fallback: F, about: string): SettingSpec<string | F> => ({ env, about, fallback, parse: (text) => text }),
  /** Text of a form; `wanted` says which. */
  matching,
  bucket: (env: string): SettingSpec<string> => matching(env, 'tidemark', BUCKET, 'a bucket name of 3 to 63 small letters, digits, dots and dashes', 'Bucket. Default: tidemark'),
  logLevel: (env: string): SettingSpec<(typeof LOG_LEVELS)[number]> => choice(env, 'info', LOG_LEVELS, `${LOG_LEVELS.slice(0, -1).join(', ')} or ${LOG_LEVELS.at(-1)}. Default: info`),
  /** `host:port`; port 0 only where one is listened on. */
  address: <F extends string | undefined>(env: string, fallback: F, about: string, portLeast: 0 | 1 = 1): SettingSpec<string | F> => ({
    env, about, fallback,
    parse: (text) => {
      if (!isAddress(text, portLeast)) throw rule(`host:port with a port from ${portLeast} to ${PORT_MAX} is wanted`)
      return text
    },
  }),
  /** `host:port`, several separated by commas. */
  addresses: <F extends string | undefined>(env: string, fallback: F, about: string): SettingSpec<string | F> => ({
    env, about, fallback,
    parse: (text) => {
      const wrong = text.split(',').map((one) => one.trim()).filter((one) => !isAddress(one, 1))
      if (wrong.length > 0) throw rule(`host:port, several separated by commas, is wanted; ${wrong.map((one) => CREDENTIALS.test(one) ? 'one of these' : JSON.stringify(one)).join(', ')} is none`)
      return text
    },
  }),
  /** `instead`: who may use it, and how, does not stand in this one; says where it does. */
  url: (env: string, protocols: readonly string[], about: string, { secret = false, instead }: { readonly secret?: 'url' | false, readonly instead?: string } = {}): SettingSpec<string | undefined> => ({
    env, about, fallback: undefined, secret,
    parse: (text) => {
      const url = URL.canParse(text) ? new URL(text) : undefined
      if (url === undefined || url.hostname === '' || !protocols.includes(url.protocol.slice(0, -1))) throw rule(`${protocols.map((protocol) => `${protocol}://`).join(' or ')}, host and port is wanted`)
      if (instead !== undefined && `${url.username}${url.password}${url.search}${url.hash}` !== '') throw rule(`host and port alone are wanted; ${instead}`)
      return text
    },
  }),
  integer: (env: string, fallback: number, about: string, least = 0, most = Infinity): SettingSpec<number> => ({
    env, about, fallback,
    parse: (text) => {
      const value = Number(text)
      if (!Number.isInteger(value) || value < least || value > most) throw rule(`a whole number ${most === Infinity ? `of at least ${least}` : `from ${least} to ${most}`} is wanted`)
      return value
    },
  }),
  durationMs: (env: string, fallback: number, about: string, least = 1): SettingSpec<number> => ({ env, about, fallback, unit: 'ms', parse: (text) => duration(text, least) }),
} as const

export const flagOf = (spec: SettingSpec<unknown>): string => spec.env.replace(/^TIDEMARK_/, '').toLowerCase().replaceAll('_', '-')

/** `TIDEMARK_HEARTBEAT_TIMEOUT` is `heartbeatTimeout` in tidemark.config.ts. */
export const keyOf = (spec: SettingSpec<unknown>): string => flagOf(spec).replaceAll(/-(\w)/g, (_dash, letter: string) => letter.toUpperCase())

/** Whether a value may be repeated in a message: it is no secret, and does not look as if it held one. */
const mayRepeat = (spec: SettingSpec<unknown>, text: string): boolean => (spec.secret ?? false) === false && !CREDENTIALS.test(text)

/** What is wrong with a value, told of where it came from; undefined when nothing is. */
export const settingProblem = (spec: SettingSpec<unknown>, text: string, origin: string): string | undefined => {
  try {
    spec.parse(text)
    return undefined
  } catch (error) {
    return `${mayRepeat(spec, text) ? `${origin} = ${JSON.stringify(text)}` : origin}: ${isTidemarkError(error) ? `${error.message}. ${error.hint ?? ''}` : error instanceof Error ? error.message : String(error)}`
  }
}

/** One error for all of them. */
export const settingsInvalid = (problems: readonly string[]): TidemarkError =>
  new TidemarkError(`the settings are wrong:\n  ${problems.join('\n  ')}`, { code: 'SETTINGS_INVALID', blame: 'user', action: 'exit', details: { problems } })

/**
 * `flags` by flag name without dashes (`heartbeat-timeout`). `across` checks settings against each other and returns sentences that name them as `TIDEMARK_…`.
 * Throws one `SETTINGS_INVALID` with every mistake, those found before first.
 */
export const readSettings = <S extends SettingSpecs>(
  specs: S,
  flags: Readonly<Record<string, string | undefined>>,
  env: Readonly<Record<string, string | undefined>>,
  across: (settings: Settings<S>) => readonly string[] = () => [],
  before: readonly string[] = [],
): Settings<S> => {
  const problems = [...before]
  const unread: string[] = []
  const values: Record<string, unknown> = {}
  for (const [name, spec] of Object.entries(specs)) {
    const flag = flagOf(spec)
    // An empty flag is none, like an empty variable.
    const [text, origin] = (flags[flag] ?? '') !== '' ? [flags[flag], `--${flag}`] : [env[spec.env], spec.env]
    values[name] = spec.fallback
    if (text === undefined || text === '') continue
    const problem = settingProblem(spec, text, origin)
    if (problem === undefined) values[name] = spec.parse(text)
    else {
      unread.push(spec.env)
      problems.push(problem)
    }
  }
  // Of a setting that can't be read nobody knows how it stands to others.
  problems.push(...across(values as Settings<S>).filter((sentence) => !unread.some((name) => new RegExp(`\\b${name}\\b`).test(sentence))))
  if (problems.length > 0) throw settingsInvalid(problems)
  return Object.freeze(values) as Settings<S>
}
