// What an executor tells and commands when messages cross: while it registers, and while a task leaves and comes back.
import { describe, expect, test } from '@jest/globals'
import { executorId, jobId, slotId, stageId, transactionalId } from '@tidemark/base'
import type { SlotEvent } from '@tidemark/runtime'
import type { DriverMessage, SlotProcess } from '@tidemark/wire'
import { ExecutorCore } from './executor-core.ts'
import type { ExecutorCommand, ExecutorEvent } from './executor-core.ts'

const task = { job: jobId('sales'), run: 1, stage: stageId(0), partition: 0 }
const registered: DriverMessage = { kind: 'registered', driver: 'd', epoch: 1, heartbeatIntervalMs: 250, heartbeatTimeoutMs: 2_000 }
const process = (slot: number, name = `p${slot}`): SlotProcess => ({ slot, slotId: slotId(name), pid: 100 + slot, pidStart: '1' })
const generation = (counter: number) => ({ epoch: 1, counter })
const assign = (counter: number, slot = 0): DriverMessage => ({ kind: 'assign', epoch: 1, tasks: [{ task, generation: generation(counter), slot }] })
const prepare = (run: number): DriverMessage => ({ kind: 'prepare', epoch: 1, slot: 0, job: task.job, run })
const revoke: DriverMessage = { kind: 'revoke', epoch: 1, tasks: [task], reason: 'move' }

class Talk {
  readonly core = new ExecutorCore({ executor: executorId('e'), label: 'e', slots: 2, probeAddress: 'here:1', engineVersion: '0', pid: 1, pidStart: '1', slotStuckMs: 5_000, slotWorkStuckMs: 30_000 })
  #at = 0

