// Faults of an executor's whole machine, a network namespace of its own: gone without a word, without power, or ended as containers are.
import { realClock } from '@tidemark/base'
import type { ClusterProcess } from '../../cluster/process.ts'
import { now } from './fault.ts'
import type { Fault, Struck } from './fault.ts'
import { saidBy } from './process-faults.ts'
import type { Stage } from './stage.ts'

/** Past the verdict and the takeover. */
const GONE_MS = 8_000
/** What `docker stop` leaves between SIGTERM and SIGKILL unless told otherwise. */
const GRACE_MS = 10_000

/** By what the driver knew it. */
const verdictOf = (stage: Stage, victim: ClusterProcess, from: number): string => {
  const sentences = stage.cluster.driver?.lines.slice(from).filter(({ event }) => event === 'executor.dead').map(({ message }) => String(message)) ?? []
  return sentences.find((sentence) => sentence.startsWith(`executor ${victim.name} `)) ?? 'the driver said nothing of its death'
}

interface Ground {
  readonly stage: Stage
  readonly victim: ClusterProcess
}

const on = async (stage: Stage, strike: (ground: Ground) => Promise<Pick<Struck, 'at' | 'healedAt'> & { readonly also?: string }>): Promise<Struck> => {
  const victim = await stage.victim()
  const [from, said] = [stage.cluster.driver?.lines.length ?? 0, victim.lines.length]
  const { also, ...struck } = await strike({ stage, victim })
  return { ...struck, victim, note: () => `${also ?? verdictOf(stage, victim, from)}${victim.alive ? `; it ${saidBy(victim, said)}` : ''}` }
}

export const MACHINE_FAULTS: readonly Fault[] = [
  {
    name: 'gone namespace', what: `the link of an executor's machine is deleted: no FIN, no answer, its processes live on. A new one after ${GONE_MS} ms: a zombie`, setting: 'executor on a machine', times: 3,
    strike: (of) => on(of, async ({ stage }) => {
      const at = now()
      stage.machine.unplug()
      await realClock.sleep(GONE_MS)
      stage.machine.plugIn()
      return { at, healedAt: now() }
    }),
  },
  {
    name: 'gone power', what: 'an executor\'s machine loses its link, then all its processes by SIGKILL: no FIN, no answer, no return', setting: 'executor on a machine', times: 3,
    strike: (of) => on(of, async ({ stage, victim }) => {
      const at = now()
      stage.machine.losePower()
      await victim.ended()
      return { at }
    }),
  },
  {
    name: 'stop container', what: `as \`docker stop\`: SIGTERM to the executor, SIGKILL to all on its machine when it has ended or ${GRACE_MS} ms have passed, then the machine is gone: a drain`, setting: 'executor on a machine', times: 3,
    strike: (of) => on(of, async ({ stage, victim }) => {
      const at = now()
      victim.signal('SIGTERM')
      const drained = await Promise.race([victim.ended().then(() => true), realClock.sleep(GRACE_MS).then(() => false)])
      const tookMs = Math.round(now().monotonic - at.monotonic)
      stage.machine.remove()
      await victim.ended()
      return { at, also: drained ? `it drained and ended within the grace, after ${tookMs} ms` : `killed after the grace of ${GRACE_MS} ms` }
    }),
  },
  {
    name: 'kill container', what: 'as `docker kill`: SIGKILL of everything on an executor\'s machine, then the machine is gone', setting: 'executor on a machine', times: 3,
    strike: (of) => on(of, async ({ stage, victim }) => {
      const at = now()
      stage.machine.killAll()
      await victim.ended()
      stage.machine.remove()
      return { at }
    }),
  },
]
