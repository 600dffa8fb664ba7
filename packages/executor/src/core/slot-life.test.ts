// When a slot counts as stuck, and when it does not although it says nothing.
import { describe, expect, test } from '@jest/globals'
import type { SlotEvent } from '@tidemark/runtime'
import { assign, Talk } from './talk.sample.ts'

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

  test('it waits for its bundle because the store is away: left alone for as long as it says so, and code of the bundle may take as long as ever then', () => {
    const talk = Talk.ready()
    talk.hear(assign(1))
    expect(talk.live(600_000, [life, { kind: 'waits', waitingFor: 'the object store' }])).toEqual([])
    expect(talk.live(29_000)).toEqual([])
    expect(talk.live(2_000)).toHaveLength(1)
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
