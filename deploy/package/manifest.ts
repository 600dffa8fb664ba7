// package.json of the published package: one name for all rooms, third parties in the versions that were tried.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license: string
  readonly engines?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** The api's types speak of Buffer. A range, so that a project that has Node's types already gets no second copy, which would clash. */
const TYPES = { '@types/node': '>=22' }

const readJson = <T>(...path: readonly string[]): T => JSON.parse(readFileSync(join(...path), 'utf8')) as T

/** Third parties of all published rooms. One version of each: two rooms that differ are refused. */
const thirdParties = (root: string, rooms: readonly string[]): Record<string, string> => {
  const found = new Map<string, string>()
  for (const room of rooms) {
    for (const [name, version] of Object.entries(readJson<Manifest>(root, 'packages', room, 'package.json').dependencies ?? {})) {
      if (version === '*') continue
      if ((found.get(name) ?? version) !== version) throw new Error(`packages/${room} wants ${name} ${version}, another room ${found.get(name)}`)
      found.set(name, version)
    }
  }
  return Object.fromEntries([...found].toSorted(([a], [b]) => a < b ? -1 : 1))
}

/** `rooms`: folders of packages/ whose code is in the package. */
export const manifestOf = (root: string, rooms: readonly string[]): Manifest & Readonly<Record<string, unknown>> => {
  const { engines = {}, optionalDependencies = {} } = readJson<Manifest>(root, 'package.json')
  const { name, version, license } = readJson<Manifest>(root, 'packages', 'api', 'package.json')
  return {
    name, version, license, description: 'Stateful stream processing that treats failure as normal: exactly once, recovered in a fraction of a second.',
    type: 'module', bin: { tidemark: 'dist/start.js' }, sideEffects: false,
    exports: {
      '.': { types: './dist/types/api/src/index.d.ts', default: './dist/index.js' },
      './kafkajs': { types: './dist/types/api/src/kafkajs.d.ts', default: './dist/kafkajs.js' },
      './package.json': './package.json',
    },
    files: ['dist', 'proto', 'docs', 'examples'], engines, dependencies: { ...thirdParties(root, rooms), ...TYPES }, optionalDependencies,
  }
}
