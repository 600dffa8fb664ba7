// The local lease passes its port's suite; it has no time of its own.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { leaseConformance } from '@tidemark/testkit'
import { localLease } from './lease.ts'

leaseConformance('local', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lease-local-'))
  return { open: (name) => localLease(join(folder, name)), close: async () => rmSync(folder, { recursive: true }) }
}, { expires: false })
