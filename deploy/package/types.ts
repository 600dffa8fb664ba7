// What a job file's types are: declarations of the api and of what it takes from base, with no import of a room.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, sep } from 'node:path'

/** What is reached through node_modules the compiler takes for somebody else's, and may emit nothing for it: rooms are reached at their own places. */
const ownPlaces = (root: string): Record<string, string[]> => ({ 'tidemark': [join(root, 'packages/api/src/index.ts')], '@tidemark/*': [join(root, 'packages/*/src/index.ts')] })

/** Of entries and what they import; of rooms that no entry is of, nothing is kept. Declarations lie as their sources do: `<folder>/api/src/index.d.ts`. */
export const writeTypes = (root: string, entries: readonly string[], folder: string): void => {
  const work = mkdtempSync(join(tmpdir(), 'tidemark-types-'))
  const project = join(work, 'tsconfig.json')
  try {
    writeFileSync(project, JSON.stringify({
      extends: join(root, 'tsconfig.json'), include: [], exclude: [], files: entries.map((entry) => join(root, entry)),
      compilerOptions: { noEmit: false, declaration: true, emitDeclarationOnly: true, rootDir: join(root, 'packages'), outDir: folder, typeRoots: [join(root, 'node_modules/@types')], paths: ownPlaces(root) },
    }))
    execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], { stdio: ['ignore', 'inherit', 'inherit'] })
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  const rooms = new Set(entries.map((entry) => entry.split('/')[1]))
  for (const room of readdirSync(folder)) if (!rooms.has(room)) rmSync(join(folder, room), { recursive: true })
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) if (file.endsWith('.d.ts')) finish(folder, file)
}

const finish = (folder: string, file: string): void => {
  const path = join(folder, file)
  const to = (target: string): string => {
    const way = relative(dirname(path), join(folder, target)).replaceAll(sep, '/')
    return way.startsWith('.') ? way : `./${way}`
  }
  const text = readFileSync(path, 'utf8')
    .replaceAll(/(from |import\()'@tidemark\/([\w-]+)'/g, (_all, before: string, room: string) => `${before}'${to(`${room}/src/index.js`)}'`)
    .replaceAll(/(from |import\()'(\.[^']*)\.ts'/g, "$1'$2.js'")
  for (const [, target = ''] of text.matchAll(/(?:from |import\()'(\.[^']*)\.js'/g)) {
    if (!existsSync(join(dirname(path), `${target}.d.ts`))) throw new Error(`${file} speaks of types of ${target}, which are not in the package`)
  }
  writeFileSync(path, /\bBuffer\b/.test(text) ? `/// <reference types="node" />\n${text}` : text)
}
