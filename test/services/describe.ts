// A suite that needs servers: started before its first test; where they cannot be, skipped with the reason, or failed if they are required.
import { beforeAll, describe, test } from '@jest/globals'
import { noteMissing } from './run-folder.ts'
import { kafka, kcatProgram, minio, packageRegistry, redis, tmpfs, whyMissing } from './shared.ts'
import type { Addresses, Need, Service } from './shared.ts'

const START_MS_MAX = 150_000
const open: { readonly [N in Need]: () => Promise<Service<Addresses[N]>> } = { kafka, minio, redis, kcat: kcatProgram, tmpfs, registry: packageRegistry }

/**
 * `describeWith(['kafka', 'minio'], 'title', (server) => { test('…', () => { server('kafka').brokers … }) })`.
 * `server` answers inside hooks and tests, not while the suite is being described.
 * `TIDEMARK_REQUIRE_SERVICES=1` turns the skip into a failure.
 */
export const describeWith = <N extends Need>(needs: readonly N[], title: string, body: (server: <M extends N>(need: M) => Addresses[M]) => void): void => {
  const missing = needs.flatMap((need) => whyMissing(need) ?? [])
  const started: Partial<Addresses> = {}
  const server = <M extends N>(need: M): Addresses[M] => {
    const address = started[need]
    if (address === undefined) throw new Error(`${need} is not started yet: ask for it inside a hook or a test`)
    return address
  }
  const start = async <M extends N>(need: M): Promise<void> => {
    const service: Service<Addresses[M]> = await open[need]()
    if (!service.available) throw new Error(service.reason)
    started[need] = service
  }
  if (missing.length === 0) {
    describe(title, () => {
      beforeAll(async () => { await Promise.all(needs.map(start)) }, START_MS_MAX)
      body(server)
    })
  } else if (process.env['TIDEMARK_REQUIRE_SERVICES'] === '1') {
    describe(title, () => {
      test(`has the servers it needs (${needs.join(', ')})`, () => { throw new Error(`TIDEMARK_REQUIRE_SERVICES=1, but ${missing.join('; ')}`) })
    })
  } else skipped(title, missing, () => { body(server) })
}

/** A suite that needs a program which is no part of a deployment: where it is not there, skipped with the reason. */
export const describeWhere = (there: boolean, title: string, reason: string, body: () => void): void => {
  if (there) describe(title, () => { body() })
  else skipped(title, [reason], body)
}

const skipped = (title: string, reasons: readonly string[], body: () => void): void => {
  noteMissing(title, reasons)
  describe.skip(`${title} [skipped: ${reasons.join('; ')}]`, () => { body() })
}
