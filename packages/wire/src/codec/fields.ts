// A message's fields described once, for both directions: plain value → what protobuf writes, and back with every field checked.
import { TidemarkError } from '@tidemark/base'

export interface Field<T> {
  toWire(value: T): unknown
  /** Throws `WIRE_MALFORMED` that names the path. */
  fromWire(raw: unknown, path: string): T
}
export interface OptionalField<T> extends Field<T> {
  readonly optional: true
}

type FieldFor<T, K extends keyof T> = object extends Pick<T, K> ? OptionalField<Exclude<T[K], undefined>> : Field<T[K]>
/** One field for each property of T, optional where the property is: a property that is forgotten here does not compile. */
export type FieldsOf<T> = { readonly [K in keyof T]-?: FieldFor<T, K> }

const malformed = (path: string, wanted: string, raw: unknown): TidemarkError =>
  new TidemarkError(`${path}: ${wanted} is wanted, got ${JSON.stringify(raw)?.slice(0, 100)}`, { code: 'WIRE_MALFORMED', blame: 'bug', action: 'exit', hint: 'Both sides must speak the same version of proto/tidemark/v1.' })

const scalar = <T>(wanted: string, check: (raw: unknown) => raw is T): Field<T> => ({
  toWire: (value) => {
    if (!check(value)) throw malformed('value to send', wanted, value)
    return value
  },
  fromWire: (raw, path) => {
    if (!check(raw)) throw malformed(path, wanted, raw)
    return raw
  },
})

/** A string; `T` may be a branded id, which carries no more than its text. */
export const text = <T extends string = string>(): Field<T> => scalar('a string', (raw): raw is T => typeof raw === 'string')
export const oneOf = <T extends string>(...values: readonly T[]): Field<T> => scalar(values.join(' | '), (raw): raw is T => values.includes(raw as T))
export const integer: Field<number> = scalar('a safe integer', (raw): raw is number => Number.isSafeInteger(raw))
export const double: Field<number> = scalar('a finite number', (raw): raw is number => Number.isFinite(raw))
export const bool: Field<boolean> = scalar('a boolean', (raw): raw is boolean => typeof raw === 'boolean')

/** A part that only the two ends understand, as JSON text. */
export const json: Field<unknown> = {
  toWire: (value) => JSON.stringify(value ?? null),
  fromWire: (raw, path) => {
    try {
      return JSON.parse(String(raw))
    } catch {
      throw malformed(path, 'JSON', raw)
    }
  },
}

export const optional = <T>(field: Field<T>): OptionalField<T> => ({ ...field, optional: true })

export const list = <T>(field: Field<T>): Field<readonly T[]> => ({
  toWire: (values) => values.map((value) => field.toWire(value)),
  fromWire: (raw, path) => {
    if (!Array.isArray(raw)) throw malformed(path, 'a list', raw)
    return raw.map((item: unknown, index) => field.fromWire(item, `${path}[${index}]`))
  },
})

export const numbers: Field<Readonly<Record<string, number>>> = {
  toWire: (value) => value,
  fromWire: (raw, path) => {
    if (typeof raw !== 'object' || raw === null) throw malformed(path, 'a map of numbers', raw)
    return Object.fromEntries(Object.entries(raw).map(([name, value]) => [name, double.fromWire(value, `${path}.${name}`)]))
  },
}

type AnyField = Field<unknown> & { readonly optional?: true }

export const message = <T extends object>(fields: FieldsOf<T>): Field<T> => {
  // The mapped type is exact for callers; inside, every field is handled alike.
  const entries = Object.entries(fields) as unknown as readonly [string, AnyField][]
  return {
    toWire: (value) => {
      const out: Record<string, unknown> = {}
      for (const [name, field] of entries) {
        const present = (value as Record<string, unknown>)[name]
        if (present !== undefined) out[name] = field.toWire(present)
        else if (field.optional !== true) throw malformed(name, 'a value', present)
      }
      return out
    },
    fromWire: (raw, path) => {
      if (typeof raw !== 'object' || raw === null) throw malformed(path, 'a message', raw)
      const out: Record<string, unknown> = {}
      for (const [name, field] of entries) {
        const present = (raw as Record<string, unknown>)[name]
        if (present !== undefined && present !== null) out[name] = field.fromWire(present, `${path}.${name}`)
        else if (field.optional !== true) throw malformed(`${path}.${name}`, 'a value', present)
      }
      return out as T
    },
  }
}

const camel = (kind: string): string => kind.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())

/** A `oneof kind`: `slot-died` here is the field `slot_died` there. */
export const variants = <T extends { readonly kind: string }>(
  fields: { readonly [K in T['kind']]: Field<Omit<Extract<T, { readonly kind: K }>, 'kind'>> },
): Field<T> => {
  // The mapped type ties each field to its kind; inside, all are looked up by name.
  const byKind = new Map(Object.entries(fields) as unknown as readonly [string, Field<object>][])
  const byWire = new Map([...byKind].map(([kind, field]) => [camel(kind), { kind, field }]))
  return {
    toWire: (value) => {
      const field = byKind.get(value.kind)
      if (!field) throw malformed('kind', [...byKind.keys()].join(' | '), value.kind)
      return { [camel(value.kind)]: field.toWire(value) }
    },
    fromWire: (raw, path) => {
      const wire = (raw as Record<string, unknown>)['kind']
      const variant = typeof wire === 'string' ? byWire.get(wire) : undefined
      if (!variant) throw malformed(path, 'a known kind of message', wire)
      return { kind: variant.kind, ...variant.field.fromWire((raw as Record<string, unknown>)[wire as string], `${path}.${variant.kind}`) } as T
    },
  }
}