  feed(...events: readonly ExecutorEvent[]): ExecutorCommand[] {
    return events.flatMap((event) => this.core.handle(event, (this.#at += 1)))
  }
  hear(...messages: readonly DriverMessage[]): ExecutorCommand[] {
    return this.feed(...messages.map((message) => ({ kind: 'driver-message' as const, message })))
  }
  /** One tick after the other for so long, and before each what the slot says then. */
  live(ms: number, says: readonly SlotEvent[] = [], everyMs = 250): string[] {
    const commands: ExecutorCommand[] = []
    for (const until = this.#at + ms; this.#at < until;) {
      this.#at += everyMs
      for (const event of says) this.core.handle({ kind: 'slot-event', slotId: slotId('p0'), event }, this.#at)
      commands.push(...this.core.handle({ kind: 'tick' }, this.#at))
    }
    return commands.flatMap((command) => (command.kind === 'kill-slot' ? [command.reason] : []))
  }
  from(slot: string, kind: 'released' | 'given-up', counter: number): ExecutorCommand[] {
    const word = { task, generation: generation(counter) }
    return this.feed({ kind: 'slot-event', slotId: slotId(slot), event: kind === 'released' ? { kind, ...word } : { kind, ...word, reason: 'it is late', ended: false } })
  }
  /** Connected, registered, both slots up. */
  static ready(): Talk {
    const talk = new Talk()
    talk.feed({ kind: 'driver-connected' })
    talk.hear(registered)
    talk.feed({ kind: 'slot-ready', process: process(0) }, { kind: 'slot-ready', process: process(1) })
    return talk
  }
}

const told = (commands: readonly ExecutorCommand[], kind: string) => commands.flatMap((command) => (command.kind === 'send' && command.message.kind === kind ? [command.message] : []))
const given = (commands: readonly ExecutorCommand[]) => commands.flatMap((command) => (command.kind === 'slot-command' ? [`${command.slotId} ${command.command.kind}`] : []))

describe('executor core', () => {
  test('registration: a slot process that starts before the answer comes is told behind it', () => {
    const talk = new Talk()
    talk.feed({ kind: 'driver-connected' }, { kind: 'slot-ready', process: process(0) })
    expect(told(talk.hear(registered), 'slot-started')).toEqual([{ kind: 'slot-started', process: process(0) }])
  })

  test('registration: the next one names the process itself, nothing old is told behind it', () => {
    const talk = new Talk()
    talk.feed({ kind: 'driver-connected' }, { kind: 'slot-ready', process: process(0) }, { kind: 'driver-lost' })
    const [message] = told(talk.feed({ kind: 'driver-connected' }), 'register')
    expect(message).toMatchObject({ processes: [process(0)] })
    expect(told(talk.hear(registered), 'slot-started')).toEqual([])
  })

  test('assignment: of a task that is still being let go → it is given to its slot once that has released it', () => {
    const talk = Talk.ready()
    expect(given(talk.hear(assign(1)))).toEqual(['p0 assign'])
    talk.hear(revoke)
    expect(given(talk.hear(assign(2)))).not.toContain('p0 assign')
    const after = talk.from('p0', 'released', 1)
    expect(told(after, 'released')).toEqual([{ kind: 'released', task, generation: generation(1) }])
    expect(after).toContainEqual({ kind: 'slot-command', slotId: slotId('p0'), command: { kind: 'assign', tasks: [{ task, generation: generation(2) }] } })
  })

  test('assignment: to another slot while the first still has the task → not before that has let it go', () => {
    const talk = Talk.ready()
    talk.hear(assign(1))
    expect(given(talk.hear(assign(2, 1)))).toEqual(['p0 revoke'])
    expect(given(talk.from('p0', 'released', 1))).toEqual(['p1 assign'])
  })

  test('assignment: waits for a task that is let go, and the slot dies → the slot that it was for gets it', () => {
    const talk = Talk.ready()
    talk.hear(assign(1))
    talk.hear(assign(2, 1))
    expect(given(talk.feed({ kind: 'slot-exited', slotId: slotId('p0'), slot: 0, reason: 'killed' }))).toEqual(['p1 assign'])
  })

  test('assignment: revoked while it waits → released at its own generation, and nobody gets it', () => {
    const talk = Talk.ready()
    talk.hear(assign(1))
    talk.hear(assign(2))
    expect(told(talk.hear(revoke), 'released')).toEqual([{ kind: 'released', task, generation: generation(2) }])
    expect(given(talk.from('p0', 'released', 1))).toEqual([])
  })

  test('ownership: a late word of an earlier generation takes nothing from the present one', () => {
    const talk = Talk.ready()
    talk.hear(assign(1), revoke)
    talk.from('p0', 'released', 1)
    talk.hear(assign(2))
    talk.from('p0', 'given-up', 1)
    expect(given(talk.hear(revoke))).toEqual(['p0 revoke'])
  })

  test('prepare: a fresh process binds, one that is ready says so again, one of another run is replaced', () => {
    const talk = Talk.ready()
    const bound = { kind: 'bind-slot', slotId: slotId('p0'), job: jobId('sales'), run: 1 }
    expect(talk.hear(prepare(1))).toEqual([bound])
    expect(talk.hear(prepare(1))).toEqual([])
    talk.feed({ kind: 'slot-event', slotId: slotId('p0'), event: { kind: 'session', transactionalId: transactionalId('t') } })
    expect(told(talk.hear(prepare(1)), 'session')).toEqual([{ kind: 'session', slot: 0, transactionalId: 't' }])
    expect(talk.hear(prepare(2))).toEqual([{ kind: 'kill-slot', slotId: slotId('p0'), reason: 'it gets another job' }])
  })

  test('prepare: and then a task comes → it goes straight to the bound process', () => {
    const talk = Talk.ready()
    talk.hear(prepare(1))
    expect(talk.hear(assign(1)).map(({ kind }) => kind)).toEqual(['slot-command'])
  })

  test('prepare: a slot that has a task, or waits for a process, is left alone', () => {
    const talk = Talk.ready()
    talk.hear(assign(1))
    expect(talk.hear(prepare(2))).toEqual([])
    const starting = new Talk()
    starting.feed({ kind: 'driver-connected' })
    starting.hear(registered, assign(1))
    expect(starting.hear(prepare(2))).toEqual([])
  })

  test('drain: the last task that waited for a process is taken back → the executor leaves', () => {
    const talk = new Talk()
    talk.feed({ kind: 'driver-connected' })
    talk.hear(registered, assign(1))
    talk.feed({ kind: 'drain' })
    expect(talk.hear(revoke).map((command) => command.kind)).toContain('exit')
  })

  describe('a slot that is stuck', () => {
    const work: SlotEvent = { kind: 'status', tasks: [] }
    const life: SlotEvent = { kind: 'log', heard: true, silentMs: 0 }
    const atWork = (): Talk => {
      const talk = Talk.ready()
      talk.hear(assign(1))
      talk.live(1_000, [work, life])
      return talk
    }

    test('it says nothing at all past its limit → killed, once, with the time', () => {
      const talk = atWork()
      expect(talk.live(4_750)).toEqual([])
      expect(talk.live(4_000)).toEqual([expect.stringMatching(/^stuck: it said nothing for 5250 ms/)])
    })

    test('it waits for a log or a store: its thread comes back, its work does not → it may wait for longer, and not for ever', () => {
      const talk = atWork()
      expect(talk.live(29_000, [life])).toEqual([])
      expect(talk.live(2_000, [life])).toEqual([expect.stringMatching(/^stuck: it lives, but its work did not go round for 30250 ms/)])
    })

    test('it has not begun to work: code of its bundle may take as long as work may', () => {
      const talk = Talk.ready()
      talk.hear(assign(1))
      expect(talk.live(29_000)).toEqual([])
      expect(talk.live(2_000)).toHaveLength(1)
    })

    test('the executor stood still, alone or with its machine → nobody is killed for what it did not hear, and the time before counts on', () => {
      const talk = atWork()
      for (let nap = 0; nap < 5; nap += 1) {
        expect(talk.live(3_600_000, [], 3_600_000)).toEqual([])
        expect(talk.live(3_000)).toEqual([])
        talk.live(250, [work, life])
      }
      talk.live(3_000)
      expect(talk.live(3_600_000, [], 3_600_000)).toEqual([])
      expect(talk.live(1_250)).toEqual([])
      expect(talk.live(500)).toHaveLength(1)
    })

    test('without a task nothing counts, and a task that comes then finds it fresh', () => {
      const talk = Talk.ready()
      expect(talk.live(60_000)).toEqual([])
      talk.hear(assign(1))
      expect(talk.live(5_000)).toEqual([])
    })
  })
})
