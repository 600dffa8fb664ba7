// Who may import whom, checked on every import statement of the repository.
import { describe, expect, test } from '@jest/globals'
import { isForTests, isMain, parse, resolveRelative, roomOf, sources } from './repository.ts'
import type { Import, Source } from './repository.ts'
import { ADAPTERS, isSubpath, OWNED, packageOf, ROOMS, roomOfSpecifier, subpathOf } from './rooms.ts'

const problem = (source: Source, at: Import, what: string): string => `${source.path}:${at.line} imports '${at.specifier}': ${what}`

const checkRoomImport = (source: Source, at: Import, from: string, to: string): string | undefined => {
  if (!(to in ROOMS)) return problem(source, at, `there is no room '${to}'; add it to test/house/rooms.ts if it is a new one`)
  if (at.specifier !== packageOf(to)) return problem(source, at, `one door per package: import '${packageOf(to)}', and export there what is missing`)
  if (from === to) return problem(source, at, 'a room imports its own files by relative path')
  if (isForTests(source.path) || ROOMS[from]?.includes(to)) return undefined
  if (ADAPTERS.has(to)) return isMain(source.path) || subpathOf(source.path)?.opens === to ? undefined : problem(source, at, 'adapters are imported only by a main.ts (or *.main.ts) and by tests; pass the port in from there')
  return problem(source, at, `'${from}' may import only: ${ROOMS[from]?.join(', ') || 'nothing'}. Move what is needed to a room below both, or pass it in`)
}

const checkRelative = (source: Source, at: Import): string | undefined => {
  const target = resolveRelative(source.path, at.specifier)
  const [from, to] = [roomOf(source.path), roomOf(target)]
  if (to !== undefined && to !== from) return problem(source, at, `no inner files of another room: import '${packageOf(to)}', and export there what is missing`)
  if (from !== undefined && to === undefined && !isForTests(source.path)) return problem(source, at, 'a room imports nothing outside the rooms; only its tests do')
  return undefined
}

const check = (source: Source): string[] => source.imports.flatMap((at): string | readonly string[] => {
  if (at.specifier.startsWith('.')) return checkRelative(source, at) ?? []
  const from = roomOf(source.path)
  const to = roomOfSpecifier(at.specifier)
  if (to !== undefined) {
    if (from !== undefined) return checkRoomImport(source, at, from, to) ?? []
    if (at.specifier !== packageOf(to) && !isSubpath(at.specifier)) return [problem(source, at, `one door per package: import '${packageOf(to)}'`)]
    return source.path.startsWith('examples/') && to !== 'api' ? [problem(source, at, "an example imports what a user can: 'tidemark'")] : []
  }
  const owner = OWNED.find(([pattern]) => pattern.test(at.specifier))?.[1]
  return owner !== undefined && from !== undefined && from !== owner && !isForTests(source.path) ? [problem(source, at, `only '${owner}' does`)] : []
})

/** Packages in a ring, by what production code imports; type-only imports count too. */
const cycles = (): string[] => {
  const edges = new Map<string, Set<string>>()
  for (const source of sources) {
    const from = roomOf(source.path)
    if (from === undefined || isForTests(source.path)) continue
    for (const { specifier } of source.imports) {
      const to = roomOfSpecifier(specifier)
      if (to !== undefined && to !== from) edges.set(from, (edges.get(from) ?? new Set()).add(to))
    }
  }
  const found = new Set<string>()
  const visit = (room: string, path: readonly string[]): void => {
    const at = path.indexOf(room)
    if (at >= 0) {
      const ring = path.slice(at)
      const first = ring.indexOf(ring.toSorted()[0] ?? '')
      found.add([...ring.slice(first), ...ring.slice(0, first + 1)].join(' → '))
    } else for (const next of edges.get(room) ?? []) visit(next, [...path, room])
  }
  for (const room of edges.keys()) visit(room, [])
  return [...found]
}

describe('house: imports', () => {
  test('imports, every file → only what the table of rooms allows', () => {
    expect(sources.flatMap(check)).toEqual([])
  })

  test('imports, packages → no cycles', () => {
    expect(cycles()).toEqual([])
  })

  test('imports, the table itself → driver and executor never import each other, and nothing but base is below everything', () => {
    expect(ROOMS['driver']).not.toContain('executor')
    expect(ROOMS['executor']).not.toContain('driver')
    for (const [room, may] of Object.entries(ROOMS)) expect([room, may.filter((other) => ADAPTERS.has(other))]).toEqual([room, []])
  })

  // Files that exist, so that they count as production code; the text is what is judged.
  test.each([
    ['packages/base/src/index.ts', "import { x } from '@tidemark/wire'", /may import only: nothing/],
    ['packages/driver/src/main.ts', "import type { X } from '@tidemark/executor'", /'driver' may import only/],
    ['packages/checkpoint/src/index.ts', "export { x } from '@tidemark/base/src/ids.ts'", /one door per package/],
    ['packages/checkpoint/src/index.ts', "import { x } from '../../base/src/ids.ts'", /no inner files of another room/],
    ['packages/checkpoint/src/index.ts', "const x = await import('@tidemark/log-kafka')", /adapters are imported only by a main/],
    ['packages/checkpoint/src/index.ts', "import { kafka } from '../../../test/services/index.ts'", /only its tests do/],
    ['packages/checkpoint/src/index.ts', "import { Kafka } from 'kafkajs'", /only 'log-kafka' does/],
    ['packages/checkpoint/src/index.ts', "let x: import('@tidemark/nowhere').X", /there is no room 'nowhere'/],
    ['examples/revenue.ts', "import { x } from '@tidemark/base'", /what a user can/],
    ['examples/revenue.ts', "import { x } from 'tidemark/inner'", /one door per package/],
    ['packages/api/src/index.ts', "import { repairKafkajs } from '@tidemark/log-kafka'", /adapters are imported only by a main/],
    ['packages/api/src/kafkajs.ts', "import { x } from '@tidemark/log-local'", /adapters are imported only by a main/],
    ['packages/runtime/src/index.ts', "import { repairKafkajs } from 'tidemark/kafkajs'", /one door per package/],
  ])('imports, %s with %s → refused', (path, text, message) => {
    expect(check(parse(path, text)).join('\n')).toMatch(message)
  })

  test.each([
    ['packages/executor/src/main.ts', "import { x } from '@tidemark/log-kafka'"],
    ['packages/api/src/kafkajs.ts', "import { repairKafkajs } from '@tidemark/log-kafka'"],
    ['examples/revenue.ts', "import { repairKafkajs } from 'tidemark/kafkajs'"],
    ['packages/executor/src/slot.main.ts', "import { x } from '@tidemark/store-minio'"],
    ['packages/driver/src/x.test.ts', "import { x } from '@tidemark/testkit'\nimport { y } from '@tidemark/log-local'"],
    ['packages/runtime/src/index.ts', "import { x } from 'tidemark'\nimport { y } from '@tidemark/checkpoint'"],
  ])('imports, %s with %s → allowed', (path, text) => {
    expect(check(parse(path, text))).toEqual([])
  })
})
