// Which slot gets a task when messages cross: while it leaves and comes back, and while slots get ready.
import { describe, expect, test } from '@jest/globals'
import { jobId, slotId, transactionalId } from '@tidemark/base'
import { assign, generation, given, prepare, process, registered, revoke, Talk, task, told } from './talk.sample.ts'

describe('assignments', () => {
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

  test('prepare: a slot that lets its tasks go, as of a run that is over → behind the last of them, once', () => {
    const talk = Talk.ready()
    talk.hear(assign(1), { kind: 'revoke', epoch: 1, tasks: [task], reason: 'stop' })
    expect(talk.hear(prepare(2))).toEqual([])
    const kill = { kind: 'kill-slot', slotId: slotId('p0'), reason: 'it gets another job' }
    expect(talk.from('p0', 'released', 1)).toContainEqual(kill)
    talk.feed({ kind: 'slot-exited', slotId: slotId('p0'), slot: 0, reason: 'killed' })
    expect(talk.feed({ kind: 'slot-ready', process: process(0, 'p2') }).map(({ kind }) => kind)).toEqual(['send'])
    expect(talk.hear(prepare(2))).toEqual([{ kind: 'bind-slot', slotId: slotId('p2'), job: jobId('sales'), run: 2 }])
  })

  test('prepare: told while it has a task, and then it gets another → it works on', () => {
    const talk = Talk.ready()
    talk.hear(assign(1), prepare(2), revoke, assign(2))
    expect(given(talk.from('p0', 'released', 1))).toEqual(['p0 assign'])
    expect(talk.from('p0', 'released', 2).map(({ kind }) => kind)).toEqual(['send'])
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
})
