// House rules that no linter knows, checked on every file: length, first line, names, hidden time and chance, casts, left-overs.
import { describe, expect, test } from '@jest/globals'
import { files, isForTests, isSyntax, parse, read, roomOf, sources, walk } from './repository.ts'
import type { Source, Syntax } from './repository.ts'

const LINES_MAX = 400
const CODE = /\.(?:[jt]s|proto|sh|ya?ml)$|(?:^|\/)Dockerfile$|^\.ci\/run$/
const BANNED_NAMES = new Set(['util', 'utils', 'common', 'helper', 'helpers', 'misc'])
/** The one production file that may read clocks and the random source. */
const REAL = 'packages/base/src/real.ts'
const HIDDEN_MEMBERS = new Map([
  ['Date.now', 'clock.now()'], ['Math.random', 'random.next()'], ['performance.now', 'clock.monotonic()'], ['process.hrtime', 'clock.monotonic()'],
  ['crypto.randomUUID', 'random.uuid()'], ['AbortSignal.timeout', 'clock.after() and an AbortController'],
])
const HIDDEN_CALLS = new Map([['setTimeout', 'clock.after() or clock.sleep()'], ['setInterval', 'clock.after()'], ['randomUUID', 'random.uuid()']])

const nameOf = (node: unknown): string | undefined => isSyntax(node) && node.type === 'Identifier' && typeof node['name'] === 'string' ? node['name'] : undefined
const memberOf = (node: Syntax): string | undefined => {
  if (node.type !== 'MemberExpression' || node['computed'] === true) return undefined
  const [object, property] = [nameOf(node['object']), nameOf(node['property'])]
  return object === undefined || property === undefined ? undefined : `${object}.${property}`
}

const hidden = (node: Syntax): readonly [string, string] | undefined => {
  const member = memberOf(node)
  const instead = member === undefined ? undefined : HIDDEN_MEMBERS.get(member)
  if (member !== undefined && instead !== undefined) return [member, instead]
  if (node.type === 'NewExpression' && nameOf(node['callee']) === 'Date' && Array.isArray(node['arguments']) && node['arguments'].length === 0) return ['new Date()', 'clock.now()']
  const called = node.type === 'CallExpression' ? nameOf(node['callee']) : undefined
  const port = called === undefined ? undefined : HIDDEN_CALLS.get(called)
  if (called !== undefined && port !== undefined) return [called, port]
  if (node.type === 'ImportDeclaration' && isSyntax(node['source']) && /^(?:node:)?timers(?:\/promises)?$/.test(String(node['source']['value']))) return [`node:timers`, 'clock.after() or clock.sleep()']
  return undefined
}

/** Time and chance come in through the ports, or a failure cannot be replayed. */
const hiddenTimeAndChance = (source: Source): string[] => {
  if (roomOf(source.path) === undefined || isForTests(source.path) || source.path === REAL) return []
  return [...walk(source.tree)].flatMap((node) => {
    const found = hidden(node)
    return found ? [`${source.path}:${source.lineOf(node.start)} reads ${found[0]}: use the port instead (${found[1]})`] : []
  })
}

/** It outlives the run, to end it. */
const WATCHER = 'test/services/global-setup.ts'
const calls = (node: Syntax): string | undefined => node.type === 'CallExpression' ? nameOf(node['callee']) : undefined

/** A process that a test starts is ended with the run of tests, whatever the test forgot and however the run ended. */
const unrecorded = (source: Source): string[] => {
  if (!/^test\/|\.test\.ts$/.test(source.path) || source.path === WATCHER) return []
  const nodes = [...walk(source.tree)]
  const recorded = new Set(nodes.filter((node) => calls(node) === 'recorded').flatMap(({ arguments: given }) => Array.isArray(given) ? given.filter(isSyntax).map(({ start }) => start) : []))
  return nodes.filter((node) => /^(?:spawn|fork)$/.test(calls(node) ?? '') && !recorded.has(node.start)).map((node) => `${source.path}:${source.lineOf(node.start)} starts a process that outlives a run of tests that is killed: recorded(${calls(node)}(…)), of test/services/run-folder.ts`)
}

const hasReason = (source: Source, node: Syntax): boolean => {
  const line = source.lineOf(node.start)
  const last = source.lineOf(node.end)
  return source.comments.some((comment) => source.lineOf(comment.end) === line - 1 || (source.lineOf(comment.start) >= line && source.lineOf(comment.start) <= last))
}

const casts = (source: Source): string[] => [...walk(source.tree)].flatMap((node) => {
  const at = `${source.path}:${source.lineOf(node.start)}`
  if (node.type === 'TSAnyKeyword') return [`${at} says 'any': say what it is, or 'unknown' and look`]
  const inner = node.type === 'TSAsExpression' ? node['expression'] : undefined
  const twice = isSyntax(inner) && inner.type === 'TSAsExpression' && isSyntax(inner['typeAnnotation']) && inner['typeAnnotation'].type === 'TSUnknownKeyword'
  return twice && !hasReason(source, node) ? [`${at} casts by 'as unknown as': find the type, or say why it is right in a comment on that line or the one above`] : []
})

