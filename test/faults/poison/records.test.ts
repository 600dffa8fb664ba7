// Records that kill the process that processes them: found by the deaths they cause, set aside, and nothing else is touched.
import { afterEach, describe, expect, test } from '@jest/globals'
import { Output } from '../../cluster/output.ts'
import type { Deed, PoisonRecord } from './poison-job.ts'
import { Poison, wrongTotals } from './poison.ts'

/** Beside those of the slots there is one of the process in which the record was tried. */
const SLOT_DEATHS_MAX = 2

const plain = (count: number): { readonly key: string }[] => Array.from({ length: count }, (_, i) => ({ key: `k${i % 20}` }))

describe('a record that kills its process', () => {
  let open: Poison | undefined
  afterEach(async () => {
    await open?.stop()
    open = undefined
  }, 60_000)

  const neighbourUntouched = async (poison: Poison, what: string): Promise<void> => {
    const deaths = await poison.deaths()
    const { sessions, gapMs, harmMs } = await poison.neighbourStory()
    console.log(`${what}: ${deaths.length} deaths over ${harmMs} ms, longest gap of the neighbour ${gapMs} ms`)
    expect(deaths.length).toBeLessThanOrEqual(SLOT_DEATHS_MAX)
    expect(sessions).toBe(1)
    // Whoever waits for the slot beside it stands still for all of that, however fast the machine is.
    expect(gapMs).toBeLessThan(harmMs)
  }

  test.each<Deed>(['exits', 'is killed', 'crashes in native code', 'is hit by a SIGSEGV', 'never returns', 'fills its heap', 'fills memory outside of its heap', 'leaves a promise that fails'])(
    'its process %s → the record is dead-lettered with the third death, everything else is exact, the neighbour goes on', async (deed) => {
      const poison = open = await Poison.start({ place: 'source' })
      await poison.write([...plain(300), { key: 'k7', deed }, ...plain(300)])
      await poison.until('all results and the dead letter', () => poison.out.records.length >= 600 && poison.deadLetters.records.length >= 1)
      await poison.write(plain(300))
      await poison.until('what came later', () => poison.out.records.length >= 900)
      expect(wrongTotals(poison.written, poison.out.values())).toEqual([])
      expect(poison.deadLetters.values().map(({ n }) => n)).toEqual([300])
      await neighbourUntouched(poison, deed)
    }, 120_000)

  test('a deed that is done after its record was committed → a death, no more: nothing is set aside, everything is exact', async () => {
    const poison = open = await Poison.start({ place: 'source' })
    await poison.write([...plain(300), { key: 'k7', deed: 'leaves a timer that throws' }, ...plain(300)])
    await poison.until('all results', async () => poison.out.records.length >= 601 && (await poison.deaths()).length > 0)
    await poison.write(plain(300))
    await poison.until('what came later', () => poison.out.records.length >= 901)
    expect(wrongTotals(poison.written.map(({ deed: _deed, ...record }) => record), poison.out.values())).toEqual([])
    expect(poison.deadLetters.records).toEqual([])
  }, 120_000)

  test('several such records, apart and together, behind a shuffle → each is dead-lettered, everything else is exact', async () => {
    const poison = open = await Poison.start({ place: 'shuffle' })
    const kills = (deed: Deed): { readonly key: string, readonly deed: Deed } => ({ key: 'k3', deed })
    await poison.write([...plain(100), kills('exits'), kills('crashes in native code'), ...plain(100), kills('exits'), ...plain(100)])
    await poison.until('all results and dead letters', () => poison.out.records.length >= 300 && poison.deadLetters.records.length >= 3)
    expect(wrongTotals(poison.written, poison.out.values())).toEqual([])
    expect(poison.deadLetters.values().map(({ deed }) => deed)).toEqual(['exits', 'crashes in native code', 'exits'])
    await neighbourUntouched(poison, 'behind a shuffle')
  }, 120_000)

  test.each(['keyBy', 'decode', 'encode'] as const)('in %s → the record is dead-lettered, everything else is exact, the neighbour goes on', async (place) => {
    const poison = open = await Poison.start({ place })
    await poison.write([...plain(300), { key: 'k7', deed: 'exits' }, ...plain(300)])
    await poison.until('all results and the dead letter', () => poison.out.records.length >= 600 && poison.deadLetters.records.length >= 1)
    expect(wrongTotals(poison.written, poison.out.values())).toEqual([])
    expect(poison.deadLetters.values().map(({ n }) => n)).toEqual([300])
    await neighbourUntouched(poison, place)
  }, 120_000)

  test.each(['window', 'timer'] as const)('a %s that kills its process → it is dead-lettered, the other keys have their results', async (place) => {
    const poison = open = await Poison.start({ place })
    await poison.write([...plain(80), { key: 'k3', deed: 'exits' }, ...plain(20)])
    // Far ahead: closes what is open.
    await poison.write(Array.from({ length: 20 }, (_, i) => ({ key: `later-${i}`, ts: 1_700_000_100_000 + i })))
    const results = (): number => new Set(poison.out.values().map(({ key }) => key).filter((key) => key.startsWith('k'))).size
    await poison.until('all results and the dead letter', () => results() >= 19 && poison.deadLetters.records.length >= 1)
    const letters = new Output<{ readonly key: string }>(poison.cluster.log, poison.job.deadLetters)
    expect(new Set((await letters.read()).map(({ value }) => value.key))).toEqual(new Set(['k3']))
    await neighbourUntouched(poison, place)
  }, 120_000)

  test('onError skip → it is only counted, and the books say so', async () => {
    const poison = open = await Poison.start({ place: 'source', onError: 'skip' })
    await poison.write([...plain(300), { key: 'k7', deed: 'exits' }, ...plain(300)])
    const totals = async (): Promise<Record<string, number>> => {
      const { tasks } = await poison.describe()
      const sum: Record<string, number> = {}
      for (const { totals: mine } of tasks) for (const [name, value] of Object.entries(mine)) sum[name] = (sum[name] ?? 0) + value
      return sum
    }
    await poison.until('all results, and books of all records', async () => poison.out.records.length >= 600 && (await totals())['records'] === 601)
    expect(await totals()).toMatchObject({ records: 601, folded: 600, skipped: 1, deadLettered: 0 })
    expect(wrongTotals(poison.written, poison.out.values())).toEqual([])
  }, 120_000)

  test('onError fail → the job stops before it, with the record and the reason', async () => {
    const poison = open = await Poison.start({ place: 'source', onError: 'fail' })
    await poison.write([...plain(300), { key: 'k7', deed: 'exits' }, ...plain(300)])
    await poison.until('the job has failed', async () => (await poison.describe()).summary.state === 'failed')
    const { error } = await poison.describe()
    const { partition, offset } = await offsetOf(poison, (record) => record.deed !== undefined)
    expect(error).toMatchObject({ action: 'fail-job', blame: 'user' })
    expect(error?.message).toContain(`${poison.job.input}/${partition} offset ${offset}`)
    expect(error?.message).toContain('ends its process: exited with 0')
  }, 120_000)
})

const offsetOf = async (poison: Poison, wanted: (record: PoisonRecord) => boolean): Promise<{ readonly partition: number, readonly offset: number }> => {
  const found = (await new Output<PoisonRecord>(poison.cluster.log, poison.job.input).read()).find(({ value }) => wanted(value))
  if (found === undefined) throw new Error('there is no such record')
  return found
}
