// The version that the command tells.
import { createRequire } from 'node:module'

const read = createRequire(import.meta.url)
const { version } = read('../package.json') as { version: string }

export const VERSION = version
