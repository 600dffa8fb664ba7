// Makes the tarball: bundles, types, proto files, documents and manifest in a folder of its own, packed by npm.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeBundles } from './bundles.ts'
import { writeDocuments } from './documents.ts'
import { manifestOf } from './manifest.ts'
import { writeTypes } from './types.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Not in the package: it is for tests. */
const LEFT_OUT = new Set(['testkit'])

const packageOf = (room: string): string => room === 'api' ? 'tidemark' : `@tidemark/${room}`

/** Resolves with the tarball's path. */
export const pack = async (into: string): Promise<string> => {
  const rooms = readdirSync(join(ROOT, 'packages')).filter((room) => !LEFT_OUT.has(room))
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-package-'))
  try {
    const imported = await writeBundles(ROOT, Object.fromEntries(rooms.map((room) => [packageOf(room), join(ROOT, 'packages', room, 'src/index.ts')])), join(folder, 'dist'))
    writeTypes(ROOT, ['packages/api/src/index.ts', 'packages/api/src/kafkajs.ts', 'packages/base/src/index.ts'], join(folder, 'dist/types'))
    const manifest = manifestOf(ROOT, rooms)
    const unlisted = [...imported].filter((name) => !Object.hasOwn(manifest.dependencies ?? {}, name))
    if (unlisted.length > 0) throw new Error(`the bundles import ${unlisted.join(', ')}, which no room lists as a dependency`)
    writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)
    cpSync(join(ROOT, 'proto'), join(folder, 'proto'), { recursive: true })
    writeDocuments(ROOT, folder)
    mkdirSync(into, { recursive: true })
    const [{ filename } = { filename: '' }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', into], { cwd: folder, encoding: 'utf8' })) as { filename: string }[]
    return join(into, filename)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
