// cli: the door for tests and tools that submit jobs without a terminal.
export { BUNDLE_BYTES_MAX, bundleJob } from './bundle.ts'
export type { BundledJob } from './bundle.ts'
