import { describe, expect, test } from '@jest/globals'
import { realClock, TidemarkError } from '@tidemark/base'
import { EVENT, fakeJobs } from '../test-context.ts'
import { executorsJoined } from './joined.ts'

const joined = { ...EVENT, event: 'executor.joined' }

describe('executors joined', () => {
  test('executors joined, a driver that listens and does not lead yet → asked again until it does', async () => {
    let asked = 0
    const jobs = fakeJobs({
      async *watchEvents () {
        asked += 1
        if (asked < 3) throw new TidemarkError('no driver leads yet', { code: 'DRIVER_NOT_LEADER', blame: 'environment', action: 'retry' })
        yield joined
        yield joined
      },
    })
    await executorsJoined(jobs, 2, realClock, new AbortController().signal)
    expect(asked).toBe(3)
  })

  test('executors joined, any other error → told at once', async () => {
    let asked = 0
    const jobs = fakeJobs({
      async *watchEvents () {
        asked += 1
        yield joined
        throw new TidemarkError('gone', { code: 'WIRE_UNAVAILABLE', blame: 'environment', action: 'retry' })
      },
    })
    await expect(executorsJoined(jobs, 2, realClock, new AbortController().signal)).rejects.toMatchObject({ code: 'WIRE_UNAVAILABLE' })
    expect(asked).toBe(1)
  })
})
