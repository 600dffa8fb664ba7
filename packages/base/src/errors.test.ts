// What a person is told of an error: each thing once, whoever wrapped it.
import { describe, expect, test } from '@jest/globals'
import { describeError, TidemarkError } from './errors.ts'

const known = (message: string, cause?: unknown, hint?: string): TidemarkError =>
  new TidemarkError(message, { code: 'LOG_UNAVAILABLE', blame: 'environment', action: 'retry', ...cause === undefined ? {} : { cause }, ...hint === undefined ? {} : { hint } })

describe('errors, described', () => {
  test('errors, causes that say something else → each behind the one it caused, with its hint', () => {
    expect(describeError(known('topic a ends at 10', known('position 40 is outside', new Error('1')), 'Choose.'))).toBe('LOG_UNAVAILABLE: topic a ends at 10\n  Choose.\nbecause: LOG_UNAVAILABLE: position 40 is outside\nbecause: 1')
    expect(describeError(new Error('a', { cause: 'b' }))).toBe('a\nbecause: b')
  })

  test.each([
    ['in brackets', 'nobody answers (connect: refused)', 'connect: refused'],
    ['behind a colon', 'map n1, orders/0 offset 3: boom', 'boom'],
    ['before its place', 'boom (map n1, orders/0 offset 3)', 'boom'],
    ['as it is', 'boom', 'boom'],
  ])('errors, a cause that the message has said already, %s → not told again, what caused it is', (_where, message, repeated) => {
    expect(describeError(known(message, known(repeated, new Error('the reason'), 'Look.'), 'Look.'))).toBe(`LOG_UNAVAILABLE: ${message}\n  Look.\nbecause: the reason`)
    expect(describeError(known(message, new Error(repeated)))).toBe(`LOG_UNAVAILABLE: ${message}`)
  })

  test('errors, a repeated cause that advises something of its own → told', () => {
    expect(describeError(known('open: boom', known('boom', undefined, 'Look at b.'), 'Look at a.'))).toBe('LOG_UNAVAILABLE: open: boom\n  Look at a.\nbecause: LOG_UNAVAILABLE: boom\n  Look at b.')
  })

  test('errors that cause each other → it ends', () => {
    const [one, two]: Error[] = [new Error('one'), new Error('two')]
    if (one === undefined || two === undefined) throw new Error('both are there')
    one.cause = two
    two.cause = one
    expect(describeError(one).split('\n')).toHaveLength(11)
    const itself = new Error('itself')
    itself.cause = itself
    expect(describeError(itself)).toBe('itself')
  })
})
