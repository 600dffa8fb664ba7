// Where in somebody's own files an error was thrown that their bundle threw: from its stack, by the map of that bundle.
import { existsSync, readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import type { SourceMapPayload } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'

/** A place in a module that was imported as `data:`. */
const FRAME = /data:text\/javascript;base64,[^:]*:(\d+):(\d+)/g

/** Of the package that a file belongs to; undefined: none, or it has none. */
const packageName = (path: string): string | undefined => {
  const folder = dirname(path)
  const manifest = join(folder, 'package.json')
  if (!existsSync(manifest)) return folder === path ? undefined : packageName(folder)
  const { name } = JSON.parse(readFileSync(manifest, 'utf8')) as { readonly name?: unknown }
  return typeof name === 'string' ? name : undefined
}

/** What a job is built with, as it stands in its repository; an installed one is below node_modules. */
const isOurs = (path: string): boolean => /^(?:@tidemark\/|tidemark$)/.test(packageName(path) ?? '')

const isOwn = (path: string): boolean => !/[\\/]node_modules[\\/]/.test(path) && !isOurs(path)

/** As seen from the folder a command is started in, where that is shorter. */
const shown = (path: string): string => {
  const from = relative(process.cwd(), path)
  return from.startsWith('..') ? path : from
}

/** `job.ts:3:7`: the innermost place in a file that is neither a dependency nor ours. Undefined: the stack has none. `folder`: what the map's sources are relative to. */
export const thrownAt = (error: unknown, map: SourceMapPayload, folder: string): string | undefined => {
  if (!(error instanceof Error) || error.stack === undefined) return undefined
  const places = new SourceMap(map)
  for (const [, line, column] of error.stack.matchAll(FRAME)) {
    const origin = places.findOrigin(Number(line), Number(column))
    if (!('fileName' in origin)) continue
    const path = resolve(folder, origin.fileName)
    if (isOwn(path)) return `${shown(path)}:${origin.lineNumber}:${origin.columnNumber}`
  }
  return undefined
}
