// store-local: the ObjectStore port on a folder.
export { openLocalStore } from './local-store.ts'
export type { LocalStoreOptions } from './local-store.ts'
