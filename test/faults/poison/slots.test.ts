// Slots that die, or lose their parent: each costs its own tasks only, and nothing is left of it.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import { Poison, wrongTotals } from './poison.ts'

const keys = (count: number): { readonly key: string }[] => Array.from({ length: count }, (_, i) => ({ key: `k${i % 20}` }))

/** As `ps` shows it: R, S, T (stopped)…; undefined: no such process, or only its entry is left. */
const stateOf = (pid: number): string | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const state = stat.slice(stat.lastIndexOf(')') + 2)[0]
    return state === 'Z' || state === 'X' ? undefined : state
  } catch {
    return undefined
  }
}

const msUntilGone = async (pids: readonly number[]): Promise<number> => {
  const began = realClock.monotonic()
  while (pids.some((pid) => stateOf(pid) !== undefined)) {
    if (realClock.monotonic() - began > 60_000) throw new Error(`still there: ${pids.filter((pid) => stateOf(pid) !== undefined).join(', ')}`)
    await realClock.sleep(5)
  }
  return Math.round(realClock.monotonic() - began)
}

/** Pids of slot processes by their numbers, as the executor wrote them down. */
const slotPids = (poison: Poison): ReadonlyMap<number, number> => {
  const folder = join(poison.cluster.folder, 'pids')
  const pids = readdirSync(folder).filter((name) => name.endsWith('.json')).flatMap((name) => (JSON.parse(readFileSync(join(folder, name), 'utf8')) as { readonly slots: readonly { readonly pid: number }[] }).slots)
  return new Map(pids.flatMap(({ pid }): [number, number][] => {
    if (stateOf(pid) === undefined) return []
    const slot = /(?:^|\0)TIDEMARK_SLOT_NUMBER=(\d+)/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))?.[1]
    return slot === undefined ? [] : [[Number(slot), pid]]
  }))
}

const slotOfJob = async (poison: Poison): Promise<number> => {
  const { tasks } = await poison.cluster.allRunning(poison.job.name)
  const pid = slotPids(poison).get(tasks[0]?.slot ?? -1)
  if (pid === undefined) throw new Error('the job has no slot')
  return pid
}

/** A slot may be silent for 2 s. */
const STOOD_STILL_MS = 5_000

