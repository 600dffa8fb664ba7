// Durations and sizes as people write them: `10s`, `1h`, `64MiB`. Numbers are milliseconds and bytes.
import { TidemarkError } from './errors.ts'

/** `250ms`, `10s`, `5m`, `1h`, `7d`, or a number of milliseconds. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`
/** `512B`, `900KiB`, `64MiB`, `1GiB` (`KB`, `MB`, `GB` are powers of 1000), or a number of bytes. */
export type Size = number | `${number}${'B' | 'KiB' | 'MiB' | 'GiB' | 'KB' | 'MB' | 'GB'}`

const DURATION_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const SIZE_BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, KB: 1e3, MB: 1e6, GB: 1e9 }

const parse = (value: number | string, units: Readonly<Record<string, number>>, what: string): number => {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)([A-Za-z]*)$/.exec(value.trim()) : null
  const unit = match ? (match[2] === '' ? 1 : units[match[2] ?? '']) : undefined
  if (!match || unit === undefined) {
    throw new TidemarkError(`${JSON.stringify(value)} is no ${what}`, { code: 'UNIT_INVALID', blame: 'user', action: 'fail-job', hint: `Write a number followed by one of ${Object.keys(units).join(', ')}.` })
  }
  return Number(match[1]) * unit
}

/** Milliseconds. Throws `UNIT_INVALID`. */
export const parseDuration = (value: number | string): number => parse(value, DURATION_MS, 'duration')
/** Bytes. Throws `UNIT_INVALID`. */
export const parseSize = (value: number | string): number => Math.floor(parse(value, SIZE_BYTES, 'size'))

export const formatDuration = (ms: number): string => {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`
  return `${(ms / 3_600_000).toFixed(1)} h`
}

export const formatSize = (bytes: number): string => {
  for (const [unit, size] of [['GiB', 1024 ** 3], ['MiB', 1024 ** 2], ['KiB', 1024]] as const) if (bytes >= size) return `${(bytes / size).toFixed(1)} ${unit}`
  return `${bytes} B`
}
