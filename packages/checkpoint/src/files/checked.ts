// Reads a JSON file that may be damaged, hand-written, or from another version: every field is checked, and all mistakes are told at once.

/** One value of the file with its path; reading a wrong one notes the problem and goes on with a stand-in of the right type. */
export class Checked {
  readonly path: string
  readonly #value: unknown
  readonly #problems: string[]

  constructor(value: unknown, path: string, problems: string[]) {
    this.#value = value
    this.path = path
    this.#problems = problems
  }

  problem(message: string): void {
    this.#problems.push(`${this.path === '' ? 'the file' : this.path} ${message}`)
  }

  get absent(): boolean {
    return this.#value === undefined || this.#value === null
  }

  field(name: string): Checked {
    const path = this.path === '' ? name : `${this.path}.${name}`
    const isObject = typeof this.#value === 'object' && this.#value !== null && !Array.isArray(this.#value)
    if (!isObject) this.problem('is no object')
    return new Checked(isObject && Object.hasOwn(this.#value as object, name) ? (this.#value as Record<string, unknown>)[name] : undefined, path, this.#problems)
  }

  text(pattern?: RegExp): string {
    if (typeof this.#value === 'string' && (pattern === undefined || pattern.test(this.#value))) return this.#value
    this.problem(`is ${show(this.#value)}, wanted is text${pattern === undefined ? '' : ` like ${pattern.source}`}`)
    return ''
  }

  oneOf<T extends string>(...allowed: readonly T[]): T {
    const found = allowed.find((one) => one === this.#value)
    if (found === undefined) this.problem(`is ${show(this.#value)}, wanted is one of ${allowed.join(', ')}`)
    return found ?? (allowed[0] as T)
  }

  integer(least: number): number {
    if (typeof this.#value === 'number' && Number.isSafeInteger(this.#value) && this.#value >= least) return this.#value
    this.problem(`is ${show(this.#value)}, wanted is a whole number from ${least}`)
    return least
  }

  number(): number {
    if (typeof this.#value === 'number' && Number.isFinite(this.#value)) return this.#value
    this.problem(`is ${show(this.#value)}, wanted is a number`)
    return 0
  }

  flag(): boolean {
    if (typeof this.#value !== 'boolean') this.problem(`is ${show(this.#value)}, wanted is true or false`)
    return this.#value === true
  }

  list<T>(read: (element: Checked) => T): T[] {
    if (!Array.isArray(this.#value)) {
      this.problem('is no list')
      return []
    }
    return this.#value.map((element: unknown, i) => read(new Checked(element, `${this.path}[${i}]`, this.#problems)))
  }

  /** `{ [name]: value }` when it is there, else nothing: for optional fields. */
  maybe<N extends string, T>(name: N, read: (field: Checked) => T): { [K in N]?: T } {
    const field = this.field(name)
    return field.absent ? {} : { [name]: read(field) } as { [K in N]?: T }
  }

  record<T>(read: (field: Checked) => T): Record<string, T> {
    if (typeof this.#value !== 'object' || this.#value === null || Array.isArray(this.#value)) {
      this.problem('is no object')
      return {}
    }
    return Object.fromEntries(Object.keys(this.#value).map((name) => [name, read(this.field(name))]))
  }
}

const show = (value: unknown): string => (value === undefined ? 'missing' : JSON.stringify(value)?.slice(0, 60) ?? typeof value)

/** The file read, with every problem found; `format` is its `formatVersion`. */
export const readChecked = <T>(body: Buffer | string, read: (root: Checked) => T): { readonly value: T | undefined, readonly format: number, readonly problems: readonly string[] } => {
  const problems: string[] = []
  let parsed: unknown
  try {
    parsed = JSON.parse(body.toString())
  } catch (error) {
    return { value: undefined, format: 0, problems: [`the file is no JSON: ${error instanceof Error ? error.message : String(error)}`] }
  }
  const root = new Checked(parsed, '', problems)
  const format = root.field('formatVersion').integer(1)
  // A newer format may mean anything: its version is all that is read of it.
  const value = problems.length === 0 && format === 1 ? read(root) : undefined
  return { value, format, problems }
}

/** As it is stored: readable, one value a line, a line feed at the end. */
export const formatJson = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`)
