// The repository as the house tests see it: its files, and its TypeScript sources parsed once.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { parseSync } from 'oxc-parser'
import { subpathOf } from './rooms.ts'

const ROOT = join(import.meta.dirname, '..', '..')

/** A node of the syntax tree, as far as these tests look into it. */
export interface Syntax {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [property: string]: unknown
}

export interface Import {
  readonly specifier: string
  readonly line: number
  /** True for `import type` and `export type`: nothing of it is left at run time. */
  readonly typeOnly: boolean
}

export interface Source {
  /** From the repository's root, with forward slashes. */
  readonly path: string
  readonly text: string
  /** The tree is what the parser could make of it. */
  readonly syntaxError: string | undefined
  readonly tree: Syntax
  readonly comments: readonly { readonly value: string, readonly start: number, readonly end: number }[]
  readonly imports: readonly Import[]
  lineOf(offset: number): number
}

const git = (...args: string[]): string[] => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 28 }).split('\0').filter((path) => path !== '')

/** Tracked, or new and not ignored: what would be committed. */
export const files: readonly string[] = git('ls-files', '-z', '--cached', '--others', '--exclude-standard').filter((path) => existsSync(join(ROOT, path))).toSorted()

export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

export const isSyntax = (value: unknown): value is Syntax => typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'

/** Every node below and with `node`, parents first. */
export const walk = function * (node: Syntax): Generator<Syntax> {
  yield node
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) {
      for (const item of value) if (isSyntax(item)) yield* walk(item)
    } else if (isSyntax(value)) yield* walk(value)
  }
}

const literal = (node: unknown): string | undefined => isSyntax(node) && node.type === 'Literal' && typeof node['value'] === 'string' ? node['value'] : undefined

const importsOf = (tree: Syntax, lineOf: (offset: number) => number): Import[] => {
  const found: Import[] = []
  for (const node of walk(tree)) {
    const isImport = /^(?:Import(?:Declaration|Expression)|Export(?:Named|All)Declaration|TSImportType)$/.test(node.type)
    const specifier = isImport ? literal(node['source'] ?? node['argument']) : undefined
    if (specifier === undefined) continue
    const typeOnly = node['importKind'] === 'type' || node['exportKind'] === 'type' || node.type === 'TSImportType'
    found.push({ specifier, line: lineOf(node.start), typeOnly })
  }
  return found
}

export const parse = (path: string, text: string): Source => {
  const { program, comments, errors } = parseSync(path, text, { lang: path.endsWith('.ts') ? 'ts' : 'js' })
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  const lineOf = (offset: number): number => {
    let line = 0
    while ((starts[line] ?? Infinity) <= offset) line += 1
    return line
  }
  // The parser's own types say more than these tests read.
  const tree = program as unknown as Syntax
  return { path, text, syntaxError: errors[0]?.message, tree, comments, imports: importsOf(tree, lineOf), lineOf }
}

export const sources: readonly Source[] = files.filter((path) => /\.[jt]s$/.test(path)).map((path) => parse(path, read(path)))

const byPath = new Map(sources.map((source) => [source.path, source]))

/** `./x.ts` seen from a file, as a path from the root. */
export const resolveRelative = (from: string, specifier: string): string => relative(ROOT, normalize(join(ROOT, dirname(from), specifier))).replaceAll('\\', '/')

/** `packages/<room>/src/…` and `packages/<room>/bench/…` → the room's folder name. */
export const roomOf = (path: string): string | undefined => /^packages\/([^/]+)\/(?:src|bench)\//.exec(path)?.[1]

export const isMain = (path: string): boolean => /(?:^|\/|\.)main\.ts$/.test(path)

/** A door of a room or one of its mains. */
export const isEntry = (path: string): boolean => roomOf(path) !== undefined && (isMain(path) || subpathOf(path) !== undefined || /^packages\/[^/]+\/src\/index\.ts$/.test(path))

/** What a room runs in production: reached from its door or from one of its mains. The rest are tests and what serves them. */
const production = ((): ReadonlySet<string> => {
  const reached = new Set<string>()
  const next = sources.map((source) => source.path).filter(isEntry)
  for (let path = next.pop(); path !== undefined; path = next.pop()) {
    if (reached.has(path)) continue
    reached.add(path)
    for (const { specifier } of byPath.get(path)?.imports ?? []) {
      const target = specifier.startsWith('.') ? resolveRelative(path, specifier) : undefined
      if (target !== undefined && byPath.has(target) && roomOf(target) === roomOf(path)) next.push(target)
    }
  }
  return reached
})()

/** Tests, benchmarks, files that only they use, and everything outside the rooms. */
export const isForTests = (path: string): boolean => !isEntry(path) && !production.has(path)
