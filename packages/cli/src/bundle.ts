// Makes one ESM file out of a job file and everything it imports, `tidemark` included: what a cluster runs.
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import type { SourceMapPayload } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import type { BuildFailure, BuildOptions } from 'esbuild'
import { isTidemarkError, TidemarkError } from '@tidemark/base'
import { isJob } from 'tidemark'
import type { LogicalPlan } from 'tidemark'
import { thrownAt } from './thrown-at.ts'

/** A bundle larger than this is refused; the driver refuses it too. */
export const BUNDLE_BYTES_MAX = 32 * 1024 * 1024

export interface BundledJob {
  readonly plan: LogicalPlan
  readonly bundle: Buffer
  /** Hex SHA-256 of the bundle. */
  readonly sha256: string
}

/**
 * Bundles a `.ts` or `.js` job file and builds its plan. Errors: `JOB_FILE_INVALID` (does not compile, throws when imported, exports no
 * job as its default, is not there), `JOB_BUNDLE_TOO_LARGE`.
 */
export const bundleJob = async (file: string): Promise<BundledJob> => {
  const entry = resolve(file)
  const bundle = await compile(file, entry)
  if (bundle.length > BUNDLE_BYTES_MAX) {
    throw new TidemarkError(`the bundle of ${file} has ${bundle.length} bytes, at most ${BUNDLE_BYTES_MAX} are taken`, { code: 'JOB_BUNDLE_TOO_LARGE', blame: 'user', action: 'exit', path: file, hint: 'Import less: a job should not carry data or a whole framework.' })
  }
  // The bundle itself is imported, not the file: what is checked here is what will run.
  const module = await importBundle(file, entry, bundle)
  if (!isJob(module.default)) {
    throw new TidemarkError(`${file} exports no job as its default`, { code: 'JOB_FILE_INVALID', blame: 'user', action: 'exit', path: file, hint: 'End the file with: export default job(\'name\').source(…)….sink(…). A pipeline is a job only behind its sink.' })
  }
  return { plan: module.default.plan(), bundle, sha256: createHash('sha256').update(bundle).digest('hex') }
}

const OPTIONS = { bundle: true, write: false, format: 'esm', platform: 'node', target: 'node24', logLevel: 'silent', legalComments: 'none' } as const satisfies BuildOptions

/** One ESM file of this one and all it imports. Rejects with an error that says where it does not compile. */
export const compileFile = async (entry: string): Promise<Buffer> => {
  try {
    const result = await build({ ...OPTIONS, entryPoints: [entry] })
    return Buffer.from(result.outputFiles[0]?.contents ?? [])
  } catch (error) {
    const messages = (error as BuildFailure).errors?.map(({ text, location }) => (location ? `${location.file}:${location.line}:${location.column}: ${text}` : text)) ?? [String(error)]
    throw new Error(messages.join('\n  '), { cause: error })
  }
}

const compile = async (file: string, entry: string): Promise<Buffer> => {
  try {
    return await compileFile(entry)
  } catch (error) {
    const invalid = { code: 'JOB_FILE_INVALID', blame: 'user', action: 'exit', path: file } as const
    if (!existsSync(entry)) throw new TidemarkError(`there is no file ${file}`, { ...invalid, hint: 'It is looked for from the folder that the command is started in.' })
    throw new TidemarkError(`${file} does not compile:\n  ${error instanceof Error ? error.message : String(error)}`, invalid)
  }
}

/** ` at job.ts:3:7`, or nothing. Compiled again for it, with its map: only who made a mistake waits for that. */
const placeOf = async (error: unknown, entry: string, bundle: Buffer): Promise<string> => {
  const folder = dirname(entry)
  const { outputFiles } = await build({ ...OPTIONS, entryPoints: [entry], outfile: join(folder, 'bundle.js'), sourcemap: 'external', sourcesContent: false })
  const [map, code] = ['.map', '.js'].map((end) => outputFiles.find(({ path }) => path.endsWith(end)))
  // Edited meanwhile: it is the map of another one.
  if (map === undefined || code === undefined || !bundle.equals(code.contents)) return ''
  const place = thrownAt(error, JSON.parse(map.text) as SourceMapPayload, folder)
  return place === undefined ? '' : ` at ${place}`
}

/** What V8 says of a chain of steps; a call that is no step is not told apart by a name that it has not. */
const NO_SUCH_STEP = /^job\(.*\)\.\w+ is not a function$|\)\.(?:window|aggregate|reduce|process|keyBy|sink) is not a function$/

const STEPS_BY_PLACE = 'No such step stands there: behind keyBy(…) stand window, aggregate, reduce and process, behind window(…) aggregate and reduce; map, filter, flatMap, keyBy and sink stand behind a source and behind what makes values of them.'

const importBundle = async (file: string, entry: string, bundle: Buffer): Promise<{ readonly default?: unknown }> => {
  try {
    return await import(`data:text/javascript;base64,${bundle.toString('base64')}`) as { readonly default?: unknown }
  } catch (error) {
    const invalid = { code: 'JOB_FILE_INVALID', blame: 'user', action: 'exit', path: pathToFileURL(file).href, cause: error } as const
    const place = await placeOf(error, entry, bundle).catch(() => '')
    // Refused by the builder: its own hint says what to do.
    if (isTidemarkError(error)) throw new TidemarkError(`the job that ${file} builds is refused${place}`, invalid)
    const hint = NO_SUCH_STEP.test(error instanceof TypeError ? error.message : '') ? STEPS_BY_PLACE : 'A job file only builds the job; it must import without doing anything else.'
    throw new TidemarkError(`${file} throws when it is imported${place}`, { ...invalid, hint })
  }
}
