// What an executor tells a driver while it registers.
import { describe, expect, test } from '@jest/globals'
import { process, registered, Talk, told } from './talk.sample.ts'

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
})
