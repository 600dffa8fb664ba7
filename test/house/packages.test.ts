// The shape of every package: private, one door, exact versions, and dependencies that are what its sources import.
import { describe, expect, test } from '@jest/globals'
import { isBuiltin } from 'node:module'
import { files, isEntry, isForTests, isSyntax, read, roomOf, sources, walk } from './repository.ts'
import { packageOf, ROOMS, roomOfSpecifier, SUBPATHS } from './rooms.ts'

interface Manifest {
  readonly name?: string
  readonly private?: boolean
  readonly type?: string
  readonly license?: string
  readonly exports?: unknown
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const manifest = (path: string): Manifest => JSON.parse(read(path)) as Manifest
const paths = files.filter((path) => /^packages\/[^/]+\/package\.json$/.test(path))
const roomOfManifest = (path: string): string => path.split('/')[1] ?? ''
const nameOfPackage = (specifier: string): string => specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')

/** Doors for users beside the main one. */
const subpaths = (room: string): Record<string, string> => Object.fromEntries(Object.entries(SUBPATHS[room] ?? {}).map(([door, { file }]) => [door, file]))

/** Ours stand as `*`: npm links them. All others are pinned, so that two installs are the same. */
const versions = (path: string): string[] => {
  const { dependencies = {}, devDependencies = {}, optionalDependencies = {} } = manifest(path)
  return Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies }).flatMap(([name, version]) => {
    const right = roomOfSpecifier(name) === undefined ? /^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version) : version === '*'
    return right ? [] : [`${path}: ${name} is '${version}': write ${roomOfSpecifier(name) === undefined ? 'one exact version' : "'*'"}`]
  })
}

/** What the sources name, production code and tests apart. `import.meta.resolve('x')` and the like count for the first. */
const used = (room: string): { inProduction: ReadonlySet<string>, inTests: ReadonlySet<string> } => {
  const [inProduction, inTests] = [new Set<string>(), new Set<string>()]
  for (const source of sources) {
    if (roomOf(source.path) !== room) continue
    const into = isForTests(source.path) ? inTests : inProduction
    for (const { specifier } of source.imports) if (!specifier.startsWith('.') && !isBuiltin(specifier)) into.add(nameOfPackage(specifier))
    for (const node of walk(source.tree)) {
      const [argument] = node.type === 'CallExpression' && Array.isArray(node['arguments']) ? node['arguments'] as unknown[] : []
      const callee = node.type === 'CallExpression' && isSyntax(node['callee']) ? source.text.slice(node['callee'].start, node['callee'].end) : ''
      if (/(?:^|\.)(?:require|resolve)$/.test(callee) && isSyntax(argument) && typeof argument['value'] === 'string' && /^[@a-z]/.test(argument['value']) && !isBuiltin(argument['value'])) into.add(nameOfPackage(argument['value']))
    }
  }
  return { inProduction, inTests }
}

const dependencies = (path: string): string[] => {
  const room = roomOfManifest(path)
  const { inProduction, inTests } = used(room)
  if (!sources.some((source) => roomOf(source.path) === room && isEntry(source.path))) return [`${path}: the room has no door yet: add src/index.ts`]
  const { name, dependencies: runtime = {}, devDependencies: development = {} } = manifest(path)
  const shared = manifest('package.json').devDependencies ?? {}
  const missing = [...inProduction].filter((used) => used !== name && !(used in runtime)).map((used) => `${path}: its sources import '${used}', which is not in its dependencies: add it`)
  const unused = Object.keys(runtime).filter((known) => !inProduction.has(known)).map((known) => `${path}: '${known}' is in its dependencies, and no source of it in production imports it: take it out${inTests.has(known) ? ' (or move it to devDependencies: its tests do)' : ''}`)
  const forTests = [...inTests].filter((used) => used !== name && !(used in runtime) && !(used in development) && !(used in shared) && roomOfSpecifier(used) === undefined)
    .map((used) => `${path}: its tests import '${used}', which no package.json lists: add it to devDependencies`)
  return [...missing, ...unused, ...forTests]
}

describe('house: packages', () => {
  test('packages, their folders → exactly the rooms of the import table', () => {
    expect(paths.map(roomOfManifest).toSorted()).toEqual(Object.keys(ROOMS).toSorted())
  })

  test.each(paths)('packages, %s → private, ES modules, Apache-2.0, one door and the subpaths of the table, no scripts', (path) => {
    const { name, private: isPrivate, type, license, exports, scripts } = manifest(path)
    expect({ name, isPrivate, type, license, exports, scripts }).toEqual({
      name: packageOf(roomOfManifest(path)), isPrivate: true, type: 'module', license: 'Apache-2.0', exports: { '.': './src/index.ts', ...subpaths(roomOfManifest(path)) }, scripts: undefined,
    })
  })

  test('packages, every dependency → an exact version', () => {
    expect(['package.json', ...paths].flatMap(versions)).toEqual([])
  })

  test('packages, dependencies → what the sources import, no more and no less', () => {
    expect(paths.flatMap(dependencies)).toEqual([])
  })
})
