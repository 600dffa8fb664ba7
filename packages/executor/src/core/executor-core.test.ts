// When an executor that is to go has nothing left to hand over.
import { describe, expect, test } from '@jest/globals'
import { assign, registered, revoke, Talk } from './talk.sample.ts'

describe('executor core', () => {
  test('drain: the last task that waited for a process is taken back → the executor leaves', () => {
    const talk = new Talk()
    talk.feed({ kind: 'driver-connected' })
    talk.hear(registered, assign(1))
    talk.feed({ kind: 'drain' })
    expect(talk.hear(revoke).map((command) => command.kind)).toContain('exit')
  })
})
