// Checks of unknown JSON, field by field. A check reports what is wrong and answers whether the value has the right type; a value of the
// right type that is out of its range is reported too, but answers true, so that the checks between values still run.
import type { PlanProblem } from './plan.ts'

const PROBLEMS_MAX = 1_000

/** Gathers problems, at most `PROBLEMS_MAX`. */
export class Report {
  readonly problems: PlanProblem[] = []

  add(path: string, code: string, message: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push({ path, code, message })
  }
}

export type Check = (value: unknown, path: string, report: Report) => boolean

const SHOWN_CHARACTERS_MAX = 100
/** A value as a message or a path shows it. */
export const shown = (value: string): string => value.length > SHOWN_CHARACTERS_MAX ? `${value.slice(0, SHOWN_CHARACTERS_MAX)}…` : value

const typeName = (value: unknown): string => value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`

const wrongType = (value: unknown, path: string, wanted: string, report: Report): false => {
  report.add(path, value === undefined ? 'PLAN_FIELD_MISSING' : 'PLAN_TYPE', value === undefined ? `${wanted} is missing` : `${wanted} is wanted, not ${typeName(value)}`)
  return false
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** An own field's value: a plan from the wire may have a field named `__proto__`. */
export const fieldOf = (value: Readonly<Record<string, unknown>>, field: string): unknown => Object.hasOwn(value, field) ? value[field] : undefined

export const aBoolean: Check = (value, path, report) => typeof value === 'boolean' || wrongType(value, path, 'true or false', report)

/** Text whose value satisfies `rule`; `message` says what is wanted. */
export const aText = (code: string, message: string, rule: (text: string) => boolean): Check => (value, path, report) => {
  if (typeof value !== 'string') return wrongType(value, path, 'a string', report)
  if (!rule(value)) report.add(path, code, `"${shown(value)}": ${message}`)
  return true
}

export const oneOf = (...values: readonly string[]): Check => (value, path, report) => {
  if (typeof value !== 'string') return wrongType(value, path, 'a string', report)
  if (values.includes(value)) return true
  report.add(path, 'PLAN_VALUE', `"${shown(value)}" is none of ${values.join(', ')}`)
  return false
}

/** `unit` stands in the message: `ms`, `bytes` or nothing. */
export const anInteger = (least: number, most: number, unit = ''): Check => (value, path, report) => {
  if (typeof value !== 'number') return wrongType(value, path, 'a number', report)
  if (!Number.isInteger(value) || value < least || value > most) {
    const of = unit === '' ? '' : ` ${unit}`
    report.add(path, 'PLAN_RANGE', most === Number.MAX_SAFE_INTEGER ? `${value} is no whole number of at least ${least}${of}` : `${value} is no whole number from ${least} to ${most}${of}`)
  }
  return true
}

export const aRate: Check = (value, path, report) => {
  if (typeof value !== 'number') return wrongType(value, path, 'a number', report)
  if (!Number.isFinite(value) || value <= 0) report.add(path, 'PLAN_RANGE', `${value} is no number greater than 0`)
  return true
}

export const aListOf = (item: Check, least: number, most: number): Check => (value, path, report) => {
  if (!Array.isArray(value)) return wrongType(value, path, 'a list', report)
  if (value.length < least) report.add(path, 'PLAN_EMPTY', 'the list is empty')
  if (value.length > most) {
    report.add(path, 'PLAN_RANGE', `the list has ${value.length} entries, at most ${most} are allowed`)
    return false
  }
  return value.map((each: unknown, index) => item(each, `${path}.${index}`, report)).every(Boolean)
}

export const orNull = (check: Check): Check => (value, path, report) => value === null || check(value, path, report)

/** An object with these fields and no others; those in `optional` may be absent. */
export const anObject = (fields: Readonly<Record<string, Check>>, optional: readonly string[] = []): Check => (value, path, report) => {
  if (!isRecord(value)) return wrongType(value, path, 'an object', report)
  const at = path === '' ? '' : `${path}.`
  for (const field of Object.keys(value)) if (!Object.hasOwn(fields, field)) report.add(`${at}${shown(field)}`, 'PLAN_FIELD_UNKNOWN', 'this version knows no such field')
  return Object.entries(fields).map(([field, check]) => {
    const given = fieldOf(value, field)
    return given === undefined && optional.includes(field) ? true : check(given, `${at}${field}`, report)
  }).every(Boolean)
}

/** An object whose field `tag` says which of `cases` it is. */
export const oneOfKinds = (cases: Readonly<Record<string, Check>>): Check => (value, path, report) => {
  if (!isRecord(value)) return wrongType(value, path, 'an object', report)
  const kind = fieldOf(value, 'kind')
  const check = typeof kind === 'string' && Object.hasOwn(cases, kind) ? cases[kind] : undefined
  return check === undefined ? oneOf(...Object.keys(cases))(kind, `${path}.kind`, report) : check(value, path, report)
}
