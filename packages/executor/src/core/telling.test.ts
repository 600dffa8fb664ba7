// What an executor tells a driver while it registers.
import { describe, expect, test } from '@jest/globals'
import { slotId } from '@tidemark/base'
import type { SlotEvent } from '@tidemark/runtime'
import { assign, generation, prepare, process, registered, Talk, task, told } from './talk.sample.ts'

describe('telling the driver', () => {
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

  test('heartbeat: a slot waits for its bundle → its task says what for, as it was given last; no more once the slot has begun, or is another process', () => {
    const talk = Talk.ready()
    const statuses = (): unknown[] => told(talk.feed({ kind: 'tick' }), 'heartbeat').flatMap((beat) => (beat.kind === 'heartbeat' ? beat.tasks : []))
    const says = (event: SlotEvent): void => void talk.feed({ kind: 'slot-event', slotId: slotId('p0'), event })
    talk.hear(prepare(1))
    says({ kind: 'waits', waitingFor: 'the object store does not answer for its bundle' })
    expect(statuses()).toEqual([])
    talk.hear(assign(1))
    const waiting = { task, generation: generation(1), phase: 'taking-over', waitingFor: 'the object store does not answer for its bundle' }
    expect(statuses()).toEqual([expect.objectContaining(waiting)])
    says({ kind: 'waits', waitingFor: 'store unreachable: away' })
    talk.hear(assign(2))
    expect(statuses()).toEqual([expect.objectContaining({ ...waiting, generation: generation(2), waitingFor: 'store unreachable: away' })])
    says({ kind: 'status', tasks: [] })
    expect(statuses()).toEqual([])
    says({ kind: 'waits', waitingFor: 'store unreachable: away' })
    talk.feed({ kind: 'slot-exited', slotId: slotId('p0'), slot: 0, reason: 'killed' }, { kind: 'slot-ready', process: process(0, 'p2') })
    talk.hear(assign(3))
    expect(statuses()).toEqual([])
  })
})