/** `test.only`, `describe.skip`, `test.each.only`, `fit`, `xtest` …: what they leave out is never seen again. */
const silencedTests = (source: Source): string[] => [...walk(source.tree)].flatMap((node) => {
  if (node.type !== 'CallExpression' || !isSyntax(node['callee']) || node['callee'].type === 'CallExpression' || source.path === 'test/services/describe.ts') return []
  const callee = source.text.slice(node.start, node['callee'].end)
  return /^(?:test|it|describe)(?:\.\w+)*\.(?:only|skip|todo)\b|^(?:fit|xit|fdescribe|xdescribe|xtest)$/.test(callee)
    ? [`${source.path}:${source.lineOf(node.start)} ${callee}: run it, or delete it; a suite that needs a server uses describeWith of test/services`]
    : []
})

const leftOvers = (source: Source): string[] => source.comments
  .filter((comment) => /\b(?:TODO|FIXME|XXX|HACK)\b/.test(comment.value))
  .map((comment) => `${source.path}:${source.lineOf(comment.start)} leaves work to do: do it, or take it out`)

const exportsAll = (source: Source): string[] => [...walk(source.tree)]
  .filter((node) => node.type === 'ExportAllDeclaration')
  .map((node) => `${source.path}:${source.lineOf(node.start)} exports *: name what is exported`)

const fileRules = (path: string, text: string): string[] => {
  const lines = text.split('\n')
  const count = lines.at(-1) === '' ? lines.length - 1 : lines.length
  const first = lines[0]?.startsWith('#!') ? lines[1] : lines[0]
  // A unit test beside its file has that file's first line, and its own name says the rest.
  const besideItsFile = files.includes(path.replace(/\.test\.ts$/, '.ts')) && path.endsWith('.test.ts')
  const comment = /\.(?:[jt]s|proto)$/.test(path) ? /^(?:\/\/|\/\*\*?) ?\S/ : /^# ?\S/
  return [
    ...count > LINES_MAX ? [`${path}:${count} has ${count} lines, ${LINES_MAX} at most: find the second idea in it and give it a file`] : [],
    ...besideItsFile || (first !== undefined && comment.test(first)) ? [] : [`${path}:1 begins without a comment that says the file's job, in one sentence`],
  ]
}

const badNames = (path: string): string[] => path.split('/')
  .filter((part) => BANNED_NAMES.has(part.replace(/\..*$/, '').toLowerCase()))
  .map((part) => `${path}: '${part}' says nothing; name it after what it does`)

const onSources = (rule: (source: Source) => string[]): string[] => sources.flatMap(rule)

describe('house: tidy', () => {
  test('tidy, every source → parses', () => {
    expect(onSources((source) => source.syntaxError === undefined ? [] : [`${source.path}: ${source.syntaxError}`])).toEqual([])
  })

  test('tidy, every file → at most 400 lines, and its first line says its job', () => {
    expect(files.filter((path) => CODE.test(path)).flatMap((path) => fileRules(path, read(path)))).toEqual([])
  })

  test('tidy, every file and folder → a name that says something', () => {
    expect(files.flatMap(badNames)).toEqual([])
  })

  test('tidy, production code → no hidden time and chance outside base/src/real.ts', () => {
    expect(onSources(hiddenTimeAndChance)).toEqual([])
  })

  test('tidy, every source → no any, no cast through unknown without a reason', () => {
    expect(onSources(casts)).toEqual([])
  })

  test('tidy, every test → none singled out, none skipped', () => {
    expect(onSources(silencedTests)).toEqual([])
  })

  test('tidy, every test → the processes that it starts are recorded', () => {
    expect(onSources(unrecorded)).toEqual([])
  })

  test.each([["const child = spawn('sleep', ['9'])", 1], ["const child = recorded(spawn('sleep', ['9']))", 0], ["recorded(spawn('a', []))\nfork('b')", 1]])('tidy, a test that says %s → %i found', (text, found) => {
    expect(unrecorded(parse('test/integration/dev.test.ts', text))).toHaveLength(found)
  })

  test('tidy, every source → nothing left to do, nothing exported by star', () => {
    expect(onSources((source) => [...leftOvers(source), ...exportsAll(source)])).toEqual([])
  })

  // Each rule on a text that breaks it, as if it were production code.
  test.each<readonly [string, (source: Source) => string[]]>([
    ['const at = Date.now()', hiddenTimeAndChance],
    ['const at = new Date()', hiddenTimeAndChance],
    ['const id = crypto.randomUUID()', hiddenTimeAndChance],
    ["import { setTimeout as sleep } from 'node:timers/promises'", hiddenTimeAndChance],
    ['setTimeout(() => {}, 5)', hiddenTimeAndChance],
    ['const x = y as any', casts],
    ['const x = y as unknown as Z', casts],
    ["test.only('x', () => {})", silencedTests],
    ["describe.skip('x', () => {})", silencedTests],
    ["test.skip.each([1])('x', () => {})", silencedTests],
    ['// TODO: later', leftOvers],
    ["export * from './x.ts'", exportsAll],
  ])('tidy, %s → found', (text, rule) => {
    expect(rule(parse('packages/base/src/index.ts', text))).toHaveLength(1)
  })

  test.each<readonly [string, (source: Source) => string[]]>([
    ['const at = new Date(clock.now())', hiddenTimeAndChance],
    ['clock.after(5, () => {})', hiddenTimeAndChance],
    ['// The library types this wrongly.\nconst x = y as unknown as Z', casts],
    ["test('x.only', () => {})", silencedTests],
  ])('tidy, %s → fine', (text, rule) => {
    expect(rule(parse('packages/base/src/index.ts', text))).toEqual([])
  })
})
