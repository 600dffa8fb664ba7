// The rooms and who may import whom: the table that keeps the architecture what the README's picture says.

/** Rooms by folder name. A room's package is `@tidemark/<room>`; `api` is published as `tidemark`. */
export const ROOMS: Readonly<Record<string, readonly string[]>> = {
  'base': [],
  'api': ['base'],
  'checkpoint': ['base'],
  'wire': ['base'],
  'runtime': ['base', 'api', 'checkpoint'],
  'driver': ['base', 'api', 'checkpoint', 'wire'],
  'executor': ['base', 'api', 'checkpoint', 'runtime', 'wire'],
  'cli': ['base', 'api', 'checkpoint', 'wire'],
  // For tests, ours and users': it runs the cores of driver and executor in one process.
  'testkit': ['base', 'api', 'checkpoint', 'runtime', 'driver', 'executor'],
  'log-kafka': ['base'],
  'log-local': ['base'],
  'store-minio': ['base'],
  'store-local': ['base'],
  'lease-redis': ['base'],
  'connectors': ['base'],
}

/** What talks to the outside: only a `main.ts` (or `*.main.ts`), which wires a process together, and tests import them. */
export const ADAPTERS: ReadonlySet<string> = new Set(['log-kafka', 'log-local', 'store-minio', 'store-local', 'lease-redis', 'connectors'])

/**
 * Doors beside a package's main one: for users, who import them as `tidemark/<name>`, and for tests. A door's file is the only one of its
 * room that may open the adapter named here: what comes through the main door stays free of it.
 */
export const SUBPATHS: Readonly<Record<string, Readonly<Record<string, { readonly file: string, readonly opens: string }>>>> = {
  'api': { './kafkajs': { file: './src/kafkajs.ts', opens: 'log-kafka' } },
}

/** The subpath whose door this file is. */
export const subpathOf = (path: string): { readonly file: string, readonly opens: string } | undefined =>
  Object.entries(SUBPATHS).flatMap(([room, doors]) => Object.values(doors).filter(({ file }) => path === `packages/${room}/${file.slice(2)}`))[0]

/** `tidemark/kafkajs` and the like. */
export const isSubpath = (specifier: string): boolean => Object.entries(SUBPATHS).some(([room, doors]) => Object.keys(doors).some((door) => specifier === `${packageOf(room)}/${door.slice(2)}`))

/** Third-party packages that belong to one room. */
export const OWNED: readonly (readonly [RegExp, string])[] = [[/^kafkajs$/, 'log-kafka'], [/^@grpc\//, 'wire'], [/^node:sqlite$/, 'log-local'], [/^minio$/, 'store-minio']]

export const packageOf = (room: string): string => room === 'api' ? 'tidemark' : `@tidemark/${room}`

/** The room of `@tidemark/x`, `@tidemark/x/deep` or `tidemark`. */
export const roomOfSpecifier = (specifier: string): string | undefined => {
  if (specifier === 'tidemark' || specifier.startsWith('tidemark/')) return 'api'
  return /^@tidemark\/([^/]+)/.exec(specifier)?.[1]
}
