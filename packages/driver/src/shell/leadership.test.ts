// Election on virtual time: epochs that are never given twice, a lease that is lost, a store or lease server that is away.
import { describe, expect, jest, test } from '@jest/globals'
import { silentLogger, TidemarkError } from '@tidemark/base'
import { emptyLeaseState, MemoryLease, MemoryObjectStore, VirtualClock } from '@tidemark/testkit'
import type { Intercept, MemoryLeaseState } from '@tidemark/testkit'
import { Election } from './leadership.ts'

interface Contender {
  readonly election: Election
  readonly said: string[]
}
const setUp = () => {
  const clock = new VirtualClock()
  const store = new MemoryObjectStore({ clock })
  const contend = (name: string, state: MemoryLeaseState, intercept?: Intercept): Contender => {
    const said: string[] = []
    const election = new Election({
      lease: new MemoryLease({ name: 'leader', clock, state, ...(intercept === undefined ? {} : { intercept }) }), store, clock, logger: silentLogger, address: name, driver: name, leaseMs: 2_000,
      onLead: (epoch) => void said.push(`leads ${epoch}`), onLost: (reason) => void said.push(reason),
    })
    election.start()
    return { election, said }
  }
  return { clock, store, contend }
}

describe('election', () => {
  test('one leads, the other follows within the lease time after a clean stop, with a higher epoch', async () => {
    const { clock, contend } = setUp()
    const state = emptyLeaseState()
    const a = contend('a', state)
    await clock.advance(10)
    const b = contend('b', state)
    await clock.advance(10_000)
    expect([a.said, b.said]).toEqual([['leads 1'], []])
    expect(await b.election.leader()).toBe('a')
    await a.election.stop()
    await clock.advance(2_000)
    expect(b.said).toEqual(['leads 2'])
  })
  test.each([100, 200, 300, 400, 500, 600, 700])('the leader dies without a word, another began to wait at %s ms → it leads a tenth of the lease after its end at the latest, not a third', async (began) => {
    const { clock, contend } = setUp()
    const state = emptyLeaseState()
    let died = false
    const a = contend('a', state, (_operation, run) => died ? new Promise(() => {}) : run())
    await clock.advance(began)
    const b = contend('b', state)
    await clock.advance(4_050 - began)
    died = true
    const ends = state.held?.until ?? NaN
    await clock.advance(ends - clock.monotonic() - 10)
    expect([a.said, b.said]).toEqual([['leads 1'], []])
    await clock.advance(10 + 200)
    expect(b.said).toEqual(['leads 2'])
  })
  test('another holds the lease → it is asked after, the object store is not', async () => {
    const { clock, contend, store } = setUp()
    const state = emptyLeaseState()
    contend('a', state)
    await clock.advance(10)
    const asked: string[] = []
    contend('b', state, ({ call }, run) => {
      asked.push(call)
      return run()
    })
    const lists = jest.spyOn(store, 'list')
    await clock.advance(2_050)
    expect(asked).toEqual(['lease.acquire', ...Array.from({ length: 10 }, () => 'lease.holder')])
    expect(lists).toHaveBeenCalledTimes(0)
  })
  test('the lease server lost its data → the epochs in the object store are passed over', async () => {
    const { clock, contend, store } = setUp()
    const a = contend('a', emptyLeaseState())
    await clock.advance(10)
    await a.election.stop()
    const b = contend('b', emptyLeaseState())
    await clock.advance(10)
    expect([a.said, b.said]).toEqual([['leads 1'], ['leads 2']])
    expect((await store.list('drivers/epochs/')).map(({ key }) => key)).toEqual(['drivers/epochs/1.json', 'drivers/epochs/2.json'])
  })
  test('two lease servers that know nothing of each other → still two epochs', async () => {
    const { clock, contend } = setUp()
    const contenders = ['a', 'b', 'c'].map((name) => contend(name, emptyLeaseState()))
    await clock.advance(50)
    expect(contenders.flatMap(({ said }) => said).toSorted()).toEqual(['leads 1', 'leads 2', 'leads 3'])
  })
  test('the lease cannot be renewed for its time → it stops leading, and leads again once it can', async () => {
    const { clock, contend } = setUp()
    let away = false
    const state = emptyLeaseState()
    const a = contend('a', state, (_operation, run) => away ? Promise.reject(new TidemarkError('no answer', { code: 'LEASE_UNAVAILABLE', blame: 'environment', action: 'retry' })) : run())
    await clock.advance(3_000)
    away = true
    await clock.advance(1_500)
    expect(a.said).toEqual(['leads 1'])
    await clock.advance(1_500)
    expect(a.said).toEqual(['leads 1', 'the lease could not be renewed for 2000 ms'])
    away = false
    await clock.advance(3_000)
    expect(a.said.at(-1)).toBe('leads 2')
  })
  test('another has the lease → it stops leading at its next renewal', async () => {
    const { clock, contend } = setUp()
    const state = emptyLeaseState()
    const a = contend('a', state)
    await clock.advance(10)
    state.held = { epoch: 7, holder: 'b', until: Infinity }
    await clock.advance(1_000)
    expect(a.said).toEqual(['leads 1', 'the lease is lost'])
  })
})
