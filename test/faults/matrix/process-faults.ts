// Faults of processes: executors, their slots, and both together as if a machine were lost.
import { realClock } from '@tidemark/base'
import { kill } from '../../../bench/processes.ts'
import type { ClusterProcess, LogLine } from '../../cluster/process.ts'
import { now } from './fault.ts'
import type { Fault, Struck } from './fault.ts'
import type { Stage } from './stage.ts'

/** The heartbeat time-out is 2 s. */
const PAST_TIMEOUT_MS = 4_000
const BELOW_TIMEOUT_MS = 600
/** A slot counts as stuck after 5 s. */
const PAST_STUCK_MS = 7_000
const BELOW_STUCK_MS = 4_000
const STATES_LINES_MAX = 4
/** pino's number for `warn`. */
const WARN = 40

const signal = (pids: readonly number[], name: NodeJS.Signals): void => {
  for (const pid of pids) process.kill(pid, name)
}

const sentenceOf = ({ msg, because, reason, event }: LogLine): string => {
  const why = [because, reason].find((text) => typeof text === 'string')
  return `${msg ?? event ?? 'a line'}${why === undefined ? '' : ` (${String(why).slice(0, 120)})`}`
}

/** What a process said that a person on call would want, each once, with how often. */
export const saidBy = (process: ClusterProcess, from: number): string => {
  const said = process.lines.slice(from).filter(({ level = 0, msg }) => level >= WARN || msg === 'driver.lost').map(sentenceOf)
  const each = [...Map.groupBy(said, (sentence) => sentence)].map(([sentence, all]) => all.length === 1 ? sentence : `${sentence} × ${all.length}`)
  return each.length === 0 ? 'says nothing' : `says: ${each.slice(0, STATES_LINES_MAX).join('; ')}${each.length > STATES_LINES_MAX ? '; …' : ''}`
}

/** Stops whom `of` names for `ms`, then lets them go on. */
const hang = async (stage: Stage, of: (victim: ClusterProcess) => readonly number[], ms: number, moves: boolean): Promise<Struck> => {
  const victim = await stage.victim()
  const pids = of(victim)
  const [at, from] = [now(), victim.lines.length]
  signal(pids, 'SIGSTOP')
  await realClock.sleep(ms)
  // A slot may have been killed meanwhile.
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGCONT')
    } catch {
      // It was.
    }
  }
  return { at, healedAt: now(), ...moves ? { victim } : {}, note: () => saidBy(victim, from) }
}

export const PROCESS_FAULTS: readonly Fault[] = [
  {
    name: 'kill executor', what: 'SIGKILL of an executor; its slots are orphans', setting: 'plain', times: 3,
    strike: async (stage) => {
      const victim = await stage.victim()
      const at = now()
      await victim.kill()
      return { at, victim }
    },
  },
  {
    name: 'kill machine', what: 'SIGKILL of an executor with its slots', setting: 'plain', times: 3,
    strike: async (stage) => {
      const victim = await stage.victim()
      const slots = stage.slotsOf(victim)
      const at = now()
      for (const slot of slots) kill(slot)
      await victim.kill()
      return { at, victim }
    },
  },
  {
    name: 'kill slot', what: 'SIGKILL of a slot; its executor lives', setting: 'plain', times: 3,
    strike: async (stage) => {
      const victim = await stage.victim()
      const slots = stage.slotsOf(victim)
      const at = now()
      for (const slot of slots) kill(slot)
      return { at, victim }
    },
  },
  {
    name: 'hang machine', what: `SIGSTOP of an executor with its slots for ${PAST_TIMEOUT_MS} ms, past its time-out, then SIGCONT: a zombie`, setting: 'plain', times: 5,
    strike: (stage) => hang(stage, (victim) => [victim.pid, ...stage.slotsOf(victim)], PAST_TIMEOUT_MS, true),
  },
  {
    name: 'hang machine shortly', what: `SIGSTOP of an executor with its slots for ${BELOW_TIMEOUT_MS} ms, below its time-out, then SIGCONT`, setting: 'plain', times: 3,
    strike: (stage) => hang(stage, (victim) => [victim.pid, ...stage.slotsOf(victim)], BELOW_TIMEOUT_MS, false),
  },
  {
    name: 'hang executor', what: `SIGSTOP of an executor alone for ${PAST_TIMEOUT_MS} ms; its slots go on until others own their tasks`, setting: 'plain',
    strike: (stage) => hang(stage, (victim) => [victim.pid], PAST_TIMEOUT_MS, true),
  },
  {
    name: 'hang slot', what: `SIGSTOP of a slot for ${PAST_STUCK_MS} ms, past what makes it count as stuck: its executor kills it`, setting: 'plain',
    strike: (stage) => hang(stage, (victim) => stage.slotsOf(victim), PAST_STUCK_MS, true),
  },
  {
    name: 'hang slot shortly', what: `SIGSTOP of a slot for ${BELOW_STUCK_MS} ms, below what makes it count as stuck, then SIGCONT: nothing moves`, setting: 'plain',
    strike: (stage) => hang(stage, (victim) => stage.slotsOf(victim), BELOW_STUCK_MS, false),
  },
  {
    name: 'drain', what: 'SIGTERM: an executor hands its tasks over and leaves', setting: 'plain', times: 3,
    strike: async (stage) => {
      const victim = await stage.victim()
      const at = now()
      victim.signal('SIGTERM')
      await victim.ended()
      return { at, victim }
    },
  },
  {
    name: 'restart everything', what: 'SIGKILL of the driver and of every executor with its slots, all started again at once', setting: 'plain',
    strike: async (stage) => {
      const living = stage.living
      const slots = living.flatMap((executor) => stage.slotsOf(executor))
      const at = now()
      for (const slot of slots) kill(slot)
      await Promise.all([stage.cluster.driver?.kill(), ...living.map((executor) => executor.kill())])
      await stage.cluster.startDriver()
      const ledAt = now()
      await stage.startExecutors()
      return { at, ledAt }
    },
  },
]
