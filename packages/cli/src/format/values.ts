// Numbers and times as people read them.
import { formatDuration } from '@tidemark/base'

const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

export const number = (value: number): string => GROUPED.format(value)

const two = (value: number): string => String(value).padStart(2, '0')

/** A number that nobody may know. */
export const numberOr = (value: number | undefined): string => value === undefined ? '?' : number(value)

/** Local time of day, to the millisecond. */
export const timeOfDay = (ms: number): string => {
  const date = new Date(ms)
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`
}

/** Event time: UTC, to the second. */
export const eventTime = (ms: number): string => {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString().replace('T', ' ').replace(/\.\d+Z$/, 'Z')
}

export const ago = (then: number, now: number): string => `${formatDuration(Math.max(0, now - then))} ago`

/** A message without what caused it, which stands on lines of its own. */
export const firstLine = (text: string): string => text.split('\n', 1)[0] ?? ''

export const plural = (count: number, one: string, many = `${one}s`): string => `${number(count)} ${count === 1 ? one : many}`
