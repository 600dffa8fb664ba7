// Faults of one executor's network: cut off from driver, log or store, both ways or one, or slow.
import { realClock } from '@tidemark/base'
import type { ClusterProcess } from '../../cluster/process.ts'
import { now } from './fault.ts'
import type { Fault } from './fault.ts'
import type { Way } from './links.ts'
import { saidBy } from './process-faults.ts'
import type { Stage } from './stage.ts'

const CUT_MS = 5_000
/** Long enough for the verdict that it alone is cut off, and for what follows from it. */
const LOG_CUT_MS = 12_000
/** Into a cut: long enough to be told of, too short for a verdict. */
const TOLD_MS = 3_500
const SLOW_MS = 5_000
const SLOW_BY_MS = 50

const PLACES = { driver: 'the driver', log: 'Kafka', store: 'MinIO' } as const
type Place = keyof typeof PLACES
const WAYS: Readonly<Record<Way, string>> = { both: 'no byte gets through', out: 'nothing it says arrives', in: 'it hears nothing' }

/** What an operator is told of the tasks of who is cut off. */
const describedAs = async (stage: Stage, victim: ClusterProcess): Promise<string> => {
  const { tasks } = await stage.cluster.jobs.describe(stage.job.name)
  const own = tasks.filter(({ executor }) => executor === victim.name)
  const waits = new Set(own.flatMap(({ waitingFor }) => waitingFor ?? []))
  return own.length === 0 ? 'it has no task' : `its tasks' lag is ${own.reduce((sum, { lag }) => sum + (lag ?? 0), 0)}${waits.size === 0 ? '' : `, they wait for ${[...waits].join(', ')}`}`
}

/** Who alone is cut off from the log gives its tasks up. */
const cutLog = (way: Way): Fault => ({
  name: `cut log ${way}`, what: `an executor and ${PLACES.log} for ${LOG_CUT_MS} ms: ${WAYS[way]}; its tasks move`, setting: 'executor behind links',
  strike: async (stage) => {
    const victim = await stage.victim()
    const [at, from] = [now(), victim.lines.length]
    await stage.link('log').cut(way)
    await realClock.sleep(TOLD_MS)
    const told = await describedAs(stage, victim)
    await realClock.sleep(LOG_CUT_MS - TOLD_MS)
    const described = await describedAs(stage, victim)
    await stage.link('log').heal()
    return { at, victim, healedAt: now(), note: () => `${TOLD_MS} ms into the cut ${told}; in the end of it ${described}; it ${saidBy(victim, from)}` }
  },
})

const cut = (to: Place, way: Way): Fault => ({
  name: `cut ${to} ${way}`, what: `an executor and ${PLACES[to]} for ${CUT_MS} ms: ${WAYS[way]}`, setting: 'executor behind links',
  strike: async (stage) => {
    const victim = await stage.victim()
    const [at, from] = [now(), victim.lines.length]
    await stage.link(to).cut(way)
    await realClock.sleep(CUT_MS)
    const described = await describedAs(stage, victim)
    await stage.link(to).heal()
    return { at, healedAt: now(), note: () => `in the end of the cut ${described}; it ${saidBy(victim, from)}` }
  },
})

const slow = (to: Place): Fault => ({
  name: `slow ${to}`, what: `an executor and ${PLACES[to]} for ${SLOW_MS} ms: every byte ${SLOW_BY_MS} ms later, each way`, setting: 'executor behind links',
  strike: async (stage) => {
    const victim = await stage.victim()
    const [at, from] = [now(), victim.lines.length]
    await stage.link(to).slow(SLOW_BY_MS)
    await realClock.sleep(SLOW_MS)
    await stage.link(to).heal()
    return { at, healedAt: now(), note: () => saidBy(victim, from) }
  },
})

export const NETWORK_FAULTS: readonly Fault[] = (['driver', 'log', 'store'] as const).flatMap((place) => [...(['both', 'out', 'in'] as const).map((way) => (place === 'log' ? cutLog(way) : cut(place, way))), slow(place)])
