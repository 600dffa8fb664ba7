// User code that leaks: its slot is killed when it has taken too much, again and again, and that costs nobody anything but time.
import { afterEach, expect, test } from '@jest/globals'
import { Poison, wrongTotals } from './poison.ts'

let open: Poison | undefined
afterEach(async () => {
  await open?.stop()
  open = undefined
}, 60_000)

test('a slot that leaks memory → it is killed over its limit, no record is blamed, all is exact, the neighbour goes on', async () => {
  const poison = open = await Poison.start({ place: 'source' }, { TIDEMARK_SLOT_MEMORY: '700' })
  for (let i = 0; i < 20; i += 1) {
    await poison.write(Array.from({ length: 10 }, (_, n) => ({ key: `k${n}`, ...(n === 5 ? { deed: 'leaks' as const } : {}) })))
    await poison.write(Array.from({ length: 10 }, () => ({ key: 'k5', deed: 'leaks' as const })))
  }
  await poison.until('all results', () => poison.out.records.length >= 400)
  const deaths = await poison.deaths()
  expect(deaths.length).toBeGreaterThanOrEqual(2)
  for (const death of deaths) expect(death).toMatch(/MiB of memory, 700 are allowed/)
  expect(poison.deadLetters.records).toEqual([])
  expect(wrongTotals(poison.written.map(({ deed: _deed, ...record }) => record), poison.out.values())).toEqual([])
  const { sessions, gapMs, harmMs } = await poison.neighbourStory()
  console.log(`${deaths.length} deaths of a leak: over ${harmMs} ms, longest gap of the neighbour ${gapMs} ms`)
  expect(sessions).toBe(1)
  // Whoever waits for the slot beside it stands still for all of that, however fast the machine is.
  expect(gapMs).toBeLessThan(harmMs)
}, 120_000)
