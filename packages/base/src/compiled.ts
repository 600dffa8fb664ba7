// Files that are started or read by their place: where they are in the sources, and where in the published package.
import { fileURLToPath } from 'node:url'

/** Sources run as they are, `….ts`. The published package is compiled, and all that was compiled lies in one folder. */
export const isCompiled = (moduleUrl: string): boolean => !moduleUrl.endsWith('.ts')

/** Both places relative to the module that asks: `fileOf(import.meta.url, '../slot.main.ts', './slot.main.js')`. */
export const fileOf = (moduleUrl: string, inSources: string, inPackage: string): string => fileURLToPath(new URL(isCompiled(moduleUrl) ? inPackage : inSources, moduleUrl))
