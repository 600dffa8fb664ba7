// cli: the door for tests and tools that submit jobs, or audit them, without a terminal.
export { audit } from './audit/audit.ts'
export type { AuditOptions } from './audit/audit.ts'
export { BUNDLE_BYTES_MAX, bundleJob } from './bundle.ts'
export type { BundledJob } from './bundle.ts'
