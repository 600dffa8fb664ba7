// The engine's version, written into every manifest.
import { createRequire } from 'node:module'

const read = createRequire(import.meta.url)
const { version } = read('../package.json') as { version: string }

export const ENGINE_VERSION = version