describe('slots', () => {
  let open: Poison | undefined
  afterEach(async () => {
    open?.cluster.driver?.signal('SIGCONT')
    await open?.stop()
    open = undefined
  }, 60_000)

  /** Everything written is there, once. */
  const exact = async (poison: Poison): Promise<void> => {
    const plain = poison.written.filter(({ deed }) => deed === undefined).length
    await poison.until('all results', () => poison.out.records.length >= plain)
    expect(wrongTotals(poison.written, poison.out.values())).toEqual([])
  }
  /** Its executor dies while no driver is there to see it: whatever becomes of the slots, it is not the driver's doing. */
  const loseParent = async (poison: Poison): Promise<void> => {
    poison.cluster.driver?.signal('SIGSTOP')
    await poison.cluster.executors[0]?.kill()
  }
  const goOn = async (poison: Poison): Promise<void> => {
    poison.cluster.driver?.signal('SIGCONT')
    if (!poison.cluster.executors.some(({ alive }) => alive)) poison.cluster.startExecutor()
  }

  test('a slot SIGKILLed four times in a row → its tasks go on each time, no record is blamed, the neighbour notices nothing', async () => {
    const poison = open = await Poison.start({ place: 'source' })
    for (let i = 0; i < 4; i += 1) {
      await poison.write(keys(200))
      process.kill(await slotOfJob(poison), 'SIGKILL')
      await poison.write(keys(200))
      await poison.until(`results after death ${i + 1}`, () => poison.out.records.length >= (i + 1) * 400)
    }
    await exact(poison)
    expect(poison.deadLetters.records).toEqual([])
    expect((await poison.deaths()).length).toBe(4)
    const { sessions, gapMs } = await poison.neighbourStory()
    console.log(`four deaths: longest gap of the neighbour ${gapMs} ms`)
    expect(sessions).toBe(1)
  }, 120_000)

  test('a slot that hangs past its limit → its executor kills it, once, and its tasks go on; no record is blamed, the neighbour notices nothing', async () => {
    const poison = open = await Poison.start({ place: 'source' })
    await poison.write(keys(200))
    await exact(poison)
    const hung = await slotOfJob(poison)
    process.kill(hung, 'SIGSTOP')
    await poison.write(keys(200))
    const ms = await msUntilGone([hung])
    console.log(`a slot that was stopped was killed after ${ms} ms, its limit is 2000`)
    expect(ms).toBeGreaterThan(1_000)
    await exact(poison)
    expect(poison.deadLetters.records).toEqual([])
    expect(await poison.deaths()).toEqual([expect.stringContaining('stuck: it said nothing')])
    expect((await poison.neighbourStory()).sessions).toBe(1)
  }, 120_000)

  test('a machine that slept for longer than a slot may be silent, or its executor alone → kills none of them', async () => {
    const poison = open = await Poison.start({ place: 'source' })
    await poison.write(keys(200))
    await exact(poison)
    const { driver, executors: [executor] } = poison.cluster
    if (driver === undefined || executor === undefined) throw new Error('there is no executor')
    const slots = [...slotPids(poison).values()]
    // The driver too: it would take a silent executor for dead.
    for (const stopped of [[driver.pid, executor.pid, ...slots], [driver.pid, executor.pid]]) {
      for (const pid of stopped) process.kill(pid, 'SIGSTOP')
      await realClock.sleep(STOOD_STILL_MS)
      for (const pid of stopped) process.kill(pid, 'SIGCONT')
      await poison.write(keys(200))
      await exact(poison)
      await realClock.sleep(1_500)
    }
    expect(await poison.deaths()).toEqual([])
    expect([...slotPids(poison).values()].toSorted()).toEqual(slots.toSorted())
  }, 120_000)

  test('executor SIGKILLed alone → its slots end themselves', async () => {
    const poison = open = await Poison.start({ place: 'source' })
    await poison.write(keys(200))
    await exact(poison)
    const pids = [...slotPids(poison).values()]
    expect(pids).toHaveLength(2)
    await loseParent(poison)
    const ms = await msUntilGone(pids)
    console.log(`orphaned slots were gone after ${ms} ms`)
    await goOn(poison)
    await poison.write(keys(200))
    await exact(poison)
  }, 120_000)

  test('executor SIGKILLed while user code of a slot never returns → that slot ends too', async () => {
    const poison = open = await Poison.start({ place: 'source' }, { TIDEMARK_SLOT_STUCK: '60s' })
    await poison.write(keys(200))
    await exact(poison)
    // Who watches for the parent begins a while after the start.
    await realClock.sleep(6_000)
    const stuck = await slotOfJob(poison)
    await poison.write([{ key: 'k1', deed: 'never returns' }])
    await poison.until('it is stuck', () => stateOf(stuck) === 'R')
    await realClock.sleep(500)
    expect(stateOf(stuck)).toBe('R')
    await loseParent(poison)
    const ms = await msUntilGone([stuck])
    console.log(`a stuck orphan was gone after ${ms} ms`)
  }, 120_000)

  test('a slot that was stopped while its executor died → the next executor of that folder ends it', async () => {
    const poison = open = await Poison.start({ place: 'source' })
    await poison.write(keys(200))
    await exact(poison)
    const stopped = await slotOfJob(poison)
    process.kill(stopped, 'SIGSTOP')
    try {
      await loseParent(poison)
      await realClock.sleep(1_000)
      expect(stateOf(stopped)).toBe('T')
      const next = poison.cluster.startExecutor()
      await next.line(({ msg }) => msg === 'executor.leftover-slots-killed')
      await msUntilGone([stopped])
    } finally {
      if (stateOf(stopped) !== undefined) process.kill(stopped, 'SIGKILL')
    }
    await goOn(poison)
    await poison.write(keys(200))
    await exact(poison)
  }, 120_000)
})
