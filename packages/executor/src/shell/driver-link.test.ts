// The link to whichever driver leads, on virtual time.
import { expect, test } from '@jest/globals'
import { silentLogger } from '@tidemark/base'
import { VirtualClock } from '@tidemark/testkit'
import type { DriverMessage, ExecutorStream } from '@tidemark/wire'
import { DriverLink } from './driver-link.ts'

interface Asked {
  readonly address: string
  readonly at: number
  closed: boolean
  answer: (message: DriverMessage) => void
}

const setUp = (drivers: readonly string[]) => {
  const clock = new VirtualClock()
  const asked: Asked[] = []
  const connect = (address: string): ExecutorStream => {
    const one: Asked = { address, at: clock.monotonic(), closed: false, answer: () => {} }
    asked.push(one)
    return { peer: address, send: () => {}, onMessage: (handler) => { one.answer = handler }, onClose: () => {}, close: () => { one.closed = true } }
  }
  const lost: number[] = []
  const link: DriverLink = new DriverLink({ drivers, connect, clock, logger: silentLogger, onConnected: () => {}, onLost: () => void lost.push(clock.monotonic()), onMessage: (message) => {
    if (message.kind === 'not-leader') link.follow(message.leader)
  } })
  link.connect()
  return { clock, asked, lost }
}
const registered: DriverMessage = { kind: 'registered', driver: 'd', epoch: 1, heartbeatIntervalMs: 250, heartbeatTimeoutMs: 2_000 }

test('the first of the list hangs, the second does not lead yet and points to it → the second is asked until it leads', async () => {
  const { clock, asked } = setUp(['hung:1', 'b:1'])
  await clock.advance(2_200)
  for (let i = 1; i < 4; i += 1) {
    expect(asked[i]?.address).toBe('b:1')
    asked[i]?.answer(i < 3 ? { kind: 'not-leader', leader: 'hung:1' } : registered)
    await clock.advance(900)
  }
  expect(asked).toHaveLength(4)
})

test('the only driver hangs → it is asked again', async () => {
  const { clock, asked } = setUp(['hung:1'])
  await clock.advance(10_000)
  expect(asked.length).toBeGreaterThan(2)
})

test('a driver is pointed to that hangs → it is left after two seconds, and the list is asked again', async () => {
  const { clock, asked, lost } = setUp(['a:1', 'b:1'])
  asked[0]?.answer({ kind: 'not-leader', leader: 'hung:1' })
  await clock.advance(100)
  expect(asked.map(({ address }) => address)).toEqual(['a:1', 'hung:1'])
  await clock.advance(2_500)
  expect(asked.map(({ address }) => address)).toEqual(['a:1', 'hung:1', 'b:1'])
  expect(asked[1]?.closed).toBe(true)
  asked[2]?.answer(registered)
  await clock.advance(60_000)
  expect(asked).toHaveLength(3)
  expect(lost).toHaveLength(2)
})
