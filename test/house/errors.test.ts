// Error codes are an interface: one code means one thing, with one blame and one action, wherever it is thrown.
import { describe, expect, test } from '@jest/globals'
import { isForTests, isSyntax, parse, roomOf, sources, walk } from './repository.ts'
import type { Source, Syntax } from './repository.ts'

interface Use {
  readonly code: string
  readonly verdict: string
  readonly at: string
}

const textOf = (node: unknown): string | undefined => isSyntax(node) && node.type === 'Literal' && typeof node['value'] === 'string' ? node['value'] : undefined

const propertyOf = (object: Syntax, name: string): unknown => {
  for (const property of Array.isArray(object['properties']) ? object['properties'] : []) {
    if (isSyntax(property) && isSyntax(property['key']) && (property['key']['name'] === name || property['key']['value'] === name)) return property['value']
  }
  return undefined
}

/** Objects that give a code, a blame and an action in plain words. */
const usesIn = (source: Source): Use[] => [...walk(source.tree)].flatMap((node) => {
  if (node.type !== 'ObjectExpression') return []
  const [code, blame, action] = ['code', 'blame', 'action'].map((name) => textOf(propertyOf(node, name)))
  return code === undefined || blame === undefined || action === undefined ? [] : [{ code, verdict: `${blame}, ${action}`, at: `${source.path}:${source.lineOf(node.start)}` }]
})

const problems = (uses: readonly Use[]): string[] => [...Map.groupBy(uses, (use) => use.code)].flatMap(([code, same]) => {
  const shape = /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$/.test(code) || code === 'UNEXPECTED' ? [] : [`${same[0]?.at} has the code '${code}': write ROOM_WHAT, in upper case`]
  const verdicts = new Set(same.map((use) => use.verdict))
  const differ = verdicts.size > 1 ? [`'${code}' means different things: ${same.map((use) => `${use.at} (${use.verdict})`).join(', ')}. Give each meaning its own code`] : []
  return [...shape, ...differ]
})

describe('house: errors', () => {
  test('errors, every code in use → ROOM_WHAT, with one blame and one action', () => {
    const uses = sources.filter((source) => roomOf(source.path) !== undefined && !isForTests(source.path)).flatMap(usesIn)
    expect(uses.length).toBeGreaterThan(0)
    expect(problems(uses)).toEqual([])
  })

  test('errors, a code with two blames, a code without a room → found', () => {
    const text = "[{ code: 'A_B', blame: 'user', action: 'retry' }, { code: 'A_B', blame: 'bug', action: 'retry' }, { code: 'oops', blame: 'bug', action: 'exit' }]"
    expect(problems(usesIn(parse('x.ts', text)))).toEqual([expect.stringMatching(/'A_B' means different things/), expect.stringMatching(/'oops'/)])
  })
})
