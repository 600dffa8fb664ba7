// The suite that every adapter of the Lease port passes. Leases have names of their own, so that it may run on a shared server.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { realClock, realRandom } from '@tidemark/base'
import type { HeldLease, Lease } from '@tidemark/base'

const CONTENDERS = 20
const PATIENCE_MS = 10_000
const LONG_MS = 60_000

export interface LeasesUnderTest {
  /** Another contender for the lease of this name: as if from another process. */
  open(name: string): Lease
  close(): Promise<void>
}

export interface LeaseConformanceOptions {
  /** False: a lease is held until its process ends, whatever time goes by (a lock of the kernel). Default true. */
  readonly expires?: boolean
}

/** Registers a `describe` block. `makeLeases` is called once. */
export const leaseConformance = (name: string, makeLeases: () => Promise<LeasesUnderTest>, { expires = true }: LeaseConformanceOptions = {}): void => describe(`lease port: ${name}`, () => {
  let under: LeasesUnderTest | undefined
  const opened: Lease[] = []
  beforeAll(async () => { under = await makeLeases() })
  afterAll(async () => {
    for (const lease of opened) await lease.close()
    await under?.close()
  })
  const open = (leaseName: string): Lease => {
    if (!under) throw new Error('the leases under test were not made')
    const lease = under.open(leaseName)
    opened.push(lease)
    return lease
  }
  const contenders = (count: number): Lease[] => {
    const leaseName = `tidemark-conformance-${realRandom.uuid()}`
    return Array.from({ length: count }, () => open(leaseName))
  }
  const until = async (what: string, holds: () => Promise<boolean>): Promise<void> => {
    const deadline = realClock.monotonic() + PATIENCE_MS
    while (!(await holds())) {
      if (realClock.monotonic() >= deadline) throw new Error(`waited ${PATIENCE_MS} ms until ${what}`)
      await realClock.sleep(10)
    }
  }

  test(`acquire: of ${CONTENDERS} at once → at most one, and the others see who; soon one has it`, async () => {
    const all = contenders(CONTENDERS)
    const names = all.map((_, index) => `driver ${index} at host:${index}`)
    const held: (HeldLease | undefined)[] = await Promise.all(all.map((lease, index) => lease.acquire(names[index]!, LONG_MS, 0)))
    expect(held.filter((one) => one !== undefined).length).toBeLessThanOrEqual(1)
    const taken = (): number => held.findIndex((one) => one !== undefined)
    await until('somebody has it', async () => {
      if (taken() < 0) held[0] = await all[0]!.acquire(names[0]!, LONG_MS, 0)
      return taken() >= 0
    })
    const winner = taken()
    for (const lease of all) expect(await lease.holder()).toBe(names[winner])
    await held[winner]?.release()
  })

  test('held: nobody else gets it, not even the same contender again; renewing keeps it', async () => {
    const [mine, theirs] = contenders(2) as [Lease, Lease]
    const held = await mine.acquire('mine', LONG_MS, 0)
    expect(held?.epoch).toBeGreaterThan(0)
    for (const lease of [mine, theirs]) expect(await lease.acquire('other', LONG_MS, 0)).toBeUndefined()
    expect(await held?.renew()).toBe(true)
    expect([await mine.holder(), await theirs.holder()]).toEqual(['mine', 'mine'])
    await held?.release()
  })

  test('released: free at once, without a holder; the old hold stays lost and takes nothing away', async () => {
    const [mine, theirs] = contenders(2) as [Lease, Lease]
    const held = await mine.acquire('mine', LONG_MS, 0)
    await held?.release()
    await held?.release()
    expect([await mine.holder(), await theirs.holder()]).toEqual([undefined, undefined])
    const next = await theirs.acquire('theirs', LONG_MS, 0)
    expect(next?.epoch).toBeGreaterThan(held?.epoch ?? Infinity)
    expect(await held?.renew()).toBe(false)
    await held?.release()
    expect(await next?.renew()).toBe(true)
    expect(await mine.holder()).toBe('theirs')
    await next?.release()
  })

  test('epochs: grow with every acquisition, whoever makes it, and are above what the caller knows of', async () => {
    const all = contenders(3)
    let last = 0
    for (let round = 0; round < 6; round += 1) {
      const known = round === 3 ? last + 40 : 0
      const held = await all[round % 3]!.acquire(`round ${round}`, LONG_MS, known)
      expect(held?.epoch).toBeGreaterThan(Math.max(last, known))
      last = held?.epoch ?? last
      await held?.release()
    }
  })

  test('epochs: large ones stay exact', async () => {
    const [lease] = contenders(1) as [Lease]
    const held = await lease.acquire('a', LONG_MS, 2 ** 53 - 3)
    expect(held?.epoch).toBe(2 ** 53 - 2)
    await held?.release()
  })

  test('names: two leases know nothing of each other', async () => {
    const [[one], [other]] = [contenders(1) as [Lease], contenders(1) as [Lease]]
    const held = [await one.acquire('a', LONG_MS, 0), await other.acquire('b', LONG_MS, 0)]
    expect(held.map((lease) => lease !== undefined)).toEqual([true, true])
    expect([await one.holder(), await other.holder()]).toEqual(['a', 'b'])
    for (const lease of held) await lease?.release()
  })

  test('closed → every call is LEASE_CLOSED', async () => {
    const [lease] = contenders(1) as [Lease]
    await lease.close()
    await lease.close()
    await expect(lease.acquire('a', LONG_MS, 0)).rejects.toMatchObject({ code: 'LEASE_CLOSED' })
    await expect(lease.holder()).rejects.toMatchObject({ code: 'LEASE_CLOSED' })
  })

  if (!expires) return
  test('not renewed: after its time another gets it, the old hold is lost for good', async () => {
    const [mine, theirs] = contenders(2) as [Lease, Lease]
    const held = await mine.acquire('mine', 60, 0)
    await until('it has run out', async () => await theirs.holder() === undefined)
    const next = await theirs.acquire('theirs', LONG_MS, 0)
    expect(next?.epoch).toBeGreaterThan(held?.epoch ?? Infinity)
    expect(await held?.renew()).toBe(false)
    await held?.release()
    expect(await mine.holder()).toBe('theirs')
    await next?.release()
    expect(await held?.renew()).toBe(false)
  })

  test('renewed in time: outlives its first time', async () => {
    const [mine, theirs] = contenders(2) as [Lease, Lease]
    const held = await mine.acquire('mine', 400, 0)
    for (const begun = realClock.monotonic(); realClock.monotonic() - begun < 900;) {
      expect(await held?.renew()).toBe(true)
      expect(await theirs.acquire('theirs', LONG_MS, 0)).toBeUndefined()
      await realClock.sleep(50)
    }
    await held?.release()
  })
})
