// doctor on ports of a few lines: what it says of each, and with which exit code. On real servers: test/integration/doctor.test.ts.
import { describe, expect, test } from '@jest/globals'
import { TidemarkError } from '@tidemark/base'
import type { HeldLease, Lease, Log, ObjectStore } from '@tidemark/base'
import type { Context } from '../context.ts'
import { fakeJobs, printed, SERVERS, SUMMARY, testContext } from '../test-context.ts'
import { doctor } from './doctor.ts'

const fails = (code: string) => async (): Promise<never> => {
  throw new TidemarkError(`told by ${code}`, { code, blame: 'environment', action: 'exit', hint: 'what to do' })
}
const close = async (): Promise<void> => {}
const log = (check: Log['check'] = close): Log => ({ check, close }) as Log
const store = (check: ObjectStore['check'] = close, remarks: readonly string[] = []): ObjectStore => ({ check, remarks: async () => remarks, close }) as ObjectStore

/** One lease of each name; `twice`: it is given to everybody. */
const leases = ({ twice = false, holder }: { readonly twice?: boolean, readonly holder?: string } = {}) => {
  const taken: string[] = []
  let epoch = 0
  const openLease: Context['openLease'] = ({ leaseKey }): Lease => {
    let held = false
    return {
      name: leaseKey, close, holder: async () => holder,
      acquire: async (): Promise<HeldLease | undefined> => {
        taken.push(leaseKey)
        if (held && !twice) return undefined
        held = true
        epoch += 1
        return { epoch, renew: async () => held, release: async () => void (held = false) }
      },
    }
  }
  return { openLease, taken }
}

const SERVERS_GIVEN = { ...SERVERS, kafka: 'k:9092', s3Endpoint: 'http://m:9000', redis: 'redis://user:secret@r:6379' }
const context = (given: Partial<Context> = {}) => testContext({
  json: true, servers: SERVERS_GIVEN, openLog: () => log(), openStore: () => store(), openLease: leases().openLease, openJobs: () => fakeJobs({ list: async () => [SUMMARY] }), ...given,
})
const findings = (of: ReturnType<typeof context>) => (printed(of)[0] as { readonly usable: boolean, readonly findings: readonly { readonly what: string, readonly state: string, readonly says: readonly string[], readonly server: string, readonly code?: string }[] })
const states = (of: ReturnType<typeof context>): Record<string, string> => Object.fromEntries(findings(of).findings.map(({ what, state }) => [what, state]))

describe('doctor', () => {
  test('everything keeps what is needed → 0; the lease is tried under a name of its own, no password is printed', async () => {
    const { openLease, taken } = leases({ holder: 'driver-1:7400' })
    const of = context({ openLease })
    expect(await doctor(of)).toBe(0)
    expect(states(of)).toEqual({ log: 'ok', store: 'ok', lease: 'ok', driver: 'ok' })
    expect(findings(of).findings.find(({ what }) => what === 'lease')).toMatchObject({ server: 'redis r:6379', says: ['given once, renewed, let go, given again with a higher epoch', 'driver-1:7400 leads'] })
    expect(new Set(taken)).toEqual(new Set(['tidemark.doctor']))
    expect(of.out.join()).not.toContain('secret')
  })

  test.each([
    ['a broker that does not verify transactions', { openLog: () => log(fails('LOG_UNSUPPORTED')) }, 1, { log: 'refused' }],
    ['a store that ignores If-None-Match', { openStore: () => store(fails('STORE_UNSUPPORTED')) }, 1, { store: 'refused' }],
    ['a store with a bucket that is not there', { openStore: () => store(fails('STORE_UNUSABLE')) }, 1, { store: 'refused' }],
    ['a lease that is given twice', { openLease: leases({ twice: true }).openLease }, 1, { lease: 'refused' }],
    ['a log that is away', { openLog: () => log(fails('LOG_UNAVAILABLE')) }, 3, { log: 'unreached' }],
    ['a store that is away', { openStore: () => store(fails('STORE_UNAVAILABLE')) }, 3, { store: 'unreached' }],
    ['one away, one refused: refused is worse', { openLog: () => log(fails('LOG_UNAVAILABLE')), openStore: () => store(fails('STORE_UNSUPPORTED')) }, 1, { log: 'unreached', store: 'refused' }],
    ['remarks of the store', { openStore: () => store(close, ['one drive']) }, 0, { store: 'warned' }],
    ['no driver yet', { openJobs: () => fakeJobs({ list: fails('WIRE_UNAVAILABLE') }) }, 0, { driver: 'warned' }],
  ] as const)('%s → said of that one only', async (_, given, code, said) => {
    const of = context(given)
    expect(await doctor(of)).toBe(code)
    expect(states(of)).toEqual({ log: 'ok', store: 'ok', lease: 'ok', driver: 'ok', ...said })
    expect(findings(of).usable).toBe(code === 0)
  })

  test('a broker that may not be asked for its settings → a warning, not a yes', async () => {
    const of = context({ openLog: (_servers, logger) => log(async () => logger?.warn({ broker: 1 }, 'log.check_not_allowed')) })
    expect(await doctor(of)).toBe(0)
    expect(states(of)['log']).toBe('warned')
  })

  test('an embedded cluster that was never started → nothing to try, nothing is made by looking', async () => {
    const of = context({ servers: SERVERS, openLog: () => { throw new Error('opened') }, openStore: () => { throw new Error('opened') }, openLease: () => { throw new Error('opened') } })
    expect(await doctor(of)).toBe(0)
    expect(states(of)).toMatchObject({ log: 'left out', store: 'left out', lease: 'left out' })
  })

  test('doctor --json → one line: whether all may be used, and of each what was found, with just these facts', async () => {
    const of = context({ openLog: () => log(fails('LOG_UNAVAILABLE')), openStore: () => store(close, ['one drive']), openJobs: () => fakeJobs({ list: fails('WIRE_UNAVAILABLE') }) })
    await doctor(of)
    expect(printed(of)).toStrictEqual([{
      usable: false,
      findings: [
        { what: 'log', server: 'kafka k:9092', state: 'unreached', says: ['told by LOG_UNAVAILABLE'], code: 'LOG_UNAVAILABLE', hint: 'what to do' },
        { what: 'store', server: 'http://m:9000/tidemark', state: 'warned', says: ['a conditional put is refused where an object is; what was put is read, and listed, at once', 'one drive'] },
        { what: 'lease', server: 'redis r:6379', state: 'ok', says: ['given once, renewed, let go, given again with a higher epoch', 'nobody leads'] },
        { what: 'driver', server: 'one:1', state: 'warned', says: ['told by WIRE_UNAVAILABLE'], code: 'WIRE_UNAVAILABLE', hint: 'what to do' },
      ],
    }])
  })

  test('for people → a row each, code and hint with it', async () => {
    const of = context({ json: false, openStore: () => store(fails('STORE_UNSUPPORTED')) })
    await doctor(of)
    expect(of.out[0]).toMatch(/^what +server +found +says$/)
    expect(of.out.join('\n')).toMatch(/store +http:\/\/m:9000\/tidemark +refused +STORE_UNSUPPORTED: told by STORE_UNSUPPORTED\n +what to do/)
  })
})
