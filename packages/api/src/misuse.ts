// Plain misuse of the builder, thrown at once with the path of the argument. Mistakes in values are left to `checkPlan`, which finds all.
import { isTidemarkError, parseDuration, parseSize, TidemarkError } from '@tidemark/base'
import type { Duration, Size } from '@tidemark/base'

export const misuse = (path: string, message: string, hint?: string): TidemarkError =>
  new TidemarkError(`${path}: ${message}`, { code: 'JOB_MISUSE', blame: 'user', action: 'fail-job', path, ...(hint === undefined ? {} : { hint }) })

const described = (value: unknown): string => value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value

export const text = (value: unknown, path: string): string => {
  if (typeof value !== 'string') throw misuse(path, `a string is wanted, not ${described(value)}`)
  return value
}

/** Finite, and never -0: what JSON carries unchanged. */
export const number = (value: unknown, path: string): number => {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw misuse(path, `a finite number is wanted, not ${typeof value === 'number' ? value : described(value)}`)
  return value + 0
}

/** Refuses what is no function, and `async` functions and generators where one value is wanted; a promise returned by a plain one is refused when it runs. */
export const synchronous = <F>(value: F, path: string): F => {
  if (typeof value !== 'function') throw misuse(path, `a function is wanted, not ${described(value)}`)
  const kind = value.constructor.name
  if (kind === 'AsyncFunction' || kind === 'AsyncGeneratorFunction') {
    throw new TidemarkError(`${path}: the function is async`, { code: 'JOB_ASYNC_FUNCTION', blame: 'user', action: 'fail-job', path, hint: 'User functions are synchronous: fetch what they need beforehand, or put it on a topic.' })
  }
  return value
}

const unit = (value: unknown, path: string, parse: (value: number | string) => number): number => {
  if (typeof value !== 'number' && typeof value !== 'string') throw misuse(path, `a number or a text with a unit is wanted, not ${described(value)}`)
  try {
    return parse(value) + 0
  } catch (error) {
    throw misuse(path, error instanceof Error ? error.message : String(error), isTidemarkError(error) ? error.hint : undefined)
  }
}

/** Milliseconds. */
export const durationMs = (value: Duration, path: string): number => unit(value, path, parseDuration)
/** Bytes. */
export const sizeBytes = (value: Size, path: string): number => unit(value, path, parseSize)
