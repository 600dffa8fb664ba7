// Tables and facts line up, coloured or not.
import { describe, expect, test } from '@jest/globals'
import { facts, table } from './table.ts'
import { ago, eventTime, number, plural, timeOfDay } from './values.ts'

describe('format', () => {
  test('table, left and right columns, a coloured cell, a missing one → aligned by what is seen', () => {
    expect(table([{ title: 'name' }, { title: 'n', align: 'right' }, { title: 'why' }], [['a', '1,000', '\u001B[31mred\u001B[39m'], ['long name', '7']])).toEqual([
      'name           n  why', 'a          1,000  \u001B[31mred\u001B[39m', 'long name      7',
    ])
    expect(facts([['a', '1'], ['long', '2']])).toEqual(['a     1', 'long  2'])
  })

  test('values → as people read them', () => {
    expect([number(1_234_567), plural(1, 'batch', 'batches'), plural(2_000, 'batch', 'batches'), ago(1_000, 9_500), ago(2, 1)]).toEqual(['1,234,567', '1 batch', '2,000 batches', '8.5 s ago', '0 ms ago'])
    expect(timeOfDay(1_700_000_000_007)).toMatch(/^\d\d:\d\d:\d\d\.007$/)
    expect([eventTime(1_700_000_000_000), eventTime(Number.MAX_SAFE_INTEGER)]).toEqual(['2023-11-14 22:13:20Z', String(Number.MAX_SAFE_INTEGER)])
  })
})
