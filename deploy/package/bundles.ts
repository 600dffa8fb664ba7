// The product compiled: each process and what users import, each room bundled into them, third parties left as imports.
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

/** Node can't strip types of what lies under node_modules, so nothing there may be TypeScript. */
const TARGET = 'node24'

/** What is started by its path: all in one folder, under the names that `fileOf` of packages/base is asked for. */
const PROCESSES = {
  start: 'packages/cli/src/start.js',
  driver: 'packages/driver/src/main.ts',
  executor: 'packages/executor/src/main.ts',
  'slot.main': 'packages/executor/src/slot.main.ts',
  'trial.main': 'packages/executor/src/trial.main.ts',
}

/** What a job file imports, apart from the rest: it is bundled into every job. */
const IMPORTED = {
  index: 'packages/api/src/index.ts',
  kafkajs: 'packages/api/src/kafkajs.ts',
  'demo-job': 'packages/cli/src/demo/job.ts',
}

/** Right in the sources, and nowhere in the package: there all files are in one folder. */
const PLACE = /new URL\((['"])\.[^'"]*\1, import\.meta\.url\)/

const entries = (root: string, files: Readonly<Record<string, string>>): { in: string, out: string }[] => Object.entries(files).map(([out, file]) => ({ in: join(root, file), out }))

/** Resolves with the names of all packages that the bundles import. */
export const writeBundles = async (root: string, rooms: Readonly<Record<string, string>>, folder: string): Promise<ReadonlySet<string>> => {
  rmSync(folder, { recursive: true, force: true })
  const imported = new Set<string>()
  for (const files of [PROCESSES, IMPORTED]) {
    const { outputs } = (await build({
      absWorkingDir: root, entryPoints: entries(root, files), outdir: folder, bundle: true, splitting: true, format: 'esm', platform: 'node', target: TARGET, charset: 'utf8',
      alias: rooms, packages: 'external', legalComments: 'none', metafile: true, logLevel: 'warning',
    })).metafile
    for (const [file, { imports }] of Object.entries(outputs)) {
      const [found] = PLACE.exec(readFileSync(join(root, file), 'utf8')) ?? []
      if (found !== undefined) throw new Error(`${found} names a place among the sources: ask fileOf of packages/base, which knows the place in the package too`)

      for (const { path, external } of imports) if (external === true && !path.startsWith('node:')) imported.add(path.split('/').slice(0, path.startsWith('@') ? 2 : 1).join('/'))
    }
  }
  return imported
}
