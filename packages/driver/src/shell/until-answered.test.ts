// Which errors are asked about again, and from when on.
import { expect, test } from '@jest/globals'
import { silentLogger, TidemarkError } from '@tidemark/base'
import { VirtualClock } from '@tidemark/testkit'
import { untilAnswered, untilKnown } from './until-answered.ts'

const away = new TidemarkError('away', { code: 'STORE_UNAVAILABLE', blame: 'environment', action: 'retry' })
const denied = new TidemarkError('denied', { code: 'STORE_DENIED', blame: 'environment', action: 'fail-job' })
const leaves = new TidemarkError('leaves', { code: 'DRIVER_LEAVES', blame: 'environment', action: 'exit' })
const replaced = ['DRIVER_REPLACED', 'DRIVER_NOT_LEADER'].map((code) => new TidemarkError('another leads', { code, blame: 'environment', action: 'retry' }))

/** Asks somebody who answers with these errors, one after the other, and then with yes: the answer, and the milliseconds that it took. */
const answer = async (ask: typeof untilAnswered, errors: readonly TidemarkError[], noWayBackAt = Infinity): Promise<readonly [string, number]> => {
  const clock = new VirtualClock()
  const left = [...errors]
  let tries = 0
  let answered = ''
  void ask({ clock, logger: silentLogger }, {}, async (noWayBack) => {
    tries += 1
    if (tries === noWayBackAt) noWayBack()
    const error = left.shift()
    if (error !== undefined) throw error
    return 'yes'
  }).then((value) => { answered = value }, (error: unknown) => { answered = error instanceof TidemarkError ? error.code : String(error) })
  await clock.advanceUntil('an answer', () => answered !== '', 60_000)
  return [answered, clock.monotonic()]
}

test('nobody answers → asked again every half second; any other error is the answer', async () => {
  expect(await answer(untilAnswered, [])).toEqual(['yes', 0])
  expect(await answer(untilAnswered, [away, away, away])).toEqual(['yes', 1_500])
  expect(await answer(untilAnswered, [away, denied])).toEqual(['STORE_DENIED', 500])
  expect(await answer(untilAnswered, [leaves])).toEqual(['DRIVER_LEAVES', 0])
})

test('there is no way back → any error is asked about again, also in the tries that follow; the process has to go → that is the answer', async () => {
  expect(await answer(untilAnswered, [away, denied, denied, away], 2)).toEqual(['yes', 2_000])
  expect(await answer(untilAnswered, [denied, denied], 2)).toEqual(['STORE_DENIED', 0])
  expect(await answer(untilAnswered, [denied, leaves], 1)).toEqual(['DRIVER_LEAVES', 500])
  const known: typeof untilAnswered = (ports, facts, body) => untilKnown(ports, facts, () => body(() => {}))
  expect(await answer(known, [denied, away, denied])).toEqual(['yes', 1_500])
  expect(await answer(known, [denied, leaves])).toEqual(['DRIVER_LEAVES', 500])
})

test('another leads → that is the answer, with a way back and without', async () => {
  for (const error of replaced) {
    expect(await answer(untilAnswered, [error])).toEqual([error.code, 0])
    expect(await answer(untilAnswered, [error], 1)).toEqual([error.code, 0])
  }
})
